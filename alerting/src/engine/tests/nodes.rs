//! Two nodes, one database.

use state::Statement;

use super::*;
use crate::lease::{Answer, Ask};
use crate::pipeline::{Draft, Silence};
use crate::tables::lease::{Me, ask, fence, look, release};

fn statuses(handles: [&Handle; 2]) -> [String; 2] {
    handles.map(|handle| {
        let node = handle.node().unwrap();
        format!("{} {} of {:?}", node.name, node.role, node.leader)
    })
}

/// Looks until there is something to see.
async fn eventually<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_arrives_at_a_standby_is_done_by_the_leader_once() {
    let house = House::on_a_server().await;
    let (first, _state) = house.open(&house.yaml()).await;
    let (second, _other) = house.node("two", &house.yaml()).await;
    let (leader, standby) = (first.handle(), second.handle());
    eventually(async || standby.node().unwrap().leader).await;
    assert_eq!(
        statuses([&leader, &standby]),
        [
            r#"one leader of Some("one")"#,
            r#"two standby of Some("one")"#
        ]
    );
    let alert = failing("feed", house.clock.now());
    // Both nodes see the same fault, and whoever hands over does so twice.
    standby.receive(vec![alert.clone()]).await.unwrap();
    standby.receive(vec![alert.clone()]).await.unwrap();
    leader.receive(vec![alert.clone()]).await.unwrap();
    house.hook.wait_for(1).await;
    let id = eventually(async || {
        let seen = standby.firing().await.unwrap();
        seen.first().map(|(id, _)| id.clone())
    })
    .await;
    // A person who reaches the standby gets the answer that the leader would give.
    let acked = standby
        .act(&id, Action::Acknowledge, "ann", How::Link)
        .await
        .unwrap();
    assert_eq!(acked.status, IncidentStatus::Acknowledged);
    let there = leader.incident(&id).await.unwrap();
    assert_eq!(there.acknowledged.unwrap().by, "ann");
    let unknown = standby
        .act("nothing", Action::Acknowledge, "ann", How::Api)
        .await;
    assert!(
        matches!(unknown, Err(AlertingError::UnknownIncident(_))),
        "{unknown:?}"
    );
    standby
        .receive(vec![resolved(alert, house.clock.now())])
        .await
        .unwrap();
    let said = house.hook.wait_for(2).await.len();
    let whole = leader.incident(&id).await.unwrap();
    assert_eq!(said, 2, "the fault and its end: {:#?}", whole.timeline);
    second.stop(Duration::from_secs(5)).await;
    first.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn silences_and_hand_overs_are_made_at_any_node() {
    let house = House::on_a_server().await;
    let yaml = format!(
        "{}schedules: {{guide: {{time_zone: UTC, rotations: [{{name: all, start: 2026-01-01T00:00, every: 1w, people: [ann]}}]}}}}
people: {{ann: {{name: Ann}}, ben: {{name: Ben}}}}
",
        house.yaml()
    );
    let (first, _state) = house.open(&yaml).await;
    let (second, _other) = house.node("two", &yaml).await;
    let (leader, standby) = (first.handle(), second.handle());
    let now = house.clock.now();
    let draft = Draft {
        id: None,
        matchers: vec!["function=\"feed\"".parse().unwrap()],
        starts_at: now,
        ends_at: now + Duration::from_hours(1),
        created_by: "ann".to_owned(),
        comment: "known".to_owned(),
    };
    let id = standby.set_silence(draft).await.unwrap();
    let silences: Vec<Silence> = leader.silences().await.unwrap();
    assert_eq!(silences.len(), 1);
    assert_eq!(silences[0].id, id);
    standby.receive(vec![failing("feed", now)]).await.unwrap();
    eventually(async || {
        let firing = leader.firing().await.unwrap();
        (!firing.is_empty()).then_some(())
    })
    .await;
    assert_eq!(house.hook.count(), 0, "it is muted");
    eventually(async || (!standby.silences().await.unwrap().is_empty()).then_some(())).await;
    standby.expire_silence(&id).await.unwrap();
    house.hook.wait_for(1).await;

    let times = (now, now + Duration::from_hours(2));
    let made = standby
        .take_over("guide", "ben", times, "ben")
        .await
        .unwrap();
    assert_eq!((made.person.as_str(), made.id), ("ben", 1));
    let duty = &leader.on_call().await.unwrap()[0];
    assert_eq!(duty.overrides, std::slice::from_ref(&made));
    eventually(async || {
        let there = !standby.on_call().await.unwrap()[0].overrides.is_empty();
        there.then_some(())
    })
    .await;
    let ended = standby.end_override("guide", made.id).await.unwrap();
    assert!(ended.to < made.to);
    second.stop(Duration::from_secs(5)).await;
    first.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_standby_takes_over_from_a_leader_that_dies_and_says_nothing_twice() {
    let house = House::on_a_server().await;
    let (first, _state) = house.open(&house.yaml()).await;
    let (second, _other) = house.node("two", &house.yaml()).await;
    let handle = second.handle();
    let told = failing("told", house.clock.now());
    first.handle().receive(vec![told.clone()]).await.unwrap();
    house.hook.wait_for(1).await;
    // Its provider is away when the leader dies.
    house.hook.behave(WebhookBehaviour::Answer(500, Vec::new()));
    let untold = failing("untold", house.clock.now());
    handle.receive(vec![untold.clone()]).await.unwrap();
    house.hook.wait_for_refusals(1).await;
    let epoch = first.handle().node().unwrap().epoch;
    kill(first).await;
    // Arrives while nobody leads.
    let orphan = failing("orphan", house.clock.now());
    handle.receive(vec![orphan.clone()]).await.unwrap();
    leads(&handle).await;
    assert!(handle.node().unwrap().epoch > epoch);
    house.hook.behave(WebhookBehaviour::Accept);
    house.hook.wait_for(3).await;
    let now = house.clock.now();
    let over = [told, untold, orphan].map(|alert| resolved(alert, now));
    handle.receive(over.to_vec()).await.unwrap();
    house.hook.wait_for(6).await;
    assert_eq!(house.hook.distinct_keys().len(), 6);
    let listed = handle.incidents(None, 10).await.unwrap();
    assert_eq!(listed.len(), 3);
    second.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_leader_that_was_stopped_for_too_long_says_nothing_any_more() {
    let house = House::on_a_server().await;
    let (alerting, state) = house.open(&house.yaml()).await;
    let handle = alerting.handle();
    // While it does not look, somebody else takes the lease.
    alerting.membership.as_ref().unwrap().die();
    let taken = "update alerting_lease set holder = 'x', name = 'two', epoch = epoch + 1, until_us = now_us() + 3600000000";
    state.write(vec![Statement::new(taken)]).await.unwrap();
    let now = house.clock.now();
    let (first, second) = (failing("first", now), failing("second", now));
    let answers = tokio::join!(
        handle.receive(vec![first.clone()]),
        handle.receive(vec![second.clone()])
    );
    assert!(
        matches!(&answers.0, Err(AlertingError::NotDurable(why)) if why.contains("another node leads")),
        "{answers:?}"
    );
    // Handed over again, or late enough, it is written down for the one that leads.
    handle.receive(vec![first]).await.unwrap();
    if answers.1.is_err() {
        handle.receive(vec![second]).await.unwrap();
    }
    let waiting = state.read(Statement::new("select count(*) from alerting_inbox"));
    assert_eq!(waiting.await.unwrap()[0].integer(0), Ok(2));
    let stored = tables::load(&state).await.unwrap();
    assert!(stored.incidents.is_empty() && stored.outbox.is_empty());
    assert_eq!(house.hook.count(), 0);
    kill(alerting).await;
}

#[tokio::test]
async fn a_database_that_restarts_delays_pages_and_repeats_none() {
    let mut server = fakes::Postgres::start().unwrap();
    let url = server.database().unwrap();
    let house = House {
        place: Place::Server(Secret::new(url)),
        ..House::new().await
    };
    let (alerting, _state) = house.open(&house.yaml()).await;
    let handle = alerting.handle();
    let first = failing("first", house.clock.now());
    handle.receive(vec![first.clone()]).await.unwrap();
    house.hook.wait_for(1).await;
    server.crash().unwrap();
    // Whoever hands over keeps at it, as the rules do.
    let second = failing("second", house.clock.now());
    assert!(handle.receive(vec![second.clone()]).await.is_err());
    server.resume().unwrap();
    eventually(async || handle.receive(vec![second.clone()]).await.ok()).await;
    house.hook.wait_for(2).await;
    let now = house.clock.now();
    let over = vec![resolved(first, now), resolved(second, now)];
    eventually(async || handle.receive(over.clone()).await.ok()).await;
    let said = house.hook.wait_for(4).await;
    assert_eq!(house.hook.distinct_keys().len(), said.len());
    alerting.stop(Duration::from_secs(5)).await;
}

/// The row itself, by either database's clock.
async fn a_lease(house: House) {
    let state = house.state().await;
    let me = |id: &str| Me {
        id: id.to_owned(),
        name: format!("node {id}"),
    };
    let (a, b) = (me("a"), me("b"));
    let hour = Duration::from_hours(1);
    let asked = async |who: &Me, length, question| ask(&state, who, length, question).await;
    assert_eq!(asked(&a, hour, Ask::Take { epoch: 0 }).await, Answer::Done);
    assert_eq!(
        asked(&b, hour, Ask::Take { epoch: 0 }).await,
        Answer::Beaten
    );
    assert_eq!(
        asked(&b, hour, Ask::Take { epoch: 1 }).await,
        Answer::Beaten
    );
    assert_eq!(
        asked(&b, hour, Ask::Renew { epoch: 1 }).await,
        Answer::Beaten
    );
    let held = look(&state).await.unwrap();
    assert_eq!(
        (held.name.as_str(), held.epoch, held.lapsed),
        ("node a", 1, false)
    );
    // Whoever did not hear that it has the lease gets it anew.
    assert_eq!(asked(&a, hour, Ask::Take { epoch: 1 }).await, Answer::Done);
    assert_eq!(
        asked(&a, Duration::ZERO, Ask::Renew { epoch: 2 }).await,
        Answer::Done
    );
    state.write(vec![fence(&a, 2)]).await.unwrap();
    eventually(async || look(&state).await.unwrap().lapsed.then_some(())).await;
    // Over by the clock, and still writing as long as nobody took it.
    state.write(vec![fence(&a, 2)]).await.unwrap();
    assert_eq!(asked(&b, hour, Ask::Take { epoch: 2 }).await, Answer::Done);
    let fenced = state.write(vec![fence(&a, 2)]).await;
    assert!(
        matches!(fenced, Err(state::StateError::Unmet { .. })),
        "{fenced:?}"
    );
    assert_eq!(
        asked(&a, hour, Ask::Renew { epoch: 2 }).await,
        Answer::Beaten
    );
    state.write(vec![release(&a, 2)]).await.unwrap();
    assert_eq!(
        look(&state).await.unwrap().holder,
        "b",
        "not its own to give up"
    );
    state.write(vec![release(&b, 3)]).await.unwrap();
    assert_eq!(asked(&a, hour, Ask::Take { epoch: 3 }).await, Answer::Done);
}

#[tokio::test]
async fn the_lease_in_a_file() {
    a_lease(House::new().await).await;
}

#[tokio::test]
async fn the_lease_on_a_server() {
    a_lease(House::on_a_server().await).await;
}
