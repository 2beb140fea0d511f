//! What commands use to speak to a running server.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::args::Remote;

/// Why a command could not get its answer; the sentence says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens there.
    #[error(
        "no server answers at {server}: {cause}; start one with `rampart serve` or name it with --server"
    )]
    Unreachable {
        /// The address asked.
        server: String,
        /// What the network said.
        cause: String,
    },
    /// The server refused.
    #[error("{status} {title}: {detail}{hint}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Its name.
        title: String,
        /// What was wrong.
        detail: String,
        /// What to do, with a leading `; `, or empty.
        hint: String,
    },
    /// The token file could not be read.
    #[error("the token file {path}: {cause}")]
    Token {
        /// The file.
        path: String,
        /// Why.
        cause: std::io::Error,
    },
    /// The answer is not what a Rampart server sends.
    #[error("{server} answered with something that is not a Rampart answer: {detail}")]
    Foreign {
        /// The address asked.
        server: String,
        /// What came.
        detail: String,
    },
}

/// A connection to a running server.
pub struct Client {
    server: String,
    token: Option<String>,
    http: reqwest::Client,
}

impl Client {
    /// Prepares the connection: the token comes from `--token-file`, else from `RAMPART_TOKEN`.
    pub fn new(remote: &Remote) -> Result<Self, ClientError> {
        let server = remote.server.trim_end_matches('/').to_owned();
        let token = match &remote.token_file {
            Some(path) => Some(read_token(path)?),
            None => std::env::var("RAMPART_TOKEN")
                .ok()
                .filter(|token| !token.is_empty()),
        };
        let http = reqwest::Client::builder()
            .timeout(Duration::from_mins(1))
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| ClientError::Unreachable {
                server: server.clone(),
                cause: error.to_string(),
            })?;
        Ok(Client {
            server,
            token,
            http,
        })
    }

    /// `GET path`.
    pub async fn get(&self, path: &str) -> Result<Value, ClientError> {
        self.send(self.http.get(format!("{}{path}", self.server)))
            .await
    }

    /// `POST path` with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        self.send(self.http.post(format!("{}{path}", self.server)).json(body))
            .await
    }

    /// `PUT path` with a JSON body.
    pub async fn put(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        self.send(self.http.put(format!("{}{path}", self.server)).json(body))
            .await
    }

    /// `DELETE path`.
    pub async fn delete(&self, path: &str) -> Result<Value, ClientError> {
        self.send(self.http.delete(format!("{}{path}", self.server)))
            .await
    }

    async fn send(&self, mut request: reqwest::RequestBuilder) -> Result<Value, ClientError> {
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let unreachable = |error: reqwest::Error| ClientError::Unreachable {
            server: self.server.clone(),
            cause: innermost(&error),
        };
        let answer = request.send().await.map_err(unreachable)?;
        let status = answer.status();
        let text = answer.text().await.map_err(unreachable)?;
        let body: Option<Value> = serde_json::from_str(&text).ok();
        if status.is_success() {
            return body.ok_or_else(|| ClientError::Foreign {
                server: self.server.clone(),
                detail: text.chars().take(120).collect(),
            });
        }
        let field = |name: &str| {
            body.as_ref()
                .and_then(|body| body.get(name))
                .and_then(Value::as_str)
                .unwrap_or("")
                .to_owned()
        };
        let hint = field("hint");
        Err(ClientError::Refused {
            status: status.as_u16(),
            title: field("title"),
            detail: field("detail"),
            hint: if hint.is_empty() {
                hint
            } else {
                format!("; {hint}")
            },
        })
    }
}

fn read_token(path: &Path) -> Result<String, ClientError> {
    let text = std::fs::read_to_string(path).map_err(|cause| ClientError::Token {
        path: path.display().to_string(),
        cause,
    })?;
    Ok(text.trim().to_owned())
}

/// The last cause of an error says what the network said, without naming the address three times.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
