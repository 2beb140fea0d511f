//! A new configuration without a restart. A bad file keeps its old self; the others take effect.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use alerting::Handle;
use alerting::pipeline::Policy;
use collector::Collector;
use declare::{Level, Problems};
use inbound::Tokens;
use model::SharedClock;
use rules::{Modes, Rules};
use tokio::sync::Mutex;

use crate::config::{Config, ConfigFiles, Overrides, Surroundings, TextFile, last_good};
use crate::own_alert::OwnAlert;
use crate::surroundings;

/// The rooms that take up a new configuration while they run.
#[derive(Clone)]
pub struct Running {
    /// The rule engine.
    pub rules: Rules,
    /// Routes and people.
    pub alerting: Handle,
    /// Sources.
    pub collector: Collector,
    /// Daily and rush.
    pub modes: Modes,
    /// Who may come in, when tokens are configured.
    pub tokens: Option<Tokens>,
}

/// Where a configuration came from.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The main file, if there is one.
    pub path: Option<PathBuf>,
    /// The texts that are in force.
    pub files: ConfigFiles,
    /// The flags and variables that beat them.
    pub overrides: Overrides,
    /// What was wrong with the files, when these texts are the last good ones instead.
    pub rejected: Option<String>,
}

/// What a reload that took effect whole says.
pub struct Reloaded {
    /// Settings that changed in the files but need a restart.
    pub kept: Vec<String>,
    /// Advice about the new configuration.
    pub advice: Vec<String>,
}

/// What a reload with problems says.
pub struct Rejected {
    /// Every problem, drawn with its place, and which files kept their old selves.
    pub problems: String,
}

/// Takes a running server from one configuration to the next.
pub struct Reload {
    origin: Option<PathBuf>,
    overrides: Overrides,
    data_dir: PathBuf,
    running: Running,
    clock: SharedClock,
    current: Mutex<Current>,
}

struct Current {
    files: ConfigFiles,
    needs_restart: BTreeMap<&'static str, String>,
    rejected: OwnAlert,
}

impl Reload {
    /// Prepares reloading. Tells at once what a reload would: that the files are bad and the last good
    /// ones hold, or that they no longer are.
    pub async fn open(
        origin: Origin,
        config: &Config,
        running: Running,
        clock: SharedClock,
    ) -> Self {
        let alerting = running.alerting.clone();
        let rejected =
            OwnAlert::take_up("ConfigRejected", "warning", alerting, clock.clone()).await;
        let mut current = Current {
            files: origin.files,
            needs_restart: fixed_settings(config),
            rejected,
        };
        match &origin.rejected {
            Some(problems) => current.raise(problems).await,
            None => current.clear().await,
        }
        let data_dir = config.data_dir.clone();
        Reload {
            origin: origin.path,
            overrides: origin.overrides,
            data_dir,
            running,
            clock,
            current: Mutex::new(current),
        }
    }

    /// Reads the files again and takes up what is good. One at a time.
    pub async fn reload(&self) -> Result<Reloaded, Rejected> {
        let mut current = self.current.lock().await;
        let Some(origin) = &self.origin else {
            return Ok(Reloaded {
                kept: vec!["there is no configuration file; nothing to reload".to_owned()],
                advice: Vec::new(),
            });
        };
        let (files, unread) = match ConfigFiles::load(origin) {
            Ok(loaded) => loaded,
            Err(error) => {
                current.raise(&error.to_string()).await;
                return Err(Rejected {
                    problems: error.to_string(),
                });
            }
        };
        match self.parse(&files) {
            Ok((config, advice)) if !unread.has_errors() => {
                let kept = self.take_up(&mut current, config, files).await;
                current.clear().await;
                Ok(Reloaded {
                    kept,
                    advice: advice.iter().map(ToString::to_string).collect(),
                })
            }
            Ok(_) => Err(self.reject(&mut current, files, unread).await),
            Err(mut problems) => {
                problems.extend(unread);
                Err(self.reject(&mut current, files, problems).await)
            }
        }
    }

    fn parse(&self, files: &ConfigFiles) -> Result<(Config, Problems), Problems> {
        let surroundings = Surroundings {
            variable: &surroundings::variable,
            secret_file: &surroundings::secret_file,
            now: self.clock.now(),
        };
        Config::parse(files, &self.overrides, &surroundings)
    }

    /// Puts the old text of every file with a mistake back and takes up the rest, if that is whole.
    async fn reject(
        &self,
        current: &mut Current,
        files: ConfigFiles,
        problems: Problems,
    ) -> Rejected {
        let bad: Vec<String> = problems
            .iter()
            .filter(|problem| problem.level == Level::Error)
            .map(|problem| problem.file.clone())
            .collect();
        let mended = with_old_selves(&files, &current.files, &bad);
        let mut said = problems.to_string();
        match self.parse(&mended) {
            Ok((config, _)) if mended != current.files => {
                let changed = changed_names(&mended, &current.files);
                self.take_up(current, config, mended).await;
                said.push_str("\nthe files without mistakes took effect: ");
                said.push_str(&changed.join(", "));
                said.push('\n');
            }
            _ => said.push_str("\nnothing changed: the configuration in force stays\n"),
        }
        current.raise(&said).await;
        Rejected { problems: said }
    }

    async fn take_up(
        &self,
        current: &mut Current,
        config: Config,
        files: ConfigFiles,
    ) -> Vec<String> {
        let wanted = fixed_settings(&config);
        let kept = wanted
            .iter()
            .filter(|(name, value)| current.needs_restart.get(*name) != Some(*value))
            .map(|(name, _)| format!("`{name}` changed and takes effect at the next start"))
            .collect();
        if let (Some(at_the_gate), Some(new)) = (&self.running.tokens, &config.tokens) {
            at_the_gate.replace(new);
        }
        self.running.modes.reschedule(config.rush);
        self.running.collector.reload(config.collector).await;
        if let Err(error) = self
            .running
            .alerting
            .reload(Arc::new(Policy::new(config.alerting, config.teams)))
            .await
        {
            tracing::error!(%error, "alerting did not take up the new configuration");
        }
        self.running.rules.reload(config.rules).await;
        if let Err(error) = last_good::save(&self.data_dir, &files) {
            tracing::warn!(%error, "the configuration in force could not be remembered for the next start");
        }
        current.files = files;
        kept
    }
}

impl Current {
    /// Tells whoever is told of everything else that an edit did not take effect.
    async fn raise(&mut self, problems: &str) {
        tracing::error!(%problems, "the new configuration was rejected");
        metrics::counter!("rampart_config_rejected_total").increment(1);
        self.rejected
            .raise(
                "an edit of the configuration was rejected; the old one stays in force",
                problems,
            )
            .await;
    }

    async fn clear(&mut self) {
        self.rejected
            .clear("the configuration in force is the one on disk")
            .await;
    }
}

/// What a running server cannot change, as text to compare.
fn fixed_settings(config: &Config) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("listen", config.listen.to_string()),
        ("external_url", format!("{:?}", config.external_url)),
        ("data_dir", config.data_dir.display().to_string()),
        ("state", {
            let shared = config.shared_state.as_ref();
            format!(
                "{:?}",
                shared.map(|shared| (shared.url.expose(), &shared.node))
            )
        }),
        ("store", format!("{:?}", config.store)),
        ("outbound.allow", format!("{:?}", config.outbound_allow)),
        (
            "auth (from none to some, or back)",
            config.tokens.is_some().to_string(),
        ),
    ])
}

/// `new` with the files named in `bad` replaced by what they were in `old`; a bad file that is new
/// is left out. A bad main file cannot say which others there are, nor can one that names a file
/// nobody can read: then the old set stays, with the good new texts of its members.
fn with_old_selves(new: &ConfigFiles, old: &ConfigFiles, bad: &[String]) -> ConfigFiles {
    let is_bad = |name: &str| bad.iter().any(|file| file == name);
    if new.main.as_ref().is_none_or(|main| is_bad(&main.name)) {
        let read: Vec<&TextFile> = new.rules.iter().chain(&new.alerting).collect();
        let newest = |before: &TextFile| {
            let now = read
                .iter()
                .find(|file| file.name == before.name && !is_bad(&file.name));
            now.map_or_else(|| before.clone(), |file| (*file).clone())
        };
        return ConfigFiles {
            main: old.main.clone(),
            rules: old.rules.iter().map(newest).collect(),
            alerting: old.alerting.as_ref().map(newest),
        };
    }
    let main = match (&new.main, &old.main) {
        (Some(file), before) if is_bad(&file.name) => before.clone(),
        (now, _) => now.clone(),
    };
    let rules = new.rules.iter().filter_map(|file| {
        if is_bad(&file.name) {
            old.rules
                .iter()
                .find(|before| before.name == file.name)
                .cloned()
        } else {
            Some(file.clone())
        }
    });
    let alerting = match (&new.alerting, &old.alerting) {
        (Some(file), before) if is_bad(&file.name) => before.clone(),
        (now, _) => now.clone(),
    };
    ConfigFiles {
        main,
        rules: rules.collect(),
        alerting,
    }
}

fn changed_names(new: &ConfigFiles, old: &ConfigFiles) -> Vec<String> {
    let all = |files: &ConfigFiles| {
        files
            .main
            .iter()
            .chain(&files.rules)
            .chain(&files.alerting)
            .cloned()
            .collect::<Vec<_>>()
    };
    let before = all(old);
    all(new)
        .into_iter()
        .filter(|file| !before.contains(file))
        .map(|file| file.name)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> TextFile {
        TextFile {
            name: name.into(),
            text: text.into(),
        }
    }

    #[test]
    fn a_bad_file_keeps_its_old_self_and_a_new_bad_one_stays_out() {
        let old = ConfigFiles {
            main: Some(file("m", "1")),
            rules: vec![file("a", "1"), file("b", "1")],
            alerting: None,
        };
        let new = ConfigFiles {
            main: Some(file("m", "2")),
            rules: vec![file("a", "2"), file("b", "2"), file("c", "2")],
            alerting: Some(file("n", "2")),
        };
        let mended = with_old_selves(&new, &old, &["b".into(), "c".into()]);
        assert_eq!(mended.rules, [file("a", "2"), file("b", "1")]);
        assert_eq!(changed_names(&mended, &old), ["m", "a", "n"]);
    }

    #[test]
    fn a_bad_main_file_drops_nothing() {
        let old = ConfigFiles {
            main: Some(file("m", "1")),
            rules: vec![file("a", "1"), file("b", "1")],
            alerting: Some(file("n", "1")),
        };
        // A syntax error in the main file, or an alerting file that cannot be read: both are told at
        // the main file, and what it names was not, or not wholly, read.
        let new = ConfigFiles {
            main: Some(file("m", "2")),
            rules: vec![file("a", "2")],
            alerting: None,
        };
        let mended = with_old_selves(&new, &old, &["m".into()]);
        let expected = ConfigFiles {
            rules: vec![file("a", "2"), file("b", "1")],
            ..old.clone()
        };
        assert_eq!(mended, expected);
    }
}
