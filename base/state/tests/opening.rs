//! Files that are new, old, newer, damaged or somebody else's.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

use state::{Migrations, State, StateError, Statement};

const FIRST: &str = "create table rules_phases(id integer primary key, name text not null) strict;
                     create index rules_phases_name on rules_phases(name);";
const SECOND: &str = "alter table rules_phases add column since integer;
                      update rules_phases set since = 7;";
const THIRD: &str = "create table rules_modes(name text primary key not null) strict;";

fn rules(steps: &'static [&'static str]) -> [Migrations; 1] {
    [Migrations {
        room: "rules",
        steps,
    }]
}

fn file(directory: &tempfile::TempDir) -> PathBuf {
    directory.path().join("data/rampart.db")
}

async fn names(state: &State) -> Vec<String> {
    let rows = state
        .read(Statement::new("select name from rules_phases order by id"))
        .await
        .unwrap();
    rows.iter().map(|row| row.text(0).unwrap()).collect()
}

/// A closed file at version 1 with one row.
async fn at_version_one(path: &Path) {
    let state = State::open(path, &rules(&[FIRST])).await.unwrap();
    let insert = Statement::new("insert into rules_phases(name) values (?1)").bind("firing");
    state.write(vec![insert]).await.unwrap();
    state.close().await;
}

fn listing(path: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_new_file_is_made_private_with_its_directory() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = file(&directory);
    let state = State::open(&path, &rules(&[FIRST, SECOND])).await.unwrap();
    assert_eq!(names(&state).await, [""; 0]);
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    state.close().await;
    assert_eq!(
        listing(&path),
        ["rampart.db"],
        "nothing to copy in a new file"
    );
}

#[tokio::test]
async fn migrations_run_once_and_a_copy_is_made_first() {
    let directory = tempfile::tempdir().unwrap();
    let path = file(&directory);
    at_version_one(&path).await;
    for _ in 0..3 {
        let state = State::open(&path, &rules(&[FIRST, SECOND, THIRD]))
            .await
            .unwrap();
        let rows = state
            .read(Statement::new("select name, since from rules_phases"))
            .await
            .unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].integer(1), Ok(7));
        state.close().await;
    }
    assert_eq!(listing(&path), ["rampart.db", "rampart.db.before-rules-3"]);

    let copy = path.with_file_name("rampart.db.before-rules-3");
    let old = State::open(&copy, &rules(&[FIRST])).await.unwrap();
    assert_eq!(names(&old).await, ["firing"]);
    let since = old
        .read(Statement::new("select since from rules_phases"))
        .await;
    assert!(since.is_err(), "the copy is from before");
}

#[tokio::test]
async fn rooms_that_move_together_share_one_copy() {
    let directory = tempfile::tempdir().unwrap();
    let path = file(&directory);
    at_version_one(&path).await;
    let rooms = [
        Migrations {
            room: "alerting",
            steps: &["create table alerting_inbox(id integer primary key) strict"],
        },
        Migrations {
            room: "rules",
            steps: &[FIRST, SECOND],
        },
    ];
    State::open(&path, &rooms).await.unwrap().close().await;
    assert_eq!(
        listing(&path),
        ["rampart.db", "rampart.db.before-alerting-1-rules-2"]
    );
}

#[tokio::test]
async fn a_newer_file_is_refused_untouched_and_the_way_out_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = file(&directory);
    at_version_one(&path).await;
    State::open(&path, &rules(&[FIRST, SECOND, THIRD]))
        .await
        .unwrap()
        .close()
        .await;
    let before = std::fs::read(&path).unwrap();

    let other = Migrations {
        room: "alerting",
        steps: &["create table alerting_inbox(id integer primary key) strict"],
    };
    let error = State::open(&path, &[other, rules(&[FIRST])[0]])
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the state file {} was written by a newer rampart: rules is at version 3, this one knows 1; \
             use the newer binary or restore rampart.db.before-rules-3",
            path.display()
        )
    );
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_room_keeps_to_its_prefix() {
    let made_elsewhere = "create table rules_a(x); create table alerting_b(x)";
    let index_elsewhere = "create table rules_a(x); create index other on rules_a(x)";
    let foreign_index = "create index rules_i on alerting_inbox(id)";
    let foreign_column = "alter table alerting_inbox add column x integer";
    let foreign_drop = "drop table alerting_inbox";
    let view = "create view everything as select 1";
    for step in [
        made_elsewhere,
        index_elsewhere,
        foreign_index,
        foreign_column,
        foreign_drop,
        view,
    ] {
        let directory = tempfile::tempdir().unwrap();
        let path = file(&directory);
        let alerting = Migrations {
            room: "alerting",
            steps: &["create table alerting_inbox(id integer primary key) strict"],
        };
        State::open(&path, &[alerting]).await.unwrap().close().await;
        let steps: &'static [&'static str] = Box::leak(Box::new([step]));
        let error = State::open(&path, &[alerting, rules(steps)[0]])
            .await
            .unwrap_err();
        assert!(
            matches!(&error, StateError::Migration { room: "rules", version: 1, cause } if cause.contains("`rules_`")),
            "{step}: {error:?}"
        );
        // Nothing of the step is left, so the room can be opened again with a good one.
        let good = [alerting, rules(&["create table rules_a(x)"])[0]];
        let state = State::open(&path, &good).await.unwrap();
        state
            .write(vec![Statement::new(
                "insert into alerting_inbox(id) values (1)",
            )])
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_failing_step_leaves_nothing_of_its_room() {
    let directory = tempfile::tempdir().unwrap();
    let path = file(&directory);
    at_version_one(&path).await;
    for (broken, expected) in [
        (
            &[FIRST, SECOND, "create table rules_phases(x)"],
            "already exists",
        ),
        (&[FIRST, SECOND, "create tabel rules_x(x)"], "syntax error"),
        (&[FIRST, SECOND, "commit"], "may not begin with `commit`"),
    ] {
        let error = State::open(&path, &rules(broken)).await.unwrap_err();
        let shown = error.to_string();
        assert!(
            shown.contains("rules to version 3") && shown.contains(expected),
            "{shown}"
        );
        let state = State::open(&path, &rules(&[FIRST])).await.unwrap();
        assert_eq!(names(&state).await, ["firing"]);
        state.close().await;
    }
}

#[tokio::test]
async fn names_of_rooms_are_plain_and_unique() {
    let directory = tempfile::tempdir().unwrap();
    for rooms in [
        ["rules", "rules"],
        ["Rules", "a"],
        ["a_b", "c"],
        ["", "c"],
        ["state", "c"],
    ] {
        let rooms = rooms.map(|room| Migrations { room, steps: &[] });
        let error = State::open(&file(&directory), &rooms).await.unwrap_err();
        assert!(
            matches!(error, StateError::Migration { version: 0, .. }),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn somebody_elses_database_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("places.sqlite");
    make_foreign(&path).await;
    let before = std::fs::read(&path).unwrap();
    let error = State::open(&path, &rules(&[FIRST])).await.unwrap_err();
    assert!(matches!(error, StateError::Foreign { .. }), "{error:?}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(listing(&path), ["places.sqlite"]);
}

async fn make_foreign(path: &Path) {
    use sqlx::ConnectOptions;
    let mut connection = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .connect()
        .await
        .unwrap();
    sqlx::query("create table bookmarks(url text)")
        .execute(&mut connection)
        .await
        .unwrap();
    sqlx::Connection::close(connection).await.unwrap();
}

#[tokio::test]
async fn a_place_that_cannot_be_written_is_one_clear_sentence() {
    let directory = tempfile::tempdir().unwrap();
    let blocker = directory.path().join("not-a-directory");
    std::fs::write(&blocker, "").unwrap();
    let a_directory = directory.path().join("rampart.db");
    std::fs::create_dir(&a_directory).unwrap();
    for path in [
        blocker.join("rampart.db"),
        a_directory,
        PathBuf::from("/proc/rampart.db"),
    ] {
        let error = State::open(&path, &rules(&[FIRST])).await.unwrap_err();
        assert!(matches!(error, StateError::Unwritable { .. }), "{error:?}");
        let shown = error.to_string();
        assert!(
            shown.contains(&path.display().to_string()) && shown.contains("data_dir"),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn a_damaged_file_is_named_and_can_be_set_aside() {
    let directory = tempfile::tempdir().unwrap();
    let path = file(&directory);
    for round in 1..=2 {
        at_version_one(&path).await;
        std::fs::write(&path, vec![b'x'; 8192]).unwrap();
        let error = State::open(&path, &rules(&[FIRST])).await.unwrap_err();
        assert!(matches!(error, StateError::Corrupt { .. }), "{error:?}");
        let aside = state::set_aside(&path).unwrap();
        assert_eq!(
            aside,
            path.with_file_name(format!("rampart.db.damaged-{round}"))
        );
        assert_eq!(std::fs::read(aside).unwrap(), vec![b'x'; 8192]);
        let state = State::open(&path, &rules(&[FIRST])).await.unwrap();
        assert_eq!(names(&state).await, [""; 0]);
        state.close().await;
        std::fs::remove_file(&path).unwrap();
    }
}

/// Damage anywhere in the file is an error or harmless, never a panic or a hang.
#[tokio::test]
async fn damage_anywhere_is_survived() {
    let directory = tempfile::tempdir().unwrap();
    let path = file(&directory);
    at_version_one(&path).await;
    let whole = std::fs::read(&path).unwrap();
    let damaged = directory.path().join("damaged.db");
    let mut opened = 0;
    for at in (0..whole.len()).step_by(whole.len() / 64) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0xff;
        for bytes in [&flipped[..], &whole[..at]] {
            std::fs::write(&damaged, bytes).unwrap();
            match State::open(&damaged, &rules(&[FIRST])).await {
                Ok(state) => {
                    opened += 1;
                    let _ = state
                        .read(Statement::new("select * from rules_phases"))
                        .await;
                    state.close().await;
                }
                Err(error) => assert!(
                    matches!(
                        error,
                        StateError::Corrupt { .. }
                            | StateError::Foreign { .. }
                            | StateError::Newer { .. }
                            | StateError::Migration { .. }
                            | StateError::Unwritable { .. }
                    ),
                    "byte {at}: {error:?}"
                ),
            }
            for name in listing(&damaged) {
                if name.starts_with("damaged.db") {
                    std::fs::remove_file(directory.path().join(name)).unwrap();
                }
            }
        }
    }
    assert!(opened > 0, "a flip in free space is harmless");
}

#[tokio::test]
async fn a_copy_is_made_while_the_file_is_written_and_of_a_closed_one() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = file(&directory);
    at_version_one(&path).await;
    let closed = directory.path().join("closed.db");
    state::back_up(&path, &closed).await.unwrap();

    let state = State::open(&path, &rules(&[FIRST])).await.unwrap();
    let insert = Statement::new("insert into rules_phases(name) values (?1)").bind("clearing");
    state.write(vec![insert]).await.unwrap();
    let running = directory.path().join("running.db");
    state::back_up(&path, &running).await.unwrap();
    state.close().await;

    for (copy, expected) in [
        (closed, &["firing"][..]),
        (running, &["firing", "clearing"]),
    ] {
        let mode = std::fs::metadata(&copy).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let state = State::open(&copy, &rules(&[FIRST])).await.unwrap();
        assert_eq!(names(&state).await, expected);
        state.close().await;
    }
    let missing = directory.path().join("missing.db");
    let refused = state::back_up(&missing, &directory.path().join("x.db")).await;
    assert!(refused.is_err());
    assert!(!missing.exists(), "copying makes nothing");
}
