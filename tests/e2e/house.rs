//! The real binary in a folder of its own.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long anything may take before a test gives up; generous, since nothing here is a measurement.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// `RAMPART_BINARY` runs the same tests against another build.
pub fn binary() -> &'static str {
    static BINARY: OnceLock<String> = OnceLock::new();
    BINARY.get_or_init(|| {
        std::env::var("RAMPART_BINARY").unwrap_or_else(|_| env!("CARGO_BIN_EXE_rampart").to_owned())
    })
}

/// Runs a command of the binary to its end.
pub fn rampart(arguments: &[&str]) -> Output {
    Command::new(binary())
        .args(arguments)
        .env_remove("RAMPART_URL")
        .env_remove("RAMPART_TOKEN")
        .output()
        .unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// Looks again and again until there is something to see.
#[track_caller]
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if let Some(seen) = look() {
            return seen;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("gave up waiting for: {what}");
}

/// A running server; killed when dropped.
pub struct Server {
    child: Child,
    pub url: String,
    said: mpsc::Receiver<String>,
}

impl Server {
    /// Starts with these arguments after `serve` and waits for the line that tells the address.
    pub fn start(arguments: &[&str]) -> Server {
        Self::try_start(arguments)
            .unwrap_or_else(|said| panic!("the server did not start:\n{said}"))
    }

    /// The same; what it said when it ended instead.
    pub fn try_start(arguments: &[&str]) -> Result<Server, String> {
        Self::run(Command::new(binary()), "serve", arguments)
    }

    /// Starts another command that serves.
    pub fn start_as(command: &str, arguments: &[&str]) -> Server {
        Self::run(Command::new(binary()), command, arguments)
            .unwrap_or_else(|said| panic!("the server did not start:\n{said}"))
    }

    /// The same, of a process none of whose files may grow beyond so many KiB: writing on fails, as on
    /// a disk that breaks.
    pub fn start_with_short_files(kib: u32, arguments: &[&str]) -> Server {
        let mut command = Command::new("bash");
        let limited = format!("trap '' XFSZ; ulimit -f {kib}; exec \"$0\" \"$@\"");
        command.args(["-c", &limited, binary()]);
        Self::run(command, "serve", arguments)
            .unwrap_or_else(|said| panic!("the server did not start:\n{said}"))
    }

    fn run(mut program: Command, command: &str, arguments: &[&str]) -> Result<Server, String> {
        let mut child = program
            .arg(command)
            .args(arguments)
            .env_remove("RAMPART_CONFIG")
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, said) = mpsc::sync_channel(100_000);
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if sender.try_send(line).is_err() {
                    break;
                }
            }
        });
        let mut heard = Vec::new();
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            match said.recv_timeout(Duration::from_millis(200)) {
                Ok(line) => {
                    if let Some(address) = line
                        .strip_prefix("Listening on ")
                        .and_then(|line| line.split("address=").nth(1))
                    {
                        let url = format!("http://{}", address.trim());
                        return Ok(Server { child, url, said });
                    }
                    heard.push(line);
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            }
        }
        let _ = child.kill();
        let status = child.wait().unwrap();
        Err(format!("{}\n{status}", heard.join("\n")))
    }

    /// SIGKILL: no goodbye.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Asks it to stop and gives the exit code.
    pub fn stop(mut self) -> Option<i32> {
        self.signal("TERM");
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it did not stop");
    }

    /// Lines on standard error since the last call.
    pub fn said(&self) -> String {
        self.said.try_iter().collect::<Vec<_>>().join("\n")
    }

    pub fn get(&self, path: &str) -> Value {
        let answer = self.request("GET", path, &[], b"");
        assert_eq!(answer.status, 200, "GET {path}: {}", answer.body);
        answer.json()
    }

    pub fn post(&self, path: &str, body: &Value) -> Value {
        let answer = self.request(
            "POST",
            path,
            &[("content-type", "application/json")],
            body.to_string().as_bytes(),
        );
        assert_eq!(answer.status, 200, "POST {path}: {}", answer.body);
        answer.json()
    }

    pub fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        send(method, &format!("{}{path}", self.url), headers, body)
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// The rows of one SELECT.
    pub fn query(&self, sql: &str) -> Vec<Vec<Value>> {
        let answer = self.post("/api/v1/sql", &serde_json::json!({ "query": sql }));
        answer["rows"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row.as_array().unwrap().clone())
            .collect()
    }

    /// The single number a SELECT gives.
    pub fn count(&self, sql: &str) -> i64 {
        self.query(sql)[0][0]
            .as_i64()
            .unwrap_or_else(|| panic!("{sql} gives no number"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What came back over HTTP.
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map_or("", |(_, value)| value)
    }
}

/// One request with curl, the way a user's script would send it; any method, path and header goes
/// through unchanged.
pub fn send(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Answer, String> {
    let mut command = Command::new("curl");
    command.args([
        "--silent",
        "--show-error",
        "--include",
        "--path-as-is",
        "--max-time",
        "60",
        "--noproxy",
        "*",
        "--http1.1",
    ]);
    if method == "HEAD" {
        command.arg("--head");
    } else {
        command.args(["--request", method]);
    }
    for (name, value) in headers {
        command.args(["--header", &format!("{name}: {value}")]);
    }
    command.args(["--header", "expect:"]);
    if !body.is_empty() {
        command.args(["--data-binary", "@-"]);
    }
    let mut child = command
        .arg(url)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let mut stdin = child.stdin.take().unwrap();
    let body = body.to_owned();
    let feeding = std::thread::spawn(move || {
        let _ = std::io::Write::write_all(&mut stdin, &body);
    });
    let output = child
        .wait_with_output()
        .map_err(|error| error.to_string())?;
    let _ = feeding.join();
    if !output.status.success() {
        return Err(text(&output.stderr));
    }
    let whole = text(&output.stdout);
    let (head, body) = whole
        .split_once("\r\n\r\n")
        .ok_or("an answer without a head")?;
    let mut lines = head.lines();
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .and_then(|code| code.parse().ok())
        .ok_or("no status line")?;
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    Ok(Answer {
        status,
        headers,
        body: body.to_owned(),
    })
}

/// A folder with a configuration; gone with the test.
pub struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    pub fn new() -> Folder {
        Folder {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn text_path(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub fn write(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    pub fn read(&self, name: &str) -> String {
        let mut content = String::new();
        std::fs::File::open(self.path(name))
            .unwrap()
            .read_to_string(&mut content)
            .unwrap();
        content
    }

    /// Starts a server over this folder's `rampart.yaml` on a free port.
    pub fn serve(&self) -> Server {
        Server::start(&self.arguments().each_ref().map(String::as_str))
    }

    /// The same with [`Server::start_with_short_files`].
    pub fn serve_with_short_files(&self, kib: u32) -> Server {
        Server::start_with_short_files(kib, &self.arguments().each_ref().map(String::as_str))
    }

    fn arguments(&self) -> [String; 6] {
        [
            "--config".to_owned(),
            self.text_path("rampart.yaml"),
            "--listen".to_owned(),
            "127.0.0.1:0".to_owned(),
            "--data-dir".to_owned(),
            self.text_path("data"),
        ]
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }
}

/// NDJSON of `count` calls that end now.
pub fn calls(function: &str, unit: &str, outcome: &str, ids: std::ops::Range<usize>) -> String {
    let (namespace, name) = function.split_once('/').unwrap();
    let now = chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now())
        .to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    ids.map(|id| {
        format!(
            "{{\"ts\":\"{now}\",\"namespace\":\"{namespace}\",\"function\":\"{name}\",\"unit\":\"{unit}\",\"request_id\":\"r-{id}\",\"duration_ms\":12.5,\"outcome\":\"{outcome}\"}}\n"
        )
    })
    .collect()
}
