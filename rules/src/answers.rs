//! What the queries of `sql` rules answered, each run at its rule's own rhythm.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use model::{Mode, Timestamp};
use serde_json::Value;
use store::{QueryAnswer, QueryLimits, Store};

use crate::condition::{Condition, VALUE};
use crate::rule::Rule;
use crate::windows::{Answer, By, EvaluationError, GroupKey};

/// The most rows of an answer.
const ROWS_MAX: usize = 10_000;
/// The longest that a query may take, waiting included.
const DEADLINE_MAX: Duration = Duration::from_secs(10);
/// How often queries that are due are looked for.
pub(crate) const DUE_EVERY: Duration = Duration::from_secs(1);

/// Answers by rule and text. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Answers {
    ready: Arc<RwLock<HashMap<String, Answered>>>,
}

struct Answered {
    text: String,
    at: Timestamp,
    answer: Result<Arc<Answer>, String>,
}

impl Answers {
    /// The newest answer for a rule with this query.
    pub(crate) fn get(&self, rule: &str, text: &str) -> Result<Arc<Answer>, EvaluationError> {
        let ready = self.ready.read().unwrap_or_else(PoisonError::into_inner);
        match ready.get(rule).filter(|answered| answered.text == text) {
            None => Err(EvaluationError::HistoryUnread),
            Some(answered) => answered.answer.clone().map_err(EvaluationError::Query),
        }
    }

    /// Runs the queries that are due, one after the other.
    pub(crate) async fn refresh(
        &self,
        store: &Store,
        rules: &[Arc<Rule>],
        mode: Mode,
        now: Timestamp,
    ) {
        self.forget_others(rules);
        for rule in rules {
            let Condition::Sql(condition) = &rule.settings(mode).condition else {
                continue;
            };
            if !self.is_due(rule, &condition.text, now) {
                continue;
            }
            let limits = QueryLimits {
                rows_max: ROWS_MAX,
                deadline: rule.every.min(DEADLINE_MAX),
            };
            let answer = match Box::pin(store.query(&condition.text, &limits)).await {
                Ok(answer) => groups(&answer, &rule.select.by).map(Arc::new),
                Err(error) => Err(crate::driver::chain(&error)),
            };
            let answered = Answered {
                text: condition.text.clone(),
                at: now,
                answer,
            };
            self.ready
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(rule.name.clone(), answered);
        }
    }

    fn is_due(&self, rule: &Rule, text: &str, now: Timestamp) -> bool {
        let ready = self.ready.read().unwrap_or_else(PoisonError::into_inner);
        ready.get(&rule.name).is_none_or(|answered| {
            answered.text != text || answered.at > now || now.since(answered.at) >= rule.every
        })
    }

    fn forget_others(&self, rules: &[Arc<Rule>]) {
        self.ready
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|name, _| rules.iter().any(|rule| rule.name == *name));
    }
}

/// The groups that rows name. A function may stand as `namespace/name` in `function`.
pub(crate) fn groups(answer: &QueryAnswer, by: &[By]) -> Result<Answer, String> {
    let names: Vec<&str> = answer
        .schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    let place = |wanted: &str| names.iter().position(|name| *name == wanted);
    let Some(value_at) = place(VALUE) else {
        return Err(format!(
            "the answer has no column `value`; it has {}",
            names.join(", ")
        ));
    };
    let split = place("namespace").is_none();
    for dimension in by {
        let word = dimension.as_str();
        if place(word).is_none() && !(split && *dimension == By::Namespace) {
            return Err(format!(
                "the answer has no column `{word}`, which `by` names; it has {}",
                names.join(", ")
            ));
        }
    }
    if answer.truncated {
        return Err(format!("the answer has more than {ROWS_MAX} rows"));
    }
    let mut found = Answer::default();
    for row in answer.to_json_rows() {
        let text = |word: &str| {
            place(word)
                .and_then(|at| row.get(at))
                .and_then(Value::as_str)
                .unwrap_or("")
        };
        let (namespace, function) = match text("function").split_once('/') {
            Some(parts) if split => parts,
            _ => (text("namespace"), text("function")),
        };
        let values = by.iter().map(|dimension| match dimension {
            By::Namespace => namespace.to_owned(),
            By::Function => function.to_owned(),
            other => text(other.as_str()).to_owned(),
        });
        // A group whose value is null is well.
        if let Some(value) = row.get(value_at).and_then(Value::as_f64) {
            found.push((GroupKey::new(values.collect()), value));
        }
    }
    found.sort_by(|left, right| left.0.cmp(&right.0));
    found.dedup_by(|later, first| later.0 == first.0);
    Ok(found)
}
