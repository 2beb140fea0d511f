//! File sources that are replaced while they still have a commit under way.

use std::io::Write;

use model::SystemClock;
use outbound::{AllowList, Limits};
use store::Options;
use tokio::sync::oneshot;

use super::*;
use crate::config::tests::source_of;

async fn house(home: &Path) -> (Store, Collector) {
    let clock = SystemClock::shared();
    let options = Options::new(home.join("store"));
    let store = Store::open(options, clock.clone()).await.unwrap();
    let outbound = Outbound::new(AllowList::default(), Limits::default());
    let collector =
        Collector::start(Config::empty(), store.clone(), outbound, clock, home).unwrap();
    (store, collector)
}

#[tokio::test]
async fn a_file_source_is_never_cut_off_and_its_successor_waits_for_it() {
    let home = tempfile::tempdir().unwrap();
    let (store, collector) = house(home.path()).await;
    let log = home.path().join("calls.log");
    let mut file = std::fs::File::create(&log).unwrap();
    writeln!(file, "{{\"function\":\"f\",\"outcome\":\"ok\"}}").unwrap();
    let config = source_of(&format!(
        "{{name: calls, file: {{path: '{}'}}, format: rampart-json}}",
        log.display()
    ));

    // A tail that cannot stop, as its commit takes long.
    let (commit, committed) = oneshot::channel::<()>();
    let slow = RunningSource {
        config: Arc::new(config.clone()),
        stop: watch::Sender::new(false),
        task: Some(tokio::spawn(async move {
            committed.await.unwrap();
        })),
    };
    let stuck = vec![("calls".to_owned(), slow)];
    collector.inner.stop_all(stuck).await;
    assert!(!commit.is_closed(), "the commit was cut off");

    collector.inner.begin(config);
    let position = || store.position("file:calls");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(position(), None, "the successor did not wait");
    commit.send(()).unwrap();
    for _ in 0..300 {
        if position().is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(position().is_some());
    collector.stop().await;
    store.close().await;
}
