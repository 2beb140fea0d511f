//! The page's HTML. Every foreign text passes `text()`; there is no other way into the page.

use std::fmt::Write as _;

use super::words::{PageWords, page_words};
use super::{Notice, PageAction, PageView, style};
use crate::delivery::{IncidentStatus, Language};
use crate::message::{self, Words, escape_html, fill, one_line, words};

const LINE_CHARS_MAX: usize = 300;
const NAME_CHARS_MAX: usize = 60;
const ALERTS_MAX: usize = 5;

/// The page of one incident.
pub fn render(view: &PageView, language: Language) -> String {
    let (own, shared) = (page_words(language), words(language));
    let incident = &view.incident;
    let headline = message::headline(incident, shared);
    let tag = match incident.status {
        IncidentStatus::Resolved => shared.resolved.to_owned(),
        status => format!(
            "{} · {}",
            shared.severity(incident.severity),
            shared.incident_status(status)
        ),
    };
    let class = match incident.status {
        IncidentStatus::Resolved => "resolved",
        _ => incident.severity.as_str(),
    };
    let mut body = String::new();
    if let Some(notice) = view.done {
        body.push_str(&notice_card(notice, own));
    }
    body.push_str(&facts(view, own, shared));
    body.push_str(&buttons(view, own));
    body.push_str(&alerts(view, own, shared));
    body.push_str(&timeline(view, own));
    if let Some(url) = incident.url.as_deref().and_then(message::safe_url) {
        let _ = writeln!(
            body,
            "<a class=\"more\" href=\"{}\">{}</a>",
            text(&url),
            own.page
        );
    }
    if let Some(person) = &view.person {
        let made_for = fill(own.made_for, &[&text(&one_line(person, NAME_CHARS_MAX))]);
        let _ = writeln!(body, "<small>{made_for}</small>");
    }
    document(own, class, &tag, &headline, &body)
}

/// What a notice says, for a voice.
pub fn notice_sentence(notice: Notice, language: Language) -> &'static str {
    page_words(language).notice(notice)
}

/// A page that says one sentence: the link is expired or forged, or what was asked for is done.
pub fn render_message(notice: Notice, language: Language) -> String {
    let own = page_words(language);
    let class = if is_bad(notice) { "info" } else { "resolved" };
    document(own, class, own.rampart, own.notice(notice), "")
}

/// The page on which the code of a text message is typed.
pub fn render_code_form(notice: Option<Notice>, language: Language) -> String {
    let own = page_words(language);
    let card = notice.map_or_else(String::new, |notice| notice_card(notice, own));
    // Relative, so that it holds below any path Rampart is published at.
    let form = format!(
        "{card}<form method=\"post\" action=\"a\">\n<label>{}\n<input name=\"{}\" maxlength=\"20\" \
         autocomplete=\"one-time-code\" autocapitalize=\"characters\" spellcheck=\"false\" required autofocus></label>\n\
         <button class=\"first\">{}</button>\n</form>\n",
        own.code,
        PageAction::CODE_FIELD,
        own.code_open
    );
    document(own, "info", own.rampart, own.code, &form)
}

fn document(own: &PageWords, class: &str, tag: &str, headline: &str, body: &str) -> String {
    let headline = text(headline);
    format!(
        "<!doctype html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <meta name=\"robots\" content=\"noindex,nofollow\">\n\
         <title>{headline}</title>\n<style>{}</style>\n</head>\n<body>\n<main>\n\
         <header class=\"{class}\"><p>{}</p><h1>{headline}</h1></header>\n{body}</main>\n</body>\n</html>\n",
        own.language,
        style::STYLE,
        text(tag),
    )
}

/// Foreign text, made inert.
fn text(foreign: &str) -> String {
    escape_html(foreign)
}

fn is_bad(notice: Notice) -> bool {
    matches!(
        notice,
        Notice::Expired
            | Notice::Forged
            | Notice::Unknown
            | Notice::NobodyLeft
            | Notice::Failed
            | Notice::WrongCode
            | Notice::TooManyCodes
    )
}

fn notice_card(notice: Notice, own: &PageWords) -> String {
    let class = if is_bad(notice) {
        "card notice bad"
    } else {
        "card notice"
    };
    format!(
        "<div class=\"{class}\" role=\"status\">{}</div>\n",
        own.notice(notice)
    )
}

/// What, since when, where, who has it.
fn facts(view: &PageView, own: &PageWords, shared: &Words) -> String {
    let incident = &view.incident;
    let mut card = String::from("<div class=\"card\">\n");
    for sentence in message::sentences(incident) {
        let _ = writeln!(card, "<p class=\"said\">{}</p>", text(&sentence));
    }
    card.push_str("<dl>");
    let mut row = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(card, "<dt>{}</dt><dd>{}</dd>", text(name), text(value));
        }
    };
    match view.resolved_at {
        Some(end) => {
            let duration = message::span(end.since(incident.opened_at), shared.language());
            row(
                shared.since,
                &message::instant(incident.opened_at, view.zone),
            );
            row(shared.lasted, &duration);
        }
        None => row(
            shared.since,
            &message::since(incident, view.now, shared, view.zone),
        ),
    }
    row(shared.place, &message::place(&incident.labels, shared));
    row(
        shared.suspects,
        &message::suspects(incident).unwrap_or_default(),
    );
    if let [alert] = incident.alerts.as_slice() {
        for (name, value) in message::numbers(alert) {
            row(shared.fact(name), &one_line(value, LINE_CHARS_MAX));
        }
    }
    match &view.holder {
        Some(holder) => {
            let name = one_line(&holder.name, NAME_CHARS_MAX);
            let since = message::clock_time(holder.since, view.zone);
            row(own.who, &fill(own.has_it, &[&name, &since]));
        }
        None if incident.status == IncidentStatus::Open => row(own.who, own.nobody_yet),
        None => {}
    }
    card.push_str("</dl>\n</div>\n");
    card
}

/// Nothing to press once it is over. A false alarm takes two taps: a sleepy thumb must not quiet a
/// real one.
fn buttons(view: &PageView, own: &PageWords) -> String {
    if view.incident.status == IncidentStatus::Resolved {
        return String::new();
    }
    let holder = view.holder.as_ref().map(|holder| holder.name.as_str());
    let mine = holder.is_some() && holder == view.person.as_deref();
    let mut form = format!("<form method=\"post\" action=\"{}\">\n", text(&view.action));
    if !mine {
        let label = if holder.is_some() {
            own.i_take_over
        } else {
            own.i_have_it
        };
        form.push_str(&button("first", PageAction::Acknowledge, label));
    }
    let next = view.next.as_deref().map(|next| {
        let name = one_line(next, NAME_CHARS_MAX);
        fill(own.wake, &[&text(&name)])
    });
    let wake = next.as_deref().unwrap_or(own.wake_next);
    form.push_str(&button("second", PageAction::Escalate, wake));
    form.push_str(&more_acts(own));
    let _ = writeln!(
        form,
        "<details><summary>{}</summary>\n<p>{}</p>",
        own.false_alarm, own.false_alarm_sure
    );
    form.push_str(&button(
        "danger",
        PageAction::FalseAlarm,
        own.false_alarm_yes,
    ));
    form.push_str("</details>\n</form>\n");
    form
}

fn button(class: &str, action: PageAction, label: &str) -> String {
    format!(
        "<button class=\"{class}\" name=\"{}\" value=\"{}\">{label}</button>\n",
        PageAction::FIELD,
        action.as_str()
    )
}

/// What is wanted less often, folded away.
fn more_acts(own: &PageWords) -> String {
    let mut more = format!("<details><summary>{}</summary>\n", own.more_acts);
    more.push_str(&button("second", PageAction::Snooze, own.snooze));
    let _ = writeln!(
        more,
        "<textarea name=\"{}\" maxlength=\"{}\" rows=\"2\" aria-label=\"{}\" placeholder=\"{}\"></textarea>",
        PageAction::TEXT_FIELD,
        PageAction::TEXT_CHARS_MAX,
        own.note,
        own.note
    );
    more.push_str(&button("second", PageAction::Note, own.note_add));
    more.push_str(&button("danger", PageAction::Resolve, own.fixed));
    more.push_str("</details>\n");
    more
}

fn alerts(view: &PageView, own: &PageWords, shared: &Words) -> String {
    let lines = message::alert_lines(&view.incident, shared);
    if lines.is_empty() {
        return String::new();
    }
    let mut section = format!("<h2>{}</h2>\n<ul class=\"card\">\n", own.alerts);
    for line in lines.iter().take(ALERTS_MAX) {
        let _ = writeln!(section, "<li>{}</li>", text(line));
    }
    let left = view
        .incident
        .alerts_total
        .saturating_sub(lines.len().min(ALERTS_MAX));
    if left > 0 {
        let more = fill(shared.more, &[&left.to_string()]);
        let _ = writeln!(section, "<li>{more}</li>");
    }
    section.push_str("</ul>\n");
    section
}

fn timeline(view: &PageView, own: &PageWords) -> String {
    if view.timeline.is_empty() {
        return String::new();
    }
    let mut section = format!("<h2>{}</h2>\n<ol class=\"card\">\n", own.timeline);
    let first = view
        .timeline
        .len()
        .saturating_sub(PageView::TIMELINE_LINES_MAX);
    for line in view.timeline.iter().skip(first).rev() {
        let _ = writeln!(
            section,
            "<li><time datetime=\"{}\">{}</time>{}</li>",
            line.at.to_rfc3339(),
            message::clock_time(line.at, view.zone),
            text(&one_line(&line.text, LINE_CHARS_MAX))
        );
    }
    section.push_str("</ol>\n");
    section
}
