//! JUnit XML, so that a build server shows each part of an objective as a test.

use std::fmt::Write as _;

use super::escape::escape;
use super::words;
use crate::result::{CapacityResult, Kept, RunResult, Subject, Verdict};

/// How one case ended.
enum End {
    /// Held.
    Passed,
    /// Did not hold: the message.
    Failed(String),
    /// Cannot be said, because the measurement is not to be believed: the message.
    Error(String),
}

struct Case {
    name: String,
    end: End,
    said: String,
}

/// One test suite: a case for each threshold; of a capacity, one for its verdict. Of an invalid result
/// every case is an error, because neither holding nor missing was shown.
pub(super) fn encode(kept: &Kept) -> String {
    match kept {
        Kept::Run(result) => suite(&result.subject, &of_run(result)),
        Kept::Capacity(result) => suite(&result.subject, &of_capacity(result)),
    }
}

fn of_run(result: &RunResult) -> Vec<Case> {
    let invalid = (!result.invalid.is_empty()).then(|| result.invalid.join("; "));
    let mut cases: Vec<Case> = result
        .thresholds
        .iter()
        .map(|threshold| Case {
            name: threshold.wanted.clone(),
            end: match &invalid {
                Some(why) => End::Error(format!("the figures must not be believed: {why}")),
                None if threshold.held => End::Passed,
                None => End::Failed(format!(
                    "wanted {}, got {}",
                    threshold.wanted, threshold.got
                )),
            },
            said: format!("got {}", threshold.got),
        })
        .collect();
    if cases.is_empty() {
        cases.push(Case {
            name: "load was sent as planned".to_owned(),
            end: match invalid {
                Some(why) => End::Error(format!("the figures must not be believed: {why}")),
                None => End::Passed,
            },
            said: result.load.clone(),
        });
    }
    cases
}

fn of_capacity(result: &CapacityResult) -> Vec<Case> {
    let sentence = words::of_capacity(result).text;
    vec![Case {
        name: format!("capacity with {}", result.objective),
        end: match &result.verdict {
            Verdict::Confirmed { .. } | Verdict::AtLeast { .. } => End::Passed,
            Verdict::Noisy { .. } => End::Failed(sentence.clone()),
            Verdict::Invalid { .. } => End::Error(sentence.clone()),
        },
        said: sentence,
    }]
}

fn suite(subject: &Subject, cases: &[Case]) -> String {
    let count = |wanted: fn(&End) -> bool| cases.iter().filter(|case| wanted(&case.end)).count();
    let name = subject.function.as_deref().unwrap_or(&subject.target);
    let head = format!(
        "tests=\"{}\" failures=\"{}\" errors=\"{}\" time=\"{:.3}\"",
        cases.len(),
        count(|end| matches!(end, End::Failed(_))),
        count(|end| matches!(end, End::Error(_))),
        subject.seconds,
    );
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(out, "<testsuites {head}>");
    let _ = writeln!(
        out,
        "  <testsuite name=\"loadtest {}\" {head} timestamp=\"{}\">",
        escape(name),
        escape(&subject.started_at)
    );
    for case in cases {
        let _ = writeln!(
            out,
            "    <testcase classname=\"loadtest.{}\" name=\"{}\" time=\"{:.3}\">",
            escape(name),
            escape(&case.name),
            subject.seconds
        );
        let (element, message) = match &case.end {
            End::Passed => ("", ""),
            End::Failed(message) => ("failure", message.as_str()),
            End::Error(message) => ("error", message.as_str()),
        };
        if !element.is_empty() {
            let _ = writeln!(out, "      <{element} message=\"{}\"/>", escape(message));
        }
        let _ = writeln!(
            out,
            "      <system-out>{}</system-out>\n    </testcase>",
            escape(&case.said)
        );
    }
    out.push_str("  </testsuite>\n</testsuites>\n");
    out
}
