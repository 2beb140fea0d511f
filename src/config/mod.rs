//! The configuration as a whole: proven before anything is bound or written.
//!
//! [`ConfigFiles`] are the texts; [`Config::parse`] is pure and gives either a whole configuration or
//! every problem at once. Each room reads its own section.

mod files;
pub mod last_good;
mod sections;
mod shape;
mod state;
mod storage;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use declare::{Node, Problems};
use inbound::Tokens;
use model::DatedEvent;

pub use files::{ConfigFiles, TextFile, expand, read_text};
pub use shape::main as main_shape;
pub use state::SharedState;

/// Where the server listens when nothing says otherwise.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:9650";
/// Where data goes when nothing says otherwise.
pub const DEFAULT_DATA_DIR: &str = "./rampart-data";

/// What flags and environment say; each beats the file.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Where to listen.
    pub listen: Option<SocketAddr>,
    /// Where data goes.
    pub data_dir: Option<PathBuf>,
    /// What links point to.
    pub external_url: Option<String>,
    /// Whether to listen beyond loopback without authentication.
    pub insecure: bool,
}

/// A whole, proven configuration.
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// What links point to; ends without a slash.
    pub external_url: Option<String>,
    /// Where data goes.
    pub data_dir: PathBuf,
    /// The database that several nodes share, if there is one.
    pub shared_state: Option<SharedState>,
    /// Addresses that requests built from data may reach.
    pub outbound_allow: outbound::AllowList,
    /// The events during which the mode is rush.
    pub rush: Vec<DatedEvent>,
    /// How the tables are kept.
    pub store: store::Options,
    /// The sources.
    pub collector: collector::Config,
    /// Who owns what.
    pub teams: alerting::Teams,
    /// The rules; the starter pack when the files name none.
    pub rules: rules::RuleSet,
    /// Who is told.
    pub alerting: alerting::Config,
    /// Who may do what; `None` without authentication.
    pub tokens: Option<Tokens>,
    /// Whether an open door was asked for.
    pub insecure: bool,
}

/// What a configuration may look up while it is read.
pub struct Surroundings<'a> {
    /// `${NAME}`.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// `*_file` keys: the content of a file, or why there is none. Relative paths have the main file's folder before
    /// them.
    pub secret_file: &'a dyn Fn(&str) -> Result<String, String>,
    /// When the configuration is read; on-call gaps are looked for from here on.
    pub now: model::Timestamp,
}

impl Config {
    /// Reads and proves everything. Advice comes back with a good configuration; any error gives all
    /// problems instead.
    pub fn parse(
        files: &ConfigFiles,
        overrides: &Overrides,
        around: &Surroundings<'_>,
    ) -> Result<(Config, Problems), Problems> {
        let mut problems = Problems::default();
        let folder = files
            .main
            .as_ref()
            .and_then(|file| Path::new(&file.name).parent());
        let folder = folder.unwrap_or(Path::new(""));
        let around = &Surroundings {
            secret_file: &|path| (around.secret_file)(&folder.join(path).to_string_lossy()),
            ..*around
        };
        let root = match &files.main {
            Some(file) => match declare::read(&file.name, &file.text) {
                Ok(root) => root,
                Err(broken) => {
                    // The other files are still looked at, so that one run shows every mistake.
                    problems.extend(broken);
                    empty()
                }
            },
            None => empty(),
        };
        let root = declare::expand_variables(&root, around.variable, &mut problems);
        declare::check(&root, &shape::main(), &mut problems);
        let config = Config::read(&root, files, overrides, around, &mut problems);
        match config {
            Some(config) if !problems.has_errors() => Ok((config, problems)),
            _ => Err(problems),
        }
    }

    fn read(
        root: &Node,
        files: &ConfigFiles,
        overrides: &Overrides,
        around: &Surroundings<'_>,
        problems: &mut Problems,
    ) -> Option<Config> {
        let events = sections::events(root, problems);
        let tokens = sections::tokens(root, around.secret_file, problems);
        let listen = sections::listen(root, overrides, tokens.is_some(), problems);
        let external_url = overrides
            .external_url
            .clone()
            .or_else(|| root.text_of("external_url").map(str::to_owned));
        let external_url = external_url.map(|url| url.trim_end_matches('/').to_owned());
        if let Some(Err(error)) = external_url
            .as_deref()
            .map(|url| inbound::Gate::new(None).external_url(url))
        {
            let place = root.field("external_url").unwrap_or(root);
            problems
                .error(place, error.to_string())
                .hint("write scheme, host and, if need be, a path; no user, query or fragment");
        }
        let data_dir = overrides
            .data_dir
            .clone()
            .unwrap_or_else(|| PathBuf::from(root.text_of("data_dir").unwrap_or(DEFAULT_DATA_DIR)));
        let outbound_allow = sections::outbound_allow(root, problems);
        let shared_state = state::read(root, around, problems);
        let store = storage::options(root, data_dir.join("store"), around, problems);
        let section = |name: &str| root.field(name).cloned().unwrap_or_else(empty);
        let collector = collector::Config::read(&section("collector"), problems);
        let rush = rules::read_mode(&section("mode"), &events, problems);
        let teams = alerting::Teams::read(&section("teams"));
        let rules = sections::rules(files, around, problems);
        sections::advise_on_owners(rules.as_ref(), &teams, problems);
        let main = sections::MainFile {
            teams: &teams,
            events: &events,
            external_url: external_url.as_deref(),
        };
        let mut alerting = sections::alerting(files, &main, around, problems);
        if let (Some(alerting), Some(rules)) = (&mut alerting, &rules) {
            alerting.inhibit_rules.extend(sections::inhibitions(rules));
        }
        Some(Config {
            listen: listen?,
            external_url,
            data_dir,
            shared_state,
            outbound_allow: outbound_allow?,
            rush,
            store,
            collector: collector?,
            teams,
            rules: rules?,
            alerting: alerting?,
            tokens,
            insecure: overrides.insecure,
        })
    }
}

/// The tree of an empty file: a record without fields.
fn empty() -> Node {
    declare::read("built-in defaults", "")
        .unwrap_or_else(|_| unreachable!("an empty file is an empty record"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rules_say_of_inhibition_is_followed_by_alerting() {
        let file = |name: &str, text: &str| TextFile {
            name: name.into(),
            text: text.into(),
        };
        let rules = "version: rampart/v1\nrules:\n  - {alert: Down, functions: ['*'], qps: {absent_for: 2m}}\n  - {alert: Slow, functions: ['*'], by: [function, unit], qps: {absent_for: 1m}, inhibited_by: [Down]}\n";
        let alerting = "receivers: [{name: x, webhook: {url: 'http://127.0.0.1:1/'}}]\nroute: {receiver: x}\ninhibit_rules: [{source_matchers: ['a=\"b\"'], target_matchers: ['a=\"c\"']}]\n";
        let files = ConfigFiles {
            main: Some(file("rampart.yaml", "{}")),
            rules: vec![file("rules.yaml", rules)],
            alerting: Some(file("alerting.yaml", alerting)),
        };
        let around = Surroundings {
            variable: &|_| None,
            secret_file: &|path| Err(format!("no file {path}")),
            now: model::Timestamp::EPOCH,
        };
        let parsed = Config::parse(&files, &Overrides::default(), &around);
        let (config, _) = parsed.unwrap_or_else(|problems| panic!("{problems}"));
        let [_, own] = config.alerting.inhibit_rules.as_slice() else {
            panic!("{:?}", config.alerting.inhibit_rules);
        };
        let labels = |name: &str, unit: &str| {
            model::Labels::from_pairs([
                ("alertname", name),
                ("namespace", "guide"),
                ("function", "feed"),
                ("unit", unit),
            ])
        };
        assert!(own.is_source(&labels("Down", "")) && own.is_target(&labels("Slow", "a")));
        assert!(!own.is_target(&labels("Down", "a")));
        assert_eq!(own.equal, ["namespace", "function"]);
        assert_eq!(
            own.common(&labels("Down", "")),
            own.common(&labels("Slow", "a"))
        );
    }
}
