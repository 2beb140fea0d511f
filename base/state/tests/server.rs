//! A server that is new, old, newer, somebody else's, away, or asked by two at once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use fakes::Postgres;
use model::Secret;
use state::{Limits, Migrations, Place, State, StateError, Statement};

const FIRST: &str =
    "create table rules_phases(id integer primary key autoincrement, name text not null) strict;
     create index rules_phases_name on rules_phases(name);";
const SECOND: &str = "alter table rules_phases add column since integer;
                      update rules_phases set since = 7;";

fn rules(steps: &'static [&'static str]) -> [Migrations; 1] {
    [Migrations {
        room: "rules",
        steps,
    }]
}

async fn open(url: &str, rooms: &[Migrations]) -> Result<State, StateError> {
    let place = Place::Server(Secret::new(url.to_owned()));
    State::open_at(&place, rooms, &Limits::default()).await
}

fn insert(name: &str) -> Statement {
    Statement::new("insert into rules_phases(name) values (?1)").bind(name)
}

async fn names(state: &State) -> Vec<String> {
    let rows = state
        .read(Statement::new("select name from rules_phases order by id"))
        .await
        .unwrap();
    rows.iter().map(|row| row.text(0).unwrap()).collect()
}

#[tokio::test]
async fn tables_move_on_once_and_newer_ones_are_refused_untouched() {
    let url = Postgres::shared().unwrap().database().unwrap();
    let state = open(&url, &rules(&[FIRST])).await.unwrap();
    assert!(state.is_shared());
    state.write(vec![insert("firing")]).await.unwrap();
    state.close().await;
    for _ in 0..2 {
        let state = open(&url, &rules(&[FIRST, SECOND])).await.unwrap();
        let rows = state
            .read(Statement::new("select since from rules_phases"))
            .await
            .unwrap();
        assert_eq!(rows[0].integer(0), Ok(7));
        state.close().await;
    }
    let error = open(&url, &rules(&[FIRST])).await.unwrap_err();
    assert!(
        matches!(
            error,
            StateError::NewerDatabase {
                found: 2,
                known: 1,
                ..
            }
        ),
        "{error:?}"
    );
    let shown = error.to_string();
    assert!(
        !shown.contains("canary") && shown.contains("127.0.0.1"),
        "{shown}"
    );
}

#[tokio::test]
async fn nodes_that_start_together_make_the_tables_once() {
    let url = Postgres::shared().unwrap().database().unwrap();
    let steps = rules(&[FIRST, SECOND]);
    let opened = futures_util::future::join_all((0..6).map(|_| open(&url, &steps))).await;
    for (at, state) in opened.into_iter().enumerate() {
        let state = state.unwrap();
        state.write(vec![insert(&at.to_string())]).await.unwrap();
        assert_eq!(names(&state).await.len(), at + 1);
    }
}

#[tokio::test]
async fn a_step_that_fails_or_leaves_its_room_changes_nothing() {
    let url = Postgres::shared().unwrap().database().unwrap();
    open(&url, &rules(&[FIRST])).await.unwrap().close().await;
    for (step, why) in [
        ("create table alerting_x(id integer)", "`rules_`"),
        ("alter table rules_phases add column x nonsense", "nonsense"),
        ("drop table state_versions", "`rules_`"),
    ] {
        let steps: &'static [&'static str] = Box::leak(Box::new([FIRST, SECOND, step]));
        let error = open(&url, &rules(steps)).await.unwrap_err().to_string();
        assert!(
            error.contains("version 3") && error.contains(why),
            "{error}"
        );
        // Not even the steps before it are kept.
        open(&url, &rules(&[FIRST])).await.unwrap().close().await;
    }
}

#[tokio::test]
async fn somebody_elses_database_and_wrong_passwords_are_told() {
    let server = Postgres::shared().unwrap();
    let url = server.database().unwrap();
    let name = url.rsplit('/').next().unwrap();
    server.run_sql(name, "create table orders(id int)").unwrap();
    let error = open(&url, &rules(&[FIRST])).await.unwrap_err();
    assert!(
        matches!(error, StateError::ForeignDatabase { .. }),
        "{error:?}"
    );
    let wrong = url.replace(server.password(), "canary-wrong");
    for (url, wanted) in [(wrong.as_str(), "password"), ("mysql://x", ""), ("", "")] {
        let error = open(url, &rules(&[FIRST])).await.unwrap_err();
        let shown = error.to_string();
        assert!(matches!(error, StateError::Refused { .. }), "{error:?}");
        assert!(
            shown.contains(wanted) && !shown.contains("canary"),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn a_server_that_goes_and_comes_back_keeps_what_was_acknowledged() {
    let mut server = Postgres::start().unwrap();
    let url = server.database().unwrap();
    let state = open(&url, &rules(&[FIRST])).await.unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..3 {
        for at in 0..10 {
            let name = format!("{round}-{at}");
            state.write(vec![insert(&name)]).await.unwrap();
            acknowledged.push(name);
        }
        server.crash().unwrap();
        let lost = state.write(vec![insert("lost")]).await;
        assert!(matches!(lost, Err(StateError::Away(_))), "{lost:?}");
        let unread = state.read(Statement::new("select 1")).await;
        assert!(matches!(unread, Err(StateError::Away(_))), "{unread:?}");
        assert!(!state.healthy());
        server.resume().unwrap();
        state.read(Statement::new("select 1")).await.unwrap();
        assert!(
            state.healthy(),
            "a question is enough to see that it is back"
        );
        // No call is needed to make it work again, and none breaks it for good.
        state.write(vec![insert("back")]).await.unwrap();
        acknowledged.push("back".to_owned());
        assert!(state.healthy());
        assert_eq!(names(&state).await, acknowledged);
    }
    state.close().await;
}

#[tokio::test]
async fn a_writer_that_stops_in_the_middle_holds_nobody_up_for_long() {
    let url = Postgres::shared().unwrap().database().unwrap();
    let state = open(&url, &rules(&[FIRST])).await.unwrap();
    state.write(vec![insert("row")]).await.unwrap();
    // Another node took the row and was stopped before its commit; the server ends its wait.
    use sqlx::Connection;
    let mut other = sqlx::PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(
        "set idle_in_transaction_session_timeout = 1000; begin; update rules_phases set name = 'x'",
    )
    .execute(&mut other)
    .await
    .unwrap();
    let update = Statement::new("update rules_phases set name = 'y'");
    assert_eq!(state.write(vec![update]).await, Ok(vec![1]));
    assert_eq!(names(&state).await, ["y"]);
    let beaten = sqlx::raw_sql("commit").execute(&mut other).await;
    assert!(beaten.is_err(), "the other one's transaction is gone");
}
