//! The page behind the link of a message. GET only shows: previews and mail scanners open links.
//! POST acts, and acting twice is harmless. Keys pressed in a call take the same way.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use inbound::{BodyLimits, Path, read_body};

use super::{callback, form};
use crate::delivery::{IncidentStatus, Language};
use crate::engine::{AlertingError, Handle};
use crate::message::twiml;
use crate::page::{self, Claim, Holder, Notice, PageAction, PageView, TimelineLine};
use crate::pipeline::{Action, How, Incident, Policy};

/// A button's form is a few bytes.
const FORM_BYTES_MAX: usize = 4_096;

pub(super) async fn show(State(handle): State<Handle>, Path(token): Path<String>) -> Response {
    opened(&handle, &token, &token).await
}

/// The page of a token whose buttons post to `action`.
pub(super) async fn opened(handle: &Handle, token: &str, action: &str) -> Response {
    match open(handle, token).await {
        Ok(opened) => opened.page(handle, action, None),
        Err(refusal) => refusal,
    }
}

pub(super) async fn act(
    State(handle): State<Handle>,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let mut opened = match open(&handle, &token).await {
        Ok(opened) => opened,
        Err(refusal) => return refusal,
    };
    let form = read_body(&headers, body, &BodyLimits::small(FORM_BYTES_MAX)).await;
    let action = form.ok().and_then(|bytes| chosen(&bytes));
    let Some((action, text)) = action else {
        return opened.page(&handle, &token, None);
    };
    let done = opened.perform(&handle, action, &text, How::Link).await;
    opened.page(&handle, &token, Some(done))
}

/// A key pressed in a call: 4 takes the incident, 6 asks for the next step, any other asks again.
/// The link is signed by us, what is posted to it by the provider.
pub(super) async fn keys(
    State(handle): State<Handle>,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let mut opened = match find(&handle, &token).await {
        Ok(opened) => opened,
        Err((notice, language)) => return say(notice, language),
    };
    let path = format!("/a/{token}/keys");
    let Some(fields) = callback::signed(&handle, &path, &headers, body).await else {
        return StatusCode::FORBIDDEN.into_response();
    };
    let digits = form::value(&fields, "Digits").unwrap_or_default();
    let (action, already) = match digits {
        "4" => (PageAction::Acknowledge, Notice::Acknowledged),
        "6" => (PageAction::Escalate, Notice::Escalated),
        // Relative: the same address again.
        _ => return xml(twiml::ask(&[], "keys", opened.language)),
    };
    let call = form::value(&fields, "CallSid").unwrap_or_default();
    if !handle.is_first_press(call, digits) {
        return say(already, opened.language);
    }
    let done = opened.perform(&handle, action, "", How::Key).await;
    say(done, opened.language)
}

/// What became of a message or a call, as its provider says later.
pub(super) async fn status(
    State(handle): State<Handle>,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    if find(&handle, &token).await.is_err() {
        return StatusCode::NOT_FOUND.into_response();
    }
    let path = format!("/a/{token}/status");
    let Some(fields) = callback::signed(&handle, &path, &headers, body).await else {
        return StatusCode::FORBIDDEN.into_response();
    };
    let taken = match callback::receipt(&fields) {
        Some((provider_id, receipt)) => handle.receipt(provider_id, receipt).await,
        None => Ok(()),
    };
    match taken {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// A voice speaks only what comes with 200, even that the link is too old.
fn say(notice: Notice, language: Language) -> Response {
    xml(twiml::say(
        &[page::notice_sentence(notice, language)],
        language,
    ))
}

fn xml(text: String) -> Response {
    let kind = [("content-type", "text/xml; charset=utf-8")];
    (StatusCode::OK, kind, text).into_response()
}

/// A link that was genuine, and what it leads to.
struct Opened {
    claim: Claim,
    incident: Incident,
    policy: std::sync::Arc<Policy>,
    language: Language,
}

async fn open(handle: &Handle, token: &str) -> Result<Opened, Response> {
    let found = find(handle, token).await;
    found.map_err(|(said, language)| notice(said, language))
}

async fn find(handle: &Handle, token: &str) -> Result<Opened, (Notice, Language)> {
    let policy = handle.policy().await;
    let policy = policy.map_err(|_| (Notice::Failed, Language::En))?;
    let language = policy.config.language;
    let claim = page::verify(&handle.links().key, token, handle.now())
        .map_err(|error| (error.into(), language))?;
    let language = policy
        .config
        .people
        .get(&claim.person)
        .and_then(|person| person.language)
        .unwrap_or(language);
    match handle.incident(&claim.incident).await {
        Ok(incident) => Ok(Opened {
            claim,
            incident,
            policy,
            language,
        }),
        Err(AlertingError::UnknownIncident(_)) => Err((Notice::Unknown, language)),
        Err(_) => Err((Notice::Failed, language)),
    }
}

impl Opened {
    /// Does what a button or key asks for, and says what came of it. Twice is harmless.
    async fn perform(
        &mut self,
        handle: &Handle,
        action: PageAction,
        text: &str,
        how: How,
    ) -> Notice {
        let resolved = self.incident.status == IncidentStatus::Resolved;
        if resolved && action != PageAction::Note {
            return Notice::AlreadyResolved;
        }
        let (action, done) = match action {
            PageAction::Acknowledge => (Action::Acknowledge, Notice::Acknowledged),
            PageAction::Escalate if self.next_step().is_some() => {
                (Action::Escalate, Notice::Escalated)
            }
            PageAction::Escalate => (Action::Escalate, Notice::NobodyLeft),
            PageAction::Snooze => (Action::Snooze(PageAction::SNOOZE), Notice::Snoozed),
            PageAction::Resolve => {
                let reason = match text {
                    "" => "resolved by hand".to_owned(),
                    said => said.to_owned(),
                };
                (Action::Resolve { reason }, Notice::Fixed)
            }
            PageAction::Note => {
                let text = text.to_owned();
                (Action::Note { text }, Notice::Noted)
            }
            PageAction::FalseAlarm => {
                let reason = Action::FALSE_ALARM.to_owned();
                (Action::Resolve { reason }, Notice::FalseAlarm)
            }
        };
        let who = self.who();
        let acted = handle.act(&self.claim.incident, action, &who, how).await;
        match acted {
            Ok(incident) => {
                self.incident = incident;
                done
            }
            Err(_) => Notice::Failed,
        }
    }

    /// The person the link was made for; a room's link does not know who holds the phone.
    fn who(&self) -> String {
        let known = self.policy.config.people.get(&self.claim.person);
        match known {
            Some(person) => person.name.clone(),
            None if self.claim.person.is_empty() => "somebody in the chat".to_owned(),
            None => self.claim.person.clone(),
        }
    }

    fn next_step(&self) -> Option<String> {
        self.incident.next_step(&self.policy)
    }

    fn page(&self, handle: &Handle, action: &str, done: Option<Notice>) -> Response {
        let now = handle.now();
        let incident = &self.incident;
        let known = self.policy.config.people.get(&self.claim.person);
        let view = PageView {
            incident: incident.view(handle.links(), &self.claim.person, now),
            person: known.map(|person| person.name.clone()),
            holder: incident.acknowledged.as_ref().map(|ack| Holder {
                name: ack.by.clone(),
                since: ack.at,
            }),
            next: self.next_step(),
            resolved_at: incident.resolved.as_ref().map(|end| end.at),
            timeline: incident
                .timeline
                .iter()
                .map(|entry| TimelineLine {
                    at: entry.at,
                    text: entry.text.clone(),
                })
                .collect(),
            // Relative, so that it holds below any path Rampart is published at.
            action: action.to_owned(),
            done,
            now,
            zone: self.policy.config.time_zone,
        };
        let status = match done {
            Some(Notice::Failed) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::OK,
        };
        html(status, page::render(&view, self.language))
    }
}

fn notice(notice: Notice, language: Language) -> Response {
    let status = match notice {
        Notice::Expired => StatusCode::GONE,
        Notice::Forged | Notice::Unknown => StatusCode::NOT_FOUND,
        Notice::Failed => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::OK,
    };
    html(status, page::render_message(notice, language))
}

fn html(status: StatusCode, text: String) -> Response {
    (status, page::headers(), text).into_response()
}

/// What a form asks for; a remark without words asks for nothing.
fn chosen(form: &[u8]) -> Option<(PageAction, String)> {
    let fields = form::fields(form);
    let action = PageAction::from_word(form::value(&fields, PageAction::FIELD)?.trim())?;
    let text = form::value(&fields, PageAction::TEXT_FIELD).unwrap_or_default();
    let text: String = text
        .trim()
        .chars()
        .take(PageAction::TEXT_CHARS_MAX)
        .collect();
    (action != PageAction::Note || !text.is_empty()).then_some((action, text))
}
