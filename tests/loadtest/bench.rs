//! The binary as a user starts it, the modelled pod as a target, and whose turn it is to measure.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::house::{Folder, PATIENCE, binary, send, text};

/// How often a load is sent again because the machine was too busy to measure with.
const TRIES_MAX: usize = 12;
/// The longest pause before it is sent again.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// Lines of a process that are kept until somebody reads them.
const LINES_MAX: usize = 100_000;

static MACHINE: RwLock<()> = RwLock::new(());

/// The machine for one test alone, which measures.
pub fn alone() -> RwLockWriteGuard<'static, ()> {
    MACHINE.write().unwrap_or_else(PoisonError::into_inner)
}

/// The machine for tests that measure nothing, together.
pub fn shared() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().unwrap_or_else(PoisonError::into_inner)
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    /// Standard output.
    pub printed: String,
    /// Standard error.
    pub said: String,
}

/// A running command; killed when dropped.
pub struct Running {
    child: Child,
    said: Receiver<String>,
    heard: Vec<String>,
    printed: Option<JoinHandle<String>>,
}

impl Running {
    /// Starts the binary with these arguments.
    pub fn start(arguments: &[&str]) -> Running {
        Self::start_with(arguments, &[])
    }

    /// The same with variables of the environment.
    pub fn start_with(arguments: &[&str], variables: &[(&str, &str)]) -> Running {
        let mut command = Command::new(binary());
        command
            .args(arguments)
            .env_remove("RAMPART_URL")
            .env_remove("RAMPART_TOKEN")
            .env_remove("RAMPART_PERMISSION_KEY")
            .envs(variables.iter().copied());
        Self::spawn(command)
    }

    /// Starts any command.
    pub fn spawn(mut command: Command) -> Running {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, said) = sync_channel(LINES_MAX);
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut stdout = child.stdout.take().unwrap();
        let printed = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = stdout.read_to_end(&mut bytes);
            text(&bytes)
        });
        Running {
            child,
            said,
            heard: Vec::new(),
            printed: Some(printed),
        }
    }

    /// Waits until it says a line that holds `what`, and gives that line.
    #[track_caller]
    pub fn hear(&mut self, what: &str) -> String {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            match self.said.recv_timeout(Duration::from_millis(200)) {
                Ok(line) => {
                    self.heard.push(line.clone());
                    if line.contains(what) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        panic!("it never said `{what}`:\n{}", self.heard.join("\n"));
    }

    /// Waits until it has told so many seconds of its load.
    #[track_caller]
    pub fn hear_seconds(&mut self, count: usize) {
        for _ in 0..count {
            self.hear("/s sent ");
        }
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Waits for its end, at most so long.
    #[track_caller]
    pub fn end_within(mut self, patience: Duration) -> Ended {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(
                began.elapsed() < patience,
                "it does not end:\n{}",
                self.said.try_iter().collect::<Vec<_>>().join("\n")
            );
            std::thread::sleep(Duration::from_millis(20));
        };
        let mut said = std::mem::take(&mut self.heard);
        said.extend(self.said.iter());
        Ended {
            code: status.code(),
            printed: self.printed.take().unwrap().join().unwrap(),
            said: said.join("\n"),
        }
    }

    #[track_caller]
    pub fn end(self) -> Ended {
        self.end_within(PATIENCE)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A modelled pod in a process of its own; killed when dropped.
pub struct Pod {
    process: Running,
    pub address: String,
}

impl Pod {
    /// Starts `loadtest serve-model` with these flags on a free port.
    pub fn start(flags: &[&str]) -> Pod {
        let start = ["loadtest", "serve-model", "--listen", "127.0.0.1:0"];
        let mut process = Running::start(&[&start[..], flags].concat());
        let line = process.hear("Listening on ");
        let address = line.rsplit('=').next().unwrap().to_owned();
        Pod { process, address }
    }

    pub fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// Requests that have come so far, as the pod counts them.
    pub fn requests(&self) -> u64 {
        let url = format!("http://{}/__model/metrics", self.address);
        let answer = send("GET", &url, &[], b"").unwrap();
        answer
            .body
            .lines()
            .find_map(|line| line.strip_prefix("model_requests_total "))
            .and_then(|count| count.parse().ok())
            .unwrap_or_else(|| panic!("no count in:\n{}", answer.body))
    }

    /// Ends it in order, so that its log is whole.
    pub fn stop(self) {
        self.process.signal("TERM");
        let ended = self.process.end();
        assert_eq!(ended.code, Some(0), "{}", ended.said);
    }
}

/// Runs `loadtest run` with the plan of this folder to its end.
#[track_caller]
pub fn run(folder: &Folder, plan: &str) -> Ended {
    Running::start(&["loadtest", "run", &folder.text_path(plan)]).end()
}

/// The result that a run wrote.
#[track_caller]
pub fn result(folder: &Folder, name: &str) -> Value {
    serde_json::from_str(&folder.read(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Whether a result may be believed. One that may not must say that this machine was the reason: a
/// generator that lags, never the target.
#[track_caller]
pub fn is_believed(result: &Value) -> bool {
    let invalid = result["invalid"].as_array().unwrap();
    for fault in invalid {
        let fault = fault.as_str().unwrap();
        assert!(fault.starts_with("the generator failed in "), "{fault}");
    }
    invalid.is_empty()
}

/// Does something until it gives what may be believed; a busy machine gets further chances, and time to
/// become quiet.
#[track_caller]
pub fn until_believed<T>(mut attempt: impl FnMut() -> Result<T, String>) -> T {
    let mut why = Vec::new();
    for tried in 0..TRIES_MAX {
        match attempt() {
            Ok(measured) => return measured,
            Err(reason) => why.push(reason),
        }
        std::thread::sleep(Duration::from_secs(tried as u64).min(PAUSE_MAX));
    }
    panic!(
        "this machine was too busy to measure anything with, {TRIES_MAX} times over:\n{}",
        why.join("\n")
    );
}

/// Runs a plan that writes `out.json` until its result may be believed. With `whole`, no second of it may
/// have been left out either.
#[track_caller]
pub fn run_until_believed(folder: &Folder, plan: &str, whole: bool) -> (Ended, Value) {
    until_believed(|| {
        let ended = run(folder, plan);
        assert!(
            matches!(ended.code, Some(0 | 98 | 99)),
            "{:?}: {}",
            ended.code,
            ended.said
        );
        let found = result(folder, "out.json");
        let believed = is_believed(&found);
        assert_eq!(believed, ended.code != Some(98), "{}", ended.said);
        if !believed || (whole && found["left_out"] != 0) {
            return Err(format!(
                "{}, {} left out",
                found["invalid"], found["left_out"]
            ));
        }
        Ok((ended, found))
    })
}

/// A number of a result, such as `/total/latency/p99_ms`.
#[track_caller]
pub fn number(result: &Value, pointer: &str) -> f64 {
    result
        .pointer(pointer)
        .and_then(Value::as_f64)
        .unwrap_or_else(|| panic!("{pointer} is no number in {result}"))
}
