//! `--mode rush`: whether the day of the sale is prepared, as far as declarations tell.

use model::{DatedEvent, Mode, Timestamp, format_duration};
use rules::{Rule, RuleSet};
use serde_json::{Value, json};

/// What holds while the mode is rush, and what may be missing.
#[derive(Debug, Default)]
pub struct Readiness {
    /// When rush begins and ends next, or that it has begun.
    pub next: Option<DatedEvent>,
    /// How each rule differs: its name and a line for each difference.
    pub differ: Vec<(String, Vec<String>)>,
    /// What a person should look at.
    pub findings: Vec<String>,
}

/// Looks at the rules and, when a main file was read, at its schedule.
pub fn readiness(set: &RuleSet, schedule: Option<&[DatedEvent]>, now: Timestamp) -> Readiness {
    let mut readiness = Readiness::default();
    for rule in set.rules() {
        let lines = differences(rule);
        if !lines.is_empty() {
            readiness.differ.push((rule.name.clone(), lines));
        } else if rule.rush.is_some() {
            readiness
                .findings
                .push(format!("{}: `rush` changes nothing", rule.name));
        }
    }
    if readiness.differ.is_empty() {
        let finding = "no rule differs in rush: the thresholds of every day hold";
        readiness.findings.push(finding.to_owned());
    }
    let Some(schedule) = schedule else {
        return readiness;
    };
    let ahead = schedule.iter().filter(|event| event.to > now);
    readiness.next = ahead.min_by_key(|event| event.from).cloned();
    if readiness.next.is_none() {
        let finding = if schedule.is_empty() {
            "`mode: {rush: …}` names no event: rush holds only when somebody switches"
        } else {
            "every event of `mode: {rush: …}` is over: rush holds only when somebody switches"
        };
        readiness.findings.push(finding.to_owned());
    }
    readiness
}

fn differences(rule: &Rule) -> Vec<String> {
    let (daily, rush) = (rule.settings(Mode::Daily), rule.settings(Mode::Rush));
    let mut lines = Vec::new();
    let mut differ = |what: &str, before: String, after: String| {
        if before != after {
            lines.push(format!("{what}{before} → {after}"));
        }
    };
    // A summary leaves numbers out, the declaration has them all.
    let declared = |settings: &rules::Settings| settings.condition.to_json().to_string();
    if declared(daily) != declared(rush) {
        let (before, after) = (daily.condition.to_json(), rush.condition.to_json());
        for (field, old, new) in changed(&before, &after) {
            differ(&format!("{field}: "), old, new);
        }
    }
    differ(
        "for: ",
        format_duration(daily.hold),
        format_duration(rush.hold),
    );
    differ(
        "keep_firing_for: ",
        format_duration(daily.keep_firing_for),
        format_duration(rush.keep_firing_for),
    );
    differ(
        "severity: ",
        daily.severity.as_str().to_owned(),
        rush.severity.as_str().to_owned(),
    );
    differ(
        "min_completeness: ",
        daily.min_completeness.to_string(),
        rush.min_completeness.to_string(),
    );
    differ(
        "no_data: ",
        daily.no_data.as_str().to_owned(),
        rush.no_data.as_str().to_owned(),
    );
    lines
}

/// The fields of a condition that differ: `success_rate.below`, before, after.
fn changed(before: &Value, after: &Value) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    let (Some(before), Some(after)) = (before.as_object(), after.as_object()) else {
        return found;
    };
    for (word, old) in before {
        let new = after.get(word).unwrap_or(&Value::Null);
        match (old.as_object(), new.as_object()) {
            (Some(old), Some(new)) => {
                for (field, old) in old {
                    let new = new.get(field).unwrap_or(&Value::Null);
                    if old != new {
                        found.push((format!("{word}.{field}"), shown(old), shown(new)));
                    }
                }
            }
            _ if old != new => found.push((word.clone(), shown(old), shown(new))),
            _ => {}
        }
    }
    found
}

fn shown(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

impl Readiness {
    /// As lines for a person.
    pub fn text(&self) -> String {
        let mut lines = vec!["rush:".to_owned()];
        if let Some(event) = &self.next {
            lines.push(format!(
                "  {} from {} to {}",
                event.name, event.from, event.to
            ));
        }
        for (rule, differences) in &self.differ {
            lines.push(format!("  {rule}"));
            lines.extend(differences.iter().map(|line| format!("    {line}")));
        }
        lines.extend(self.findings.iter().map(|finding| format!("  ! {finding}")));
        lines.join("\n")
    }

    /// As `--output json` has it.
    pub fn to_json(&self) -> Value {
        let next = self
            .next
            .as_ref()
            .map(|event| json!({"event": event.name, "from": event.from, "to": event.to}));
        let differ: Vec<Value> = self
            .differ
            .iter()
            .map(|(rule, lines)| json!({"alert": rule, "changes": lines}))
            .collect();
        json!({"next": next, "differ": differ, "findings": self.findings})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set() -> RuleSet {
        let text = "version: rampart/v1\nrules:\n  - alert: Low\n    functions: ['*']\n    success_rate: {below: 99%}\n    for: 10s\n    rush: {success_rate: {below: 99.5%}, for: 0s, severity: critical}\n  - alert: Silent\n    functions: ['*']\n    qps: {absent_for: 2m}\n    rush: {qps: {absent_for: 2m}}\n";
        RuleSet::parse("a.yaml", text).unwrap()
    }

    fn event(from: i64, to: i64) -> DatedEvent {
        DatedEvent {
            name: "double-11".to_owned(),
            from: Timestamp::from_seconds(from),
            to: Timestamp::from_seconds(to),
        }
    }

    #[test]
    fn what_differs_is_told_number_by_number() {
        let events = [event(5_000, 6_000), event(2_000, 3_000)];
        let found = readiness(&set(), Some(&events), Timestamp::from_seconds(2_500));
        assert_eq!(found.next, Some(event(2_000, 3_000)), "it has begun");
        assert_eq!(
            found.text(),
            "rush:
  double-11 from 1970-01-01T00:33:20.000Z to 1970-01-01T00:50:00.000Z
  Low
    success_rate.below: 99% → 99.5%
    success_rate.recover_above: 99% → 99.5%
    for: 10s → 0s
    severity: warning → critical
  ! Silent: `rush` changes nothing"
        );
    }

    #[test]
    fn what_is_missing_is_told() {
        let over = readiness(&set(), Some(&[event(1, 2)]), Timestamp::from_seconds(3));
        assert!(over.findings[1].starts_with("every event of"), "{over:?}");
        let none = readiness(&RuleSet::default(), Some(&[]), Timestamp::from_seconds(3));
        assert_eq!(none.findings.len(), 2, "{none:?}");
        let alone = readiness(&set(), None, Timestamp::from_seconds(3));
        assert_eq!(alone.findings.len(), 1, "rule files alone have no schedule");
    }
}
