//! A directory with any byte missing or flipped opens, and keeps everything before the damage.

use std::collections::BTreeSet;
use std::path::Path;

use store::{Batch, Idempotency, Position};

use crate::random::Random;
use crate::rows::{Census, NOW, batch, census, invocations, name};
use crate::sim::{Bug, SimFs};
use crate::store::{clock, open_disk, open_sim, options, run};

const WAL: &str = "/data/wal/00000000000000000001.wal";
const MANIFEST: &str = "/data/manifest";
const PREVIOUS: &str = "/data/manifest.previous";

/// Small records, so that every byte of them can be tried.
fn small(number: u64) -> Batch {
    Batch {
        invocations: Some(invocations(&name(0, number), 1, NOW)),
        positions: vec![Position {
            source: "lane0".to_owned(),
            value: number.to_string(),
        }],
        idempotency: Some(Idempotency {
            key: name(0, number),
            answer: "fine".to_owned(),
        }),
        ..Batch::default()
    }
}

/// What a store shows after opening, and how much it put aside.
fn reopen(fs: &SimFs) -> (Census, Option<String>, store::Found) {
    run(async {
        let store = open_sim(fs, &clock()).await.unwrap();
        let found = store.stats().found;
        let seen = (
            census(fs, &store.snapshot()),
            store.position("lane0"),
            found,
        );
        // It goes on working, and starts again with the same.
        store.commit(batch(1, 1, 2, NOW)).await.unwrap();
        store.close().await;
        let store = open_sim(fs, &clock()).await.unwrap();
        let again = census(fs, &store.snapshot());
        assert_eq!(again.invocations["lane1-batch1"], 2);
        assert_eq!(again.invocations.len(), seen.0.invocations.len() + 1);
        assert_eq!(
            store.stats().found.quarantined,
            0,
            "damage is put aside once"
        );
        store.close().await;
        seen
    })
}

fn three_records() -> (SimFs, Vec<u8>, Vec<usize>) {
    let fs = SimFs::new(Bug::None);
    let ends = run(async {
        let store = open_sim(&fs, &clock()).await.unwrap();
        let mut ends = vec![16];
        for number in 0..3 {
            store.commit(small(number)).await.unwrap();
            ends.push(fs.files()[Path::new(WAL)].len());
        }
        store.close().await;
        ends
    });
    let content = fs.files()[Path::new(WAL)].clone();
    assert_eq!(content.len(), *ends.last().unwrap());
    (fs, content, ends)
}

fn names(census: &Census) -> BTreeSet<String> {
    census.invocations.keys().cloned().collect()
}

fn first(count: usize) -> BTreeSet<String> {
    (0..count as u64).map(|number| name(0, number)).collect()
}

/// Every byte in the soak. CI takes every byte of the header and of a record's fields, every 29th of
/// the rows' encoding, which is not looked into before its checksum is.
fn places(length: usize) -> impl Iterator<Item = usize> {
    let all = crate::soaks();
    (0..length).filter(move |at| all || *at < 120 || at % 29 == 0 || *at + 10 > length)
}

#[test]
fn a_log_cut_at_any_byte_keeps_the_whole_records_before() {
    let (fs, content, ends) = three_records();
    for length in places(content.len()) {
        let fs = fs.copy();
        fs.overwrite(Path::new(WAL), content[..length].to_vec());
        let whole = ends.iter().skip(1).filter(|end| **end <= length).count();
        let (census, position, found) = reopen(&fs);
        assert_eq!(names(&census), first(whole), "cut at {length}");
        assert_eq!(position, whole.checked_sub(1).map(|last| last.to_string()));
        let clean = ends.contains(&length);
        assert_eq!(
            (found.torn, found.quarantined),
            (u64::from(!clean), 0),
            "cut at {length}"
        );
    }
}

#[test]
fn a_log_with_any_bit_flipped_keeps_the_records_before() {
    let (fs, content, ends) = three_records();
    for at in places(content.len()) {
        let fs = fs.copy();
        let mut flipped = content.clone();
        flipped[at] ^= 1 << (at % 8);
        fs.overwrite(Path::new(WAL), flipped);
        let (census, _, found) = reopen(&fs);
        let whole = ends.iter().skip(1).filter(|end| **end <= at).count();
        // A header's bit costs no record: each has a checksum of its own.
        let kept = if at < 16 { 3 } else { whole };
        assert_eq!(names(&census), first(kept), "flipped at {at}");
        let damaged = (found.torn, found.quarantined);
        let expected = match kept {
            3 => (0, 0),
            2 => (1, 0),
            _ => (0, 1),
        };
        assert_eq!(damaged, expected, "flipped at {at}");
        let aside = fs
            .files()
            .keys()
            .any(|path| path.starts_with("/data/quarantine"));
        assert_eq!(aside, expected.1 == 1, "flipped at {at}");
    }
}

#[test]
fn damage_in_an_older_segment_leaves_the_newer_ones_alone() {
    let (fs, content, ends) = three_records();
    run(async {
        let store = open_sim(&fs, &clock()).await.unwrap();
        store.commit(small(3)).await.unwrap();
        store.close().await;
    });
    let mut flipped = content;
    flipped[ends[1] + 30] ^= 1;
    fs.overwrite(Path::new(WAL), flipped);
    let (census, position, found) = reopen(&fs);
    assert_eq!(names(&census), [name(0, 0), name(0, 3)].into());
    assert_eq!((position.as_deref(), found.quarantined), (Some("3"), 1));
}

fn two_flushes() -> (SimFs, Vec<u8>) {
    let fs = SimFs::new(Bug::None);
    run(async {
        let store = open_sim(&fs, &clock()).await.unwrap();
        for number in 0..2 {
            store.commit(small(number)).await.unwrap();
            store.flush().await.unwrap();
        }
        store.commit(small(2)).await.unwrap();
        store.close().await;
    });
    let content = fs.files()[Path::new(MANIFEST)].clone();
    (fs, content)
}

/// Until the log lets go of them, rows outlive their manifest. Parquet files without one are kept,
/// unless the manifest is sound as far as it goes and the log has their rows.
fn check_manifest(fs: &SimFs, what: &str, sound: bool) {
    let parquet = |directory: &str| {
        let files = fs.files();
        let within = files.keys().filter(|path| path.starts_with(directory));
        within
            .filter(|path| path.extension().is_some_and(|end| end == "parquet"))
            .count()
    };
    let before = parquet("/data/tables");
    let (census, position, _) = reopen(fs);
    assert_eq!(names(&census), first(3), "{what}");
    assert_eq!(census.twice, Vec::<String>::new(), "{what}");
    assert_eq!(position.as_deref(), Some("2"), "{what}");
    let after = parquet("/data/tables") + parquet("/data/quarantine");
    assert!(
        after == before || sound,
        "{what}: {after} files of {before}"
    );
}

#[test]
fn a_manifest_cut_at_any_byte_opens_and_loses_nothing() {
    let (fs, content) = two_flushes();
    let ends = record_ends(&content);
    assert_eq!(ends.len(), 3, "a checkpoint and two flushes");
    for length in 0..content.len() {
        let fs = fs.copy();
        fs.overwrite(Path::new(MANIFEST), content[..length].to_vec());
        let near = ends.iter().any(|end| end.abs_diff(length) < 2);
        if crate::soaks() || near || length % 11 == 0 || length < 40 {
            check_manifest(&fs, &format!("cut at {length}"), ends.contains(&length));
        }
    }
}

/// Where records end: each is preceded by its length and checksum.
fn record_ends(content: &[u8]) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut at = 16;
    while at < content.len() {
        at += 8 + u32::from_le_bytes(content[at..at + 4].try_into().unwrap()) as usize;
        ends.push(at);
    }
    ends
}

#[test]
fn files_of_lost_edits_are_kept_when_the_log_has_not_their_rows() {
    let (fs, content) = two_flushes();
    let checkpoint = record_ends(&content)[0];
    fs.overwrite(Path::new(MANIFEST), content[..checkpoint].to_vec());
    store::fs::Fs::remove(&fs, Path::new(WAL)).unwrap();
    run(async {
        let store = open_sim(&fs, &clock()).await.unwrap();
        assert_eq!(store.stats().found.quarantined, 4);
        store.close().await;
    });
    let files = fs.files();
    let aside = files
        .keys()
        .filter(|path| path.starts_with("/data/quarantine"));
    assert_eq!(aside.count(), 4, "invocations and minutes of two flushes");
}

#[test]
fn a_manifest_with_any_bit_flipped_opens_and_loses_nothing() {
    let (fs, content) = two_flushes();
    for at in (0..content.len()).filter(|at| crate::soaks() || *at < 40 || at % 11 == 0) {
        let fs = fs.copy();
        let mut flipped = content.clone();
        flipped[at] ^= 1 << (at % 8);
        fs.overwrite(Path::new(MANIFEST), flipped);
        check_manifest(&fs, &format!("flipped at {at}"), false);
    }
}

#[test]
fn the_second_copy_may_be_damaged_anywhere_while_the_first_is_sound() {
    let (fs, _) = two_flushes();
    let content = fs.files()[Path::new(PREVIOUS)].clone();
    for at in (0..content.len()).filter(|at| crate::soaks() || *at < 40 || at % 7 == 0) {
        let fs = fs.copy();
        let mut flipped = content.clone();
        flipped[at] ^= 1 << (at % 8);
        let damaged = if at % 2 == 0 {
            flipped
        } else {
            content[..at].to_vec()
        };
        fs.overwrite(Path::new(PREVIOUS), damaged);
        check_manifest(&fs, &format!("second copy, byte {at}"), true);
    }
}

#[test]
fn with_both_copies_damaged_files_are_put_aside_and_the_log_is_read() {
    let (fs, content) = two_flushes();
    let length = fs.files()[Path::new(PREVIOUS)].len();
    for at in [3, 17, 21, length / 2, length - 1] {
        let fs = fs.copy();
        for path in [MANIFEST, PREVIOUS] {
            let mut flipped = fs.files()[Path::new(path)].clone();
            flipped[at] ^= 16;
            fs.overwrite(Path::new(path), flipped);
        }
        check_manifest(
            &fs,
            &format!("both flipped at {at} of {}", content.len()),
            false,
        );
    }
}

/// Files that hold nothing, or nothing but zeros, as some file systems leave them after a power loss.
#[test]
fn empty_files_and_files_of_zeros_open_and_are_counted() {
    let (fs, _) = two_flushes();
    for path in [MANIFEST, PREVIOUS, WAL] {
        for zeros in [0, 1, 16, 5000] {
            let fs = fs.copy();
            let what = format!("{path} of {zeros} zeros");
            fs.overwrite(Path::new(path), vec![0; zeros]);
            let (census, _, found) = reopen(&fs);
            assert_eq!(census.twice, Vec::<String>::new(), "{what}");
            // Without the log, what had not been flushed is gone; nothing else is.
            let kept = if path == WAL { 2 } else { 3 };
            assert_eq!(names(&census), first(kept), "{what}");
            let told = found.torn + found.quarantined;
            assert_eq!(told > 0, path != PREVIOUS, "{what}: {found:?}");
        }
    }
}

/// Several bytes at once, cut and overwritten, in several files at once.
#[test]
fn random_damage_opens_and_invents_nothing() {
    let (fs, _) = two_flushes();
    let seeds = if crate::soaks() { 20_000 } else { 150 };
    for seed in 0..seeds {
        let mut random = Random::new(seed);
        let fs = fs.copy();
        for path in [MANIFEST, PREVIOUS, WAL] {
            let mut content = fs.files()[Path::new(path)].clone();
            for _ in 0..random.below(4) {
                let at = random.below(content.len() as u64) as usize;
                let end = (at + 1 + random.below(40) as usize).min(content.len());
                content[at..end].fill_with(|| random.next() as u8);
            }
            if random.chance(20) {
                content.truncate(random.below(content.len() as u64) as usize);
            }
            fs.overwrite(Path::new(path), content);
        }
        let (census, ..) = reopen(&fs);
        assert_eq!(census.twice, Vec::<String>::new(), "seed {seed}");
        assert!(
            names(&census).is_subset(&first(3)),
            "seed {seed}: {census:?}"
        );
        for (name, rows) in &census.invocations {
            assert_eq!(*rows, 1, "seed {seed}: {name}");
        }
    }
}

/// Somebody made directories where files belong. They are not ours to remove.
#[test]
fn a_directory_where_a_file_belongs_is_put_aside_or_told() {
    for (name, told) in [
        ("manifest", true),
        ("manifest.previous", true),
        ("manifest.tmp", true),
        ("lock", true),
        ("wal/00000000000000000004.wal", false),
        ("tables/invocations/x.parquet", false),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        run(async {
            let clock = clock();
            let store = open_disk(options(root), &clock).await;
            for number in 0..3 {
                store.commit(small(number)).await.unwrap();
            }
            store.flush().await.unwrap();
            store.close().await;
            let moved = root.join("moved");
            if root.join(name).exists() {
                std::fs::rename(root.join(name), &moved).unwrap();
            }
            std::fs::create_dir(root.join(name)).unwrap();
            let shared: model::SharedClock = clock.clone();
            match store::Store::open(options(root), shared).await {
                Ok(store) => {
                    assert!(!told, "{name} was not told of");
                    store.commit(small(3)).await.unwrap();
                    let seen = census(&store::fs::DiskFs, &store.snapshot());
                    assert_eq!(names(&seen), first(4), "{name}");
                    store.close().await;
                }
                Err(error) => {
                    assert!(told, "{name}: {error}");
                    let said = error.to_string();
                    assert!(
                        said.starts_with("cannot ") && said.contains("Is a directory"),
                        "{said}"
                    );
                    std::fs::remove_dir(root.join(name)).unwrap();
                    if moved.exists() {
                        std::fs::rename(&moved, root.join(name)).unwrap();
                    }
                    let store = open_disk(options(root), &clock).await;
                    let seen = census(&store::fs::DiskFs, &store.snapshot());
                    assert_eq!(names(&seen), first(3), "{name}, mended");
                    store.close().await;
                }
            }
        });
    }
}

#[test]
fn a_missing_manifest_keeps_files_aside_and_reads_the_log() {
    let (fs, _) = two_flushes();
    store::fs::Fs::remove(&fs, Path::new(MANIFEST)).unwrap();
    check_manifest(&fs, "missing", false);
}

#[test]
fn a_missing_or_shortened_file_is_counted_and_does_not_stop_queries() {
    let (fs, _) = two_flushes();
    let files = fs.files();
    let mut invocations = files
        .keys()
        .filter(|path| path.starts_with("/data/tables/invocations"));
    store::fs::Fs::remove(&fs, invocations.next().unwrap()).unwrap();
    let short = invocations.next().unwrap();
    fs.overwrite(short, files[short][..100].to_vec());
    run(async {
        let store = open_sim(&fs, &clock()).await.unwrap();
        let found = store.stats().found;
        assert_eq!((found.missing, found.quarantined), (2, 1));
        let seen = census(&fs, &store.snapshot());
        assert_eq!(names(&seen), [name(0, 2)].into());
        store.close().await;
    });
}

#[test]
fn leftovers_of_an_unfinished_flush_are_removed() {
    let (fs, _) = two_flushes();
    let tables = Path::new("/data/tables/invocations");
    for leftover in ["x.parquet", "y.parquet.tmp"] {
        drop(store::fs::Fs::create(&fs, &tables.join(leftover)).unwrap());
    }
    let own = tables.join("notes.txt");
    drop(store::fs::Fs::create(&fs, &own).unwrap());
    let (census, _, found) = reopen(&fs);
    assert_eq!((names(&census), found.quarantined), (first(3), 0));
    let files = fs.files();
    assert!(
        files.contains_key(&own),
        "somebody else's file is left alone"
    );
    assert!(
        !files
            .keys()
            .any(|path| path.ends_with("x.parquet") || path.ends_with("y.parquet.tmp"))
    );
}
