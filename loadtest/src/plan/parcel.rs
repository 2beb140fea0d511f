//! A plan with everything it was read from, so that another machine can read the same plan.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use declare::Problems;

use super::Plan;
use super::caps::REQUESTS_MAX;
use super::files::{Files, Place, cause};
use super::read::read_with;

/// All files of a parcel together. A plan's bodies, curve, certificates and descriptors fit.
pub const PARCEL_BYTES_MAX: u64 = 96 << 20;
/// Files of a parcel: a body for every request, and the few others.
pub const PARCEL_FILES_MAX: usize = REQUESTS_MAX + 8;

/// A plan's text with the files and variables that it names, and nothing else of its machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parcel {
    /// What messages call the plan.
    pub file_name: String,
    /// Its text, as written.
    pub text: String,
    /// Values of the variables `${NAME}` that it uses.
    pub variables: BTreeMap<String, String>,
    /// The contents of the files it names, by the names it says. Not the token of its server, and
    /// nothing that it writes.
    pub files: BTreeMap<String, Vec<u8>>,
}

/// Why a plan cannot be packed or unpacked.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// It is not a plan.
    #[error("{0}")]
    Plan(#[from] Problems),
    /// A file cannot be read, or not be put down.
    #[error("cannot use {path}: {cause}")]
    File {
        /// The file.
        path: String,
        /// Why.
        cause: String,
    },
    /// It is more than is sent.
    #[error(
        "the files of the plan have more than {PARCEL_BYTES_MAX} bytes together, too much to send to workers"
    )]
    TooLarge,
    /// It names more files than any plan does.
    #[error("the plan names more than {PARCEL_FILES_MAX} files, too many to send to workers")]
    TooMany,
}

/// Reads a plan as [`super::read`] does and keeps what it was read from.
pub fn pack(
    file_name: &str,
    text: &str,
    folder: &Path,
    lookup: impl Fn(&str) -> Option<String>,
) -> Result<(Plan, Parcel), PackError> {
    let variables = std::cell::RefCell::new(BTreeMap::new());
    let mut files = Files::new(Place::Folder(folder.to_owned()));
    let plan = read_with(file_name, text, &mut files, |name| {
        let value = lookup(name)?;
        variables
            .borrow_mut()
            .insert(name.to_owned(), value.clone());
        Some(value)
    })?;
    let named = files.named();
    if named.len() > PARCEL_FILES_MAX {
        return Err(PackError::TooMany);
    }
    let mut left = PARCEL_BYTES_MAX;
    let mut contents = BTreeMap::new();
    for (name, path) in named {
        let content = read_bytes(&path, left)?;
        left -= content.len() as u64;
        contents.insert(name, content);
    }
    let parcel = Parcel {
        file_name: file_name.to_owned(),
        text: text.to_owned(),
        variables: variables.into_inner(),
        files: contents,
    };
    Ok((plan, parcel))
}

impl Parcel {
    /// Reads the plan that was packed. Its files are put into `folder`, under names of our own: whatever
    /// the plan calls them, nothing outside is written, and nothing else of this machine is read.
    pub fn unpack(&self, folder: &Path) -> Result<Plan, PackError> {
        let mut files = BTreeMap::new();
        for (index, (name, content)) in self.files.iter().enumerate() {
            let path = folder.join(index.to_string());
            std::fs::write(&path, content).map_err(|error| unusable(&path, &error))?;
            files.insert(name.clone(), path);
        }
        let missing = folder.join("not sent with the plan");
        let mut files = Files::new(Place::Sent { files, missing });
        let plan = read_with(&self.file_name, &self.text, &mut files, |name| {
            self.variables.get(name).cloned()
        })?;
        Ok(plan)
    }
}

fn unusable(path: &Path, error: &std::io::Error) -> PackError {
    PackError::File {
        path: path.display().to_string(),
        cause: cause(error),
    }
}

fn read_bytes(path: &PathBuf, bytes_max: u64) -> Result<Vec<u8>, PackError> {
    let found = std::fs::metadata(path).map_err(|error| unusable(path, &error))?;
    if !found.is_file() {
        return Err(PackError::File {
            path: path.display().to_string(),
            cause: "it is not a file".to_owned(),
        });
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(bytes_max + 1).read_to_end(&mut bytes))
        .map_err(|error| unusable(path, &error))?;
    if bytes.len() as u64 > bytes_max {
        return Err(PackError::TooLarge);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: &str = r#"
server: {url: "http://127.0.0.1:9650", token_file: server.token}
target: {url: "https://127.0.0.1:${PORT}", ca_file: root.pem}
allow: ["127.0.0.0/8"]
requests: [{method: POST, path: /like, body_file: sub/likes.ndjson}]
load: {replay: curve.csv}
"#;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        put("sub/likes.ndjson", "{\"n\": 1}\n{\"n\": 2}\n");
        put("curve.csv", "0,10\n5,20\n");
        put("root.pem", "none");
        put("server.token", "a secret of the leader's");
        folder
    }

    fn variable(name: &str) -> Option<String> {
        match name {
            "PORT" => Some("9700".to_owned()),
            "RAMPART_PERMISSION_KEY" => Some("a secret of the worker's".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn the_same_plan_is_read_elsewhere() {
        let here = folder();
        let (plan, parcel) = pack("plan.yaml", PLAN, here.path(), variable).unwrap();
        let sent: Vec<&str> = parcel.files.keys().map(String::as_str).collect();
        assert_eq!(sent, ["curve.csv", "root.pem", "sub/likes.ndjson"]);
        assert_eq!(
            parcel.variables,
            [("PORT".to_owned(), "9700".to_owned())].into()
        );
        let there = tempfile::tempdir().unwrap();
        let unpacked = parcel.unpack(there.path()).unwrap();
        assert_eq!(unpacked.scenario_hash, plan.scenario_hash);
        assert_eq!(unpacked.load.model, plan.load.model);
        assert_eq!(unpacked.target.port, 9_700);
        let root = unpacked.target.ca_file.unwrap();
        assert_eq!(root.parent(), Some(there.path()));
    }

    #[test]
    fn a_parcel_reads_and_writes_nothing_else_of_the_machine() {
        let here = folder();
        let secret = here.path().join("sub/likes.ndjson");
        let (_, parcel) = pack("plan.yaml", PLAN, here.path(), variable).unwrap();
        let there = tempfile::tempdir().unwrap();
        let with_text = |text: String| Parcel {
            text,
            ..parcel.clone()
        };
        let absolute = PLAN.replace("sub/likes.ndjson", &secret.display().to_string());
        let refused = with_text(absolute).unpack(there.path()).unwrap_err();
        assert!(refused.to_string().contains("not sent"), "{refused}");
        let variables = PLAN.replace("/like", "/${RAMPART_PERMISSION_KEY}");
        let refused = with_text(variables).unpack(there.path()).unwrap_err();
        assert!(
            refused.to_string().contains("RAMPART_PERMISSION_KEY"),
            "{refused}"
        );
        let outside = Parcel {
            files: [("../../escaped".to_owned(), Vec::new())].into(),
            ..parcel.clone()
        };
        assert!(outside.unpack(there.path()).is_err());
        assert!(!there.path().join("../../escaped").exists());
        assert!(there.path().join("0").exists());
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let here = folder();
        let text = PLAN
            .replace(
                "https://127.0.0.1:${PORT}\"",
                "http://127.0.0.1:1\", production: true, permission_file: none.json",
            )
            .replace("{replay: curve.csv}", "{rate: 1/s, duration: 1s}");
        let refused = pack("plan.yaml", &text, here.path(), variable).unwrap_err();
        assert!(refused.to_string().contains("none.json"), "{refused}");
    }
}
