//! Compressed input, recognised by its first bytes and decompressed as a stream.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;
use zstd::stream::read::Decoder as ZstdDecoder;

/// The largest window a zstd stream may ask for: 128 MiB, what `zstd` itself makes at most unless
/// told otherwise.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// How an input is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, of one or several members.
    Gzip,
    /// zstd, of one or several frames.
    Zstd,
}

impl Compression {
    /// Recognises a compression by the first four bytes of the stream.
    pub fn of(prefix: &[u8]) -> Self {
        match prefix {
            [0x1F, 0x8B, ..] => Self::Gzip,
            // A frame, or one of the frames a decoder skips.
            [0x28, 0xB5, 0x2F, 0xFD, ..] | [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => Self::Zstd,
            _ => Self::None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::None => "plain",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// A compressed stream that cannot be decompressed any further. Comes as the inner error of an
/// [`io::Error`].
#[derive(Debug, thiserror::Error)]
#[error("the {} data is {} at byte {compressed_bytes}, after {text_bytes} bytes of text", compression.name(), if *cut_off { "cut off" } else { "damaged" })]
pub struct DamagedStream {
    /// How the stream is compressed.
    pub compression: Compression,
    /// Whether it simply ends too early.
    pub cut_off: bool,
    /// About where in the compressed stream.
    pub compressed_bytes: u64,
    /// How much text came out before.
    pub text_bytes: u64,
    /// What the decoder says.
    pub source: io::Error,
}

/// Decompresses a stream in bounded memory.
///
/// All members of a gzip stream and all frames of a zstd stream follow one another; zero bytes
/// after the last gzip member, as tapes and block devices leave them, are ignored.
///
/// # Errors
/// Reading gives a [`DamagedStream`] inside an [`io::Error`] where the stream is damaged or cut
/// off, after everything that came before.
pub(crate) fn decompress<R: Read + Send + 'static>(
    reader: R,
    compression: Compression,
) -> io::Result<Box<dyn Read + Send>> {
    let reader = Consumed { inner: io::BufReader::with_capacity(256 << 10, reader), bytes: 0 };
    Ok(match compression {
        Compression::None => Box::new(reader.inner),
        Compression::Gzip => {
            Box::new(Gunzip { state: GzipState::Between(reader), members: 0, text_bytes: 0 })
        }
        Compression::Zstd => {
            let mut decoder = ZstdDecoder::with_buffer(reader)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            Box::new(Unzstd { decoder, text_bytes: 0 })
        }
    })
}

/// Counts what a decoder has taken.
struct Consumed<R> {
    inner: R,
    bytes: u64,
}

impl<R: BufRead> Read for Consumed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.bytes += read as u64;
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Consumed<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        self.inner.consume(bytes);
    }
}

struct Gunzip<R> {
    state: GzipState<R>,
    members: u64,
    text_bytes: u64,
}

enum GzipState<R> {
    /// Before the first member, or after one.
    Between(Consumed<R>),
    Member(Box<GzDecoder<Consumed<R>>>),
    Done,
}

impl<R: BufRead> Read for Gunzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match std::mem::replace(&mut self.state, GzipState::Done) {
                GzipState::Done => return Ok(0),
                GzipState::Member(mut decoder) => {
                    let read = match decoder.read(buffer) {
                        Ok(read) => read,
                        Err(error) => {
                            let bytes = decoder.get_ref().bytes;
                            if error.kind() == io::ErrorKind::Interrupted {
                                self.state = GzipState::Member(decoder);
                            }
                            return Err(damaged(Compression::Gzip, bytes, self.text_bytes, error));
                        }
                    };
                    if read > 0 {
                        self.text_bytes += read as u64;
                        self.state = GzipState::Member(decoder);
                        return Ok(read);
                    }
                    self.members += 1;
                    self.state = GzipState::Between(decoder.into_inner());
                }
                GzipState::Between(mut reader) => {
                    let text = match reader.fill_buf() {
                        Ok(text) => text,
                        Err(error) => {
                            self.state = GzipState::Between(reader);
                            return Err(error);
                        }
                    };
                    let zeros = text.iter().take_while(|&&byte| byte == 0).count();
                    match text {
                        [] => return Ok(0),
                        [0x1F, ..] => self.state = GzipState::Member(Box::new(GzDecoder::new(reader))),
                        [0, ..] if self.members > 0 => {
                            reader.consume(zeros);
                            self.state = GzipState::Between(reader);
                        }
                        _ => {
                            let error = io::Error::new(
                                io::ErrorKind::InvalidData,
                                "bytes after the last gzip member",
                            );
                            return Err(damaged(Compression::Gzip, reader.bytes, self.text_bytes, error));
                        }
                    }
                }
            }
        }
    }
}

struct Unzstd<R: BufRead> {
    decoder: ZstdDecoder<'static, Consumed<R>>,
    text_bytes: u64,
}

impl<R: BufRead> Read for Unzstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.decoder.read(buffer).map_err(|error| {
            damaged(Compression::Zstd, self.decoder.get_ref().bytes, self.text_bytes, error)
        })?;
        self.text_bytes += read as u64;
        Ok(read)
    }
}

/// Says where a decoder gave up. An error of the device below is not the stream's fault.
fn damaged(compression: Compression, compressed_bytes: u64, text_bytes: u64, source: io::Error) -> io::Error {
    let cut_off = source.kind() == io::ErrorKind::UnexpectedEof;
    if source.raw_os_error().is_some() || source.kind() == io::ErrorKind::Interrupted {
        return source;
    }
    let kind = if cut_off { io::ErrorKind::UnexpectedEof } else { io::ErrorKind::InvalidData };
    io::Error::new(kind, DamagedStream { compression, cut_off, compressed_bytes, text_bytes, source })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        zstd::encode_all(text, 1).unwrap()
    }

    /// What comes out, and how it ends.
    fn read(data: Vec<u8>) -> (Vec<u8>, io::Result<usize>) {
        let compression = Compression::of(&data);
        let mut reader = decompress(io::Cursor::new(data), compression).unwrap();
        let mut text = Vec::new();
        let outcome = reader.read_to_end(&mut text);
        (text, outcome)
    }

    /// Text that hardly compresses.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u8
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn streams_are_recognised_by_their_first_bytes() {
        assert_eq!(Compression::of(&gzip(b"x")), Compression::Gzip);
        assert_eq!(Compression::of(&zstd(b"x")), Compression::Zstd);
        assert_eq!(Compression::of(&[0x5A, 0x2A, 0x4D, 0x18]), Compression::Zstd);
        for plain in [b"".as_slice(), b"{", b"PK\x03\x04", &[0x1F], &[0x28, 0xB5]] {
            assert_eq!(Compression::of(plain), Compression::None);
        }
    }

    #[test]
    fn members_and_frames_follow_one_another() {
        for compress in [gzip, zstd] {
            let data = [compress(b"one,"), compress(b""), compress(b"two")].concat();
            let (text, outcome) = read(data);
            assert_eq!((text.as_slice(), outcome.unwrap()), (b"one,two".as_slice(), 7));
        }
        let padded = [gzip(b"one"), vec![0; 1000]].concat();
        assert_eq!(read(padded).0, b"one");
        assert_eq!(read(b"plain".to_vec()).0, b"plain");
    }

    #[test]
    fn a_cut_off_stream_says_where_after_all_that_came_before() {
        let text = noise(1_000_000);
        for (compress, compression) in [(gzip as fn(&[u8]) -> Vec<u8>, "gzip"), (zstd, "zstd")] {
            let data = [compress(b"before,"), compress(&text)].concat();
            let cut_at = data.len() / 2;
            let (found, outcome) = read(data[..cut_at].to_vec());
            assert!(found.starts_with(b"before,") && found.len() > 100_000);
            assert_eq!(found[7..], text[..found.len() - 7]);
            let error = outcome.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
            let expected = format!(
                "the {compression} data is cut off at byte {cut_at}, after {} bytes of text",
                found.len()
            );
            assert_eq!(error.to_string(), expected);
            let damage = error.get_ref().unwrap().downcast_ref::<DamagedStream>().unwrap();
            assert!(damage.cut_off && damage.text_bytes == found.len() as u64);
        }
    }

    #[test]
    fn a_damaged_stream_says_so() {
        // The checksum at the end of a gzip member; a frame that is none.
        let mut wrong_checksum = gzip(&noise(500_000));
        let at = wrong_checksum.len() - 8;
        wrong_checksum[at] ^= 0x55;
        let no_frame = [zstd(&noise(500_000)), b"garbage".to_vec()].concat();
        let no_member = [gzip(&noise(500_000)), b"garbage".to_vec()].concat();
        for data in [wrong_checksum, no_frame, no_member] {
            let (text, outcome) = read(data);
            assert_eq!(text.len(), 500_000);
            let message = outcome.unwrap_err().to_string();
            assert!(
                message.contains("is damaged at byte") && message.contains("after 500000 bytes"),
                "{message}"
            );
        }
    }

    #[test]
    fn after_a_failure_nothing_more_comes() {
        let mut data = gzip(&noise(1000));
        data.truncate(500);
        let mut reader = decompress(io::Cursor::new(data), Compression::Gzip).unwrap();
        let mut text = Vec::new();
        reader.read_to_end(&mut text).unwrap_err();
        assert_eq!(reader.read_to_end(&mut text).unwrap(), 0);
    }

    #[test]
    fn a_zstd_stream_that_wants_too_much_memory_is_refused() {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(30).unwrap();
        encoder.write_all(b"{}").unwrap();
        let (text, outcome) = read(encoder.finish().unwrap());
        assert!(text.is_empty());
        assert!(outcome.unwrap_err().to_string().contains("zstd"));
    }
}
