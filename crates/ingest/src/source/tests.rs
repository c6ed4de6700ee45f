use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;

use flate2::write::GzEncoder;
use tallymark_event::Timestamp;

use super::*;
use crate::{BlockReader, DamagedStream, FrameOptions};

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn write(directory: &Path, name: &str, content: &[u8]) -> PathBuf {
    let path = directory.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    File::create(&path).unwrap().write_all(content).unwrap();
    path
}

fn expand_one(path: &Path) -> Result<InputFiles> {
    expand([Input::Path(path.to_owned())])
}

fn kind_of(name: &str, content: &[u8]) -> InputKind {
    let files = expand([Input::from_reader(name, io::Cursor::new(content.to_vec()))]).unwrap();
    files.files[0].kind()
}

fn text_of(file: &InputFile) -> String {
    let mut text = String::new();
    file.open(Arc::default()).unwrap().read_to_string(&mut text).unwrap();
    text
}

#[test]
fn directories_are_read_recursively_and_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    for name in ["b.ndjson", "a.json.gz", "sub/c.JSONL", "sub/deep/d.csv", "e.json.zst"] {
        let record = br#"{"event":"A","time":1700000000}"#;
        let content: Vec<u8> = if name.ends_with("gz") { gzip(record) } else { record.to_vec() };
        write(root, name, &content);
    }
    let facts = write(root, "facts.json", br#"{"events": 5, "first": {"event": "A"}}"#);
    let zipped = write(root, "facts.json.gz", &gzip(br#"{"events": 5}"#));
    write(root, "notes.txt", b"x");
    write(root, ".hidden.json", b"{}");
    let found = expand_one(root).unwrap();
    let name = |path: &str| path.strip_prefix(&format!("{}/", root.display())).unwrap().to_owned();
    let names: Vec<_> = found.files.iter().map(|file| name(file.name())).collect();
    assert_eq!(names, ["a.json.gz", "b.ndjson", "e.json.zst", "sub/c.JSONL", "sub/deep/d.csv"]);
    let skipped: Vec<_> = found
        .skipped
        .iter()
        .map(|skipped| (name(&skipped.path.display().to_string()), skipped.reason))
        .collect();
    assert_eq!(skipped[0], (".hidden.json".to_owned(), "hidden"));
    for (skipped, name) in skipped[1..].iter().zip(["facts.json", "facts.json.gz"]) {
        assert_eq!(skipped.0, name);
        assert!(skipped.1.starts_with("a JSON document that is no event"), "{skipped:?}");
    }
    assert_eq!(skipped[3].0, "notes.txt");
    // Who names it means it.
    assert_eq!(expand([Input::Path(facts), Input::Path(zipped)]).unwrap().files.len(), 2);
}

#[test]
fn patterns_match_files_that_exist() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    for name in ["a-1.json", "a-2.json", "b.json", "[x].json"] {
        write(root, name, b"{}");
    }
    assert_eq!(expand_one(&root.join("a-*.json")).unwrap().files.len(), 2);
    // A file of that name comes first.
    assert_eq!(expand_one(&root.join("[x].json")).unwrap().files.len(), 1);
    assert!(matches!(expand_one(&root.join("c*.json")), Err(Error::NotFound { .. })));
    assert!(matches!(expand_one(&root.join("a[.json")), Err(Error::Pattern { .. })));
}

#[test]
fn what_is_not_there_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing.json");
    let message = expand_one(&missing).unwrap_err().to_string();
    assert_eq!(message, format!("no such file or directory: {}", missing.display()));
    let message = expand_one(directory.path()).unwrap_err().to_string();
    assert!(message.contains("nothing to read") && message.contains(".ndjson"), "{message}");
}

#[test]
fn an_empty_file_has_no_records() {
    for name in ["a.json", "a.csv", "a.json.gz"] {
        assert_eq!(kind_of(name, b""), InputKind::Json);
    }
    let files = expand([Input::from_reader("a.json", io::empty())]).unwrap();
    let reader = files.files[0].open(Arc::default()).unwrap();
    assert!(BlockReader::new("a", reader, FrameOptions::default()).next_block().unwrap().is_none());
}

#[test]
fn kinds_are_recognised_by_content() {
    for json in [
        b"{\"a\":1}".as_slice(),
        b" \n[{}]",
        b"\xEF\xBB\xBF{}",
        b"nonsense\n{}",
        b"oops, broken\n{}\n",
        b"justtext",
        b"\0\0\0\0",
    ] {
        assert_eq!(kind_of("data", json), InputKind::Json, "{json:?}");
        assert_eq!(kind_of("data", &gzip(json)), InputKind::Json);
    }
    for csv in [
        b"event,time\nA,1\n".as_slice(),
        b"\"event\",\"time\"\n",
        b"event;time\nA;1",
        b"\xEF\xBB\xBFevent\ttime\n",
    ] {
        assert_eq!(kind_of("data.json", csv), InputKind::Csv, "{csv:?}");
        assert_eq!(kind_of("data", &zstd::encode_all(csv, 1).unwrap()), InputKind::Csv);
    }
    // One column: only the name tells.
    assert_eq!(kind_of("data.CSV", b"time\n1\n"), InputKind::Csv);
    assert_eq!(kind_of("data.csv.gz", &gzip(b"time\n1\n")), InputKind::Csv);
    assert_eq!(kind_of("data", b"time\n1\n"), InputKind::Json);
}

#[test]
fn what_is_not_read_is_named_with_advice() {
    let message = |content: &[u8]| {
        expand([Input::from_reader("x", io::Cursor::new(content.to_vec()))]).unwrap_err().to_string()
    };
    assert_eq!(message(b"PK\x03\x04\x14\0"), "x is a zip archive: unpack it and give the files in it");
    assert_eq!(message(b"BZh91AY"), "x is compressed with bzip2: decompress it, or use gzip or zstd");
    let mut tar = vec![0; 512];
    tar[..6].copy_from_slice(b"a.json");
    tar[257..262].copy_from_slice(b"ustar");
    assert_eq!(message(&gzip(&tar)), "x is a tar archive: unpack it and give the files in it");
    assert_eq!(message(&gzip(&gzip(b"{}"))), "x is compressed twice: decompress it once and try again");
    assert_eq!(message(&gzip(b"\xFF\xFE{\0}\0")), "x is UTF-16 text: convert it to UTF-8");
}

#[test]
fn streams_are_read_once_and_whole() {
    let text = "{\"a\":1}\n".repeat(100_000);
    let files = expand([Input::from_reader("s", io::Cursor::new(gzip(text.as_bytes())))]).unwrap();
    let file = &files.files[0];
    assert_eq!((file.bytes(), file.kind()), (None, InputKind::Json));
    assert_eq!(text_of(file), text);
    assert!(matches!(file.open(Arc::default()), Err(Error::Open { .. })));
}

#[test]
fn files_say_how_far_their_reading_has_come() {
    let directory = tempfile::tempdir().unwrap();
    let data = gzip("{\"a\":1}\n".repeat(100_000).as_bytes());
    let path = write(directory.path(), "a.json.gz", &data);
    let files = expand_one(&path).unwrap();
    assert_eq!(files.files[0].bytes(), Some(data.len() as u64));
    let counter = Arc::new(AtomicU64::new(0));
    io::copy(&mut files.files[0].open(Arc::clone(&counter)).unwrap(), &mut io::sink()).unwrap();
    assert_eq!(counter.load(Ordering::Relaxed), data.len() as u64);
    // A file can be read again.
    assert_eq!(text_of(&files.files[0]).len(), 800_000);
}

#[test]
fn a_cut_off_file_gives_its_records_and_then_says_where() {
    let mut text = String::new();
    for at in 0..50_000u64 {
        writeln!(text, "{{\"event\":\"E\",\"n\":{}}}", at.wrapping_mul(0x9E37_79B9_7F4A_7C15)).unwrap();
    }
    let mut data = gzip(text.as_bytes());
    data.truncate(data.len() / 2);
    let files = expand([Input::from_reader("cut.gz", io::Cursor::new(data))]).unwrap();
    let mut blocks =
        BlockReader::new("cut.gz", files.files[0].open(Arc::default()).unwrap(), FrameOptions::default());
    let mut records = 0;
    let error = loop {
        match blocks.next_block() {
            Ok(Some(block)) => records += block.records().len(),
            Ok(None) => panic!("the damage went unnoticed"),
            Err(error) => break error,
        }
    };
    assert!((10_000..50_000).contains(&records), "{records}");
    let Error::Read { name, source } = error else { panic!("{error}") };
    assert_eq!(name, "cut.gz");
    assert!(source.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<DamagedStream>));
    assert!(blocks.next_block().unwrap().is_none());
}

/// A gigabyte of zeros is one overlong record, skipped in bounded memory.
#[test]
fn a_gzip_bomb_is_one_refused_record() {
    let bomb = gzip(&vec![0; 1 << 20]).repeat(1024);
    let files = expand([Input::from_reader("bomb", io::Cursor::new(bomb))]).unwrap();
    let mut blocks =
        BlockReader::new("bomb", files.files[0].open(Arc::default()).unwrap(), FrameOptions::default());
    let block = blocks.next_block().unwrap().unwrap();
    assert_eq!((block.records().len(), block.rejections().len()), (0, 1));
    assert_eq!(block.rejections()[0].message, "the record has 1073741824 bytes; at most 1048576 are allowed");
    assert!(blocks.next_block().unwrap().is_none());
}

#[test]
fn tables_are_read_row_by_row() {
    let files = expand([Input::from_reader(
        "t.csv",
        io::Cursor::new("event,time\nA,1700000000\nB,x\nC,1700000000\n"),
    )])
    .unwrap();
    let options = ParseOptions::new(Timestamp::from_millis(1_700_000_100_000));
    let mut seen = Vec::new();
    files.files[0]
        .read_rows(&ColumnMapping::default(), &options, Arc::default(), &mut |row| {
            seen.push(row.map(|_| ()).map_err(|rejection| rejection.to_string()));
            seen.len() < 2
        })
        .unwrap();
    assert_eq!(seen.len(), 2);
    assert!(seen[0].is_ok());
    assert!(
        seen[1].as_ref().unwrap_err().starts_with("record 1 (line 3, byte 24): time: \"x\" is not a time"),
        "{seen:?}"
    );
}
