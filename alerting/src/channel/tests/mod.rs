//! Every channel against a real server on loopback that checks, refuses, hangs and resets.

mod dingtalk;
mod email;
mod phones;
mod providers;
mod read;
mod rooms;
mod webhook;

use declare::{Problems, Record, Shape};
use model::{Clock, SystemClock};
use outbound::{AllowList, Outbound};

use super::{Channel, fields};
use crate::delivery::{Attempt, Delivery, Language, MessageKind, Retry};
use crate::message::sample;

/// Reads a channel, with `secret-file` holding `from the file`; all problems as text.
fn try_read(yaml: &str) -> Result<Channel, String> {
    let mut record = Record::new("receiver", "a receiver");
    record.fields = fields();
    record.one_of.push(super::KINDS);
    let node = declare::read("alerting.yaml", yaml).map_err(|problems| problems.to_string())?;
    let mut problems = Problems::new();
    declare::check(&node, &Shape::Record(record), &mut problems);
    if problems.has_errors() {
        return Err(problems.to_string());
    }
    let secrets = |path: &str| match path {
        "secret-file" => Ok("from the file\n".to_owned()),
        "empty-file" => Ok("\n".to_owned()),
        "url-file" => Ok("https://hooks.example.com/very-secret\n".to_owned()),
        path => Err(format!("{path}: no such file")),
    };
    match Channel::read(&node, &mut problems, &secrets) {
        Some(channel) if !problems.has_errors() => Ok(channel),
        _ => Err(problems.to_string()),
    }
}

fn read(yaml: &str) -> Channel {
    try_read(yaml).unwrap_or_else(|problems| panic!("{problems}"))
}

fn outbound() -> Outbound {
    Outbound::new(AllowList::default(), outbound::Limits::default())
}

/// A delivery of this moment, since the fakes check ages.
fn delivery(kind: MessageKind, language: Language) -> Delivery {
    let mut delivery = sample::delivery(kind, language);
    delivery.now = SystemClock::new().now();
    delivery
}

async fn send(channel: &Channel, delivery: &Delivery) -> Attempt {
    channel.send(delivery, &outbound()).await
}

async fn send_firing(channel: &Channel) -> Attempt {
    send(channel, &delivery(MessageKind::Firing, Language::En)).await
}

#[track_caller]
fn assert_accepted(attempt: &Attempt) {
    assert!(matches!(attempt, Attempt::Accepted { .. }), "{attempt:?}");
}

#[track_caller]
fn assert_unknown(attempt: &Attempt) {
    assert!(matches!(attempt, Attempt::Unknown { .. }), "{attempt:?}");
}

#[track_caller]
fn assert_refused(attempt: &Attempt, wanted: Retry, part: &str) {
    match attempt {
        Attempt::Refused { reason, retry } => {
            assert_eq!(*retry, wanted, "{reason}");
            assert!(reason.contains(part), "{part:?} in {reason:?}");
        }
        other => panic!("{other:?}"),
    }
}

/// An address where nobody listens.
async fn closed_port() -> u16 {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap();
    listener.local_addr().unwrap().port()
}
