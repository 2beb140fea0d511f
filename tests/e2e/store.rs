//! A data directory in the hands of its operator: killed, copied while it runs, damaged, repaired, restored.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use super::house::{Folder, Server, calls, eventually, rampart, send, text};

const ROWS_PER_BATCH: usize = 20_000;

/// `rampart store …` on a folder's data directory.
fn store(folder: &Folder, arguments: &[&str]) -> Output {
    let data = folder.text_path("data");
    rampart(&[&["store", "--data-dir", data.as_str()], arguments].concat())
}

#[track_caller]
fn said(output: &Output, code: i32) -> String {
    let all = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{all}");
    all
}

fn push(server: &Server, batch: usize) -> bool {
    let ids = batch * ROWS_PER_BATCH..(batch + 1) * ROWS_PER_BATCH;
    let url = format!("{}/api/v1/invocations", server.url);
    let rows = calls("guide/feed", "a", "ok", ids);
    send("POST", &url, &[], rows.as_bytes()).is_ok_and(|answer| answer.status == 200)
}

fn parquet_files(folder: &Folder) -> u64 {
    let output = store(folder, &["stats", "--output", "json"]);
    let summary: Value = serde_json::from_str(&said(&output, 0)).unwrap();
    assert_eq!(summary["running"], Value::Bool(true));
    summary["tables"][0]["files"].as_u64().unwrap()
}

/// Pushes until rows have gone to Parquet, and once more, so that some are in the log only.
fn fill(folder: &Folder, server: &Server) {
    let mut batch = 0;
    eventually("rows in Parquet", || {
        // Memory may be full until they are; then a batch is refused.
        push(server, batch);
        batch += 1;
        (parquet_files(folder) > 0).then_some(())
    });
    eventually("a batch behind them", || push(server, batch).then_some(()));
}

fn files_below(folder: &Path, end: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path, end));
        } else if path.to_string_lossy().ends_with(end) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn flip(path: &Path, at: usize) {
    let mut content = std::fs::read(path).unwrap();
    content[at] ^= 1;
    std::fs::write(path, content).unwrap();
}

fn count(server: &Server) -> i64 {
    server.count("select count(*) from invocations")
}

#[test]
fn a_store_is_checked_copied_damaged_repaired_and_restored() {
    let folder = Folder::new();
    folder.write("rampart.yaml", "store: {memory_bytes_max: 64MiB}\n");
    let server = folder.serve();
    fill(&folder, &server);
    server.kill();
    let sound = said(&store(&folder, &["verify"]), 0);
    assert!(sound.contains("nothing is damaged"), "{sound}");

    let server = folder.serve();
    let rows = count(&server);
    let copy = folder.text_path("copy");
    let copied = said(&store(&folder, &["backup", &copy]), 0);
    assert!(copied.starts_with("backed up "), "{copied}");
    let again = said(&store(&folder, &["backup", &copy]), 1);
    assert!(again.contains("choose another"), "{again}");
    let running = said(&store(&folder, &["repair"]), 1);
    assert!(running.contains("a server is running"), "{running}");
    assert_eq!(count(&server), rows);
    assert_eq!(server.stop(), Some(0));

    let data = folder.path("data/store");
    let parquet = files_below(&data.join("tables/invocations"), ".parquet").remove(0);
    let segment = files_below(&data.join("wal"), ".wal").pop().unwrap();
    flip(&parquet, 2_000);
    flip(&segment, 200);
    let found = said(&store(&folder, &["verify"]), 3);
    for damaged in [&parquet, &segment] {
        let named = damaged.strip_prefix(&data).unwrap().display().to_string();
        assert!(found.contains(&format!("{named}: ")), "{named} in {found}");
    }
    let dry = said(&store(&folder, &["repair", "--dry-run"]), 3);
    assert!(dry.contains("nothing was changed"), "{dry}");
    said(&store(&folder, &["repair"]), 0);
    let sound = said(&store(&folder, &["verify"]), 0);
    assert!(sound.contains("nothing is damaged"), "{sound}");
    let done = said(&store(&folder, &["repair"]), 0);
    assert_eq!(done, "nothing to repair\n");
    let upgraded = said(&store(&folder, &["upgrade"]), 0);
    assert_eq!(upgraded, "already at version 1, nothing to do\n");

    let restored = folder.text_path("restored");
    let said_so = said(&rampart(&["store", "restore", &copy, &restored]), 0);
    assert!(said_so.starts_with("restored "), "{said_so}");
    let arguments = ["--listen", "127.0.0.1:0", "--data-dir", &restored];
    let server = Server::start(&arguments);
    assert_eq!(count(&server), rows);
    assert_eq!(server.stop(), Some(0));
    let server = folder.serve();
    assert!(count(&server) < rows, "what was damaged is in quarantine");
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn the_data_directory_comes_from_the_configuration_that_serve_reads() {
    let folder = Folder::new();
    let data = folder.text_path("elsewhere");
    let config = folder.write("rampart.yaml", &format!("data_dir: {data}\n"));
    let none = said(&rampart(&["store", "verify", "--config", &config]), 1);
    assert!(none.contains("elsewhere/store holds no store"), "{none}");
    let server = Server::start(&["--config", &config, "--listen", "127.0.0.1:0"]);
    let stats = said(&rampart(&["store", "stats", "--config", &config]), 0);
    assert!(stats.contains("a server is running"), "{stats}");
    let csv = rampart(&["store", "stats", "--config", &config, "--output", "csv"]);
    let csv = said(&csv, 0);
    assert!(
        csv.starts_with("table,files,rows,bytes,bytes/row,oldest,newest\r\n"),
        "{csv}"
    );
    assert_eq!(server.stop(), Some(0));

    folder.write("rampart.yaml", "data_dirr: x\n");
    let invalid = said(&rampart(&["store", "verify", "--config", &config]), 78);
    assert!(invalid.contains("--data-dir"), "{invalid}");
    assert_eq!(rampart(&["store", "backup"]).status.code(), Some(2));
}
