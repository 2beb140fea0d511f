//! What commands use to speak to a running server.

use std::path::Path;
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE};
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

    /// `POST path` with a JSON body that may take longer to answer than others.
    pub async fn post_within(
        &self,
        path: &str,
        body: &Value,
        deadline: Duration,
    ) -> Result<Value, ClientError> {
        let request = self.http.post(format!("{}{path}", self.server));
        self.send(request.json(body).timeout(deadline)).await
    }

    /// `PUT path` with a JSON body.
    pub async fn put(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        self.send(self.http.put(format!("{}{path}", self.server)).json(body))
            .await
    }

    /// `POST path` with a JSON body, answered in the media type `accept`: whether there is more than
    /// was given, after `each` has had every piece of the body as it came.
    pub async fn post_for(
        &self,
        path: &str,
        body: &Value,
        accept: &str,
        mut each: impl FnMut(&[u8]),
    ) -> Result<bool, ClientError> {
        let request = self.http.post(format!("{}{path}", self.server));
        let request = request.json(body).header(ACCEPT, accept);
        let mut answer = self.ask(request).await?;
        let given = answer.headers().get(CONTENT_TYPE);
        if !given.is_some_and(|given| given.as_bytes().starts_with(accept.as_bytes())) {
            return Err(ClientError::Foreign {
                server: self.server.clone(),
                detail: format!("it is not {accept}"),
            });
        }
        let truncated = answer.headers().contains_key("rampart-truncated");
        while let Some(piece) = answer
            .chunk()
            .await
            .map_err(|error| self.unreachable(&error))?
        {
            each(&piece);
        }
        Ok(truncated)
    }

    /// `DELETE path`; the answer may say nothing but that it is done.
    pub async fn delete(&self, path: &str) -> Result<Value, ClientError> {
        let request = self.http.delete(format!("{}{path}", self.server));
        match self.send(request).await {
            Err(ClientError::Foreign { detail, .. }) if detail.is_empty() => Ok(Value::Null),
            answer => answer,
        }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Value, ClientError> {
        let text = self.ask(request).await?.text().await;
        let text = text.map_err(|error| self.unreachable(&error))?;
        serde_json::from_str(&text).map_err(|_| ClientError::Foreign {
            server: self.server.clone(),
            detail: text.chars().take(120).collect(),
        })
    }

    fn unreachable(&self, error: &reqwest::Error) -> ClientError {
        ClientError::Unreachable {
            server: self.server.clone(),
            cause: innermost(error),
        }
    }

    /// The answer when it is a good one, its body yet to come.
    async fn ask(
        &self,
        mut request: reqwest::RequestBuilder,
    ) -> Result<reqwest::Response, ClientError> {
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await;
        let answer = answer.map_err(|error| self.unreachable(&error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let text = answer.text().await;
        let text = text.map_err(|error| self.unreachable(&error))?;
        let body: Option<Value> = serde_json::from_str(&text).ok();
        let field = |name: &str| {
            body.as_ref()
                .and_then(|body| body.get(name))
                .and_then(Value::as_str)
                .unwrap_or("")
                .to_owned()
        };
        let hint = field("hint");
        // The part of the API that is Alertmanager's says what is wrong in a bare text.
        let text = body.as_ref().and_then(Value::as_str);
        Err(ClientError::Refused {
            status: status.as_u16(),
            title: match text {
                Some(_) => status.canonical_reason().unwrap_or_default().to_owned(),
                None => field("title"),
            },
            detail: text.map_or_else(|| field("detail"), str::to_owned),
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
