//! What running rules stand on, opened in a folder: a store, the state and the modes.
#![allow(dead_code)] // each test file uses its part

use std::path::Path;

use model::SharedClock;
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
