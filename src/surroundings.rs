//! What a configuration may look up: environment variables and secret files.

use std::path::Path;

/// The value of an environment variable.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A secret's file, without the line break editors add.
pub fn secret_file(path: &str) -> Result<String, String> {
    let file = crate::config::read_text(Path::new(path)).map_err(|error| error.to_string())?;
    let secret = file.text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        Err(format!("{path}: the file is empty"))
    } else {
        Ok(secret.to_owned())
    }
}
