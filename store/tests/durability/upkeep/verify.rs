//! `store stats` and `store verify`.

use std::path::Path;

use store::upkeep::{Finding, Remedy, UpkeepError, summarize, verify};
use store::{FormatVersion, OpenError};

use super::{MANIFEST, PREVIOUS, flipped, paths, stopped, with_format};
use crate::rows::{NOW, batch};
use crate::sim::{Bug, SimFs};
use crate::store::{open_sim, run};

fn findings(fs: &SimFs) -> Vec<Finding> {
    verify(fs, Path::new("/data")).unwrap().findings
}

fn below(path: &Path) -> String {
    path.strip_prefix("/data").unwrap().display().to_string()
}

#[test]
fn a_sound_store_has_no_findings_running_or_not() {
    let (fs, clock) = stopped();
    let verified = verify(&fs, Path::new("/data")).unwrap();
    assert_eq!(verified.findings, Vec::<Finding>::new());
    assert!(!verified.running);
    // Four tables of two batches: three invocations, logs and samples each, and their minutes.
    assert_eq!(
        (verified.files, verified.segments, verified.records),
        (8, 3, 4)
    );
    assert!(verified.rows >= 2 * (3 + 3 + 3), "{verified:?}");

    run(async {
        let store = open_sim(&fs, &clock).await.unwrap();
        store.commit(batch(1, 0, 3, NOW)).await.unwrap();
        store.flush().await.unwrap();
        // In the middle of a commit, and of a flush.
        let newest = paths(&fs, ".wal").pop().unwrap();
        let mut content = fs.files()[&newest].clone();
        content.extend_from_slice(&[40, 0, 0, 0, 1, 2]);
        fs.overwrite(&newest, content);
        let unfinished = Path::new("/data/tables/logs/9-9.parquet.tmp");
        drop(store::fs::Fs::create(&fs, unfinished).unwrap());
        let verified = verify(&fs, Path::new("/data")).unwrap();
        assert!(verified.running);
        assert_eq!(verified.findings, Vec::<Finding>::new());
        store.close().await;
    });
}

#[test]
fn what_a_crash_leaves_is_told_and_is_no_damage() {
    let (fs, _) = stopped();
    let newest = paths(&fs, ".wal").pop().unwrap();
    for torn in [&[40_u8, 0, 0, 0, 1, 2][..], &[0; 300][..]] {
        let fs = fs.copy();
        let mut content = fs.files()[&newest].clone();
        content.extend_from_slice(torn);
        fs.overwrite(&newest, content);
        let unfinished = Path::new("/data/tables/logs/9-9.parquet.tmp");
        drop(store::fs::Fs::create(&fs, unfinished).unwrap());
        let verified = verify(&fs, Path::new("/data")).unwrap();
        assert!(!verified.is_damaged(), "{:?}", verified.findings);
        let named: Vec<_> = verified.findings.iter().map(|it| it.path.clone()).collect();
        assert_eq!(
            named,
            ["tables/logs/9-9.parquet.tmp".to_owned(), below(&newest)]
        );
    }
}

#[test]
fn any_flipped_bit_of_a_parquet_file_is_named() {
    let (fs, _) = stopped();
    for path in paths(&fs, ".parquet") {
        let length = fs.files()[&path].len();
        for at in (0..length).step_by(97).chain([length - 1]) {
            let found = findings(&flipped(&fs, &path, at));
            assert_eq!(found.len(), 1, "{} at {at}", path.display());
            let finding = &found[0];
            assert_eq!(finding.path, below(&path), "at {at}");
            assert_eq!(
                (finding.remedy, finding.harmless),
                (Remedy::Quarantine, false)
            );
            assert!(finding.lost.ends_with("rows"), "{finding}");
        }
    }
}

#[test]
fn missing_shortened_and_unnamed_files_are_named() {
    let (fs, _) = stopped();
    let files = paths(&fs, ".parquet");
    let (gone, short) = (&files[0], &files[1]);
    let stray = Path::new("/data/tables/logs/stray.parquet");
    store::fs::Fs::remove(&fs, gone).unwrap();
    fs.overwrite(short, fs.files()[short][..100].to_vec());
    drop(store::fs::Fs::create(&fs, stray).unwrap());
    let found: Vec<_> = findings(&fs)
        .into_iter()
        .map(|finding| (finding.path, finding.remedy))
        .collect();
    assert_eq!(
        found,
        [
            (below(gone), Remedy::Forget),
            (below(short), Remedy::Quarantine),
            (below(stray), Remedy::Quarantine),
        ]
    );
}

#[test]
fn any_flipped_bit_of_the_log_is_named() {
    let (fs, _) = stopped();
    for path in paths(&fs, ".wal") {
        let length = fs.files()[&path].len();
        for at in (0..length).filter(|at| *at < 60 || at % 41 == 0) {
            let found = findings(&flipped(&fs, &path, at));
            assert_eq!(found.len(), 1, "{} at {at}: {found:?}", path.display());
            assert_eq!(found[0].path, below(&path), "at {at}");
            let remedy = if at < 16 {
                Remedy::RewriteSegment
            } else {
                Remedy::CutLog
            };
            assert_eq!(found[0].remedy, remedy, "at {at}");
        }
    }
    // What was lost is told in commits: those of the first segment are in Parquet, the third is not.
    let segments = paths(&fs, ".wal");
    let first = findings(&flipped(&fs, &segments[0], 40));
    assert_eq!(first[0].lost, "nothing, its rows are in Parquet");
    let third = findings(&flipped(&fs, &segments[2], 40));
    assert_eq!(
        third[0].lost,
        "the commits from 3 on, as far as they were in this segment"
    );
}

#[test]
fn any_flipped_bit_of_the_manifest_or_its_copy_is_named() {
    let (fs, clock) = stopped();
    run(async {
        let store = open_sim(&fs, &clock).await.unwrap();
        store.flush().await.unwrap();
        store.close().await;
    });
    for path in [MANIFEST, PREVIOUS].map(Path::new) {
        let length = fs.files()[path].len();
        for at in (0..length).filter(|at| *at < 30 || at % 61 == 0) {
            let found = findings(&flipped(&fs, path, at));
            let named: Vec<_> = found.iter().filter(|it| it.path == below(path)).collect();
            assert_eq!(named.len(), 1, "{} at {at}: {found:?}", path.display());
            assert_eq!(named[0].remedy, Remedy::RewriteManifest, "at {at}");
        }
    }
    let both = flipped(
        &flipped(&fs, Path::new(MANIFEST), 20),
        Path::new(PREVIOUS),
        20,
    );
    let found = findings(&both);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].path.as_str(), found[0].remedy),
        ("manifest", Remedy::RebuildManifest)
    );
}

#[test]
fn a_newer_format_is_refused_wherever_it_stands() {
    let (fs, clock) = stopped();
    let newer = FormatVersion::new(FormatVersion::NEWEST.number() + 1).unwrap();
    for path in [Path::new(MANIFEST), &paths(&fs, ".wal")[0]] {
        let fs = with_format(&fs, path, newer.number());
        let refused = verify(&fs, Path::new("/data")).unwrap_err();
        assert!(
            matches!(refused, UpkeepError::Newer { found, .. } if found == newer),
            "{refused}"
        );
        let opened = run(open_sim(&fs, &clock)).map(|_| ());
        assert!(
            matches!(opened, Err(OpenError::Newer { found, .. }) if found == newer),
            "{}: {opened:?}",
            path.display()
        );
    }
}

#[test]
fn a_folder_without_a_store_is_said_to_be_none() {
    let fs = SimFs::new(Bug::None);
    for refused in [
        verify(&fs, Path::new("/data")).map(|_| ()),
        summarize(&fs, Path::new("/data")).map(|_| ()),
    ] {
        assert!(
            matches!(refused, Err(UpkeepError::NoStore { .. })),
            "{refused:?}"
        );
    }
    assert!(fs.files().is_empty(), "looking makes nothing");
}

#[test]
fn the_summary_counts_what_is_there() {
    let (fs, clock) = stopped();
    let summary = summarize(&fs, Path::new("/data")).unwrap();
    let bytes = |part: &str| -> u64 {
        let files = fs.files();
        paths(&fs, part)
            .iter()
            .map(|path| files[path].len() as u64)
            .sum()
    };
    let invocations = &summary.tables[0];
    assert_eq!(
        (
            invocations.table,
            invocations.files,
            invocations.rows,
            invocations.bytes
        ),
        ("invocations", 2, 6, bytes("tables/invocations"))
    );
    assert_eq!(invocations.newest, Some(NOW));
    assert_eq!(
        summary.tables.iter().map(|table| table.bytes).sum::<u64>(),
        bytes(".parquet")
    );
    assert_eq!(
        (summary.log.segments, summary.log.bytes),
        (3, bytes(".wal"))
    );
    assert_eq!(summary.log.formats, [(FormatVersion::NEWEST, 3)].into());
    assert_eq!(
        (summary.format, summary.running),
        (Some(FormatVersion::NEWEST), false)
    );
    let manifest = &summary.manifest;
    assert_eq!(
        (manifest.flushed_sequence, manifest.sources, manifest.keys),
        (2, 1, 2)
    );
    assert_eq!(summary.quarantine.files, 0);
    run(async {
        let store = open_sim(&fs, &clock).await.unwrap();
        assert!(summarize(&fs, Path::new("/data")).unwrap().running);
        store.close().await;
    });
}
