//! What the demo's page shows: rounds with what happened when, messages as they arrived, what comes
//! next. Filled by the story, read as JSON by the page; every list is bounded.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::Timestamp;
use serde::Serialize;

use crate::fault::{Plan, Trouble};
use crate::phone::{Medium, Received};

/// The most messages shown.
const MESSAGES_MAX: usize = 60;
/// The most rounds shown: twice every trouble.
const ROUNDS_MAX: usize = 8;

/// When things happened in one round, in seconds since its trouble began.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Round {
    /// Counted from 1.
    pub number: u64,
    /// What went wrong.
    pub trouble: Option<Trouble>,
    /// When it began, in seconds since the start of the demo.
    pub began: f64,
    /// When it was healed.
    pub healed: Option<f64>,
    /// When Rampart opened an incident.
    pub discovered: Option<f64>,
    /// When the first message reached the chat.
    pub chat: Option<f64>,
    /// When the first text message came.
    pub sms: Option<f64>,
    /// When the phone rang.
    pub call: Option<f64>,
    /// When somebody had it.
    pub acknowledged: Option<f64>,
    /// When Rampart said it was over.
    pub resolved: Option<f64>,
    /// The incident.
    pub incident: Option<String>,
    /// Its title.
    pub title: Option<String>,
}

impl Round {
    /// The round in one line: what happened how long after the trouble began.
    pub fn summary(&self) -> String {
        let happened = [
            ("discovered", self.discovered),
            ("chat", self.chat),
            ("sms", self.sms),
            ("call", self.call),
            ("acknowledged", self.acknowledged),
            ("resolved", self.resolved),
        ];
        let parts: Vec<String> = happened
            .iter()
            .filter_map(|(what, at)| Some(format!("{what} +{:.1} s", (*at)?)))
            .collect();
        format!("{}: {}", self.number, parts.join(", "))
    }
}

/// A message as a person saw it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Message {
    /// When, in seconds since the start of the demo.
    pub at: f64,
    /// When, on the clock.
    pub time: Timestamp,
    /// `im`, `sms` or `phone`.
    pub medium: &'static str,
    /// Who was meant.
    pub person: Option<String>,
    /// All it says.
    pub text: String,
    /// What the person did.
    pub answer: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct Next {
    trouble: Trouble,
    in_seconds: f64,
}

#[derive(Debug, Serialize)]
struct Shown<'a> {
    rampart_url: &'a str,
    elapsed: f64,
    troubled: bool,
    calls: u64,
    next: Next,
    rounds: &'a VecDeque<Round>,
    messages: &'a VecDeque<Message>,
}

#[derive(Debug, Default)]
struct Inside {
    rampart_url: String,
    calls: u64,
    elapsed: Duration,
    rounds: VecDeque<Round>,
    messages: VecDeque<Message>,
}

/// The board. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Board(Arc<Mutex<Inside>>);

impl Board {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn open(&self, rampart_url: &str) {
        rampart_url.clone_into(&mut self.inside().rampart_url);
    }

    pub(crate) fn tick(&self, elapsed: Duration, calls: u64) {
        let mut inside = self.inside();
        inside.elapsed = elapsed;
        inside.calls = calls;
    }

    pub(crate) fn begin(&self, number: u64, at: Duration) {
        let mut inside = self.inside();
        if inside.rounds.len() == ROUNDS_MAX {
            inside.rounds.pop_front();
        }
        inside.rounds.push_back(Round {
            number,
            trouble: Some(Trouble::of(number)),
            began: at.as_secs_f64(),
            ..Round::default()
        });
    }

    /// Notes when something happened in the newest round, unless it is noted already; gives how many
    /// seconds after the trouble that is. Before the first round there is nothing to note.
    pub(crate) fn note(
        &self,
        at: Duration,
        what: impl FnOnce(&mut Round) -> &mut Option<f64>,
    ) -> Option<f64> {
        let mut inside = self.inside();
        let round = inside.rounds.back_mut()?;
        let after = (at.as_secs_f64() - round.began).max(0.0);
        what(round).get_or_insert(after);
        Some(after)
    }

    /// Changes the newest round, if there is one.
    pub(crate) fn round(&self, change: impl FnOnce(&mut Round)) {
        if let Some(round) = self.inside().rounds.back_mut() {
            change(round);
        }
    }

    /// The newest round in one line.
    pub(crate) fn summary(&self) -> Option<String> {
        self.inside().rounds.back().map(Round::summary)
    }

    pub(crate) fn receive(&self, at: Duration, received: &Received) {
        let mut inside = self.inside();
        if inside.messages.len() == MESSAGES_MAX {
            inside.messages.pop_front();
        }
        inside.messages.push_back(Message {
            at: at.as_secs_f64(),
            time: received.at,
            medium: match received.medium {
                Medium::Im => "im",
                Medium::Sms => "sms",
                Medium::Phone => "phone",
            },
            person: received.person.clone(),
            text: received.text.clone(),
            answer: None,
        });
    }

    /// Notes under the newest text message what the person did.
    pub(crate) fn answered(&self, answer: &'static str) {
        let mut inside = self.inside();
        let sms = inside.messages.iter_mut().rev();
        if let Some(message) = sms.into_iter().find(|message| message.medium == "sms") {
            message.answer = Some(answer);
        }
    }

    /// What the page shows, as JSON.
    pub fn to_json(&self) -> String {
        let inside = self.inside();
        let (begins, trouble) = Plan::next(inside.elapsed);
        let shown = Shown {
            rampart_url: &inside.rampart_url,
            elapsed: inside.elapsed.as_secs_f64(),
            troubled: matches!(Plan::at(inside.elapsed), Plan::Troubled { .. }),
            calls: inside.calls,
            next: Next {
                trouble,
                in_seconds: begins.saturating_sub(inside.elapsed).as_secs_f64(),
            },
            rounds: &inside.rounds,
            messages: &inside.messages,
        };
        // Numbers and texts: nothing in it can fail to be written.
        serde_json::to_string(&shown).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_round_is_told_in_seconds_since_its_trouble() {
        let board = Board::default();
        board.open("http://127.0.0.1:9650");
        assert_eq!(board.note(seconds(3), |round| &mut round.chat), None);
        board.begin(1, seconds(30));
        assert_eq!(board.note(seconds(31), |round| &mut round.chat), Some(1.0));
        // Only the first counts.
        board.note(seconds(44), |round| &mut round.chat);
        board.note(seconds(41), |round| &mut round.sms);
        board.tick(seconds(45), 5_400);
        assert_eq!(board.summary().unwrap(), "1: chat +1.0 s, sms +11.0 s");
        board.receive(
            seconds(41),
            &Received {
                medium: Medium::Sms,
                at: Timestamp::EPOCH,
                person: Some("first".to_owned()),
                text: "down".to_owned(),
                link: None,
            },
        );
        board.answered("acknowledged");
        let shown: Value = serde_json::from_str(&board.to_json()).unwrap();
        assert_eq!(shown["troubled"], true);
        assert_eq!(
            shown["next"],
            json!({"trouble": "few_fail", "in_seconds": 165.0})
        );
        assert_eq!(shown["rounds"][0]["trouble"], "unit_fails");
        assert_eq!(shown["rounds"][0]["sms"], 11.0);
        assert_eq!(
            shown["messages"][0],
            json!({"at": 41.0, "time": "1970-01-01T00:00:00.000Z", "medium": "sms", "person": "first", "text": "down", "answer": "acknowledged"})
        );
    }

    #[test]
    fn lists_are_bounded() {
        let board = Board::default();
        for round in 1..=20 {
            board.begin(round, seconds(round * 150));
        }
        let message = Received {
            medium: Medium::Im,
            at: Timestamp::EPOCH,
            person: None,
            text: String::new(),
            link: None,
        };
        for _ in 0..200 {
            board.receive(seconds(1), &message);
        }
        let shown: Value = serde_json::from_str(&board.to_json()).unwrap();
        assert_eq!(shown["rounds"].as_array().unwrap().len(), ROUNDS_MAX);
        assert_eq!(shown["messages"].as_array().unwrap().len(), MESSAGES_MAX);
    }
}
