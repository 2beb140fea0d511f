//! The runtime with a real database and a real receiver.

use std::sync::Arc;
use std::time::Duration;

use fakes::WebhookBehaviour;
use model::Secret;
use model::{Mode, SharedClock, SystemClock};
use outbound::{AllowList, Outbound};
use state::{Limits, Place, State};
use tempfile::TempDir;
use tokio::sync::watch;

use super::{Alerting, AlertingError, Handle, Node};
use crate::delivery::IncidentStatus;
use crate::pipeline::{Action, How};
use crate::testing::{config, failing, resolved};
use crate::{MIGRATIONS, tables};

/// The same test on a file and on a server.
macro_rules! on_both {
    ($($(#[doc = $doc:literal])* async fn $name:ident($house:ident: House) $body:block)*) => {$(
        $(#[doc = $doc])*
        mod $name {
            use super::*;

            async fn body($house: House) $body

            #[tokio::test]
            async fn on_a_file() {
                body(House::new().await).await;
            }

            #[tokio::test]
            async fn on_a_server() {
                body(House::on_a_server().await).await;
            }
        }
    )*};
}

mod disk;
mod nodes;

/// How long nodes lead here without being heard of: what dies is missed after about this long.
const LEASE: Duration = Duration::from_secs(2);

struct House {
    place: Place,
    _directory: TempDir,
    clock: SharedClock,
    hook: fakes::Webhook,
    mode: watch::Sender<Mode>,
}

impl House {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        House {
            place: Place::File(directory.path().join("state.db")),
            _directory: directory,
            clock: SystemClock::shared(),
            hook: fakes::Webhook::start(None).await.unwrap(),
            mode: watch::channel(Mode::Daily).0,
        }
    }

    async fn on_a_server() -> Self {
        let url = fakes::Postgres::shared().unwrap().database().unwrap();
        House {
            place: Place::Server(Secret::new(url)),
            ..House::new().await
        }
    }

    async fn state(&self) -> State {
        State::open_at(&self.place, &[MIGRATIONS], &Limits::default())
            .await
            .unwrap()
    }

    fn yaml(&self) -> String {
        format!(
            "receivers: [{{name: hook, webhook: {{url: '{}', deadline: 2s}}}}]\nroute: {{receiver: hook}}\n",
            self.hook.url()
        )
    }

    /// Alerting at work; on a server it is the one that leads.
    async fn open(&self, yaml: &str) -> (Alerting, State) {
        let (alerting, state) = self.node("one", yaml).await;
        leads(&alerting.handle()).await;
        (alerting, state)
    }

    /// One node, whether it leads or not.
    async fn node(&self, name: &str, yaml: &str) -> (Alerting, State) {
        let (config, teams) = config(yaml, "{}");
        let state = self.state().await;
        let outbound = Outbound::new(AllowList::default(), outbound::Limits::default());
        let node = Node {
            name: name.to_owned(),
            lease: LEASE,
        };
        let alerting = Alerting::start(
            node,
            config,
            teams,
            state.clone(),
            outbound,
            self.mode.subscribe(),
            Arc::clone(&self.clock),
            Some("https://rampart.example.com/guard/".to_owned()),
        );
        (alerting.await.unwrap(), state)
    }
}

async fn leads(handle: &Handle) {
    while handle.node().is_some_and(|node| node.role != "leader") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What a process that is killed leaves behind: nothing is awaited, nothing given up.
async fn kill(alerting: Alerting) {
    alerting.task.abort();
    if let Some(membership) = &alerting.membership {
        membership.die();
    }
    alerting.task.await.ok();
}

async fn stop(alerting: Alerting, state: State) {
    alerting.stop(Duration::from_secs(10)).await;
    state.close().await;
}

on_both! {
async fn a_message_goes_out_once_and_so_does_its_end(house: House) {
    let (alerting, state) = house.open(&house.yaml()).await;
    let handle = alerting.handle();
    let alert = failing("feed", house.clock.now());
    handle.receive(vec![alert.clone()]).await.unwrap();
    handle.receive(vec![alert.clone()]).await.unwrap();
    house.hook.wait_for(1).await;
    let over = resolved(alert, house.clock.now());
    handle.receive(vec![over.clone(), over]).await.unwrap();
    let hooks = house.hook.wait_for(2).await;
    assert_eq!(hooks.len(), 2);
    assert_eq!(house.hook.distinct_keys().len(), 2);
    let text = hooks[0].body.to_string();
    assert!(
        text.contains("https://rampart.example.com/guard/a/"),
        "{text}"
    );
    let listed = handle.incidents(None, 10).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].status, IncidentStatus::Resolved);
    stop(alerting, state).await;
}

async fn everything_survives_a_restart(house: House) {
    let (alerting, state) = house.open(&house.yaml()).await;
    let handle = alerting.handle();
    let first = failing("first", house.clock.now());
    let second = failing("second", house.clock.now());
    handle
        .receive(vec![first.clone(), second.clone()])
        .await
        .unwrap();
    house.hook.wait_for(2).await;
    let open = handle.incidents(None, 10).await.unwrap();
    let acked = handle
        .act(&open[0].id, Action::Acknowledge, "ann", How::Api)
        .await
        .unwrap();
    let lines = acked.timeline.len();
    stop(alerting, state).await;

    let (alerting, state) = house.open(&house.yaml()).await;
    let handle = alerting.handle();
    // Taken before the restart, so taken no more.
    handle
        .receive(vec![first.clone(), second.clone()])
        .await
        .unwrap();
    let again = handle.incident(&acked.id).await.unwrap();
    assert_eq!(again.status, IncidentStatus::Acknowledged);
    assert_eq!(again.acknowledged.as_ref().unwrap().by, "ann");
    assert!(again.timeline.len() >= lines);
    assert_eq!(again.alerts.len(), 1);
    assert_eq!(handle.firing().await.unwrap().len(), 2);
    let now = house.clock.now();
    handle
        .receive(vec![resolved(first, now), resolved(second, now)])
        .await
        .unwrap();
    // The end reaches whoever was told before the restart.
    let hooks = house.hook.wait_for(4).await;
    assert_eq!(hooks.len(), 4);
    assert_eq!(house.hook.distinct_keys().len(), 4);
    stop(alerting, state).await;
}

async fn an_attempt_cut_off_by_a_crash_is_repeated_once(house: House) {
    house.hook.behave(WebhookBehaviour::Hang);
    let (alerting, state) = house.open(&house.yaml()).await;
    let alert = failing("feed", house.clock.now());
    alerting.handle().receive(vec![alert]).await.unwrap();
    house.hook.wait_for_refusals(1).await;
    // The process dies: nothing is awaited, the attempt stays open in the database.
    kill(alerting).await;
    let stored = tables::load(&state).await.unwrap();
    assert_eq!(stored.attempts.len(), 1);
    state.close().await;

    house.hook.behave(WebhookBehaviour::Accept);
    let (alerting, state) = house.open(&house.yaml()).await;
    let hooks = house.hook.wait_for(1).await;
    assert_eq!(hooks.len(), 1);
    let handle = alerting.handle();
    let incident = &handle.incidents(None, 1).await.unwrap()[0];
    let whole = handle.incident(&incident.id).await.unwrap();
    let text: Vec<_> = whole
        .timeline
        .iter()
        .map(|line| line.text.as_str())
        .collect();
    let text = text.join("\n");
    assert!(text.contains("it may arrive twice"), "{text}");
    stop(alerting, state).await;
}

async fn a_hanging_receiver_delays_no_other(house: House) {
    let other = fakes::Webhook::start(None).await.unwrap();
    house.hook.behave(WebhookBehaviour::Hang);
    let yaml = format!(
        "receivers:
  - {{name: slow, webhook: {{url: '{}', deadline: 60s}}}}
  - {{name: quick, webhook: {{url: '{}'}}}}
route:
  receiver: slow
  routes: [{{matchers: ['function=\"quick\"'], receiver: quick}}]
",
        house.hook.url(),
        other.url()
    );
    let (alerting, state) = house.open(&yaml).await;
    let handle = alerting.handle();
    let now = house.clock.now();
    let slow = (0..20)
        .map(|n| failing(&format!("slow-{n}"), now))
        .collect();
    handle.receive(slow).await.unwrap();
    handle.receive(vec![failing("quick", now)]).await.unwrap();
    assert_eq!(other.wait_for(1).await.len(), 1);
    alerting.stop(Duration::from_millis(10)).await;
    state.close().await;
}

async fn a_failing_disk_keeps_no_message_back(house: House) {
    let (alerting, state) = house.open(&house.yaml()).await;
    let handle = alerting.handle();
    state.close().await;
    let alert = failing("feed", house.clock.now());
    let answer = handle.receive(vec![alert]).await;
    assert!(
        matches!(answer, Err(AlertingError::NotDurable(_))),
        "{answer:?}"
    );
    // What was to be said, and that the database fails, to whom memory knows.
    let said: Vec<String> = house
        .hook
        .wait_for(2)
        .await
        .iter()
        .map(|hook| hook.body["title"].to_string())
        .collect();
    assert!(said[0].contains("guide/feed"), "{said:?}");
    assert!(said[1].contains("AlertingStorageFailed"), "{said:?}");
    let again = handle
        .receive(vec![failing("cart", house.clock.now())])
        .await;
    assert!(again.is_err());
    assert!(
        house.hook.wait_for(3).await[2].body["title"]
            .to_string()
            .contains("guide/cart")
    );
    alerting.stop(Duration::from_secs(5)).await;
}

async fn the_heart_beats_while_alerting_answers(house: House) {
    let watcher = fakes::Provider::start(|call| {
        let fits = call.method == "GET" && call.path() == "/ping/token";
        let said = fakes::Said::new(200, "OK");
        if fits { Ok(said) } else { Err(said) }
    });
    let watcher = watcher.await.unwrap();
    let yaml = format!(
        "{}heartbeat: {{url: '{}/ping/token', every: 5s}}\n",
        house.yaml(),
        watcher.url()
    );
    let (alerting, state) = house.open(&yaml).await;
    watcher.wait_for(1).await;
    assert!(watcher.refusals().is_empty());
    stop(alerting, state).await;
}

async fn a_storm_becomes_few_messages(house: House) {
    // The simulation makes the storm of ten thousand; here every row passes through SQLite.
    const STORM_ALERTS: usize = 1_500;
    let (alerting, state) = house.open(&house.yaml()).await;
    let handle = alerting.handle();
    let now = house.clock.now();
    let storm: Vec<_> = (0..STORM_ALERTS)
        .map(|n| failing(&format!("f{n}"), now))
        .collect();
    handle.receive(storm).await.unwrap();
    // Every incident is told, almost all of them together.
    let told = loop {
        let open = handle.incidents(None, 20_000).await.unwrap();
        if open.len() == STORM_ALERTS && open.iter().all(|incident| !incident.told.is_empty()) {
            break open;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    assert_eq!(told.len(), STORM_ALERTS);
    assert!(house.hook.count() <= 130, "{} messages", house.hook.count());
    stop(alerting, state).await;
}

async fn the_mode_chooses_the_route_and_a_reload_keeps_incidents(house: House) {
    let rush = fakes::Webhook::start(None).await.unwrap();
    let yaml = format!(
        "receivers:
  - {{name: calm, webhook: {{url: '{}'}}}}
  - {{name: war, webhook: {{url: '{}'}}}}
escalations:
  night: {{steps: [{{after: 0s, notify: [war]}}, {{after: 1h, notify: [war]}}]}}
route: {{receiver: calm, rush: {{escalation: night}}}}
",
        house.hook.url(),
        rush.url()
    );
    let (alerting, state) = house.open(&yaml).await;
    let handle = alerting.handle();
    let now = house.clock.now();
    handle.receive(vec![failing("one", now)]).await.unwrap();
    assert_eq!(house.hook.wait_for(1).await.len(), 1);
    house.mode.send(Mode::Rush).unwrap();
    // The watch is read beside the commands; the route is chosen when an incident opens.
    let mut tries = 0;
    while rush.count() == 0 {
        tries += 1;
        let name = format!("two-{tries}");
        handle.receive(vec![failing(&name, now)]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (without, teams) = config(&house.yaml(), "{}");
    alerting.reload(without, teams).await.unwrap();
    let open = handle
        .incidents(Some(IncidentStatus::Open), 100)
        .await
        .unwrap();
    let escalated = open.iter().find(|incident| {
        matches!(&incident.destination, crate::config::Destination::Escalation(name) if name == "night")
    });
    let id = &escalated.unwrap().id;
    handle
        .act(id, Action::Escalate, "ann", How::Api)
        .await
        .unwrap();
    let whole = handle.incident(id).await.unwrap();
    let said = whole.timeline.iter().any(|line| {
        line.text
            .contains("escalation night is no longer configured")
    });
    assert!(said, "{:#?}", whole.timeline);
    stop(alerting, state).await;
}
}
