//! Parquet files with any byte missing or flipped: no panic, damage found, put aside, everything else
//! kept, no wrong value answered once files were read back.

use std::path::{Path, PathBuf};

use store::{Batch, Store};

use crate::rows::{NOW, census, invocations};
use crate::sim::{Bug, SimFs};
use crate::store::{clock, open_disk, open_sim, options, run};

/// Every byte in the soak; in CI the marks at both ends, the footer here and there, every so many of
/// the pages.
fn places(length: usize, step: usize) -> impl Iterator<Item = usize> {
    let all = crate::soaks();
    (0..length).filter(move |at| all || *at < 5 || *at + 9 > length || at % step == 0)
}

fn plain(name: &str) -> Batch {
    Batch {
        invocations: Some(invocations(name, 12, NOW)),
        ..Batch::default()
    }
}

/// Two files of one hour, one batch each.
async fn fill(store: &Store) {
    for name in ["first", "second"] {
        store.commit(plain(name)).await.unwrap();
        store.flush().await.unwrap();
    }
}

fn within(fs: &SimFs, directory: &str) -> Vec<PathBuf> {
    fs.files()
        .into_keys()
        .filter(|path| path.starts_with(directory))
        .collect()
}

/// Damages one file, looks for damage, and gives the names of the batches that are left.
fn left_after(fs: &SimFs, path: &Path, content: Vec<u8>, what: &str) -> Vec<String> {
    let fs = fs.copy();
    fs.overwrite(path, content);
    run(async {
        let store = open_sim(&fs, &clock()).await.unwrap();
        store.tidy().await.unwrap();
        let seen = census(&fs, &store.snapshot());
        assert_eq!(seen.twice, Vec::<String>::new(), "{what}");
        assert!(
            seen.invocations.values().all(|rows| *rows == 12),
            "{what}: {seen:?}"
        );
        assert_eq!(
            seen.minutes_calls, 24,
            "{what}: minutes have files of their own"
        );
        assert_eq!(within(&fs, "/data/quarantine").len(), 1, "{what}");
        assert!(store.healthy(), "{what}");
        store.commit(plain("third")).await.unwrap();
        store.close().await;
        // It is put aside for good.
        let store = open_sim(&fs, &clock()).await.unwrap();
        assert_eq!(
            store.stats().found,
            store::Found {
                replayed_records: 1,
                replayed_rows: 12,
                ..store::Found::default()
            }
        );
        store.close().await;
        seen.invocations.into_keys().collect()
    })
}

#[test]
fn a_file_with_any_byte_flipped_or_missing_is_put_aside() {
    let fs = SimFs::new(Bug::None);
    run(async {
        let store = open_sim(&fs, &clock()).await.unwrap();
        fill(&store).await;
        store.close().await;
    });
    let path = within(&fs, "/data/tables/invocations")[0].clone();
    let content = fs.files()[&path].clone();
    assert!(content.starts_with(b"PAR1") && content.ends_with(b"PAR1"));
    for at in places(content.len(), 127) {
        let mut flipped = content.clone();
        flipped[at] ^= 1 << (at % 8);
        let what = format!("flipped at {at} of {}", content.len());
        assert_eq!(left_after(&fs, &path, flipped, &what), ["second"], "{what}");
    }
    for length in places(content.len(), 797) {
        let what = format!("cut at {length} of {}", content.len());
        let cut = content[..length].to_vec();
        assert_eq!(left_after(&fs, &path, cut, &what), ["second"], "{what}");
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// SQL reads files through another library. Until a file was read back it may answer wrongly, but it
/// never ends the process, and what lies elsewhere is still told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_of_a_damaged_file_end_with_an_answer_or_an_error() {
    let sound = tempfile::tempdir().unwrap();
    let clock = clock();
    let store = open_disk(options(sound.path()), &clock).await;
    fill(&store).await;
    store.close().await;
    let hour = Path::new("tables/invocations/dt=2026-11-15/hour=12");
    let mut files: Vec<_> = std::fs::read_dir(sound.path().join(hour))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    files.sort();
    let content = std::fs::read(sound.path().join(hour).join(&files[0])).unwrap();
    let mut errors = 0;
    for at in places(content.len(), 997) {
        let directory = tempfile::tempdir().unwrap();
        copy(sound.path(), directory.path());
        let mut flipped = content.clone();
        flipped[at] ^= 1 << (at % 8);
        std::fs::write(directory.path().join(hour).join(&files[0]), flipped).unwrap();
        let store = open_disk(options(directory.path()), &clock).await;
        let ask = |sql: &'static str| store.query(sql, store.query_limits());
        let answer = ask("select request_id, outcome, duration_ms, attrs from invocations").await;
        errors += usize::from(answer.is_err());
        let minutes = ask("select sum(ok) from minutes").await;
        assert!(minutes.is_ok(), "flipped at {at}");
        store.tidy().await.unwrap();
        let answer = ask("select count(*), count(distinct request_id) from invocations").await;
        let rows = answer.unwrap().to_json_rows();
        assert_eq!(
            (rows[0][0].as_i64(), rows[0][1].as_i64()),
            (Some(12), Some(12))
        );
        store.close().await;
    }
    assert!(errors > 0, "no damage was noticed by the reader");
}
