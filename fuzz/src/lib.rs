//! What libFuzzer calls: bytes of files and bodies that come from outside, into the sources that read
//! them. Each function panics, and so is found out, when what it promises does not hold.

// The sources are whole modules, of which only the readers are called here.
#![allow(dead_code, unused_imports, unreachable_pub)]

extern crate self as store;

#[path = "../../store/src"]
mod store_sources {
    pub mod batch;
    pub mod budget;
    pub mod events;
    pub mod format;
    pub mod fs;
    pub mod journal;
    pub mod manifest;
    pub mod rows;
    pub mod schema;
    pub mod wal;
}

#[path = "../../store/src/second_home"]
mod second_home {
    mod place;
    pub(crate) use place::Place;
}

#[path = "../../collector/src"]
mod collector_sources {
    pub mod exposition;
    pub mod formats;
}

#[path = "../../store/tests/durability"]
mod simulation {
    pub mod random;
    pub mod sim;
}

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use model::{Outcome, Timestamp};

pub use batch::Batch;
pub use rows::intern::{CodeTable, hash_seed, hash_text};
pub use rows::{Invocation, InvocationRows};
pub use store_sources::fs;

use collector_sources::{exposition, formats};
use simulation::{random, sim};
use store_sources::{batch, budget, events, format, journal, manifest, rows, schema, wal};

use batch::{Idempotency, Position};
use format::FormatVersion;
use fs::Fs;
use sim::{Bug, SimFs};

const WAL: &str = "/wal";
const SEGMENT: &str = "/wal/00000000000000000001.wal";
const QUARANTINE: &str = "/quarantine";
const NOW: Timestamp = Timestamp::from_seconds(1_794_745_800);

fn disk(path: &str, content: &[u8]) -> SimFs {
    let disk = SimFs::new(Bug::None);
    let _ = disk.create_dir(Path::new(WAL));
    let mut file = disk.create(Path::new(path)).expect("an empty disk");
    file.write(content).expect("a good disk");
    disk
}

/// A segment of the log with any content is read back, cut to its sound part, and then reads the same
/// again without damage. Sequence numbers only grow.
pub fn wal(bytes: &[u8]) {
    // Arrow's own decoder is not what is fuzzed: behind a checksum it sees what Arrow has written.
    let disk = disk(SEGMENT, bytes);
    let read = |disk: &SimFs| {
        let mut read: Vec<(u64, usize)> = Vec::new();
        let replayed = self::wal::replay(disk, Path::new(WAL), Path::new(QUARANTINE), |record, _| {
            read.push((record.sequence, record.batch.rows()));
            Ok(())
        });
        replayed.ok().map(|replayed| (read, replayed))
    };
    let Some((first, _)) = read(&disk) else {
        return;
    };
    assert!(first.windows(2).all(|pair| pair[0].0 < pair[1].0), "{first:?}");
    let (second, again) = read(&disk).expect("what was read reads again");
    assert_eq!(first, second);
    assert_eq!((again.torn, again.quarantined), (0, 0), "damage is put aside once");
}

/// A manifest with any content loads; written anew it says the same.
pub fn manifest(bytes: &[u8]) {
    let disk = disk("/manifest", bytes);
    let root = Path::new("/");
    let Ok(loaded) = self::manifest::load(&disk, root) else {
        return;
    };
    let state = loaded.state.clone();
    let fs: Arc<dyn Fs> = Arc::new(disk.clone());
    self::manifest::Manifest::write(fs, root, loaded.state, FormatVersion::NEWEST)
        .expect("a good disk");
    let again = self::manifest::load(&disk, root).expect("it was just written");
    assert_eq!(again.state, state);
    assert!(again.existed && !again.damaged);
}

/// A body of `POST /api/v1/invocations`: each line becomes a row or a refusal, none both.
pub fn ndjson(bytes: &[u8]) {
    use formats::{Decoder, Format, Meaning};
    let mut decoder = Decoder::new(Format::RampartJson, Arc::new(Meaning::default()));
    let mut made = InvocationRows::new();
    let decoded = decoder.decode_document(bytes, NOW, &mut made);
    assert_eq!(made.finish().num_rows() as u64, decoded.accepted);
}

/// The answer of a scraped target, in both dialects.
pub fn exposition(bytes: &[u8]) {
    use self::exposition::{Dialect, read};
    for dialect in [Dialect::Text, Dialect::OpenMetrics] {
        let read = read(bytes, dialect, 1000);
        assert!(read.samples.len() <= 1000);
    }
}

fn journal_of(path: &str, magic: journal::Magic, payloads: &[Vec<u8>]) -> Vec<u8> {
    let disk = SimFs::new(Bug::None);
    let _ = disk.create_dir(Path::new(WAL));
    let mut journal = journal::Journal::create(&disk, Path::new(path), magic, FormatVersion::NEWEST)
        .expect("a good disk");
    let mut framed = Vec::new();
    for payload in payloads {
        journal::frame(&mut framed, &[payload]).expect("short enough");
    }
    journal.append(&framed).expect("a good disk");
    disk.files()[Path::new(path)].clone()
}

/// Inputs to begin with: target, name, content.
pub fn seeds() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let mut made = InvocationRows::new();
    made.push(&Invocation {
        ts: NOW,
        namespace: "guide",
        function: "feed",
        request_id: "r-1",
        duration_us: 41_000,
        outcome: Outcome::Ok,
        seen_at: NOW,
        ..Invocation::default()
    });
    let batch = Batch {
        invocations: Some(made.finish()),
        positions: vec![Position {
            source: "file".to_owned(),
            value: "9".to_owned(),
        }],
        idempotency: Some(Idempotency {
            key: "k".to_owned(),
            answer: "fine".to_owned(),
        }),
        ..Batch::default()
    };
    let bodies = [batch, Batch::default()].map(|batch| self::wal::encode(&batch).expect("rows"));
    let records: Vec<Vec<u8>> = (1_u64..)
        .zip(bodies)
        .map(|(sequence, body)| [&sequence.to_le_bytes()[..], &[0; 8], &body].concat())
        .collect();
    let edits = [
        r#"{"checkpoint":true,"flushed":3,"positions":{"file":"9"}}"#,
        r#"{"added":[{"table":"logs","path":"tables/logs/dt=2026-11-15/hour=12/1-0.parquet","rows":1,"bytes":9,"hour":1794744000,"from_us":1794745800000000,"to_us":1794745800000000}],"flushed":4}"#,
    ]
    .map(|edit| edit.as_bytes().to_vec());
    vec![
        ("wal", "two-records", journal_of(SEGMENT, *b"RAMPWAL\n", &records)),
        ("manifest", "two-edits", journal_of("/manifest", *b"RAMPMAN\n", &edits)),
        (
            "ndjson",
            "one-call",
            br#"{"ts":"2026-11-15T12:30:00Z","namespace":"guide","function":"feed","version":"12","request_id":"r-1","duration_ms":41.7,"outcome":"ok","http_status":200,"cold_start":false}"#.to_vec(),
        ),
        (
            "exposition",
            "counter",
            b"# HELP x A counter.\n# TYPE x counter\nx_total{a=\"b\\n\"} 1.5e3 1794745800000\nx_total 2 # {trace_id=\"t\"} 1\n# EOF\n".to_vec(),
        ),
    ]
}
