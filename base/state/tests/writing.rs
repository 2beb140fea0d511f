//! Jobs: durable when they return, whole or not at all, many to a commit.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

use model::Timestamp;
use state::{Limits, Migrations, State, StateError, Statement, Value};

const ROOMS: &[Migrations] = &[Migrations {
    room: "rules",
    steps: &[
        "create table rules_pairs(key text primary key not null, value integer not null) strict;
         create table rules_any(value any) strict;
         create table rules_children(pair text not null references rules_pairs(key)) strict;",
    ],
}];

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

fn file(directory: &tempfile::TempDir) -> PathBuf {
    directory.path().join("rampart.db")
}

/// What a killed process leaves behind: the files as they are now, without a close.
fn as_after_a_kill(path: &Path, directory: &tempfile::TempDir) -> PathBuf {
    let copy = directory.path().join("killed.db");
    for side in ["", "-wal"] {
        let from = format!("{}{side}", path.display());
        if Path::new(&from).exists() {
            std::fs::copy(from, format!("{}{side}", copy.display())).unwrap();
        }
    }
    copy
}

#[tokio::test]
async fn many_writers_share_few_commits_and_lose_nothing() {
    const WRITERS: i64 = 1000;
    let directory = tempfile::tempdir().unwrap();
    let path = file(&directory);
    let state = State::open(&path, ROOMS).await.unwrap();
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

    let killed = State::open(&as_after_a_kill(&path, &directory), ROOMS)
        .await
        .unwrap();
    let expected: Vec<_> = (0..WRITERS).map(|at| (format!("{at:04}"), at)).collect();
    assert_eq!(pairs(&killed).await, expected);
    state.close().await;
    let reopened = State::open(&path, ROOMS).await.unwrap();
    assert_eq!(pairs(&reopened).await, expected);
}

#[tokio::test]
async fn a_job_is_whole_or_nothing_and_harms_no_neighbour() {
    let directory = tempfile::tempdir().unwrap();
    let state = State::open(&file(&directory), ROOMS).await.unwrap();
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

#[tokio::test]
async fn foreign_keys_hold() {
    let directory = tempfile::tempdir().unwrap();
    let state = State::open(&file(&directory), ROOMS).await.unwrap();
    let orphan = Statement::new("insert into rules_children values ('nobody')");
    let refused = state.write(vec![orphan]).await;
    assert!(
        matches!(refused, Err(StateError::Constraint { unique: false, .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn values_come_back_as_they_went_in() {
    let directory = tempfile::tempdir().unwrap();
    let state = State::open(&file(&directory), ROOMS).await.unwrap();
    let noon = Timestamp::from_seconds(1_762_862_400);
    let values: Vec<Value> = vec![
        Value::Null,
        i64::MIN.into(),
        i64::MAX.into(),
        true.into(),
        0.1.into(),
        f64::MAX.into(),
        "".into(),
        "it's \u{1f6a8} ?1 \0 end".into(),
        Vec::<u8>::new().into(),
        vec![0_u8, 255].into(),
        noon.into(),
        None::<String>.into(),
        Some("some").into(),
    ];
    for value in &values {
        let insert = Statement::new("insert into rules_any values (?1)").bind(value.clone());
        state.write(vec![insert]).await.unwrap();
    }
    let rows = state
        .read(Statement::new("select value from rules_any order by rowid"))
        .await
        .unwrap();
    let read: Vec<_> = rows
        .iter()
        .map(|row| row.value(0).unwrap().clone())
        .collect();
    assert_eq!(read, values);
    assert_eq!(rows[10].timestamp(0), Ok(noon));
    assert_eq!(rows[3].boolean(0), Ok(true));
    assert_eq!(rows[11].optional_text(0), Ok(None));
    assert_eq!(rows[12].optional_text(0), Ok(Some("some".to_owned())));
    assert_eq!(
        rows[12].integer(0),
        Err(StateError::Shape {
            column: 0,
            expected: "an integer",
            found: "text"
        })
    );
    assert!(rows[0].text(0).is_err() && rows[0].text(1).is_err());
}

#[tokio::test]
async fn statements_that_could_harm_others_never_reach_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let state = State::open(&file(&directory), ROOMS).await.unwrap();
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
    let with = "with x as (select 1) insert into rules_any select * from x";
    assert!(state.read(Statement::new(with)).await.is_err());
    assert_eq!(pairs(&state).await, []);
}

#[tokio::test]
async fn answers_are_capped() {
    let directory = tempfile::tempdir().unwrap();
    let limits = Limits {
        read_rows_max: 2,
        ..Limits::default()
    };
    let state = State::open_with(&file(&directory), ROOMS, &limits)
        .await
        .unwrap();
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

#[tokio::test]
async fn closing_keeps_what_is_queued_and_then_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = file(&directory);
    let state = State::open(&path, ROOMS).await.unwrap();
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
        !path.with_extension("db-wal").exists(),
        "folded into the file"
    );
    let reopened = State::open(&path, ROOMS).await.unwrap();
    assert_eq!(pairs(&reopened).await, [("a".to_owned(), 1)]);
}

#[tokio::test]
async fn a_small_queue_makes_callers_wait_and_loses_none() {
    let directory = tempfile::tempdir().unwrap();
    let limits = Limits {
        write_queue_jobs_max: 2,
        commit_jobs_max: 3,
        ..Limits::default()
    };
    let state = State::open_with(&file(&directory), ROOMS, &limits)
        .await
        .unwrap();
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
