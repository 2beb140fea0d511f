//! The README's examples work as printed: its tour is run line by line against a real server.

use std::process::Command;

use super::house::{Folder, Server, binary, text};

/// Shell blocks of the README that follow the mark `<!-- run -->`.
fn blocks() -> Vec<String> {
    let readme =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let blocks: Vec<String> = readme
        .split("<!-- run -->")
        .skip(1)
        .map(|after| {
            after
                .split("```sh\n")
                .nth(1)
                .unwrap()
                .split("```")
                .next()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert!(blocks.len() >= 2, "the README has lost its examples");
    blocks
}

#[test]
fn the_examples_work_as_printed() {
    let folder = Folder::new();
    let server = Server::start(&[
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        &folder.text_path("data"),
    ]);
    for block in blocks() {
        let block = block.replace("http://127.0.0.1:9650", &server.url);
        let path = format!(
            "{}:{}",
            std::path::Path::new(binary()).parent().unwrap().display(),
            std::env::var("PATH").unwrap()
        );
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", &block])
            .current_dir(folder.root())
            .env("PATH", path)
            .env("RAMPART_URL", &server.url)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{block}\n{}{}",
            text(&output.stdout),
            text(&output.stderr)
        );
        let said = text(&output.stdout);
        assert!(
            !said.contains("\"status\":4") && !said.contains("\"status\":5"),
            "{block}\n{said}"
        );
    }
    assert!(server.count("select count(*) from invocations") > 0);
}
