//! `store repair`: what is sound stays visible, what is not is in quarantine, and once is enough.

use std::collections::BTreeSet;
use std::path::Path;

use store::upkeep::{Finding, Remedy, UpkeepError, repair, upgrade, verify};

use super::{MANIFEST, PREVIOUS, flipped, opened, paths, shared, stopped};
use crate::random::Random;
use crate::rows::{Census, name};
use crate::sim::SimFs;
use crate::store::{open_sim, run};

const DATA: &str = "/data";

fn names(census: &Census) -> BTreeSet<String> {
    census.invocations.keys().cloned().collect()
}

fn batches(numbers: impl IntoIterator<Item = u64>) -> BTreeSet<String> {
    numbers.into_iter().map(|number| name(0, number)).collect()
}

/// Repairs, and sees that there is nothing left to do. Gives what was done.
#[track_caller]
fn repaired(fs: &SimFs, what: &str) -> Vec<Finding> {
    let repaired = repair(&shared(fs), Path::new(DATA), false).unwrap();
    assert_eq!(repaired.left, Vec::<Finding>::new(), "{what}");
    let again = repair(&shared(fs), Path::new(DATA), false).unwrap();
    assert_eq!(again.findings, Vec::<Finding>::new(), "{what}, again");
    repaired.findings
}

#[test]
fn a_damaged_parquet_file_goes_to_quarantine_and_the_rest_stays() {
    let (fs, clock) = stopped();
    let file = &paths(&fs, "tables/invocations")[0];
    let content = fs.files()[file].clone();
    let fs = flipped(&fs, file, content.len() / 2);
    let before = fs.files();
    let dry = repair(&shared(&fs), Path::new(DATA), true).unwrap();
    assert_eq!(dry.findings.len(), 1);
    assert_eq!(fs.files(), before, "a dry run changes nothing");
    assert_eq!(repaired(&fs, "one file"), dry.findings);
    let aside = paths(&fs, "/data/quarantine/tables_invocations");
    assert_eq!(aside.len(), 1);
    assert_eq!(fs.files()[&aside[0]], before[file]);
    let seen = opened(&fs, &clock, DATA);
    assert_eq!(names(&seen), batches(1..4));
    assert_eq!(seen.logs.len(), 4, "other tables are as they were");
}

#[test]
fn files_put_aside_twice_stand_beside_each_other() {
    let (fs, _) = stopped();
    let file = paths(&fs, "tables/invocations")[0].clone();
    for round in 1..=3 {
        if !fs.files().contains_key(&file) {
            drop(store::fs::Fs::create(&fs, &file).unwrap());
        }
        fs.overwrite(&file, vec![round; 50]);
        let _ = repaired(&fs, "the same file again");
        let kept = paths(&fs, "/data/quarantine/tables_invocations");
        assert_eq!(kept.len(), usize::from(round));
    }
}

#[test]
fn a_damaged_log_is_cut_where_it_is_sound() {
    let (fs, clock) = stopped();
    let segments = paths(&fs, ".wal");
    let second = flipped(&fs, &segments[1], 60);
    assert_eq!(
        repaired(&second, "a flushed segment")[0].remedy,
        Remedy::CutLog
    );
    assert_eq!(names(&opened(&second, &clock, DATA)), batches(0..4));
    assert!(!paths(&second, "/data/quarantine/0").is_empty());

    let header = flipped(&fs, &segments[2], 3);
    assert_eq!(
        repaired(&header, "a header")[0].remedy,
        Remedy::RewriteSegment
    );
    assert_eq!(names(&opened(&header, &clock, DATA)), batches(0..4));
    assert_eq!(header.files()[&segments[2]], fs.files()[&segments[2]]);

    let length = fs.files()[&segments[2]].len();
    let torn = fs.copy();
    torn.overwrite(
        &segments[2],
        fs.files()[&segments[2]][..length - 5].to_vec(),
    );
    let done = repaired(&torn, "a torn end");
    assert!(done[0].harmless, "{done:?}");
    assert_eq!(names(&opened(&torn, &clock, DATA)), batches(0..3));
}

#[test]
fn a_manifest_is_rebuilt_from_the_files_when_both_copies_are_unreadable() {
    let (fs, clock) = stopped();
    for gone in [true, false] {
        let fs = fs.copy();
        for path in [MANIFEST, PREVIOUS].map(Path::new) {
            if gone {
                store::fs::Fs::remove(&fs, path).unwrap();
            } else {
                fs.overwrite(path, b"no manifest at all, but long enough".to_vec());
            }
        }
        let damaged = paths(&fs, "tables/logs")[0].clone();
        fs.overwrite(&damaged, vec![7; 99]);
        let done = repaired(&fs, "no manifest");
        let remedies: Vec<_> = done.iter().map(|finding| finding.remedy).collect();
        assert_eq!(remedies, [Remedy::RebuildManifest, Remedy::Quarantine]);
        let seen = opened(&fs, &clock, DATA);
        assert_eq!(names(&seen), batches(0..4), "gone: {gone}");
        assert_eq!(seen.twice, Vec::<String>::new());
        assert_eq!(seen.minutes_calls, 12);
        assert_eq!(seen.logs.len(), 3, "one file of logs was damaged");
        run(async {
            let store = open_sim(&fs, &clock).await.unwrap();
            assert_eq!(store.position("lane0").as_deref(), Some("3"));
            store.close().await;
        });
    }
}

#[test]
fn positions_of_flushed_commits_come_from_the_log() {
    let (fs, clock) = stopped();
    for path in [MANIFEST, PREVIOUS].map(Path::new) {
        store::fs::Fs::remove(&fs, path).unwrap();
    }
    // Of what was not flushed nothing is left.
    store::fs::Fs::remove(&fs, &paths(&fs, ".wal")[2]).unwrap();
    let _ = repaired(&fs, "no manifest and half a log");
    run(async {
        let store = open_sim(&fs, &clock).await.unwrap();
        assert_eq!(store.position("lane0").as_deref(), Some("1"));
        store.close().await;
    });
}

#[test]
fn a_repair_may_lose_power_anywhere_and_deletes_no_row() {
    let (sound, clock) = stopped();
    let file = paths(&sound, "tables/samples")[0].clone();
    let segments = paths(&sound, ".wal");
    let fs = flipped(&sound, &file, 60);
    let fs = flipped(&fs, &segments[0], 3);
    let fs = flipped(&fs, &segments[1], 60);
    let fs = flipped(&fs, Path::new(MANIFEST), 40);
    let aside = fs.files()[&file].clone();
    for changes in 0.. {
        for seed in 0..2 {
            let fs = fs.copy();
            fs.power_off_after(changes);
            let done = repair(&shared(&fs), Path::new(DATA), false);
            let over = done.is_ok() && !fs.is_off();
            fs.lose_power(&mut Random::new(seed));
            let what = format!("off after {changes}, seed {seed}");
            let _ = repaired(&fs, &what);
            let kept = fs.files().values().any(|content| *content == aside);
            assert!(kept, "{what}: the damaged file is gone");
            let seen = opened(&fs, &clock, DATA);
            assert_eq!(names(&seen), batches(0..4), "{what}");
            assert_eq!(seen.twice, Vec::<String>::new(), "{what}");
            if over {
                assert!(changes > 15, "a repair changes more than {changes} things");
                return;
            }
        }
    }
}

#[test]
fn who_changes_things_needs_the_server_stopped() {
    let (fs, clock) = stopped();
    run(async {
        let store = open_sim(&fs, &clock).await.unwrap();
        let refused = [
            repair(&shared(&fs), Path::new(DATA), false).map(|_| ()),
            repair(&shared(&fs), Path::new(DATA), true).map(|_| ()),
            upgrade(&shared(&fs), Path::new(DATA)).map(|_| ()),
        ];
        for refused in refused {
            assert!(
                matches!(refused, Err(UpkeepError::Running { .. })),
                "{refused:?}"
            );
        }
        store.close().await;
    });
    let upgraded = upgrade(&shared(&fs), Path::new(DATA)).unwrap();
    assert_eq!(upgraded.from, upgraded.to);
    assert!(!verify(&fs, Path::new(DATA)).unwrap().is_damaged());
}
