//! `rampart init`: writes a commented starting set and says what to do next.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use super::{complain, say};
use crate::args::InitArguments;
use crate::exit::Exit;

const FILES: [(&str, &str); 3] = [
    ("rampart.yaml", include_str!("init/rampart.yaml")),
    ("rules/functions.yaml", include_str!("init/rules.yaml")),
    ("alerting.yaml", include_str!("init/alerting.yaml")),
];

/// Writes the files that are not there yet.
pub fn run(arguments: &InitArguments) -> Exit {
    let folder = &arguments.folder;
    let mut text = String::new();
    for (name, content) in FILES {
        let path = folder.join(name);
        let written = match write_new(&path, content) {
            Ok(true) => writeln!(text, "wrote {}", path.display()),
            Ok(false) => writeln!(text, "kept  {} (it was there)", path.display()),
            Err(error) => return complain(&format!("{}: {error}", path.display()), Exit::Failed),
        };
        // Writing to a String cannot fail.
        let _ = written;
    }
    let _ = writeln!(
        text,
        "\nNext:\n  rampart check {main}\n  rampart serve --config {main}\n\n\
         To feed nginx's access log, put this into its http section and name the log in collector.sources:\n\n{log_format}",
        main = folder.join("rampart.yaml").display(),
        log_format = collector::NGINX_LOG_FORMAT,
    );
    say(&text)
}

/// Writes unless the file is there; says whether it did.
fn write_new(path: &Path, content: &str) -> std::io::Result<bool> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(mut file) => file.write_all(content.as_bytes()).map(|()| true),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}
