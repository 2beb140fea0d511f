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

/// The files a name stands for whose last part may hold `*` and `?`, in order; relative names begin at the
/// folder of `beside`.
pub fn template_files(beside: &Path, pattern: &str) -> Result<Vec<(String, String)>, String> {
    /// The most files of one pattern.
    const FILES_MAX: usize = 200;
    let whole = beside.parent().unwrap_or(Path::new("")).join(pattern);
    let (Some(folder), Some(name)) = (whole.parent(), whole.file_name()) else {
        return Err(format!("`{pattern}` names no file"));
    };
    let wild = |text: &str| text.contains(['*', '?']);
    if wild(&folder.to_string_lossy()) {
        return Err("only the last part of the name may hold * and ?".to_owned());
    }
    let name = name.to_string_lossy();
    let names = if wild(&name) {
        let glob = model::Glob::new(&name).map_err(|error| error.to_string())?;
        let folder = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        let listed =
            std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut names: Vec<_> = listed
            .filter_map(Result::ok)
            .map(|entry| entry.file_name())
            .filter(|name| glob.matches(&name.to_string_lossy()))
            .collect();
        names.sort();
        names
    } else {
        vec![name.into_owned().into()]
    };
    if names.len() > FILES_MAX {
        return Err(format!("more than {FILES_MAX} files"));
    }
    let read = |name: std::ffi::OsString| -> Result<(String, String), String> {
        let file =
            crate::config::read_text(&folder.join(name)).map_err(|error| error.to_string())?;
        Ok((file.name, file.text))
    };
    names.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn template_files_are_found_beside_the_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (name, text) in [("b.tmpl", "two"), ("a.tmpl", "one"), ("c.txt", "three")] {
            std::fs::write(at(name), text).unwrap();
        }
        let beside = at("alertmanager.yml");
        let texts = |pattern: &str| -> Result<Vec<String>, String> {
            let found = template_files(&beside, pattern)?;
            Ok(found.into_iter().map(|(_, text)| text).collect())
        };
        assert_eq!(texts("*.tmpl").unwrap(), ["one", "two"]);
        assert_eq!(texts(&at("?.txt").to_string_lossy()).unwrap(), ["three"]);
        assert_eq!(texts("*.none").unwrap(), [""; 0]);
        assert!(texts("none.tmpl").unwrap_err().contains("none.tmpl"));
        assert!(texts("*/a.tmpl").unwrap_err().contains("last part"));
    }
}
