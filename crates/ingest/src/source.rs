//! What to read: paths, globs, directories, standard input, any reader.
