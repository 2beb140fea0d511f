//! A PostgreSQL server, the real one of the machine, in a folder of its own on loopback. It ends with
//! the process that started it, however that ends.

use std::io::{self, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Where Debian keeps the programs of each version.
const VERSIONS: &str = "/usr/lib/postgresql";
const USER: &str = "rampart";
/// The password of [`USER`].
const PASSWORD: &str = "canary-pg";
/// How often, and how many times, a starting server is asked whether it is there.
const ASK_EVERY: Duration = Duration::from_millis(50);
const ASKED_MAX: usize = 1_200;
/// Keeps the server until it is told to end it at once, as a crash would, or until whoever asked for
/// it is gone, and with it the reason for the folder.
const KEEPER: &str = r#"folder=$1; shift; "$@" >>"$folder/log" 2>&1 & server=$!
read -r word; kill -QUIT "$server"; wait "$server"; [ "$word" = crash ] || rm -rf "$folder""#;

/// A server with as many databases as are asked for.
pub struct Postgres {
    folder: PathBuf,
    programs: PathBuf,
    port: u16,
    keeper: Option<Child>,
    databases: AtomicU32,
}

impl Postgres {
    /// Starts one. Errors name what is missing and how to install it.
    pub fn start() -> io::Result<Postgres> {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let name = format!("rampart-postgres-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder)?;
        let mut server = Postgres {
            programs: programs()?,
            port: TcpListener::bind("127.0.0.1:0")?.local_addr()?.port(),
            folder,
            keeper: None,
            databases: AtomicU32::new(0),
        };
        server.make_cluster()?;
        server.resume()?;
        Ok(server)
    }

    /// One that all tests of a process share.
    pub fn shared() -> io::Result<&'static Postgres> {
        static SHARED: OnceLock<Result<Postgres, String>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| Postgres::start().map_err(|error| error.to_string()));
        shared
            .as_ref()
            .map_err(|error| io::Error::other(error.clone()))
    }

    /// The address of a new, empty database.
    pub fn database(&self) -> io::Result<String> {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{number}");
        self.run_sql("postgres", &format!("create database {name}"))?;
        Ok(self.url(&name))
    }

    /// The address of a database, with user and password.
    pub fn url(&self, database: &str) -> String {
        let port = self.port;
        format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{port}/{database}")
    }

    /// The password in the addresses.
    pub fn password(&self) -> &'static str {
        PASSWORD
    }

    /// Runs a statement as whoever owns the server; what it prints, without headings.
    pub fn run_sql(&self, database: &str, sql: &str) -> io::Result<String> {
        let done = Command::new(self.programs.join("psql"))
            .args(["-qAtX", "-v", "ON_ERROR_STOP=1", "-c", sql])
            .arg(self.url(database))
            .output()?;
        if done.status.success() {
            return Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned());
        }
        Err(io::Error::other(
            String::from_utf8_lossy(&done.stderr).into_owned(),
        ))
    }

    /// Ends the server at once, as a crash would. What it had committed is there after
    /// [`Postgres::resume`].
    pub fn crash(&mut self) -> io::Result<()> {
        if let Some(mut keeper) = self.keeper.take() {
            if let Some(mut told) = keeper.stdin.take() {
                told.write_all(b"crash\n")?;
            }
            keeper.wait()?;
        }
        Ok(())
    }

    /// Starts the server again where it was.
    pub fn resume(&mut self) -> io::Result<()> {
        let port = self.port.to_string();
        let files = self.folder.join("files");
        let server = Self::as_other(&[
            self.programs.join("postgres").as_path(),
            Path::new("-D"),
            &files,
            Path::new("-p"),
            Path::new(&port),
            Path::new("-k"),
            &self.folder,
        ])?;
        let keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(&self.folder)
            .args(server)
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"])
            .args(["-c", "max_connections=200"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        self.keeper = Some(keeper);
        for _ in 0..ASKED_MAX {
            if self.run_sql("postgres", "select 1").is_ok() {
                return Ok(());
            }
            std::thread::sleep(ASK_EVERY);
        }
        let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        Err(io::Error::other(format!(
            "postgres does not answer:\n{log}"
        )))
    }

    fn make_cluster(&self) -> io::Result<()> {
        let secret = self.folder.join("password");
        std::fs::write(&secret, PASSWORD)?;
        if is_root()? {
            let owned = Command::new("chown")
                .args(["-R", "postgres:postgres"])
                .arg(&self.folder)
                .status()?;
            if !owned.success() {
                return Err(missing("the user postgres"));
            }
        }
        let files = self.folder.join("files");
        let pwfile = format!("--pwfile={}", secret.display());
        let arguments = Self::as_other(&[
            self.programs.join("initdb").as_path(),
            Path::new("-D"),
            &files,
            Path::new("--no-sync"),
            Path::new("--encoding=UTF8"),
            Path::new("--locale=C.UTF-8"),
            Path::new("--auth=scram-sha-256"),
            Path::new("--username=rampart"),
            Path::new(&pwfile),
        ])?;
        let (program, rest) = arguments
            .split_first()
            .ok_or_else(|| missing("a command"))?;
        let made = Command::new(program).args(rest).current_dir("/").output()?;
        if made.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&made.stderr).into_owned();
        Err(io::Error::other(format!("initdb failed: {said}")))
    }

    /// A command that is not run as root, which PostgreSQL refuses.
    fn as_other(command: &[&Path]) -> io::Result<Vec<PathBuf>> {
        let mut whole: Vec<PathBuf> = Vec::new();
        if is_root()? {
            let other = "setpriv --reuid=postgres --regid=postgres --clear-groups --";
            whole.extend(other.split(' ').map(PathBuf::from));
        }
        whole.extend(command.iter().map(|part| part.to_path_buf()));
        Ok(whole)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // The test is over either way.
        let _ = self.crash();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn is_root() -> io::Result<bool> {
    let id = Command::new("id").arg("-u").output()?;
    Ok(id.stdout.trim_ascii() == b"0")
}

fn missing(what: &str) -> io::Error {
    io::Error::other(format!(
        "{what} is missing; `make setup-test` installs PostgreSQL"
    ))
}

/// The folder of the newest version's programs.
fn programs() -> io::Result<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir(VERSIONS)
        .map_err(|_| missing("postgres"))?
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let version = path.file_name()?.to_str()?.parse().ok()?;
            Some((version, path.join("bin")))
        })
        .filter(|(_, path)| path.join("initdb").exists())
        .collect();
    found.sort();
    found
        .pop()
        .map(|(_, path)| path)
        .ok_or_else(|| missing("postgres"))
}
