//! The files of a configuration: which there are, and their texts. Reading them is the only I/O here.

use std::fs;
use std::path::{Path, PathBuf};

use declare::Problems;
use model::Glob;
use serde::{Deserialize, Serialize};

/// The largest configuration file read, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// The most rule files one configuration may have.
const RULE_FILES_MAX: usize = 1_000;

/// One file's name, as problems show it, and text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextFile {
    /// The path as it was found.
    pub name: String,
    /// What it holds.
    pub text: String,
}

/// Everything one configuration is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigFiles {
    /// The main file; without one the built-in defaults hold.
    pub main: Option<TextFile>,
    /// Rule files, in order of name.
    pub rules: Vec<TextFile>,
    /// The alerting file.
    pub alerting: Option<TextFile>,
}

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct UnreadableFile {
    path: String,
    reason: String,
}

/// Reads one file.
pub fn read_text(path: &Path) -> Result<TextFile, UnreadableFile> {
    let unreadable = |reason: String| UnreadableFile {
        path: path.display().to_string(),
        reason,
    };
    let length = fs::metadata(path)
        .map_err(|error| unreadable(sentence(&error)))?
        .len();
    if length > FILE_BYTES_MAX {
        return Err(unreadable(format!(
            "it has {length} bytes; a configuration file may have {FILE_BYTES_MAX}"
        )));
    }
    let bytes = fs::read(path).map_err(|error| unreadable(sentence(&error)))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        unreadable(format!(
            "it is not UTF-8 at byte {}",
            error.utf8_error().valid_up_to()
        ))
    })?;
    Ok(TextFile {
        name: path.display().to_string(),
        text,
    })
}

fn sentence(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "it may not be read by this user".to_owned(),
        _ => error.to_string(),
    }
}

impl ConfigFiles {
    /// Reads the main file and every file it names. Files that cannot be read are problems at the
    /// place that names them; the others are read all the same.
    pub fn load(main: &Path) -> Result<(ConfigFiles, Problems), UnreadableFile> {
        let main_text = read_text(main)?;
        let mut files = ConfigFiles {
            main: None,
            rules: Vec::new(),
            alerting: None,
        };
        let mut problems = Problems::default();
        let folder = main.parent().unwrap_or(Path::new("."));
        if let Ok(root) = declare::read(&main_text.name, &main_text.text) {
            let patterns = root
                .field("rules")
                .and_then(|rules| rules.field("files"))
                .map(|list| list.items().to_vec())
                .unwrap_or_default();
            for pattern in &patterns {
                let Some(text) = pattern.as_text() else {
                    continue;
                };
                match expand(folder, text) {
                    Ok(paths) if paths.is_empty() => {
                        problems
                            .advice(pattern, format!("no file matches `{text}`"))
                            .hint("without any rule the starter pack watches");
                    }
                    Ok(paths) => files.read_rules(paths, pattern, &mut problems),
                    Err(reason) => {
                        problems.error(pattern, format!("`{text}`: {reason}"));
                    }
                }
            }
            if let Some(node) = root
                .field("alerting")
                .and_then(|alerting| alerting.field("file"))
                && let Some(text) = node.as_text()
            {
                match read_text(&folder.join(text)) {
                    Ok(file) => files.alerting = Some(file),
                    Err(error) => {
                        problems.error(node, error.to_string());
                    }
                }
            }
        }
        files.main = Some(main_text);
        Ok((files, problems))
    }

    fn read_rules(
        &mut self,
        paths: Vec<PathBuf>,
        pattern: &declare::Node,
        problems: &mut Problems,
    ) {
        for path in paths {
            if self.rules.len() >= RULE_FILES_MAX {
                problems.error(pattern, format!("more than {RULE_FILES_MAX} rule files"));
                return;
            }
            match read_text(&path) {
                Ok(file) if self.rules.iter().any(|known| known.name == file.name) => {}
                Ok(file) => self.rules.push(file),
                Err(error) => {
                    problems.error(pattern, error.to_string());
                }
            }
        }
    }
}

/// Files that a pattern such as `rules/*.yaml` names, sorted. `*` and `?` stand in the last part only.
pub fn expand(folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let whole = folder.join(pattern);
    let name = whole
        .file_name()
        .and_then(|name| name.to_str())
        .ok_or("it names no file")?
        .to_owned();
    if !name.contains(['*', '?']) {
        return Ok(vec![whole]);
    }
    let parent = whole.parent().unwrap_or(folder).to_path_buf();
    if parent.to_string_lossy().contains(['*', '?']) {
        return Err("`*` and `?` may stand only in the last part of a path".to_owned());
    }
    let glob = Glob::new(&name).map_err(|error| error.to_string())?;
    let entries = fs::read_dir(&parent)
        .map_err(|error| format!("{}: {}", parent.display(), sentence(&error)))?;
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| glob.matches(name) && !name.starts_with('.'))
        })
        .collect();
    found.sort();
    Ok(found)
}
