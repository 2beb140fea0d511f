//! Jobs: durable when they return, whole or not at all, many to a commit.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

use homes::Home;
use model::Timestamp;
use state::{Kind, Limits, Migrations, Place, State, StateError, Statement, Table, Value};

#[macro_use]
mod homes;

const ROOMS: &[Migrations] = &[Migrations {
    room: "rules",
    steps: &[
        "create table rules_pairs(key text primary key not null, value integer not null) strict;
         create table rules_any(integers integer, reals real, texts text, blobs blob, id integer primary key autoincrement) strict;
         create table rules_children(pair text not null references rules_pairs(key)) strict;",
    ],
}];

static PAIRS: Table = Table {
    name: "rules_pairs",
    columns: &[("key", Kind::Text), ("value", Kind::Integer)],
    key: 1,
};

fn put(key: &str, value: i64) -> Statement {
    Statement::new("insert into rules_pairs(key, value) values (?1, ?2)")
        .bind(key)
        .bind(value)
}

async fn pairs(state: &State) -> Vec<(String, i64)> {
    state
        .read(Statement::new(
            "select key, value from rules_pairs order by key",
        ))
        .await
        .unwrap()
        .iter()
        .map(|row| (row.text(0).unwrap(), row.integer(1).unwrap()))
        .collect()
}

/// What a killed process leaves behind: of a file a copy as it is now, without a close; a server has
/// it all.
fn as_after_a_kill(home: &Home) -> Place {
    let Place::File(path) = &home.place else {
        return home.place.clone();
    };
    let copy = home.directory.path().join("killed.db");
    for side in ["", "-wal"] {
        let from = format!("{}{side}", path.display());
        if Path::new(&from).exists() {
            std::fs::copy(from, format!("{}{side}", copy.display())).unwrap();
        }
    }
    Place::File(copy)
}

fn side_file(home: &Home) -> PathBuf {
    home.directory.path().join("rampart.db-wal")
}

on_both! {
async fn many_writers_share_few_commits_and_lose_nothing(home: Home) {
    const WRITERS: i64 = 1000;
    let state = home.open(ROOMS).await;
    // On one thread all of these queue up before the writer has its first turn.
    let writing: Vec<_> = (0..WRITERS)
        .map(|at| {
            let state = state.clone();
            tokio::spawn(async move { state.write(vec![put(&format!("{at:04}"), at)]).await })
        })
        .collect();
    for job in writing {
        assert_eq!(job.await.unwrap(), Ok(vec![1]));
    }
    let stats = state.stats();
    assert_eq!(stats.jobs, 1000);
    assert!(stats.commits <= 20, "{} commits", stats.commits);

    let killed = State::open_at(&as_after_a_kill(&home), ROOMS, &Limits::default())
        .await
        .unwrap();
    let expected: Vec<_> = (0..WRITERS).map(|at| (format!("{at:04}"), at)).collect();
    assert_eq!(pairs(&killed).await, expected);
    state.close().await;
    let reopened = home.open(ROOMS).await;
    assert_eq!(pairs(&reopened).await, expected);
}

async fn a_job_is_whole_or_nothing_and_harms_no_neighbour(home: Home) {
    let state = home.open(ROOMS).await;
    state.write(vec![put("taken", 0)]).await.unwrap();
    let before = state.stats().commits;
    let (first, broken, wrong, last) = tokio::join!(
        state.write(vec![put("a", 1), put("b", 2)]),
        state.write(vec![put("c", 3), put("taken", 4), put("d", 5)]),
        state.write(vec![
            put("e", 6),
            Statement::new("delete from rules_nothing")
        ]),
        state.write(vec![
            put("f", 7),
            Statement::new("update rules_pairs set value = value + 10 where key in ('f', 'taken')"),
            Statement::new("delete from rules_pairs where key = 'nobody'"),
        ]),
    );
    assert_eq!(first, Ok(vec![1, 1]));
    assert!(
        matches!(broken, Err(StateError::Constraint { unique: true, .. })),
        "{broken:?}"
    );
    assert!(
        matches!(&wrong, Err(StateError::Statement(cause)) if cause.contains("rules_nothing")),
        "{wrong:?}"
    );
    assert_eq!(last, Ok(vec![1, 2, 0]));
    assert_eq!(
        state.stats().commits,
        before + 1,
        "all four shared one commit"
    );
    assert_eq!(
        pairs(&state).await,
        [("a", 1), ("b", 2), ("f", 17), ("taken", 10)].map(|(key, value)| (key.to_owned(), value))
    );
}

async fn foreign_keys_hold(home: Home) {
    let state = home.open(ROOMS).await;
    let orphan = Statement::new("insert into rules_children values ('nobody')");
    let refused = state.write(vec![orphan]).await;
    assert!(
        matches!(refused, Err(StateError::Constraint { unique: false, .. })),
        "{refused:?}"
    );
}

async fn values_come_back_as_they_went_in(home: Home) {
    let state = home.open(ROOMS).await;
    let noon = Timestamp::from_seconds(1_762_862_400);
    let values: Vec<Value> = vec![
        Value::Null,
        i64::MIN.into(),
        i64::MAX.into(),
        true.into(),
        0.1.into(),
        f64::MAX.into(),
        "".into(),
        "it's \u{1f6a8} ?1 $1 end".into(),
        Vec::<u8>::new().into(),
        vec![0_u8, 255].into(),
        noon.into(),
        None::<String>.into(),
        Some("some").into(),
    ];
    for value in &values {
        let column = match value {
            Value::Integer(_) => "integers",
            Value::Real(_) => "reals",
            Value::Blob(_) => "blobs",
            _ => "texts",
        };
        let insert = Statement::new(format!("insert into rules_any({column}) values (?1)"));
        state.write(vec![insert.bind(value.clone())]).await.unwrap();
    }
    let rows = state
        .read(Statement::new(
            "select integers, reals, texts, blobs from rules_any order by id",
        ))
        .await
        .unwrap();
    let read: Vec<_> = rows
        .iter()
        .map(|row| {
            let held = (0..4).map(|column| row.value(column).unwrap());
            let mut held = held.filter(|value| **value != Value::Null);
            held.next_back().cloned().unwrap_or(Value::Null)
        })
        .collect();
    assert_eq!(read, values);
    assert_eq!(rows[10].timestamp(0), Ok(noon));
    assert_eq!(rows[3].boolean(0), Ok(true));
    assert_eq!(rows[11].optional_text(2), Ok(None));
    assert_eq!(rows[12].optional_text(2), Ok(Some("some".to_owned())));
    assert_eq!(
        rows[12].integer(2),
        Err(StateError::Shape {
            column: 2,
            expected: "an integer",
            found: "text"
        })
    );
    assert!(rows[0].text(0).is_err() && rows[0].text(4).is_err());
}

async fn statements_that_could_harm_others_never_reach_the_file(home: Home) {
    let state = home.open(ROOMS).await;
    for sql in [
        "rollback",
        "pragma foreign_keys = off",
        "drop table rules_pairs",
    ] {
        let refused = state.write(vec![put("x", 1), Statement::new(sql)]).await;
        assert!(
            matches!(refused, Err(StateError::Statement(_))),
            "{sql}: {refused:?}"
        );
    }
    let refused = state.read(Statement::new("delete from rules_pairs")).await;
    assert!(
        matches!(refused, Err(StateError::Statement(_))),
        "{refused:?}"
    );
    // The reading connections could not write even if a statement slipped through the check.
    let with = "with x as (select 1) insert into rules_any(integers) select * from x";
    assert!(state.read(Statement::new(with)).await.is_err());
    assert_eq!(pairs(&state).await, []);
}

async fn answers_are_capped(home: Home) {
    let limits = Limits {
        read_rows_max: 2,
        ..Limits::default()
    };
    let state = home.open_with(ROOMS, &limits).await;
    for at in 0..3 {
        state.write(vec![put(&at.to_string(), at)]).await.unwrap();
    }
    let all = Statement::new("select * from rules_pairs");
    assert_eq!(
        state.read(all).await,
        Err(StateError::TooManyRows { rows_max: 2 })
    );
    let two = Statement::new("select * from rules_pairs limit 2");
    assert_eq!(state.read(two).await.map(|rows| rows.len()), Ok(2));
}

async fn closing_keeps_what_is_queued_and_then_says_so(home: Home) {
    let state = home.open(ROOMS).await;
    let (written, ()) = tokio::join!(state.write(vec![put("a", 1)]), state.clone().close());
    assert_eq!(written, Ok(vec![1]));
    assert_eq!(
        state.write(vec![put("b", 2)]).await,
        Err(StateError::Closed)
    );
    let read = state.read(Statement::new("select 1")).await;
    assert_eq!(read, Err(StateError::Closed));
    state.close().await; // again, harmlessly
    assert!(
        !side_file(&home).exists(),
        "folded into the file"
    );
    let reopened = home.open(ROOMS).await;
    assert_eq!(pairs(&reopened).await, [("a".to_owned(), 1)]);
}

async fn a_small_queue_makes_callers_wait_and_loses_none(home: Home) {
    let limits = Limits {
        write_queue_jobs_max: 2,
        commit_jobs_max: 3,
        ..Limits::default()
    };
    let state = home.open_with(ROOMS, &limits).await;
    let writing: Vec<_> = (0..50)
        .map(|at| {
            let state = state.clone();
            tokio::spawn(async move { state.write(vec![put(&format!("{at:02}"), at)]).await })
        })
        .collect();
    for job in writing {
        assert_eq!(job.await.unwrap(), Ok(vec![1]));
    }
    assert_eq!(pairs(&state).await.len(), 50);
    assert!(state.stats().commits >= 17, "no group is larger than 3");
}

async fn a_batch_writes_over_what_has_its_keys(home: Home) {
    let state = home.open(ROOMS).await;
    let row = |key: &str, value: i64| vec![key.into(), value.into()];
    let first = PAIRS.put(vec![row("a", 1), row("b", 2), row("c", 3)]);
    assert_eq!(state.write(vec![first]).await, Ok(vec![3]));
    let again = PAIRS.put(vec![row("b", 20), row("d", 4)]);
    let gone = PAIRS.remove(vec![vec!["a".into()], vec!["nobody".into()]]);
    assert_eq!(state.write(vec![again, gone]).await, Ok(vec![2, 1]));
    let there = [("b", 20), ("c", 3), ("d", 4)].map(|(key, value)| (key.to_owned(), value));
    assert_eq!(pairs(&state).await, there);
    assert_eq!(state.write(vec![PAIRS.put(vec![])]).await, Ok(vec![0]));
}

async fn lists_are_looked_in(home: Home) {
    let state = home.open(ROOMS).await;
    let job = (0..5).map(|at| put(&at.to_string(), at)).collect();
    state.write(job).await.unwrap();
    let found = async |sql: &'static str, list: Value| {
        let rows = state.read(Statement::new(sql).bind(list)).await.unwrap();
        rows.iter().map(|row| row.integer(0).unwrap()).collect::<Vec<_>>()
    };
    let within = "select value from rules_pairs where value in ?1 order by value";
    assert_eq!(found(within, vec![1_i64, 3, 9].into()).await, [1, 3]);
    assert_eq!(found(within, Vec::<i64>::new().into()).await, [0; 0]);
    let without = "select value from rules_pairs where key not in ?1 order by value";
    assert_eq!(found(without, vec!["0".to_owned(), "4".into()].into()).await, [1, 2, 3]);
    assert_eq!(found(without, Vec::<String>::new().into()).await, [0, 1, 2, 3, 4]);
}

async fn a_job_whose_condition_does_not_hold_is_not_kept(home: Home) {
    let state = home.open(ROOMS).await;
    state.write(vec![put("epoch", 7)]).await.unwrap();
    let if_epoch = |epoch: i64| {
        Statement::new("update rules_pairs set value = value where key = 'epoch' and value = ?1")
            .bind(epoch)
            .expect_rows(1)
    };
    let unmet = StateError::Unmet { expected: 1, found: 0 };
    assert_eq!(state.write(vec![if_epoch(6), put("a", 1)]).await, Err(unmet.clone()));
    assert_eq!(state.write(vec![put("a", 1), if_epoch(6)]).await, Err(unmet));
    assert_eq!(state.write(vec![if_epoch(7), put("b", 2)]).await, Ok(vec![1, 1]));
    let there = [("b", 2), ("epoch", 7)].map(|(key, value)| (key.to_owned(), value));
    assert_eq!(pairs(&state).await, there);
}

async fn the_databases_clock_goes_in_microseconds(home: Home) {
    let state = home.open(ROOMS).await;
    let rows = state.read(Statement::new("select now_us()")).await.unwrap();
    let now = rows[0].integer(0).unwrap();
    let ours = std::process::Command::new("date").arg("+%s").output().unwrap();
    let ours: i64 = String::from_utf8(ours.stdout).unwrap().trim().parse().unwrap();
    assert!((now / 1_000_000 - ours).abs() < 3_600, "{now} at {ours}");
}
}
