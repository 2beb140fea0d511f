//! `rampart init`: writes a commented starting set and says what to do next.

use std::fs::{self, OpenOptions};
use std::io::Write;
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
        match write_new(&folder.join(name), content) {
            Ok(true) => text.push_str(&format!("wrote {}\n", folder.join(name).display())),
            Ok(false) => text.push_str(&format!(
                "kept  {} (it was there)\n",
                folder.join(name).display()
            )),
            Err(error) => {
                return complain(
                    &format!("{}: {error}", folder.join(name).display()),
                    Exit::Failed,
                );
            }
        }
    }
    let main = folder.join("rampart.yaml");
    text.push_str(&format!(
        "\nNext:\n  rampart check {main}\n  rampart serve --config {main}\n\n\
         To feed nginx's access log, put this into its http section and name the log in collector.sources:\n\n{log_format}\n",
        main = main.display(),
        log_format = collector::NGINX_LOG_FORMAT,
    ));
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
