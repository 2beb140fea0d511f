//! One page in one file: no script, nothing loaded, charts drawn here.

mod capacity;
mod chart;
mod distribution;
mod run;
mod scale;

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::escape::escape;
use super::text::protocol_word;
use super::words::{self, Sentence, Tone};
use crate::result::{Kept, Subject};
use crate::tally::Times;

const STYLE: &str = include_str!("page.css");

/// The page of a result. `total` is the whole latency histogram of a run, when it is still at hand.
///
/// Its content security policy allows this one style sheet by its hash and nothing else: no script, no
/// image, no connection. So a hostile name in a result could do nothing even if it were not escaped.
pub(super) fn page(kept: &Kept, total: Option<&Times>) -> String {
    let (subject, sentence, body) = match kept {
        Kept::Run(result) => (
            &result.subject,
            words::of_run(result),
            run::sections(result, total),
        ),
        Kept::Capacity(result) => (
            &result.subject,
            words::of_capacity(result),
            capacity::sections(result),
        ),
    };
    let name = subject.function.as_deref().unwrap_or(&subject.target);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>Load test: {}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{}{body}{}</body>\n</html>\n",
        STANDARD.encode(Sha256::digest(STYLE)),
        escape(name),
        head(name, subject, &sentence),
        foot(subject),
    )
}

fn head(name: &str, subject: &Subject, sentence: &Sentence) -> String {
    let (class, mark, word) = match sentence.tone {
        Tone::Held => ("held", "✓", "Held"),
        Tone::Missed => ("missed", "✕", "Missed"),
        Tone::Doubtful => ("doubtful", "!", "Invalid"),
        Tone::Plain => ("plain", "•", "Measured"),
    };
    let version = subject.version.as_ref().map_or(String::new(), |version| {
        format!(", version {}", escape(version))
    });
    // A figure stays on the line of its sign.
    let text = sentence
        .text
        .replace("≤ ", "≤\u{a0}")
        .replace("≥ ", "≥\u{a0}");
    format!(
        "<header><p class=\"dim\">Load test of {}{version}</p>\n\
         <h1 class=\"{class}\"><span class=\"icon\" role=\"img\" aria-label=\"{word}\">{mark}</span> {}</h1></header>\n<main>\n",
        escape(name),
        escape(&text)
    )
}

fn foot(subject: &Subject) -> String {
    let mut facts = vec![
        ("Run", subject.id.clone()),
        ("Target", subject.target.clone()),
    ];
    if let Some(protocol) = subject.protocol {
        facts.push(("Protocol", protocol_word(protocol).to_owned()));
    }
    facts.push(("Started", subject.started_at.clone()));
    facts.push(("Lasted", words::span(subject.seconds)));
    facts.push(("Seed", subject.seed.to_string()));
    facts.push(("Sender", subject.machine.clone()));
    if !subject.workers.is_empty() {
        facts.push(("Workers", words::workers(&subject.workers)));
    }
    if let Some(digest) = &subject.digest {
        facts.push(("Image", digest.clone()));
    }
    if let Some(cpus) = subject.pod_cpus {
        facts.push(("CPUs of the pod", words::rate(cpus)));
    }
    if let Some(bytes) = subject.pod_memory_bytes {
        facts.push(("Memory of the pod", words::bytes(bytes)));
    }
    facts.push(("Scenario", subject.scenario_hash.clone()));
    let mut out = section("What was tested");
    out.push_str(&facts_list(&facts));
    out.push_str("</section>\n</main>\n");
    out
}

/// Opens a section with its heading.
fn section(heading: &str) -> String {
    format!("<section>\n<h2>{}</h2>\n", escape(heading))
}

/// Names and facts as a description list.
fn facts_list(facts: &[(&str, String)]) -> String {
    let mut out = String::from("<dl>\n");
    for (name, fact) in facts {
        let _ = writeln!(
            out,
            "<div><dt>{}</dt><dd>{}</dd></div>",
            escape(name),
            escape(fact)
        );
    }
    out.push_str("</dl>\n");
    out
}

/// A table; columns whose heading begins with `#` hold figures. Cells are escaped here.
fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let figures = |column: usize| {
        headings
            .get(column)
            .is_some_and(|name| name.starts_with('#'))
    };
    let class = |column: usize| {
        if figures(column) {
            " class=\"number\""
        } else {
            ""
        }
    };
    let mut out = String::from("<div class=\"wide\"><table>\n<thead><tr>");
    for (column, heading) in headings.iter().enumerate() {
        let _ = write!(
            out,
            "<th scope=\"col\"{}>{}</th>",
            class(column),
            escape(heading.trim_start_matches('#'))
        );
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        out.push_str("<tr>");
        for (column, cell) in row.iter().enumerate() {
            let _ = write!(out, "<td{}>{}</td>", class(column), escape(cell));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table></div>\n");
    out
}

/// Sentences as a list.
fn list(sentences: &[String]) -> String {
    let mut out = String::from("<ul>\n");
    for sentence in sentences {
        let _ = writeln!(out, "<li>{}</li>", escape(sentence));
    }
    out.push_str("</ul>\n");
    out
}
