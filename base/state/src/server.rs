//! A PostgreSQL server: where it is, who we are there, and what a connection is told first.

use std::str::FromStr;
use std::time::Duration;

use model::Secret;
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};

use crate::{Limits, StateError};

/// How long connecting may take at a start, when somebody waits for nothing else.
pub(crate) const FIRST_CONNECT_MAX: Duration = Duration::from_secs(10);
/// How long it may take later, when others wait for what is to be written.
pub(crate) const CONNECT_MAX: Duration = Duration::from_secs(3);
/// What every connection is told. A client that stops in the middle of a transaction must not hold
/// rows that another one waits for, so the server ends it; nobody waits long for a row either.
const SETTINGS: [(&str, &str); 3] = [
    ("idle_in_transaction_session_timeout", "5000"),
    ("lock_timeout", "5000"),
    ("statement_timeout", "30000"),
];
/// A commit that returned is on disk. What a server's owner asked for beyond that stays.
const DURABLE: &str = "select set_config('synchronous_commit', 'on', false)
     where current_setting('synchronous_commit') = 'off'";

/// A server and a database in it.
#[derive(Clone)]
pub(crate) struct Server {
    options: PgConnectOptions,
    /// As people see it: no user, no password.
    pub(crate) name: String,
}

impl Server {
    /// Reads `postgres://user:password@host:port/database?sslmode=…`.
    pub(crate) fn parse(url: &Secret<String>) -> Result<Server, StateError> {
        let refused = |cause: String| StateError::Refused {
            database: "the state database".to_owned(),
            cause,
        };
        let schemes = ["postgres://", "postgresql://"];
        if !schemes
            .iter()
            .any(|scheme| url.expose().starts_with(scheme))
        {
            return Err(refused("it begins with postgres://".to_owned()));
        }
        let options = PgConnectOptions::from_str(url.expose());
        let options = options.map_err(|cause| refused(cause.to_string()))?;
        let place = match options.get_socket() {
            Some(path) => path.display().to_string(),
            None => format!("{}:{}", options.get_host(), options.get_port()),
        };
        let database = options.get_database().unwrap_or(options.get_username());
        let name = format!("the database {database} at {place}");
        let options = options
            .application_name("rampart")
            .options(SETTINGS)
            .disable_statement_logging();
        Ok(Server { options, name })
    }

    /// A connection that writes.
    pub(crate) async fn connect(&self, within: Duration) -> Result<PgConnection, StateError> {
        let connecting = async {
            let mut connection = self.options.connect().await?;
            sqlx::query(DURABLE).execute(&mut connection).await?;
            Ok(connection)
        };
        match tokio::time::timeout(within, connecting).await {
            Ok(connected) => connected.map_err(|cause| self.unreachable(&cause)),
            Err(_) => Err(StateError::Away(format!("{} does not answer", self.name))),
        }
    }

    /// Connections that only read.
    pub(crate) fn readers(&self, limits: &Limits) -> PgPool {
        let reading = [("default_transaction_read_only", "on")];
        PgPoolOptions::new()
            .max_connections(limits.read_connections_max.max(1))
            .acquire_timeout(limits.read_wait_max)
            .connect_lazy_with(self.options.clone().options(reading))
    }

    /// Why there is no connection: what waiting does not mend is told as such.
    fn unreachable(&self, cause: &sqlx::Error) -> StateError {
        let database = self.name.clone();
        let Some(said) = cause.as_database_error() else {
            return match cause {
                sqlx::Error::Configuration(_) | sqlx::Error::Tls(_) => StateError::Refused {
                    database,
                    cause: cause.to_string(),
                },
                other => StateError::Away(format!("{database}: {other}")),
            };
        };
        let message = said.message().to_owned();
        match said.code().unwrap_or_default().get(..2) {
            // Wrong user or password, no such database.
            Some("28" | "3D") => StateError::Refused {
                database,
                cause: message,
            },
            _ => StateError::Away(format!("{database}: {message}")),
        }
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Server").field(&self.name).finish()
    }
}
