//! One declared rule, proven: everything later code needs, nothing it could misread.

use std::time::Duration;

use declare::Node;
use declare::template::Template;
use model::{Functions, Glob, Labels, Mode, Ratio, Severity, format_duration};
use serde_json::{Value, json};

use crate::condition::{Condition, TelemetryLate};
use crate::phase::Timing;
use crate::windows::Select;

/// A rule as declared.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The alert's name; no other rule has it.
    pub name: String,
    /// The group it stands in.
    pub group: Option<String>,
    /// Who is told when the function has no owner of its own.
    pub owner: Option<String>,
    /// Which functions, and how alerts are told apart.
    pub select: Select,
    /// How often it is evaluated.
    pub every: Duration,
    /// The most label sets that may be active at once.
    pub limit: usize,
    /// Labels added to the alert.
    pub labels: Labels,
    /// Texts added to the alert, in order.
    pub annotations: Vec<(String, Template)>,
    /// The alerts that hold this one back while they fire, as written.
    pub inhibited_by: Vec<String>,
    /// What holds every day.
    pub daily: Settings,
    /// What holds while the mode is rush, when it differs.
    pub rush: Option<Settings>,
    /// What holds for a function that was released a moment ago, when it differs.
    pub after_release: Option<AfterRelease>,
    /// Where it stands; built-in rules stand nowhere.
    pub place: Option<Node>,
}

/// What a mode can change about a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// What is wrong.
    pub condition: Condition,
    /// `for`.
    pub hold: Duration,
    /// `keep_firing_for`.
    pub keep_firing_for: Duration,
    /// How loud.
    pub severity: Severity,
    /// How much of the expected data must have arrived before missing calls mean anything.
    pub min_completeness: Ratio,
    /// What no data means.
    pub no_data: NoData,
}

/// What differs for a while after a release.
#[derive(Clone, Debug, PartialEq)]
pub struct AfterRelease {
    /// For how long.
    pub within: Duration,
    /// What holds every day.
    pub daily: Settings,
    /// What holds while the mode is rush.
    pub rush: Settings,
}

impl AfterRelease {
    /// The settings in force.
    pub fn settings(&self, mode: Mode) -> &Settings {
        match mode {
            Mode::Rush => &self.rush,
            Mode::Daily => &self.daily,
        }
    }
}

/// What no data means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NoData {
    /// The phase stays as it is.
    #[default]
    Hold,
    /// Nothing is wrong.
    Ok,
    /// Something is wrong.
    Alert,
}

impl NoData {
    /// The words of `no_data:`.
    pub const WORDS: &'static [&'static str] = &["hold", "ok", "alert"];

    /// The word in `no_data:`.
    pub fn as_str(self) -> &'static str {
        match self {
            NoData::Hold => "hold",
            NoData::Ok => "ok",
            NoData::Alert => "alert",
        }
    }

    /// The meaning with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "hold" => Some(NoData::Hold),
            "ok" => Some(NoData::Ok),
            "alert" => Some(NoData::Alert),
            _ => None,
        }
    }
}

impl Rule {
    /// The most label sets that may be active at once, unless declared.
    pub const LABEL_SETS_MAX: usize = 1_000;

    /// The settings in force.
    pub fn settings(&self, mode: Mode) -> &Settings {
        match (mode, &self.rush) {
            (Mode::Rush, Some(rush)) => rush,
            _ => &self.daily,
        }
    }

    /// Everything that can be in force at some time.
    pub fn all_settings(&self) -> impl Iterator<Item = &Settings> {
        let after = self.after_release.as_ref();
        let after = after.map(|after| [&after.daily, &after.rush]);
        std::iter::once(&self.daily)
            .chain(self.rush.as_ref())
            .chain(after.into_iter().flatten())
    }

    /// The delays of settings of this rule.
    pub fn timing(&self, settings: &Settings) -> Timing {
        Timing {
            hold: settings.hold,
            keep_firing_for: settings.keep_firing_for,
            every: self.every,
        }
    }

    /// The built-in rule that says when Rampart is blind.
    pub fn telemetry_late(min_completeness: Ratio) -> Rule {
        Rule {
            name: TelemetryLate::NAME.to_owned(),
            group: None,
            owner: None,
            select: Select {
                functions: Functions::matching(Vec::new()),
                by: vec![],
            },
            every: Duration::from_secs(1),
            limit: 1,
            labels: Labels::new(),
            annotations: vec![],
            inhibited_by: vec![],
            daily: Settings {
                condition: Condition::TelemetryLate(TelemetryLate { min_completeness }),
                hold: TelemetryLate::HOLD,
                keep_firing_for: TelemetryLate::KEEP_FIRING_FOR,
                severity: Severity::Warning,
                min_completeness,
                no_data: NoData::Hold,
            },
            rush: None,
            after_release: None,
            place: None,
        }
    }

    /// The rule as declared, defaults filled in.
    pub fn to_json(&self) -> Value {
        let functions = &self.select.functions;
        let patterns: Vec<&str> = functions.patterns().iter().map(Glob::as_str).collect();
        let wanted = functions.labels();
        let wanted = Labels::from_pairs(wanted.map(|(name, value)| (name, value.as_str())));
        let by: Vec<&str> = self.select.by.iter().map(|by| by.as_str()).collect();
        let annotations: serde_json::Map<String, Value> = self
            .annotations
            .iter()
            .map(|(name, template)| (name.clone(), template.as_str().into()))
            .collect();
        let mut json = json!({
            "alert": self.name,
            "group": self.group,
            "owner": self.owner,
            "functions": patterns,
            "function_labels": wanted,
            "by": by,
            "every": format_duration(self.every),
            "limit": self.limit,
            "labels": self.labels,
            "annotations": annotations,
            "inhibited_by": self.inhibited_by,
            "file": self.place.as_ref().map(|node| node.file().name.clone()),
            "line": self.place.as_ref().map(|node| node.place().line),
            "rush": self.rush.as_ref().map(Settings::to_json),
            "after_release": self.after_release.as_ref().map(AfterRelease::to_json),
        });
        if let (Some(json), Value::Object(settings)) = (json.as_object_mut(), self.daily.to_json())
        {
            json.extend(settings);
        }
        json
    }
}

impl AfterRelease {
    fn to_json(&self) -> Value {
        let mut json = self.daily.to_json();
        if let Some(json) = json.as_object_mut() {
            json.insert("within".to_owned(), format_duration(self.within).into());
        }
        json
    }
}

impl Settings {
    fn to_json(&self) -> Value {
        let mut json = json!({
            "summary": self.condition.summary(),
            "for": format_duration(self.hold),
            "keep_firing_for": format_duration(self.keep_firing_for),
            "severity": self.severity.as_str(),
            "min_completeness": self.min_completeness.to_string(),
            "no_data": self.no_data.as_str(),
        });
        if let (Some(json), Value::Object(condition)) =
            (json.as_object_mut(), self.condition.to_json())
        {
            json.extend(condition);
        }
        json
    }
}
