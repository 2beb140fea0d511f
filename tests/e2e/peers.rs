//! Real peers: nginx, wrk, node-exporter and a mail sink, each on loopback and ended with the test.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::house::{eventually, free_port, send};

/// A peer's process; killed when dropped.
pub struct Peer {
    child: Child,
    pub port: u16,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(program: &str, arguments: &[&str], port: u16) -> Peer {
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("{program} cannot be started ({error}); `make setup-test` installs it")
        });
    eventually(&format!("{program} on port {port}"), || {
        std::net::TcpStream::connect(("127.0.0.1", port)).ok()
    });
    Peer { child, port }
}

/// One gateway of a unit: nginx in front of pods, with an access log of its own.
pub fn nginx(folder: &Path, log_format: &str, pods: &[std::net::SocketAddr]) -> (Peer, PathBuf) {
    let port = free_port();
    let log = folder.join("access.log");
    std::fs::create_dir_all(folder).unwrap();
    let servers: String = pods
        .iter()
        .map(|pod| format!("server {pod} max_fails=0;"))
        .collect();
    let folder_text = folder.display();
    let configuration = format!(
        "daemon off; master_process off; worker_processes 1; pid {folder_text}/nginx.pid; error_log {folder_text}/error.log;\n\
         events {{ worker_connections 256; }}\n\
         http {{\n{log_format}\n  access_log {} rampart;\n  client_body_temp_path {folder_text}/body; proxy_temp_path {folder_text}/proxy;\n  \
         fastcgi_temp_path {folder_text}/fastcgi; uwsgi_temp_path {folder_text}/uwsgi; scgi_temp_path {folder_text}/scgi;\n  \
         upstream pods {{ {servers} keepalive 16; }}\n  \
         server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://pods; proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_next_upstream off; }} }}\n}}\n",
        log.display()
    );
    let path = folder.join("nginx.conf");
    std::fs::write(&path, configuration).unwrap();
    let program = if Path::new("/usr/sbin/nginx").exists() {
        "/usr/sbin/nginx"
    } else {
        "nginx"
    };
    (
        spawn(
            program,
            &[
                "-c",
                &path.display().to_string(),
                "-p",
                &folder.display().to_string(),
            ],
            port,
        ),
        log,
    )
}

/// Load on one path until dropped, at most two minutes.
pub fn wrk(port: u16, path: &str) -> Peer {
    spawn(
        "wrk",
        &[
            "--threads",
            "1",
            "--connections",
            "4",
            "--duration",
            "120s",
            "--timeout",
            "5s",
            &format!("http://127.0.0.1:{port}{path}"),
        ],
        port,
    )
}

pub fn node_exporter() -> Peer {
    let port = free_port();
    spawn(
        "prometheus-node-exporter",
        &[&format!("--web.listen-address=127.0.0.1:{port}")],
        port,
    )
}

/// Where `make setup-test` installs what comes from PyPI.
fn cache() -> PathBuf {
    std::env::var("RAMPART_CACHE")
        .map(PathBuf::from)
        .unwrap_or_else(|_| {
            let base = std::env::var("XDG_CACHE_HOME")
                .map(PathBuf::from)
                .unwrap_or_else(|_| PathBuf::from(std::env::var("HOME").unwrap()).join(".cache"));
            base.join("rampart")
        })
}

/// What a script for a Python with pyarrow prints when it is given these bytes.
pub fn pyarrow(script: &str, input: &[u8]) -> String {
    let python = cache().join("tables/bin/python");
    assert!(
        python.exists(),
        "pyarrow is not installed; `make setup-test` installs it"
    );
    let mut child = Command::new(python)
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), input).unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success());
    String::from_utf8(done.stdout).unwrap()
}

/// An object store that speaks S3, with one bucket.
pub fn object_store(bucket: &str) -> Peer {
    let program = cache().join("s3/bin/moto_server");
    assert!(
        program.exists(),
        "the object store is not installed; `make setup-test` installs it"
    );
    let port = free_port();
    let arguments = ["-H", "127.0.0.1", "-p", &port.to_string()];
    let peer = spawn(&program.display().to_string(), &arguments, port);
    let made = send(
        "PUT",
        &format!("http://127.0.0.1:{port}/{bucket}"),
        &[],
        b"",
    )
    .unwrap();
    assert_eq!(made.status, 200, "{}", made.body);
    peer
}

/// An SMTP server that keeps every mail in a maildir.
pub fn mail_sink(folder: &Path) -> (Peer, PathBuf) {
    let python = cache().join("mail/bin/python");
    assert!(
        python.exists(),
        "the mail sink is not installed; `make setup-test` installs it"
    );
    let port = free_port();
    let maildir = folder.join("mail");
    let arguments = [
        "-m",
        "aiosmtpd",
        "-n",
        "-l",
        &format!("127.0.0.1:{port}"),
        "-c",
        "aiosmtpd.handlers.Mailbox",
        &maildir.display().to_string(),
    ];
    (
        spawn(&python.display().to_string(), &arguments, port),
        maildir,
    )
}

/// The raw mails that have arrived.
pub fn mails(maildir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(maildir.join("new"))
        .map(|entries| entries.flatten().collect::<Vec<_>>())
        .unwrap_or_default();
    entries
        .into_iter()
        .filter_map(|entry| std::fs::read_to_string(entry.path()).ok())
        .collect()
}
