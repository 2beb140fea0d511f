//! The manifest under power losses, full disks and damage, once the log has let go of the rows.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use model::ManualClock;
use store::{Batch, Idempotency};

use crate::random::Random;
use crate::rows::{NOW, batch, census, name};
use crate::sim::{Bug, SimFs};
use crate::store::{clock, open_sim, run};

const MANIFEST: &str = "/data/manifest";

fn first(count: u64) -> BTreeSet<String> {
    (0..count).map(|number| name(0, number)).collect()
}

/// Three flushes; the log holds the rows of the last one only. The checkpoint names the files of the first two.
fn three_flushes() -> (SimFs, Arc<ManualClock>) {
    let (fs, clock) = (SimFs::new(Bug::None), clock());
    run(async {
        for number in 0..3 {
            clock.advance(Duration::from_secs(3600));
            let store = open_sim(&fs, &clock).await.unwrap();
            store.commit(batch(0, number, 2, NOW)).await.unwrap();
            store.flush().await.unwrap();
            store.close().await;
        }
    });
    (fs, clock)
}

async fn check(fs: &SimFs, clock: &Arc<ManualClock>, what: &str) {
    let store = open_sim(fs, clock).await.unwrap();
    let seen = census(fs, &store.snapshot());
    let names: BTreeSet<String> = seen.invocations.keys().cloned().collect();
    assert_eq!(names, first(3), "{what}");
    assert_eq!(seen.twice, Vec::<String>::new(), "{what}");
    assert_eq!(store.position("lane0").as_deref(), Some("2"), "{what}");
    store.close().await;
}

/// The power went while the last flush wrote its edit.
fn tear(fs: &SimFs) {
    let content = fs.files()[Path::new(MANIFEST)].clone();
    fs.overwrite(Path::new(MANIFEST), content[..content.len() - 5].to_vec());
}

#[test]
fn a_start_after_a_torn_flush_may_lose_power_anywhere() {
    let (fs, clock) = three_flushes();
    tear(&fs);
    run(async {
        for changes in 0.. {
            for seed in 0..6 {
                let fs = fs.copy();
                fs.power_off_after(changes);
                let opened = open_sim(&fs, &clock).await;
                let over = opened.is_ok() && !fs.is_off();
                if let Ok(store) = opened {
                    store.close().await;
                }
                fs.lose_power(&mut Random::new(seed));
                check(&fs, &clock, &format!("off after {changes}, seed {seed}")).await;
                if over {
                    assert!(changes > 10, "a start changes more than {changes} things");
                    return;
                }
            }
        }
    });
}

#[test]
fn a_start_after_a_torn_flush_on_a_full_disk_loses_nothing() {
    let (fs, clock) = three_flushes();
    tear(&fs);
    run(async {
        for part in ["quarantine/manifest", "data/manifest.tmp", "data/manifest"] {
            fs.fail_write(Some((part, ErrorKind::StorageFull)));
            assert!(open_sim(&fs, &clock).await.is_err(), "{part}");
            fs.fail_write(None);
        }
        check(&fs, &clock, "once there is space again").await;
    });
}

#[test]
fn any_byte_of_the_checkpoint_may_be_damaged() {
    let (fs, clock) = three_flushes();
    let content = fs.files()[Path::new(MANIFEST)].clone();
    let length = u32::from_le_bytes(content[16..20].try_into().unwrap()) as usize;
    assert!(
        length + 24 < content.len(),
        "an edit follows the checkpoint"
    );
    run(async {
        for at in (0..length + 24).filter(|at| *at < 48 || at % 5 == 0) {
            let fs = fs.copy();
            let mut flipped = content.clone();
            flipped[at] ^= 1 << (at % 8);
            fs.overwrite(Path::new(MANIFEST), flipped);
            check(&fs, &clock, &format!("flipped at {at}")).await;
            let parquet = fs.files().into_keys().filter(|path| {
                path.starts_with("/data/quarantine")
                    && path.extension().is_some_and(|end| end == "parquet")
            });
            assert_eq!(parquet.count(), 0, "flipped at {at}");
        }
        store::fs::Fs::remove(&fs, Path::new(MANIFEST)).unwrap();
        let store = open_sim(&fs, &clock).await.unwrap();
        let seen = census(&fs, &store.snapshot());
        assert!(seen.invocations.contains_key(&name(0, 1)), "it is missing");
        store.close().await;
    });
}

#[test]
fn a_full_disk_while_the_manifest_is_written_anew_is_no_harm_before_the_rename_only() {
    for after in 0..3 {
        let (fs, clock) = (SimFs::new(Bug::None), clock());
        run(async {
            let store = open_sim(&fs, &clock).await.unwrap();
            for number in 0..80 {
                let long = Batch {
                    idempotency: Some(Idempotency {
                        key: format!("key {number}"),
                        answer: "a".repeat(Idempotency::ANSWER_BYTES_MAX),
                    }),
                    ..Batch::default()
                };
                store.commit(long).await.unwrap();
            }
            clock.advance(Duration::from_secs(700));
            fs.fail_dir_sync("/data", after, ErrorKind::StorageFull);
            let _ = store.flush().await;
            assert_eq!(store.healthy(), after == 0, "failed after {after}");
            store.close().await;
        });
    }
}
