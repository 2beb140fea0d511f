//! Targets that others wrote: nginx, a function on Node, a gRPC server of Python.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::bench::{Pod, Running, alone, number, run_until_believed};
use super::house::{Folder, eventually, free_port, send};
use super::peers;

/// A process that prints its port on its first line and ends when its standard input does.
struct Served {
    child: Child,
    port: u16,
}

impl Served {
    fn start(mut command: Command, installs: &str) -> Served {
        use std::io::BufRead as _;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}; {installs}"));
        let mut line = String::new();
        std::io::BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let port = line
            .trim()
            .parse()
            .unwrap_or_else(|_| panic!("{command:?} says {line:?} and no port; {installs}"));
        Served { child, port }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn nginx_sees_what_the_result_says() {
    let _turn = alone();
    let pod = Pod::start(&["--service", "3ms", "--pool", "8"]);
    let folder = Folder::new();
    let (gateway, log) = peers::nginx(
        &folder.path("nginx"),
        "log_format rampart '$http_x_rampart_test $http_x_rampart_traffic $status $request_method $request_uri $connection';",
        &[pod.address.parse().unwrap()],
    );
    folder.write(
        "plan.yaml",
        &format!(
            "target: \"http://127.0.0.1:{}/api\"\nallow: [\"127.0.0.1\"]\n\
             requests:\n  - {{weight: 3, path: \"/feed?page={{{{ rand(1, 5) }}}}\"}}\n  - {{method: HEAD, path: /alive}}\n\
             load: {{rate: 150/s, duration: 5s}}\nobjective: {{p99: 1s, success_rate: 99%}}\noutput: {{json: {}}}\n",
            gateway.port,
            folder.text_path("out.json")
        ),
    );
    let (ended, found) = run_until_believed(&folder, "plan.yaml", true);
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    let run = found["subject"]["id"].as_str().unwrap();
    let log = std::fs::read_to_string(log).unwrap();
    let lines: Vec<Vec<&str>> = log
        .lines()
        .filter(|line| line.starts_with(run))
        .map(|line| line.split(' ').collect())
        .collect();
    let sent = found["total"]["sent"].as_u64().unwrap() as usize;
    // Each kind of request was tried once before.
    assert!(
        (sent + 2..=sent + 4).contains(&lines.len()),
        "{sent} sent, {} came",
        lines.len()
    );
    assert_eq!(found["total"]["ok"], sent);
    let count = |is: &dyn Fn(&[&str]) -> bool| lines.iter().filter(|line| is(line)).count();
    assert_eq!(
        count(&|line| line[1] == "stress" && line[2] == "200"),
        lines.len()
    );
    let heads = count(&|line| line[3] == "HEAD" && line[4] == "/api/alive");
    let share = heads as f64 / lines.len() as f64;
    assert!(
        (0.15..0.35).contains(&share),
        "one of four is HEAD, {share} are"
    );
    for page in 1..=5 {
        let uri = format!("/api/feed?page={page}");
        assert!(
            count(&|line| line[3] == "GET" && line[4] == uri) > 0,
            "{uri} is never asked for"
        );
    }
    // Connections are used again: far fewer than calls.
    let mut connections: Vec<&str> = lines.iter().map(|line| line[5]).collect();
    connections.sort_unstable();
    connections.dedup();
    assert!(
        connections.len() < lines.len() / 5,
        "{} connections",
        connections.len()
    );
}

/// nginx that speaks HTTP/2 without TLS and has a file `feed` of 20 000 bytes. Its log is `access.log`.
pub fn http2_gateway(folder: &Folder) -> (Running, u16) {
    file_gateway(folder, "http2", "")
}

/// nginx that has a file `feed` of 20 000 bytes and listens with these `flags`; `settings` are its server's
/// further ones. Its log is `access.log`.
pub fn file_gateway(folder: &Folder, flags: &str, settings: &str) -> (Running, u16) {
    let port = free_port();
    let (place, root) = (
        folder.root().display().to_string(),
        folder.text_path("root"),
    );
    folder.write("root/feed", &"feed ".repeat(4_000));
    let configuration = folder.write(
        "nginx.conf",
        &format!(
            "daemon off; master_process off; worker_processes 1; pid {place}/nginx.pid; error_log {place}/error.log;\n\
             events {{ worker_connections 256; }}\n\
             http {{\n  log_format rampart '$server_protocol $status $body_bytes_sent';\n  access_log {place}/access.log rampart;\n  \
             client_body_temp_path {place}/body; proxy_temp_path {place}/proxy; fastcgi_temp_path {place}/fastcgi; \
             uwsgi_temp_path {place}/uwsgi; scgi_temp_path {place}/scgi;\n  keepalive_requests 1000000;\n  \
             server {{ listen 127.0.0.1:{port} {flags}; root {root}; {settings} }}\n}}\n"
        ),
    );
    let program = ["/usr/sbin/nginx", "nginx"];
    let mut command = Command::new(program[usize::from(!Path::new(program[0]).exists())]);
    command.args(["-c", &configuration, "-p", &place]);
    let gateway = Running::spawn(command);
    eventually("nginx listens", || {
        std::net::TcpStream::connect(("127.0.0.1", port)).ok()
    });
    (gateway, port)
}

#[test]
fn http2_of_nginx_is_spoken_without_tls() {
    let _turn = alone();
    let folder = Folder::new();
    let (_gateway, port) = http2_gateway(&folder);
    folder.write(
        "plan.yaml",
        &format!(
            "target: {{url: \"http://127.0.0.1:{port}\", protocol: http2}}\nallow: [\"127.0.0.1\"]\nrequests: [{{path: /feed}}]\n\
             load: {{rate: 100/s, duration: 5s}}\nobjective: {{p99: 1s, success_rate: 99%}}\noutput: {{json: {}}}\n",
            folder.text_path("out.json")
        ),
    );
    let (ended, found) = run_until_believed(&folder, "plan.yaml", true);
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    let total = &found["total"];
    assert_eq!(total["ok"], total["sent"]);
    let log = folder.read("access.log");
    let whole = log
        .lines()
        .filter(|line| *line == "HTTP/2.0 200 20000")
        .count();
    assert!(
        whole as u64 > total["ok"].as_u64().unwrap(),
        "{whole} of {total}"
    );
    assert!(
        total["bytes_in"].as_u64().unwrap() > 20_000 * total["ok"].as_u64().unwrap(),
        "{total}"
    );
}

#[test]
fn a_function_on_node_is_judged_by_what_it_answers() {
    let _turn = alone();
    // It closes each connection after seven calls.
    let script = "
const http = require('http');
const seen = {calls: 0, bad: 0, connections: 0};
const server = http.createServer((request, response) => {
  if (request.url === '/seen') return response.end(JSON.stringify(seen));
  let body = '';
  request.on('data', (piece) => body += piece);
  request.on('end', () => {
    let number = 0;
    try { number = JSON.parse(body).number; } catch { seen.bad += 1; }
    seen.calls += 1;
    response.setHeader('content-type', 'application/json');
    response.write('{\"ok\": ' + (number % 4 !== 3));
    setTimeout(() => response.end(', \"number\": ' + number + '}'), 2);
  });
});
server.maxRequestsPerSocket = 7;
server.on('connection', () => seen.connections += 1);
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
";
    let mut command = Command::new("node");
    command.args(["-e", script]);
    let node = Served::start(command, "`make setup-test` installs node");
    let folder = Folder::new();
    folder.write(
        "plan.yaml",
        &format!(
            "target: \"http://127.0.0.1:{}\"\nallow: [\"127.0.0.1\"]\n\
             requests:\n  - path: /feed\n    headers: {{content-type: application/json}}\n    body: '{{\"number\": {{{{ number }}}}}}'\n    \
             expect: {{status: 200, header: \"content-type: application/json\", json: [\"/ok == true\", \"/number >= 0\"]}}\n\
             load: {{rate: 100/s, duration: 5s}}\nobjective: {{p50: 1s, success_rate: 90%}}\noutput: {{json: {}}}\n",
            node.port,
            folder.text_path("out.json")
        ),
    );
    let (ended, found) = run_until_believed(&folder, "plan.yaml", true);
    // Every fourth answer says that it is not ok, with status 200.
    assert_eq!(ended.code, Some(99), "{}", ended.said);
    let rate = number(&found, "/total/success_rate");
    assert!((0.7..0.8).contains(&rate), "{rate}: {}", found["total"]);
    let total = &found["total"];
    assert_eq!(
        total["failures"],
        serde_json::json!({}),
        "a closed connection costs no call"
    );
    assert_eq!(total["statuses"]["200"], total["sent"]);
    let url = format!("http://127.0.0.1:{}/seen", node.port);
    let seen: Value = send("GET", &url, &[], b"").unwrap().json();
    assert_eq!(seen["bad"], 0, "{seen}");
    assert!(seen["calls"].as_u64() > total["sent"].as_u64(), "{seen}");
    assert!(
        total["connects"].as_u64().unwrap() > 50,
        "seven calls each: {total}"
    );
}

/// Where `make setup-test` puts what is not a package of the system.
fn cache() -> PathBuf {
    let of = |name: &str| std::env::var(name).map(PathBuf::from);
    of("RAMPART_CACHE")
        .or_else(|_| of("XDG_CACHE_HOME").map(|base| base.join("rampart")))
        .unwrap_or_else(|_| of("HOME").unwrap().join(".cache/rampart"))
}

fn grpc_python() -> PathBuf {
    let python = cache().join("grpc/bin/python");
    assert!(
        python.exists(),
        "grpcio is not installed; `make setup-test` installs it"
    );
    python
}

#[test]
fn grpc_of_python_is_called_by_reflection_and_by_its_descriptors() {
    let _turn = alone();
    let folder = Folder::new();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/loadtest/tests/grpc/server.py");
    let mut command = Command::new(grpc_python());
    command.arg(script).arg(folder.root()).arg("v1alpha");
    let server = Served::start(command, "`make setup-test` installs grpcio");
    for descriptors in ["reflection: true", "descriptor_set: feed.pb"] {
        let message = "{page: 7, user: {name: ann}, friends: [{name: ben, number: 1}, {name: cid, number: \"9007199254740993\"}], weights: {a: -1, b: 2}, order: ORDER_NEWEST}";
        folder.write(
            "plan.yaml",
            &format!(
                "target: {{url: \"http://127.0.0.1:{}\", protocol: grpc, {descriptors}}}\nallow: [\"127.0.0.1\"]\n\
                 requests:\n  - {{weight: 3, grpc: feed.v1.Feed/Get, message: {message}}}\n  \
                 - {{grpc: feed.v1.Feed/Get, message: {{status: 5}}, expect: {{grpc_status: 5}}}}\n\
                 load: {{rate: 80/s, duration: 5s}}\nobjective: {{p99: 1s, success_rate: 99%}}\noutput: {{json: {}}}\n",
                server.port,
                folder.text_path("out.json")
            ),
        );
        let (ended, found) = run_until_believed(&folder, "plan.yaml", false);
        assert_eq!(ended.code, Some(0), "{descriptors}: {}", ended.said);
        let total = &found["total"];
        assert!(
            total["ok"].as_u64().unwrap() >= 300,
            "{descriptors}: {total}"
        );
        assert_eq!(total["unexpected"], 0, "{descriptors}: {total}");
    }
}
