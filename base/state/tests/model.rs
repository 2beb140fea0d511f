//! Random jobs from several clients at once, against a map that does the same.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use homes::Home;
use proptest::prelude::*;
use state::{Limits, Migrations, State, Statement};

#[allow(unused_macros)] // a property is one test a place
#[macro_use]
mod homes;

const ROOMS: &[Migrations] = &[Migrations {
    room: "rules",
    steps: &["create table rules_pairs(client integer not null, key integer not null, value integer not null check (value >= 0),
              primary key (client, key)) strict, without rowid;
              create table rules_total(id integer primary key, jobs integer not null) strict;
              insert into rules_total values (1, 0);"],
}];

#[derive(Clone, Debug)]
enum Change {
    Insert { key: i64, value: i64 },
    Add { key: i64, by: i64 },
    Delete { key: i64 },
}

type Pairs = BTreeMap<i64, i64>;

impl Change {
    fn statement(&self, client: i64) -> Statement {
        match self {
            Change::Insert { key, value } => {
                Statement::new("insert into rules_pairs values (?1, ?2, ?3)")
                    .bind(client)
                    .bind(*key)
                    .bind(*value)
            }
            Change::Add { key, by } => Statement::new(
                "update rules_pairs set value = value + ?3 where client = ?1 and key = ?2",
            )
            .bind(client)
            .bind(*key)
            .bind(*by),
            Change::Delete { key } => {
                Statement::new("delete from rules_pairs where client = ?1 and key = ?2")
                    .bind(client)
                    .bind(*key)
            }
        }
    }

    /// Rows affected, or `None` where the table refuses.
    fn apply(&self, pairs: &mut Pairs) -> Option<u64> {
        match *self {
            Change::Insert { key, value } => {
                if pairs.contains_key(&key) || value < 0 {
                    return None;
                }
                pairs.insert(key, value);
                Some(1)
            }
            Change::Add { key, by } => match pairs.get_mut(&key) {
                None => Some(0),
                Some(value) if *value + by < 0 => None,
                Some(value) => {
                    *value += by;
                    Some(1)
                }
            },
            Change::Delete { key } => Some(u64::from(pairs.remove(&key).is_some())),
        }
    }
}

/// What the job should answer, and what it leaves behind.
fn expect(job: &[Change], pairs: &mut Pairs) -> Option<Vec<u64>> {
    let mut tried = pairs.clone();
    let affected = job
        .iter()
        .map(|change| change.apply(&mut tried))
        .collect::<Option<Vec<_>>>()?;
    *pairs = tried;
    Some(affected)
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (0..6_i64, -1..5_i64).prop_map(|(key, value)| Change::Insert { key, value }),
        (0..6_i64, -4..5_i64).prop_map(|(key, by)| Change::Add { key, by }),
        (0..6_i64).prop_map(|key| Change::Delete { key }),
    ]
}

type Script = Vec<Vec<Change>>;

async fn run_client(state: State, client: i64, script: Script) -> (Pairs, i64) {
    let mut pairs = Pairs::new();
    let mut kept = 0;
    for job in script {
        let mut statements: Vec<_> = job.iter().map(|change| change.statement(client)).collect();
        statements.push(Statement::new("update rules_total set jobs = jobs + 1"));
        let answered = state.write(statements).await.ok();
        let expected = expect(&job, &mut pairs).map(|mut affected| {
            affected.push(1);
            affected
        });
        assert_eq!(answered, expected, "client {client}, job {job:?}");
        kept += i64::from(answered.is_some());
        assert_eq!(
            read_pairs(&state, client).await,
            pairs,
            "a read sees what was written"
        );
    }
    (pairs, kept)
}

async fn read_pairs(state: &State, client: i64) -> Pairs {
    let query = Statement::new("select key, value from rules_pairs where client = ?1").bind(client);
    let rows = state.read(query).await.unwrap();
    rows.iter()
        .map(|row| (row.integer(0).unwrap(), row.integer(1).unwrap()))
        .collect()
}

async fn run(home: Home, scripts: Vec<Script>, commit_jobs_max: usize) {
    let limits = Limits {
        commit_jobs_max,
        ..Limits::default()
    };
    let state = home.open_with(ROOMS, &limits).await;
    let clients: Vec<_> = (0_i64..)
        .zip(scripts)
        .map(|(client, script)| tokio::spawn(run_client(state.clone(), client, script)))
        .collect();
    let mut expected = Vec::new();
    for client in clients {
        expected.push(client.await.unwrap());
    }
    state.close().await;

    let reopened = home.open(ROOMS).await;
    for (client, (pairs, _)) in (0..).zip(&expected) {
        assert_eq!(read_pairs(&reopened, client).await, *pairs);
    }
    let total = reopened
        .read(Statement::new("select jobs from rules_total"))
        .await
        .unwrap();
    let kept: i64 = expected.iter().map(|(_, kept)| kept).sum();
    assert_eq!(total[0].integer(0), Ok(kept));
}

fn run_to_the_end(home: Home, scripts: Vec<Script>, commit_jobs_max: usize) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(run(home, scripts, commit_jobs_max));
}

fn scripts() -> impl Strategy<Value = Vec<Script>> {
    let script = prop::collection::vec(prop::collection::vec(change(), 1..5), 0..12);
    prop::collection::vec(script, 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn jobs_behave_as_on_a_map_in_a_file(scripts in scripts(), commit_jobs_max in 1..8_usize) {
        run_to_the_end(Home::file(), scripts, commit_jobs_max);
    }

    #[test]
    fn jobs_behave_as_on_a_map_on_a_server(scripts in scripts(), commit_jobs_max in 1..8_usize) {
        run_to_the_end(Home::server(), scripts, commit_jobs_max);
    }
}
