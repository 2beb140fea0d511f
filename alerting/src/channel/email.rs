//! A mail with a text and an HTML part over SMTP.
//!
//! The Message-ID follows from the delivery's key, so the copies of a repeated attempt collapse in
//! the reader's mailbox; In-Reply-To follows from the incident, so its mails stand in one thread.

use std::time::{Duration, UNIX_EPOCH};

use declare::{Node, Problems, Record, Shape};
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use model::Secret;
use outbound::Outbound;
use sha2::{Digest, Sha256};

use super::ReadSecret;
use super::look::To;
use super::read::{self, Common};
use super::sign::hex;
use super::smtp::{Security, Smtp};
use crate::chart::Chart;
use crate::delivery::{Attempt, Delivery, Limits, Retry};
use crate::message::{self, Message, one_line};

pub(super) const LIMITS: Limits = Limits {
    burst: 60,
    per: Duration::from_mins(1),
    min_gap: Duration::ZERO,
    penalty: Duration::ZERO,
};

const RECIPIENTS_MAX: usize = 50;
const SUBJECT_CHARS_MAX: usize = 200;

/// A mailbox to send from, and to whom.
#[derive(Clone, Debug)]
pub struct Email {
    smtp: Smtp,
    from: Mailbox,
    to: Vec<Mailbox>,
    pub(super) common: Common,
}

pub(super) fn record() -> Record {
    let record = Record::new("email", "a mail over SMTP")
        .required("host", Shape::Text, "the mail server")
        .field(
            "port",
            Shape::Integer {
                min: 1,
                max: 65_535,
            },
            "its port; 587 for starttls, 465 for tls, 25 for none when absent",
        )
        .field(
            "tls",
            Shape::Choice(&["starttls", "tls", "none"]),
            "how the connection is protected; starttls when absent",
        )
        .field(
            "insecure",
            Shape::Bool,
            "allows `tls: none` to a server that is not on this machine",
        )
        .field(
            "ca_file",
            Shape::Text,
            "a PEM file with the server's own authority",
        )
        .field("user", Shape::Text, "the name to log in with")
        .field("password", Shape::Text, "the password to log in with")
        .field(
            "password_file",
            Shape::Text,
            "a file that holds the password",
        )
        .required(
            "from",
            Shape::Text,
            "the sender: `Rampart <rampart@example.com>`",
        )
        .field(
            "to",
            Shape::Either(vec![
                Shape::Text,
                Shape::List {
                    item: Box::new(Shape::Text),
                    min: 1,
                    max: RECIPIENTS_MAX,
                },
            ]),
            "fixed recipients; when absent, the person's own address",
        );
    read::with_common(record)
}

impl Email {
    pub(super) const KIND: &'static str = "email";

    pub(super) fn read(
        node: &Node,
        problems: &mut Problems,
        secrets: ReadSecret<'_>,
    ) -> Option<Email> {
        let common = Common::read(node, problems);
        let from = node.field("from").and_then(|from| mailbox(from, problems));
        let listed = node.field("to").map(|to| match to.items() {
            [] => std::slice::from_ref(to),
            items => items,
        });
        let listed = listed.unwrap_or_default();
        let to: Vec<Mailbox> = listed
            .iter()
            .filter_map(|to| mailbox(to, problems))
            .collect();
        let smtp = read_smtp(node, problems, secrets);
        if to.len() < listed.len() {
            return None;
        }
        Some(Email {
            smtp: smtp?,
            from: from?,
            to,
            common,
        })
    }

    pub(super) fn goes_to_person(&self) -> bool {
        self.to.is_empty()
    }

    pub(super) async fn send(&self, delivery: &Delivery, _: &Outbound) -> Attempt {
        match self.mail(delivery) {
            Ok(mail) => self.smtp.send(&mail, self.common.deadline).await,
            Err(reason) => Attempt::Refused {
                reason,
                retry: Retry::Never,
            },
        }
    }

    fn recipients(&self, delivery: &Delivery) -> Result<Vec<Mailbox>, String> {
        if !self.to.is_empty() {
            return Ok(self.to.clone());
        }
        let person = delivery.recipient.person.as_ref();
        let person = person.ok_or("no `to` is configured and the message is for no person")?;
        let address = person.email.as_deref().unwrap_or_default();
        let address = address
            .trim()
            .parse()
            .map_err(|error| format!("the address of {}: {error}", person.id))?;
        // lettre quotes and encodes the name; line breaks must not even reach it.
        Ok(vec![Mailbox::new(
            Some(one_line(&person.name, 80)),
            address,
        )])
    }

    fn mail(&self, delivery: &Delivery) -> Result<lettre::Message, String> {
        let message = self.common.compose(delivery);
        let subject = self.common.said("headers.Subject", delivery, To::Plain);
        let thread = self.message_id("incident", &delivery.incident.id);
        let since_epoch = u64::try_from(delivery.now.as_micros()).unwrap_or(0);
        let mut builder = lettre::Message::builder()
            .from(self.from.clone())
            .date(UNIX_EPOCH + Duration::from_micros(since_epoch))
            .message_id(Some(self.message_id("delivery", &delivery.key)))
            .in_reply_to(thread.clone())
            .references(thread)
            .subject(one_line(
                &subject.unwrap_or_else(|| message.title()),
                SUBJECT_CHARS_MAX,
            ))
            // Keeps holiday notices from answering.
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ));
        for to in self.recipients(delivery)? {
            builder = builder.to(to);
        }
        builder
            .multipart(self.body(&message, delivery))
            .map_err(|error| format!("cannot compose the mail: {error}"))
    }

    #[cfg(test)]
    pub(super) fn written(&self, delivery: &Delivery) -> String {
        String::from_utf8(self.mail(delivery).unwrap().formatted()).unwrap()
    }

    /// Text and HTML, each as its template says; the links that only Rampart has stand below.
    fn body(&self, message: &Message, delivery: &Delivery) -> MultiPart {
        let text = self.common.said("text", delivery, To::Plain);
        let html = self.common.said("html", delivery, To::Html);
        let text_alone = text.is_some() && html.is_none();
        let plain = match text {
            Some(text) => message::plain_below(&text, message),
            None => message::plain(message),
        };
        if text_alone {
            return MultiPart::mixed().singlepart(SinglePart::plain(plain));
        }
        let html = match html {
            Some(html) => message::html_below(&html, message),
            None => message::html(message),
        };
        with_picture(plain, html, delivery.chart.as_ref())
    }

    /// The same for the same key; of a shape that nothing foreign can break.
    fn message_id(&self, what: &str, key: &str) -> String {
        let digest = Sha256::digest(key.as_bytes());
        let (digest, _) = digest.split_at(16);
        let hex = hex(digest);
        format!("<{what}.{hex}@{}>", self.from.email.domain())
    }
}

/// Text and HTML; the picture, if there is one, inside the HTML.
fn with_picture(plain: String, html: String, chart: Option<&Chart>) -> MultiPart {
    const PICTURE: &str = "chart";
    let Some(chart) = chart else {
        return MultiPart::alternative_plain_html(plain, html);
    };
    let image = format!(
        "<p><img src=\"cid:{PICTURE}\" width=\"720\" style=\"max-width:100%\" alt=\"\"></p>"
    );
    let html = match html.rfind("</body>") {
        Some(end) => format!("{}{image}{}", &html[..end], &html[end..]),
        None => format!("{html}{image}"),
    };
    let png = ContentType::parse("image/png").unwrap_or(ContentType::TEXT_PLAIN);
    let picture = Attachment::new_inline(PICTURE.to_owned()).body(chart.bytes().to_vec(), png);
    MultiPart::alternative()
        .singlepart(SinglePart::plain(plain))
        .multipart(
            MultiPart::related()
                .singlepart(SinglePart::html(html))
                .singlepart(picture),
        )
}

fn mailbox(node: &Node, problems: &mut Problems) -> Option<Mailbox> {
    let parsed: Result<Mailbox, _> = node.text()?.parse();
    match parsed {
        Ok(mailbox) => Some(mailbox),
        Err(error) => {
            problems
                .error(node, format!("not a mail address: {error}"))
                .hint("write `name@example.com` or `Name <name@example.com>`");
            None
        }
    }
}

fn read_smtp(node: &Node, problems: &mut Problems, secrets: ReadSecret<'_>) -> Option<Smtp> {
    let host = node.text_of("host")?.to_owned();
    let security = match node.text_of("tls") {
        Some("none") => Security::None,
        Some("tls") => Security::Tls,
        _ => Security::StartTls,
    };
    let insecure = node.boolean_of("insecure").unwrap_or(false);
    if security == Security::None && !insecure && !is_loopback(&host) {
        let place = node.field("tls").unwrap_or(node);
        problems
            .error(place, "mail would cross the network readable by anyone")
            .hint("use starttls or tls; `insecure: true` if the network is trusted");
        return None;
    }
    let login = read_login(node, problems, secrets)?;
    let authority = match node.field("ca_file") {
        Some(file) => match secrets(file.text()?) {
            Ok(pem) => Some(pem),
            Err(reason) => {
                problems.error(file, format!("cannot read the authority: {reason}"));
                return None;
            }
        },
        None => None,
    };
    let port = node
        .integer_of("port")
        .and_then(|port| u16::try_from(port).ok());
    match Smtp::new(host, port, security, login, authority.as_deref()) {
        Ok(smtp) => Some(smtp),
        Err(reason) => {
            let place = node.field("ca_file").or(node.field("host")).unwrap_or(node);
            problems.error(place, reason);
            None
        }
    }
}

/// The inner option is whether there is a login at all; the outer whether it could be read.
#[allow(clippy::option_option)]
fn read_login(
    node: &Node,
    problems: &mut Problems,
    secrets: ReadSecret<'_>,
) -> Option<Option<Secret<Credentials>>> {
    let user = node.text_of("user");
    let password = node.field("password").or(node.field("password_file"));
    match (user, password) {
        (None, None) => Some(None),
        (Some(user), Some(_)) => {
            let password = read::secret(node, "password", "password_file", problems, secrets)?;
            let login = Credentials::new(user.to_owned(), password.expose().clone());
            Some(Some(Secret::new(login)))
        }
        (Some(_), None) => {
            let place = node.field("user").unwrap_or(node);
            problems
                .error(place, "a user without a password")
                .hint("add `password_file`");
            None
        }
        (None, Some(password)) => {
            problems
                .error(password, "a password without a user")
                .hint("add `user`");
            None
        }
    }
}

fn is_loopback(host: &str) -> bool {
    let address: Result<std::net::IpAddr, _> = host.parse();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}
