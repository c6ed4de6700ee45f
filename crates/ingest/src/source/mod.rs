//! What to read: paths, globs, directories, standard input, any reader.
//!
//! 1. [`expand`]: inputs as asked for → a list of [`InputFile`]s in a fixed order, each recognised
//!    by its content; the name decides only where the content leaves doubt.
//! 2. [`InputFile::open`]: a stream of decompressed text, for [`crate::BlockReader`].
//! 3. [`InputFile::read_rows`]: the rows of a table (CSV, Parquet) as records.

mod document;

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::compression::{Compression, decompress};
use crate::csv_input::read_csv;
use crate::frame::{byte_order_mark, other_encoding};
use crate::parquet_input::read_parquet;
use crate::{ColumnMapping, Error, ParseOptions, Record, Rejection, Result};

/// How much of a stream is read to recognise what it is: more than the largest block of zstd, so
/// that something can be decompressed of it.
const LOOK_AHEAD_BYTES: usize = 256 << 10;
/// How many lines of text are looked at.
const LOOK_AHEAD_LINES: usize = 16;
/// Endings of the files that are read of a directory, a compression's ending removed.
const ENDINGS: [&str; 5] = ["json", "ndjson", "jsonl", "csv", "parquet"];
const COMPRESSION_ENDINGS: [&str; 3] = ["gz", "zst", "zstd"];

/// Something to read, as it was asked for.
pub enum Input {
    /// A file, a directory (read recursively) or, where no such file exists, a glob pattern.
    Path(PathBuf),
    /// Standard input.
    Stdin,
    /// Any stream.
    Reader {
        /// What to call it in messages; an ending such as `.csv` helps where content leaves doubt.
        name: String,
        /// The stream.
        reader: Box<dyn Read + Send>,
    },
}

impl Input {
    /// An input as named on a command line: `-` is standard input.
    pub fn from_argument(argument: &str) -> Self {
        if argument == "-" { Self::Stdin } else { Self::Path(argument.into()) }
    }

    /// A stream with a name.
    pub fn from_reader(name: impl Into<String>, reader: impl Read + Send + 'static) -> Self {
        Self::Reader { name: name.into(), reader: Box::new(reader) }
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => f.debug_tuple("Path").field(path).finish(),
            Self::Stdin => f.write_str("Stdin"),
            Self::Reader { name, reader: _ } => f.debug_tuple("Reader").field(name).finish(),
        }
    }
}

/// The files inputs stand for.
#[derive(Debug, Default)]
pub struct InputFiles {
    /// What to read: in the order of the inputs, those of a directory or pattern by path.
    pub files: Vec<InputFile>,
    /// What was passed over in directories.
    pub skipped: Vec<Skipped>,
}

/// A file that was passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub reason: &'static str,
}

/// What an input holds, recognised by content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputKind {
    /// JSON text of any framing, compressed or not: [`InputFile::open`].
    Json,
    /// CSV text, compressed or not: [`InputFile::read_rows`].
    Csv,
    /// Parquet: [`InputFile::read_rows`].
    Parquet,
}

/// One stream to read, its kind known.
#[derive(Debug)]
pub struct InputFile {
    name: String,
    kind: InputKind,
    bytes: Option<u64>,
    origin: Origin,
    /// Whether it is a JSON document that is no record of ours, by its beginning.
    is_other_document: bool,
}

enum Origin {
    Path(PathBuf),
    /// Can be read once.
    Stream(Mutex<Option<Box<dyn Read + Send>>>),
    /// A copy of a stream that has to be read at any place.
    Copy(File),
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Path(_) => "Path",
            Self::Stream(_) => "Stream",
            Self::Copy(_) => "Copy",
        })
    }
}

/// Takes the rows of a table one by one, each a record or its refusal; `false` ends the reading.
pub type RowSink<'s> = dyn FnMut(Result<Record<'_>, Rejection>) -> bool + 's;

/// Lists the files that inputs stand for.
///
/// # Errors
/// [`Error::NotFound`] for a path or pattern that names nothing, [`Error::NothingToRead`] for a
/// directory without a file of a known ending, [`Error::Pattern`], [`Error::Open`] and
/// [`Error::Read`]; [`Error::Unsupported`] for archives and formats that are not read and
/// [`Error::Encoding`] for UTF-16 and UTF-32, both with what to do about it.
pub fn expand(inputs: impl IntoIterator<Item = Input>) -> Result<InputFiles> {
    let mut found = InputFiles::default();
    for input in inputs {
        match input {
            Input::Path(path) => expand_path(path, &mut found)?,
            Input::Stdin => {
                found.files.push(InputFile::stream("standard input".to_owned(), Box::new(io::stdin()))?);
            }
            Input::Reader { name, reader } => found.files.push(InputFile::stream(name, reader)?),
        }
    }
    Ok(found)
}

fn expand_path(path: PathBuf, found: &mut InputFiles) -> Result<()> {
    let matches = match std::fs::metadata(&path) {
        Ok(metadata) => return add_path(path, &metadata, found),
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(Error::Open { name: path.display().to_string(), source: error });
        }
        Err(_) => match path.to_str() {
            Some(pattern) if pattern.contains(['*', '?', '[']) => glob::glob(pattern)
                .map_err(|source| Error::Pattern { pattern: pattern.to_owned(), source })?,
            _ => return Err(Error::NotFound { path }),
        },
    };
    let mut any = false;
    // In alphabetical order already.
    for path in matches {
        let path = path.map_err(|error| Error::Open {
            name: error.path().display().to_string(),
            source: error.into(),
        })?;
        any = true;
        let metadata = metadata(&path)?;
        add_path(path, &metadata, found)?;
    }
    if any { Ok(()) } else { Err(Error::NotFound { path }) }
}

fn add_path(path: PathBuf, metadata: &std::fs::Metadata, found: &mut InputFiles) -> Result<()> {
    if !metadata.is_dir() {
        found.files.push(InputFile::at_path(path, metadata)?);
        return Ok(());
    }
    let before = found.files.len();
    add_directory(&path, found)?;
    if found.files.len() == before { Err(Error::NothingToRead { path }) } else { Ok(()) }
}

fn add_directory(directory: &Path, found: &mut InputFiles) -> Result<()> {
    let open_error = |source| Error::Open { name: directory.display().to_string(), source };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(open_error)? {
        paths.push(entry.map_err(open_error)?.path());
    }
    paths.sort();
    for path in paths {
        let skip = |reason| Skipped { path: path.clone(), reason };
        let is_link = std::fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_symlink());
        let Ok(metadata) = std::fs::metadata(&path) else {
            found.skipped.push(skip("a link that leads nowhere"));
            continue;
        };
        if path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")) {
            found.skipped.push(skip("hidden"));
        } else if metadata.is_dir() && is_link {
            // Following it might never end.
            found.skipped.push(skip("a link to a directory"));
        } else if metadata.is_dir() {
            add_directory(&path, found)?;
        } else if has_known_ending(&path) {
            let file = InputFile::at_path(path.clone(), &metadata)?;
            if file.is_other_document {
                found.skipped.push(skip(
                    "a JSON document that is no event or profile update; name the file to have it read",
                ));
            } else {
                found.files.push(file);
            }
        } else {
            found
                .skipped
                .push(skip("not named like a file of events (.json, .ndjson, .jsonl, .csv, .parquet)"));
        }
    }
    Ok(())
}

fn metadata(path: &Path) -> Result<std::fs::Metadata> {
    std::fs::metadata(path).map_err(|source| Error::Open { name: path.display().to_string(), source })
}

fn has_known_ending(path: &Path) -> bool {
    ending(&path.to_string_lossy()).is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

/// The ending of a file name in lower case, that of a compression removed.
fn ending(name: &str) -> Option<String> {
    let name = name.to_ascii_lowercase();
    let name = COMPRESSION_ENDINGS
        .iter()
        .find_map(|compression| name.strip_suffix(compression)?.strip_suffix('.'))
        .unwrap_or(&name);
    name.rsplit_once('.').map(|(_, ending)| ending.to_owned())
}

impl InputFile {
    /// A file, or a pipe with a name in the file system.
    fn at_path(path: PathBuf, metadata: &std::fs::Metadata) -> Result<Self> {
        let name = path.display().to_string();
        let open_error = |source| Error::Open { name: name.clone(), source };
        let mut file = File::open(&path).map_err(open_error)?;
        if !metadata.is_file() {
            return Self::stream(name, Box::new(file));
        }
        let mut prefix = Vec::new();
        file.by_ref()
            .take(LOOK_AHEAD_BYTES as u64)
            .read_to_end(&mut prefix)
            .map_err(|source| Error::Read { name: name.clone(), source })?;
        let recognised = recognise(&name, &prefix)?;
        let origin = match recognised.kind {
            InputKind::Parquet if recognised.compression != Compression::None => {
                file.rewind().map_err(|source| Error::Read { name: name.clone(), source })?;
                Origin::Copy(copy(&name, file, recognised.compression)?)
            }
            InputKind::Json | InputKind::Csv | InputKind::Parquet => Origin::Path(path),
        };
        let (kind, is_other_document) = (recognised.kind, recognised.is_other_document);
        Ok(Self { name, kind, bytes: Some(metadata.len()), origin, is_other_document })
    }

    fn stream(name: String, reader: Box<dyn Read + Send>) -> Result<Self> {
        let peeked = Peeked::new(reader);
        let recognised = recognise(&name, &peeked.prefix)?;
        let origin = match recognised.kind {
            InputKind::Parquet => Origin::Copy(copy(&name, peeked, recognised.compression)?),
            InputKind::Json | InputKind::Csv => Origin::Stream(Mutex::new(Some(Box::new(peeked)))),
        };
        let (kind, is_other_document) = (recognised.kind, recognised.is_other_document);
        Ok(Self { name, kind, bytes: None, origin, is_other_document })
    }

    /// What it is called in messages: the path as given, or the name of the stream.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it holds.
    pub fn kind(&self) -> InputKind {
        self.kind
    }

    /// Its size as stored (compressed); `None` for streams.
    pub fn bytes(&self) -> Option<u64> {
        self.bytes
    }

    /// Opens JSON or CSV for reading: decompressed text, in bounded memory. Bytes read, as stored,
    /// are added to `counter`. A stream can be opened once.
    ///
    /// # Errors
    /// [`Error::Open`]. Reading a damaged stream gives a [`crate::DamagedStream`] within an
    /// [`io::Error`], after everything before the damage.
    pub fn open(&self, counter: Arc<AtomicU64>) -> Result<Box<dyn Read + Send>> {
        let open_error = |source| Error::Open { name: self.name.clone(), source };
        let raw: Box<dyn Read + Send> = match &self.origin {
            Origin::Path(path) => Box::new(File::open(path).map_err(open_error)?),
            Origin::Copy(file) => Box::new(file.try_clone().map_err(open_error)?),
            Origin::Stream(stream) => {
                let taken = stream.lock().ok().and_then(|mut stream| stream.take());
                taken.ok_or_else(|| open_error(io::Error::other("this stream was read already")))?
            }
        };
        let raw = Peeked::new(Counted { inner: raw, counter });
        let compression = Compression::of(&raw.prefix);
        decompress(raw, compression).map_err(open_error)
    }

    /// Reads the rows of a CSV or Parquet input and gives each to `sink`, in order.
    ///
    /// # Errors
    /// [`Error::Column`] when a column that is needed is not there; then no row is given. Errors of
    /// reading, after the rows before them.
    pub fn read_rows(
        &self,
        mapping: &ColumnMapping,
        options: &ParseOptions,
        counter: Arc<AtomicU64>,
        sink: &mut RowSink<'_>,
    ) -> Result<()> {
        if self.kind != InputKind::Parquet {
            return read_csv(&self.name, self.open(counter)?, mapping, options, sink);
        }
        read_parquet(&self.name, self.parquet()?, mapping, options, &counter, sink)
    }

    /// The Parquet file.
    pub(crate) fn parquet(&self) -> Result<File> {
        let file = match &self.origin {
            Origin::Path(path) => File::open(path),
            Origin::Copy(file) => file.try_clone(),
            Origin::Stream(_) => Err(io::Error::other("Parquet cannot be read from a stream")),
        };
        file.map_err(|source| Error::Open { name: self.name.clone(), source })
    }
}

/// What the beginning of an input tells.
struct Recognised {
    kind: InputKind,
    compression: Compression,
    is_other_document: bool,
}

/// Recognises an input by its first bytes.
fn recognise(name: &str, prefix: &[u8]) -> Result<Recognised> {
    refuse_unsupported(name, prefix)?;
    let compression = Compression::of(prefix);
    let mut text = Vec::new();
    if compression == Compression::None {
        text.extend_from_slice(prefix);
    } else if let Ok(reader) = decompress(io::Cursor::new(prefix.to_vec()), compression) {
        // The prefix may end anywhere in the stream; damage is reported when it is read.
        let _ = reader.take(LOOK_AHEAD_BYTES as u64).read_to_end(&mut text);
        refuse_unsupported(name, &text)?;
        if Compression::of(&text) != Compression::None {
            let advice = "decompress it once and try again";
            return Err(Error::Unsupported { name: name.to_owned(), format: "compressed twice", advice });
        }
    }
    if let Some(encoding) = other_encoding(&text) {
        return Err(Error::Encoding { name: name.to_owned(), encoding });
    }
    let kind = match text.as_slice() {
        [b'P', b'A', b'R', b'1', ..] => InputKind::Parquet,
        [] if compression != Compression::None && ending(name).as_deref() == Some("csv") => InputKind::Csv,
        text if is_csv(text, name) => InputKind::Csv,
        _ => InputKind::Json,
    };
    let is_other_document = kind == InputKind::Json && document::is_other_document(&text);
    Ok(Recognised { kind, compression, is_other_document })
}

/// A copy of a stream that can be read at any place, in a temporary file without a name.
fn copy(name: &str, reader: impl Read + Send + 'static, compression: Compression) -> Result<File> {
    let copied = decompress(reader, compression).and_then(|mut reader| {
        let mut file = tempfile::tempfile()?;
        io::copy(&mut reader, &mut file)?;
        file.rewind()?;
        Ok(file)
    });
    copied.map_err(|source| Error::Read { name: name.to_owned(), source })
}

/// Refuses what is recognised and not read.
fn refuse_unsupported(name: &str, prefix: &[u8]) -> Result<()> {
    let (format, advice) = match prefix {
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => {
            ("a zip archive", "unpack it and give the files in it")
        }
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => {
            ("compressed with bzip2", "decompress it, or use gzip or zstd")
        }
        [0xFD, b'7', b'z', b'X', b'Z', 0, ..] => ("compressed with xz", "decompress it, or use gzip or zstd"),
        [b'7', b'z', 0xBC, 0xAF, ..] => ("a 7z archive", "unpack it and give the files in it"),
        [0x04, 0x22, 0x4D, 0x18, ..] => ("compressed with lz4", "decompress it, or use gzip or zstd"),
        [b'A', b'R', b'R', b'O', b'W', b'1', ..] => ("an Arrow file", "convert it to Parquet or NDJSON"),
        [b'O', b'b', b'j', 1, ..] => ("an Avro file", "convert it to Parquet or NDJSON"),
        [b'O', b'R', b'C', ..] => ("an ORC file", "convert it to Parquet or NDJSON"),
        prefix if prefix.get(257..262) == Some(b"ustar") => {
            ("a tar archive", "unpack it and give the files in it")
        }
        _ => return Ok(()),
    };
    Err(Error::Unsupported { name: name.to_owned(), format, advice })
}

/// Whether text is CSV: what does not begin like JSON, is named `.csv` or has a delimiter in its
/// first line, and has no line near its beginning that is a JSON object.
fn is_csv(prefix: &[u8], name: &str) -> bool {
    let text = prefix[byte_order_mark(prefix)..].trim_ascii_start();
    if matches!(text.first(), None | Some(b'{' | b'[')) {
        return false;
    }
    let mut lines = text.split(|&byte| byte == b'\n').take(LOOK_AHEAD_LINES);
    if lines.clone().any(|line| line.trim_ascii_start().starts_with(b"{")) {
        return false;
    }
    ending(name).as_deref() == Some("csv")
        || lines.next().is_some_and(|header| header.iter().any(|byte| b",;\t|".contains(byte)))
}

/// Counts what is read of a stream.
struct Counted<R> {
    inner: R,
    counter: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.counter.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// A stream whose beginning was looked at, and comes again.
struct Peeked<R> {
    prefix: Vec<u8>,
    given: usize,
    /// What went wrong while looking, reported once the prefix is given out.
    failure: Option<io::Error>,
    inner: R,
}

impl<R: Read> Peeked<R> {
    fn new(mut inner: R) -> Self {
        let mut prefix = Vec::new();
        let failure = inner.by_ref().take(LOOK_AHEAD_BYTES as u64).read_to_end(&mut prefix).err();
        Self { prefix, given: 0, failure, inner }
    }
}

impl<R: Read> Read for Peeked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = &self.prefix[self.given..];
        if !rest.is_empty() {
            let bytes = rest.len().min(buffer.len());
            buffer[..bytes].copy_from_slice(&rest[..bytes]);
            self.given += bytes;
            return Ok(bytes);
        }
        match self.failure.take() {
            Some(failure) => Err(failure),
            None => self.inner.read(buffer),
        }
    }
}

#[cfg(test)]
mod tests;
