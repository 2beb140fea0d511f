//! What running rules stand on, opened in a folder: a store, the state and the modes.
#![allow(dead_code)] // each test file uses its part

use std::path::Path;

use model::{SharedClock, Timestamp};
use rules::Modes;
use state::State;
use store::Store;

pub(crate) async fn open_state(folder: &Path) -> State {
    State::open(&folder.join("state.db"), &[rules::MIGRATIONS])
        .await
        .unwrap()
}

pub(crate) async fn open_modes(state: &State, clock: &SharedClock) -> Modes {
    Modes::open(state.clone(), vec![], clock.clone())
        .await
        .unwrap()
}

pub(crate) async fn open(folder: &Path, clock: &SharedClock) -> (Store, State, Modes) {
    let options = store::Options::new(folder.join("store"));
    let store = Store::open(options, clock.clone()).await.unwrap();
    let state = open_state(folder).await;
    let modes = open_modes(&state, clock).await;
    (store, state, modes)
}

/// Lets an early rule know the function `guide/feed` since days.
pub(crate) async fn teach(state: &State, rule: &str, now: Timestamp) {
    let row = state::Statement::new(
        "insert into rules_memories(rule, labels, at_us, record) values (?1, ?2, ?3, ?4)",
    );
    let row = row
        .bind(rule)
        .bind(r#"{"function":"feed","namespace":"guide"}"#)
        .bind(now)
        .bind(learned(now));
    state.write(vec![row]).await.unwrap();
}

/// A detector that has seen eight clean days of a hundred calls a second, one of a thousand failing.
fn learned(until: Timestamp) -> Vec<u8> {
    const SECONDS: u64 = 8 * 86_400;
    let mut detector = early::Detector::new(early::Settings::default());
    let from = u64::try_from(until.as_seconds()).unwrap() - SECONDS;
    for second in from..from + SECONDS {
        detector.look(early::Look {
            at_ms: second * 1_000,
            calls: 100,
            failed: u64::from(second.is_multiple_of(10)),
            clean: true,
        });
    }
    assert!(!detector.is_learning());
    detector.to_record()
}
