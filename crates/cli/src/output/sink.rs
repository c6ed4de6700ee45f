//! Where bytes go.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;

use super::Format;
use crate::failure::failure;
use crate::terminal::Terminal;

/// Standard output or a file.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// Standard output.
    Stdout,
    /// A file, replaced if it exists.
    File(PathBuf),
}

impl Target {
    /// The file if one was named, else standard output.
    pub(crate) fn new(out: Option<PathBuf>) -> Self {
        out.map_or(Self::Stdout, Self::File)
    }

    /// Refuses to show binary data on a terminal.
    pub(crate) fn check(&self, format: Format, terminal: Terminal) -> anyhow::Result<()> {
        match self {
            Self::Stdout if format.is_binary() && terminal.stdout => Err(failure(
                "this format is binary and would only garble the terminal",
                "name a file with --out FILE, or pipe the output into one",
            )),
            Self::Stdout | Self::File(_) => Ok(()),
        }
    }

    /// Opens it for writing.
    pub(crate) fn open(&self) -> anyhow::Result<Sink> {
        let writer: Box<dyn Write + Send> = match self {
            Self::Stdout => Box::new(io::stdout()),
            Self::File(path) => Box::new(
                File::create(path).with_context(|| format!("cannot create the file {}", path.display()))?,
            ),
        };
        Ok(Sink { writer: BufWriter::with_capacity(1 << 16, writer), broken: Arc::default() })
    }

    /// What is to be done when writing failed: a file that was begun is removed, and a reader who
    /// went away is found even where the error no longer says so.
    pub(crate) fn abandon(&self, error: anyhow::Error, watch: &Watch) -> anyhow::Error {
        if watch.0.load(Ordering::Relaxed) {
            return io::Error::from(io::ErrorKind::BrokenPipe).into();
        }
        if let Self::File(path) = self
            && path.is_file()
        {
            let _ = std::fs::remove_file(path);
        }
        error
    }
}

/// Buffered bytes to a [`Target`].
pub(crate) struct Sink {
    writer: BufWriter<Box<dyn Write + Send>>,
    broken: Arc<AtomicBool>,
}

/// Knows whether the reader of a [`Sink`] went away, when the sink itself is gone.
#[derive(Debug)]
pub(crate) struct Watch(Arc<AtomicBool>);

impl Sink {
    /// Its watch.
    pub(crate) fn watch(&self) -> Watch {
        Watch(Arc::clone(&self.broken))
    }

    fn watched<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
            self.broken.store(true, Ordering::Relaxed);
        }
        result
    }
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sink").field("broken", &self.broken).finish_non_exhaustive()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.writer.write(bytes);
        self.watched(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.writer.flush();
        self.watched(flushed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::Paint;

    #[test]
    fn binary_formats_are_kept_from_a_terminal() {
        let terminal =
            |stdout| Terminal { stdin: true, stdout, stderr: true, out: Paint(false), err: Paint(false) };
        let file = Target::File("x".into());
        for format in [Format::Parquet, Format::Arrow] {
            assert!(Target::Stdout.check(format, terminal(true)).is_err());
            assert!(Target::Stdout.check(format, terminal(false)).is_ok());
            assert!(file.check(format, terminal(true)).is_ok());
        }
        assert!(Target::Stdout.check(Format::Csv, terminal(true)).is_ok());
    }

    #[test]
    fn a_reader_who_went_away_is_remembered() {
        let target = Target::Stdout;
        let sink = Sink { writer: BufWriter::with_capacity(1, Box::new(Gone)), broken: Arc::default() };
        let watch = sink.watch();
        let mut sink = sink;
        assert!(sink.write_all(b"text").is_err());
        let error = target.abandon(anyhow::anyhow!("cannot write CSV"), &watch);
        assert!(crate::failure::is_broken_pipe(&error));
    }

    struct Gone;

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}
