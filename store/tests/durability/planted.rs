//! The harness has teeth: with each of these mistakes in the store, the simulation of power losses
//! finds a row lost, invented or doubled within a few hundred seeds.

use crate::lies::Lie;
use crate::power_loss::first_violation;
use crate::sim::Bug;

/// A mistake that more seeds than this do not find would pass unnoticed in CI as well.
const SEEDS: std::ops::Range<u64> = 0..400;

fn assert_noticed(bug: Bug, lie: Lie) {
    let noticed = first_violation(SEEDS, bug, lie);
    let Some((seed, violation)) = noticed else {
        panic!("{bug:?} {lie:?} went unnoticed in seeds {SEEDS:?}");
    };
    println!("{bug:?} {lie:?}: seed {seed}: {violation}");
}

#[test]
fn a_disk_that_forgets_what_was_synced_is_noticed() {
    for bug in [Bug::NoSync, Bug::NoSyncDir] {
        assert_noticed(bug, Lie::None);
    }
}

#[test]
fn a_manifest_that_names_a_file_before_the_file_has_its_name_is_noticed() {
    assert_noticed(Bug::LateRename, Lie::None);
}

#[test]
fn every_planted_mistake_is_noticed() {
    for lie in Lie::ALL {
        assert_noticed(Bug::None, lie);
    }
}
