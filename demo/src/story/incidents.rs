//! What Rampart says about incidents, and what is new in it.

use std::collections::HashMap;

use serde_json::Value;

use super::lines::headline;

/// The largest answer read.
const ANSWER_BYTES_MAX: usize = 8 << 20;
/// Polls without an answer before it is worth a line.
const SILENT_POLLS_MAX: u32 = 4;

/// Something that was not so at the last poll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum News {
    Opened { id: String, title: String },
    Acknowledged { title: String },
    Resolved { title: String },
    Unreachable,
    Back,
}

/// Polls `GET /api/v1/incidents`.
pub(super) struct Incidents {
    client: reqwest::Client,
    url: String,
    known: HashMap<String, String>,
    silent_polls: u32,
}

impl Incidents {
    pub(super) fn new(client: reqwest::Client, rampart_url: &str) -> Self {
        Incidents {
            client,
            url: format!("{}/api/v1/incidents", rampart_url.trim_end_matches('/')),
            known: HashMap::new(),
            silent_polls: 0,
        }
    }

    pub(super) async fn poll(&mut self) -> Vec<News> {
        let Some(answer) = self.fetch().await else {
            self.silent_polls = self.silent_polls.saturating_add(1);
            let worth_a_line = self.silent_polls == SILENT_POLLS_MAX;
            return worth_a_line
                .then_some(News::Unreachable)
                .into_iter()
                .collect();
        };
        let was_silent = self.silent_polls >= SILENT_POLLS_MAX;
        self.silent_polls = 0;
        let mut news: Vec<News> = was_silent.then_some(News::Back).into_iter().collect();
        news.extend(self.compare(&answer));
        news
    }

    async fn fetch(&self) -> Option<Value> {
        let mut answer = self.client.get(&self.url).send().await.ok()?;
        if !answer.status().is_success() {
            return None;
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.ok()? {
            body.extend_from_slice(&chunk);
            if body.len() > ANSWER_BYTES_MAX {
                return None;
            }
        }
        serde_json::from_slice(&body).ok()
    }

    /// What is new, oldest first. What the answer no longer lists is forgotten.
    fn compare(&mut self, answer: &Value) -> Vec<News> {
        let listed = answer.get("incidents").and_then(Value::as_array);
        let mut known = HashMap::new();
        let mut news = Vec::new();
        for incident in listed.into_iter().flatten().rev() {
            let text = |field: &str| incident.get(field).and_then(Value::as_str).unwrap_or("");
            let (id, status) = (text("id"), text("status"));
            let before = self.known.get(id).map(String::as_str);
            if before.is_none() {
                news.push(News::Opened {
                    id: id.to_owned(),
                    title: title(incident),
                });
            }
            if before != Some(status) {
                match status {
                    "acknowledged" => news.push(News::Acknowledged {
                        title: title(incident),
                    }),
                    "resolved" => news.push(News::Resolved {
                        title: title(incident),
                    }),
                    _ => {}
                }
            }
            known.insert(id.to_owned(), status.to_owned());
        }
        self.known = known;
        news
    }
}

/// The incident's title, or what its labels say.
fn title(incident: &Value) -> String {
    if let Some(title) = incident.get("title").and_then(Value::as_str) {
        return headline(title);
    }
    ["alertname", "namespace", "function", "unit"]
        .iter()
        .filter_map(|name| incident.pointer(&format!("/labels/{name}"))?.as_str())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn opened(id: &str, title: String) -> News {
        News::Opened {
            id: id.to_owned(),
            title,
        }
    }

    fn incidents() -> Incidents {
        Incidents::new(reqwest::Client::new(), "http://127.0.0.1:9")
    }

    #[test]
    fn only_changes_are_news() {
        let mut incidents = incidents();
        let answer =
            |status: &str| json!({"incidents": [{"id": "1", "status": status, "title": "down"}]});
        let title = || "down".to_owned();
        assert_eq!(incidents.compare(&json!({"incidents": []})), []);
        assert_eq!(incidents.compare(&answer("open")), [opened("1", title())]);
        assert_eq!(incidents.compare(&answer("open")), []);
        assert_eq!(
            incidents.compare(&answer("acknowledged")),
            [News::Acknowledged { title: title() }]
        );
        assert_eq!(
            incidents.compare(&answer("resolved")),
            [News::Resolved { title: title() }]
        );
        assert_eq!(incidents.compare(&answer("resolved")), []);
        let untitled = json!({"incidents": [{"id": "2", "status": "resolved", "labels": {"alertname": "Low", "function": "feed"}}]});
        let title = || "Low feed".to_owned();
        assert_eq!(
            incidents.compare(&untitled),
            [opened("2", title()), News::Resolved { title: title() }]
        );
    }

    #[tokio::test]
    async fn silence_is_told_once() {
        let mut incidents = incidents();
        let mut news = Vec::new();
        for _ in 0..8 {
            news.extend(incidents.poll().await);
        }
        assert_eq!(news, [News::Unreachable]);
    }
}
