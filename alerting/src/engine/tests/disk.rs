//! What is on a disk that missed something, is broken or grows old.

use state::Statement;

use super::*;

async fn run(state: &State, sql: &'static str) {
    state.write(vec![Statement::new(sql)]).await.unwrap();
}

on_both! {
async fn what_ended_while_its_end_was_forgotten_is_ended_on_disk(house: House) {
    let (alerting, state) = house.open(&house.yaml()).await;
    let alert = failing("feed", house.clock.now());
    alerting.handle().receive(vec![alert]).await.unwrap();
    house.hook.wait_for(1).await;
    stop(alerting, state).await;
    let state = house.state().await;
    let settle = tables::settle_forgotten(&[], house.clock.now());
    state.write(settle).await.unwrap();
    let stored = tables::load(&state).await.unwrap();
    assert_eq!(stored.incidents.len(), 0);
    assert_eq!(stored.outbox.len(), 0);
    assert_eq!(stored.attempts.len(), 0);
    let ended = tables::list_incidents(&state, None, 10).await.unwrap();
    assert_eq!(ended.len(), 1);
    assert_eq!(ended[0].status, IncidentStatus::Resolved);
    state.close().await;
}

async fn remarks_on_an_incident_that_left_memory_are_all_kept(house: House) {
    let (alerting, state) = house.open(&house.yaml()).await;
    let handle = alerting.handle();
    let alert = failing("feed", house.clock.now());
    handle.receive(vec![alert.clone()]).await.unwrap();
    house.hook.wait_for(1).await;
    let over = resolved(alert, house.clock.now());
    handle.receive(vec![over]).await.unwrap();
    house.hook.wait_for(2).await;
    let id = handle.incidents(None, 1).await.unwrap()[0].id.clone();
    stop(alerting, state).await;
    // As if it had been over for long.
    let state = house.state().await;
    let closed = "update alerting_incidents set active = 0";
    run(&state, closed).await;
    let document = state.read(Statement::new("select document from alerting_incidents"));
    let document = document.await.unwrap()[0].text(0).unwrap();
    let document = document.replace("\"closed\":false", "\"closed\":true");
    let put = Statement::new("update alerting_incidents set document = ?1").bind(document);
    state.write(vec![put]).await.unwrap();
    state.close().await;
    let (alerting, state) = house.open(&house.yaml()).await;
    let handle = alerting.handle();
    assert!(tables::load(&state).await.unwrap().incidents.is_empty());
    let remarks: Vec<_> = (0..6)
        .map(|n| {
            let (handle, id) = (handle.clone(), id.clone());
            let text = format!("remark {n}");
            tokio::spawn(async move {
                let note = Action::Note { text };
                handle.act(&id, note, "lin", How::Api).await
            })
        })
        .collect();
    for remark in remarks {
        remark.await.unwrap().unwrap();
    }
    let stored = tables::find_incident(&state, &id).await.unwrap().unwrap();
    for n in 0..6 {
        let text = format!("remark {n}");
        let kept = stored.timeline.iter().any(|entry| entry.text.contains(&text));
        assert!(kept, "{text}: {:?}", stored.timeline);
    }
    stop(alerting, state).await;
}

async fn it_starts_although_a_stored_row_cannot_be_read(house: House) {
    let (alerting, state) = house.open(&house.yaml()).await;
    let now = house.clock.now();
    let alerts = vec![failing("one", now), failing("two", now)];
    alerting.handle().receive(alerts).await.unwrap();
    house.hook.wait_for(2).await;
    alerting.stop(Duration::from_secs(10)).await;
    run(
        &state,
        "update alerting_incidents set document = '{' where number = 1",
    )
    .await;
    run(
        &state,
        "insert into alerting_outbox values (900, 'x', 'pending', 'broken')",
    )
    .await;
    run(
        &state,
        "insert into alerting_attempts values (900, 'in_flight', 0, '')",
    )
    .await;
    state.close().await;

    let (alerting, state) = house.open(&house.yaml()).await;
    let handle = alerting.handle();
    // The alert of the one that is lost still fires, so it has an incident again.
    assert_eq!(house.hook.wait_for(3).await.len(), 3);
    assert_eq!(handle.firing().await.unwrap().len(), 2);
    assert_eq!(handle.incidents(None, 10).await.unwrap().len(), 2);
    let rows = state.read(Statement::new("select count(*) from alerting_incidents"));
    assert_eq!(rows.await.unwrap()[0].integer(0).unwrap(), 3, "it is left");
    stop(alerting, state).await;
}

async fn old_incidents_are_deleted_although_somebody_always_asks(house: House) {
    // Far more than the deletion needs; without it the last one finds the incident still there.
    const QUESTIONS_MAX: usize = 20_000;
    let (alerting, state) = house.open(&house.yaml()).await;
    let handle = alerting.handle();
    let alert = failing("feed", house.clock.now());
    handle.receive(vec![alert]).await.unwrap();
    house.hook.wait_for(1).await;
    let id = handle.incidents(None, 1).await.unwrap()[0].id.clone();
    alerting.stop(Duration::from_secs(10)).await;
    run(
        &state,
        "update alerting_incidents set active = 0, resolved_at = 1",
    )
    .await;
    state.close().await;

    let (alerting, state) = house.open(&house.yaml()).await;
    let handle = alerting.handle();
    let mut questions = 0;
    while handle.incident(&id).await.is_ok() {
        questions += 1;
        assert!(questions < QUESTIONS_MAX, "it is never deleted");
    }
    stop(alerting, state).await;
}
}

/// Waits until alerting knows of so many incidents, or `disk` is done.
async fn knows(handle: &Handle, incidents: usize, disk: &tokio::task::JoinHandle<()>) {
    while handle.incidents(None, 10).await.unwrap().len() < incidents {
        assert!(!disk.is_finished(), "alerting waits for the disk");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_slow_disk_keeps_messages_back_and_nobody_from_deciding() {
    let house = House::on_a_server().await;
    let (alerting, state) = house.open(&house.yaml()).await;
    let handle = alerting.handle();
    let slow = state.clone();
    let disk = tokio::spawn(async move {
        let nothing =
            "delete from alerting_codes where (select count(*) from (select pg_sleep(2)) as s) = 0";
        run(&slow, nothing).await;
    });
    // Its turn comes before that of the alerts.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let receive = |name: &'static str| {
        let (handle, alert) = (handle.clone(), failing(name, house.clock.now()));
        tokio::spawn(async move { handle.receive(vec![alert]).await })
    };
    let first = receive("first");
    knows(&handle, 1, &disk).await;
    let second = receive("second");
    knows(&handle, 2, &disk).await;
    assert!(!first.is_finished() && !second.is_finished());
    assert_eq!(house.hook.count(), 0);
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    assert!(disk.is_finished());
    house.hook.wait_for(2).await;
    stop(alerting, state).await;
}
