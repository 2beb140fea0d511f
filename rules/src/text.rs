//! What an alert says: its labels and its texts.

use std::collections::BTreeMap;

use model::{Alert, AlertStatus, Labels, Mode, Timestamp, format_duration};
use serde::Serialize;

use crate::condition::Evidence;
use crate::events;
use crate::rule::{Rule, Settings};
use crate::windows::{By, GroupKey};

/// What templates of annotations may use.
pub(crate) const VARIABLES: [&str; 17] = [
    "function",
    "namespace",
    "id",
    "unit",
    "zone",
    "version",
    "value",
    "threshold",
    "baseline",
    "calls",
    "failed",
    "window",
    "labels",
    "rule",
    "severity",
    "mode",
    "owner",
];

/// What the annotation `learning` says.
const LEARNING: &str =
    "fewer than seven clean days of this function are known; evidence counts a quarter until then";

#[derive(Serialize)]
struct Values<'a> {
    function: &'a str,
    namespace: &'a str,
    id: &'a str,
    unit: &'a str,
    zone: &'a str,
    version: &'a str,
    value: f64,
    threshold: f64,
    baseline: f64,
    calls: u64,
    failed: u64,
    window: String,
    labels: &'a Labels,
    rule: &'a str,
    severity: &'a str,
    mode: &'a str,
    owner: &'a str,
}

/// What fired and why.
pub(crate) struct Occasion<'a> {
    pub(crate) rule: &'a Rule,
    pub(crate) mode: Mode,
    /// What is in force for the label set.
    pub(crate) settings: &'a Settings,
    pub(crate) key: &'a GroupKey,
    pub(crate) value: f64,
    pub(crate) evidence: Evidence,
    pub(crate) since: Timestamp,
    pub(crate) external_url: &'a str,
}

/// The firing alert of an occasion.
pub(crate) fn alert_of(occasion: &Occasion<'_>) -> Alert {
    let settings = occasion.settings;
    let labels = labels_of(occasion.rule, settings, occasion.key);
    let annotations = annotations_of(occasion, settings, &labels);
    Alert {
        status: AlertStatus::Firing,
        labels,
        annotations,
        starts_at: occasion.since,
        ends_at: None,
        generator_url: if occasion.external_url.is_empty() {
            String::new()
        } else {
            format!(
                "{}/rules#{}",
                occasion.external_url.trim_end_matches('/'),
                occasion.rule.name
            )
        },
    }
}

fn labels_of(rule: &Rule, settings: &Settings, key: &GroupKey) -> Labels {
    let mut labels = rule.labels.clone();
    for (name, value) in key.labels(&rule.select.by).iter() {
        labels.set(name, value);
    }
    labels.set(Alert::NAME_LABEL, rule.name.as_str());
    labels.set("severity", settings.severity.as_str());
    labels.set("owner", rule.owner.as_deref().unwrap_or(""));
    labels
}

fn annotations_of(
    occasion: &Occasion<'_>,
    settings: &Settings,
    labels: &Labels,
) -> BTreeMap<String, String> {
    let sentence = settings.condition.describe(
        &who(occasion.rule, occasion.key),
        occasion.value,
        &occasion.evidence,
    );
    let mut annotations = BTreeMap::from([
        ("summary".to_owned(), sentence.clone()),
        (
            "description".to_owned(),
            format!(
                "{sentence}. Rule {}: {}{}.",
                occasion.rule.name,
                settings.condition.summary(),
                if settings.hold.is_zero() {
                    String::new()
                } else {
                    format!(", for {}", format_duration(settings.hold))
                }
            ),
        ),
        (
            "value".to_owned(),
            settings.condition.value_text(occasion.value),
        ),
    ]);
    if let Some(proof) = &occasion.evidence.proof
        && proof.learning()
    {
        annotations.insert("learning".to_owned(), LEARNING.to_owned());
    }
    let id = match (labels.get("namespace"), labels.get("function")) {
        (Some(namespace), Some(function)) => format!("{namespace}/{function}"),
        _ => String::new(),
    };
    let values = values_of(occasion, settings, labels, &id);
    for (name, template) in &occasion.rule.annotations {
        match template.render(&values) {
            Ok(text) => {
                annotations.insert(name.clone(), text);
            }
            // The default sentence still tells what happened.
            Err(error) => events::template_failed(&occasion.rule.name, name, &error.to_string()),
        }
    }
    annotations
}

fn values_of<'a>(
    occasion: &Occasion<'a>,
    settings: &'a Settings,
    labels: &'a Labels,
    id: &'a str,
) -> Values<'a> {
    let label = |name: &str| labels.get(name).unwrap_or("");
    Values {
        function: label("function"),
        namespace: label("namespace"),
        id,
        unit: label("unit"),
        zone: label("zone"),
        version: label("version"),
        value: occasion.value,
        threshold: settings.condition.threshold(),
        baseline: occasion.evidence.baseline.unwrap_or(0.0),
        calls: occasion.evidence.calls,
        failed: occasion.evidence.failed,
        window: format_duration(settings.condition.over()),
        labels,
        rule: &occasion.rule.name,
        severity: settings.severity.as_str(),
        mode: occasion.mode.as_str(),
        owner: label("owner"),
    }
}

/// `guide/wow-video-feed in unit b`, `namespace guide`, `all watched functions`.
pub(crate) fn who(rule: &Rule, key: &GroupKey) -> String {
    let by = &rule.select.by;
    let mut parts = vec![
        match (key.get(by, By::Namespace), key.get(by, By::Function)) {
            (Some(namespace), Some(function)) => format!("{namespace}/{function}"),
            (Some(namespace), None) => format!("namespace {namespace}"),
            _ => "all watched functions".to_owned(),
        },
    ];
    for dimension in [By::Unit, By::Version, By::Zone] {
        if let Some(value) = key.get(by, dimension).filter(|value| !value.is_empty()) {
            parts.push(format!("in {} {value}", dimension.as_str()));
        }
    }
    parts.join(" ")
}
