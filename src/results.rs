//! What load tests tell a running server, and what they ask of it.

use loadtest::plan::Server;
use loadtest::result::Kept;
use model::FunctionId;
use serde_json::Value;

use crate::args::{Output, Remote};
use crate::client::{Client, ClientError};

/// The calls that production burn is judged by; the server counts them second by second.
const BURN_RANGE: &str = "1m";

/// The server that a plan names, as commands reach one. Its token comes from the plan's file, else from
/// `RAMPART_TOKEN`.
pub fn remote_of(server: &Server) -> Remote {
    Remote {
        server: server.url.clone(),
        token_file: server.token_file.clone(),
        output: Output::Table,
    }
}

/// Hands a result to the server. Gives what became of the limits that follow, in a sentence.
pub async fn keep(remote: &Remote, kept: &Kept) -> Result<String, ClientError> {
    let client = Client::new(remote)?;
    let body = serde_json::to_value(kept).unwrap_or(Value::Null);
    let answer = client.post("/api/v1/loadtests", &body).await?;
    let field = |name: &str| answer[name].as_str().unwrap_or("");
    Ok(format!(
        "kept as {}; limits: {} ({})",
        field("id"),
        field("limits"),
        field("why")
    ))
}

/// The share of a function's live calls that failed in the last minute, 0 to 1; `None` when the server
/// saw no call that counts.
pub async fn production_failure_share(
    remote: &Remote,
    function: &FunctionId,
) -> Result<Option<f64>, ClientError> {
    let client = Client::new(remote)?;
    let path = format!(
        "{}?range={BURN_RANGE}",
        function_path("/api/v1/functions", function)
    );
    match client.get(&path).await {
        Ok(answer) => Ok(answer["function"]["success_rate"]
            .as_f64()
            .map(|rate| 1.0 - rate)),
        Err(ClientError::Refused { status: 404, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A function's place below a path.
pub fn function_path(base: &str, function: &FunctionId) -> String {
    format!(
        "{base}/{}/{}",
        path_part(&function.namespace),
        path_part(&function.name)
    )
}

/// A text as typed, safe in a path.
pub fn path_part(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use loadtest::result::{RunResult, Subject};
    use model::SystemClock;
    use serde_json::json;

    use super::*;
    use crate::app::App;
    use crate::config::{Config, ConfigFiles, Overrides, Surroundings};
    use crate::reload::Origin;

    #[test]
    fn texts_cannot_leave_their_place_in_the_path() {
        assert_eq!(path_part("ab-9"), "ab-9");
        assert_eq!(path_part("../x?y"), "..%2Fx%3Fy");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_result_is_kept_and_production_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let overrides = Overrides {
            listen: Some("127.0.0.1:0".parse().unwrap()),
            data_dir: Some(folder.path().to_owned()),
            ..Overrides::default()
        };
        let clock = SystemClock::shared();
        let around = Surroundings {
            variable: &|_| None,
            secret_file: &|_| Err("there are no files".to_owned()),
            now: clock.now(),
        };
        let (config, _) = Config::parse(&ConfigFiles::default(), &overrides, &around).unwrap();
        let app = App::start(config, Origin::default(), clock.clone())
            .await
            .unwrap();
        let remote = remote_of(&Server {
            url: format!("http://{}", app.address()),
            token_file: None,
        });
        let kept = Kept::Run(Box::new(RunResult {
            subject: Subject {
                id: "lt-1".to_owned(),
                function: Some("guide/feed".to_owned()),
                started_at: clock.now().to_rfc3339(),
                ..Subject::default()
            },
            ..RunResult::default()
        }));
        let said = keep(&remote, &kept).await.unwrap();
        assert!(said.starts_with("kept as lt-1; limits: none"), "{said}");
        let client = Client::new(&remote).unwrap();
        let listed = client.get("/api/v1/loadtests").await.unwrap();
        assert_eq!(listed["loadtests"][0]["verdict"], json!("Done"));

        let id: FunctionId = "guide/feed".parse().unwrap();
        assert_eq!(production_failure_share(&remote, &id).await.unwrap(), None);
        let now = clock.now().to_rfc3339();
        let call = |outcome: &str| json!({"ts": now, "namespace": "guide", "function": "feed", "outcome": outcome});
        let lines = ["ok", "ok", "ok", "timeout"].map(|outcome| call(outcome).to_string() + "\n");
        let sent = reqwest::Client::new()
            .post(format!("{}/api/v1/invocations", remote.server))
            .body(lines.concat())
            .send()
            .await
            .unwrap();
        assert_eq!(sent.status(), 200);
        let share = production_failure_share(&remote, &id).await.unwrap();
        assert_eq!(share, Some(0.25));
        app.stop().await;
    }
}
