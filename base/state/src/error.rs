//! Why state could not be opened, read or written.

use std::path::{Path, PathBuf};

use sqlx::error::{DatabaseError, ErrorKind};

/// Why state could not be opened, read or written. Cloned to every caller of a failed group.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum StateError {
    /// The file or its directory cannot be written.
    #[error(
        "cannot write the state file {}: {cause}; check data_dir, its owner and its permissions",
        path.display()
    )]
    Unwritable {
        /// The state file.
        path: PathBuf,
        /// What the system said.
        cause: String,
    },
    /// The file is damaged, or is no state file at all.
    #[error(
        "the state file {} is damaged: {cause}; restore it from a backup or set it aside to start empty",
        path.display()
    )]
    Corrupt {
        /// The state file.
        path: PathBuf,
        /// What SQLite said.
        cause: String,
    },
    /// The file holds tables but was not made by this program.
    #[error("{} is a database of another program; point data_dir elsewhere", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A newer program wrote the file.
    #[error(
        "the state file {} was written by a newer rampart: {room} is at version {found}, this one knows {known}; \
         use the newer binary or restore {backup}",
        path.display()
    )]
    Newer {
        /// The state file.
        path: PathBuf,
        /// Whose tables are newer.
        room: String,
        /// Their version in the file.
        found: i64,
        /// The version that this program knows.
        known: i64,
        /// The copies made before migrations, as words for the sentence.
        backup: String,
    },
    /// The database holds tables but was not made by this program.
    #[error("{database} holds tables of another program; give Rampart a database of its own")]
    ForeignDatabase {
        /// Which, without its password.
        database: String,
    },
    /// A newer program wrote the database.
    #[error(
        "{database} was written by a newer rampart: {room} is at version {found}, this one knows {known}; \
         use the newer binary or restore a dump from before"
    )]
    NewerDatabase {
        /// Which, without its password.
        database: String,
        /// Whose tables are newer.
        room: String,
        /// Their version in the database.
        found: i64,
        /// The version that this program knows.
        known: i64,
    },
    /// The database's address cannot be read, or it lets nobody in under this name.
    #[error("{database} cannot be used: {cause}; check the address, the user and what it may do")]
    Refused {
        /// Which, without its password.
        database: String,
        /// What is wrong.
        cause: String,
    },
    /// A migration failed; nothing of that room was changed.
    #[error("cannot bring the tables of {room} to version {version}: {cause}")]
    Migration {
        /// Whose tables.
        room: &'static str,
        /// The step that failed, counted from 1.
        version: i64,
        /// What was wrong with it.
        cause: String,
    },
    /// The statement itself is wrong: not SQL, wrong number of values, not allowed here.
    #[error("statement refused: {0}")]
    Statement(String),
    /// The statement breaks a constraint; `unique` when a row with that key is already there.
    #[error("constraint broken: {cause}")]
    Constraint {
        /// Whether the constraint is a primary key or another uniqueness.
        unique: bool,
        /// What the database said.
        cause: String,
    },
    /// The disk is full. Nothing of the job was kept; later writes are tried again.
    #[error("the disk that holds the state file is full; free some space and writing goes on")]
    Full,
    /// Another process holds the file.
    #[error("another process is writing to the state file; only one rampart may use a data_dir")]
    Busy,
    /// The database does not answer, or takes nothing now. What was asked may or may not be there;
    /// later calls try again.
    #[error("the state database does not answer: {0}")]
    Away(String),
    /// A statement affected another number of rows than its job counts on; nothing of the job was kept.
    #[error("nothing was written: the job counts on {expected} rows and there are {found}")]
    Unmet {
        /// What the job counts on.
        expected: u64,
        /// What is there.
        found: u64,
    },
    /// Storage failed. What the failed group wrote may or may not be there after a restart, and
    /// every later write is refused with the same error.
    #[error(
        "the state file cannot be written any more: {0}; restart rampart once storage is healthy"
    )]
    Storage(String),
    /// A column does not hold what the reader asked for.
    #[error("column {column} holds {found}, not {expected}")]
    Shape {
        /// The column's index.
        column: usize,
        /// What was asked for.
        expected: &'static str,
        /// What is there.
        found: &'static str,
    },
    /// An answer is larger than [`crate::Limits::read_rows_max`].
    #[error("the query answers more than {rows_max} rows; narrow it")]
    TooManyRows {
        /// The limit.
        rows_max: usize,
    },
    /// The state was closed.
    #[error("the state file is closed")]
    Closed,
}

/// SQLite's primary result codes that say something about the file and not about a statement.
mod code {
    pub(super) const BUSY: i32 = 5;
    pub(super) const LOCKED: i32 = 6;
    pub(super) const NOMEM: i32 = 7;
    pub(super) const READONLY: i32 = 8;
    pub(super) const IOERR: i32 = 10;
    pub(super) const CORRUPT: i32 = 11;
    pub(super) const FULL: i32 = 13;
    pub(super) const CANTOPEN: i32 = 14;
    pub(super) const CONSTRAINT: i32 = 19;
    pub(super) const NOTADB: i32 = 26;
}

impl StateError {
    /// What an error of a running connection means.
    pub(crate) fn of(error: &sqlx::Error) -> Self {
        let Some(database) = error.as_database_error() else {
            return match error {
                sqlx::Error::Protocol(cause) => StateError::Statement(cause.clone()),
                sqlx::Error::PoolClosed => StateError::Closed,
                sqlx::Error::PoolTimedOut => StateError::Busy,
                other => StateError::Storage(other.to_string()),
            };
        };
        let cause = database.message().to_owned();
        match primary_code(database) {
            code::BUSY | code::LOCKED => StateError::Busy,
            code::FULL => StateError::Full,
            code::NOMEM
            | code::READONLY
            | code::IOERR
            | code::CORRUPT
            | code::CANTOPEN
            | code::NOTADB => StateError::Storage(cause),
            code::CONSTRAINT => StateError::Constraint {
                unique: database.kind() == ErrorKind::UniqueViolation,
                cause,
            },
            _ => StateError::Statement(cause),
        }
    }

    /// What an error while opening `path` means.
    pub(crate) fn opening(path: &Path, error: &sqlx::Error) -> Self {
        let path = path.to_owned();
        let Some(database) = error.as_database_error() else {
            let cause = error.to_string();
            return StateError::Unwritable { path, cause };
        };
        let cause = database.message().to_owned();
        match primary_code(database) {
            code::NOTADB | code::CORRUPT => StateError::Corrupt { path, cause },
            code::BUSY | code::LOCKED => StateError::Busy,
            code::FULL => StateError::Full,
            _ => StateError::Unwritable { path, cause },
        }
    }

    /// What an error of a running connection to PostgreSQL means. The classes are those of its
    /// manual, appendix A.
    pub(crate) fn of_server(error: &sqlx::Error) -> Self {
        let Some(database) = error.as_database_error() else {
            return match error {
                sqlx::Error::PoolClosed => StateError::Closed,
                sqlx::Error::Encode(_) | sqlx::Error::RowNotFound => {
                    StateError::Statement(error.to_string())
                }
                other => StateError::Away(other.to_string()),
            };
        };
        let cause = database.message().to_owned();
        let code = database.code().unwrap_or_default();
        match code.get(..2).unwrap_or_default() {
            "23" => StateError::Constraint {
                unique: database.kind() == ErrorKind::UniqueViolation,
                cause,
            },
            _ if code == "53100" => StateError::Full,
            // Connections, transactions rolled back, read only, resources, an operator, the system,
            // damage: none of it is the statement's fault.
            "08" | "25" | "28" | "40" | "53" | "55" | "57" | "58" | "XX" => StateError::Away(cause),
            _ => StateError::Statement(cause),
        }
    }

    /// Whether the fault lies with the file or the server, so that nothing else of the group can be kept either.
    pub(crate) fn is_of_the_file(&self) -> bool {
        matches!(
            self,
            StateError::Full | StateError::Busy | StateError::Storage(_) | StateError::Away(_)
        )
    }
}

fn primary_code(error: &dyn DatabaseError) -> i32 {
    let extended: i32 = error.code().and_then(|text| text.parse().ok()).unwrap_or(1);
    extended & 0xff
}
