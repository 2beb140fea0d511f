//! One SMTP conversation, step by step, so that it is known on which side of the mail's last line it
//! broke: before it nothing was sent, after it nobody knows.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, CertificateStore, Tls, TlsParameters,
};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use model::Secret;

use super::answer::short_reason;
use crate::delivery::{Attempt, Retry};

/// Saying goodbye is polite; the mail is already taken.
const QUIT_MAX: Duration = Duration::from_millis(500);

/// How the connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Security {
    None,
    StartTls,
    Tls,
}

/// A mail server and how to talk to it.
#[derive(Clone, Debug)]
pub(super) struct Smtp {
    host: String,
    port: u16,
    tls: Tls,
    login: Option<Secret<Credentials>>,
}

/// What the conversation came to.
struct Taken {
    answer: String,
    refused_recipients: usize,
}

impl Smtp {
    pub(super) fn new(
        host: String,
        port: Option<u16>,
        security: Security,
        login: Option<Secret<Credentials>>,
        authority: Option<&str>,
    ) -> Result<Smtp, String> {
        let parameters = || -> Result<TlsParameters, String> {
            let mut builder = TlsParameters::builder(host.clone())
                .certificate_store(CertificateStore::WebpkiRoots);
            if let Some(pem) = authority {
                builder = builder.add_root_certificate(certificate(pem)?);
            }
            builder
                .build()
                .map_err(|error| format!("cannot set up TLS: {error}"))
        };
        let (tls, usual_port) = match security {
            Security::None => (Tls::None, 25),
            Security::StartTls => (Tls::Required(parameters()?), 587),
            Security::Tls => (Tls::Wrapper(parameters()?), 465),
        };
        Ok(Smtp {
            port: port.unwrap_or(usual_port),
            host,
            tls,
            login,
        })
    }

    /// Sends one mail; ends within the deadline.
    pub(super) async fn send(&self, mail: &lettre::Message, deadline: Duration) -> Attempt {
        let body_begun = AtomicBool::new(false);
        let conversation = self.converse(mail, deadline, &body_begun);
        let outcome = tokio::time::timeout(deadline, conversation).await;
        let begun = body_begun.load(Ordering::SeqCst);
        match outcome {
            Ok(Ok(taken)) => accepted(&taken),
            Ok(Err(error)) => broken(&error, begun),
            Err(_) if begun => Attempt::Unknown {
                reason: "no answer after the mail was sent".to_owned(),
            },
            Err(_) => Attempt::Refused {
                reason: "the mail server did not answer in time".to_owned(),
                retry: Retry::Backoff,
            },
        }
    }

    async fn converse(
        &self,
        mail: &lettre::Message,
        deadline: Duration,
        body_begun: &AtomicBool,
    ) -> Result<Taken, Error> {
        let mut connection = self.connect(deadline).await?;
        let envelope = mail.envelope();
        connection
            .command(Mail::new(envelope.from().cloned(), Vec::new()))
            .await?;
        let mut refused = Vec::new();
        for recipient in envelope.to() {
            let command = Rcpt::new(recipient.clone(), Vec::new());
            match connection.command(command).await {
                Ok(_) => {}
                Err(error) if error.status().is_some() => refused.push(error),
                Err(error) => return Err(error),
            }
        }
        let nobody_left = refused.len() == envelope.to().len();
        if nobody_left {
            // One that may be taken later makes the whole worth another attempt.
            let later = refused.iter().position(Error::is_transient);
            return Err(refused.swap_remove(later.unwrap_or(0)));
        }
        connection.command(Data).await?;
        body_begun.store(true, Ordering::SeqCst);
        let response = connection.message(&mail.formatted()).await?;
        let answer = response.message().collect::<Vec<_>>().join(" ");
        let _ = tokio::time::timeout(QUIT_MAX, connection.quit()).await;
        Ok(Taken {
            answer,
            refused_recipients: refused.len(),
        })
    }

    async fn connect(&self, deadline: Duration) -> Result<AsyncSmtpConnection, Error> {
        let hello = ClientId::default();
        let wrapped = match &self.tls {
            Tls::Wrapper(parameters) => Some(parameters.clone()),
            _ => None,
        };
        let server = (self.host.as_str(), self.port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, Some(deadline), &hello, wrapped, None)
                .await?;
        if let Tls::Required(parameters) = &self.tls {
            // A server that does not offer it is an error here, never a plain conversation.
            connection.starttls(parameters.clone(), &hello).await?;
        }
        if let Some(login) = &self.login {
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            connection.auth(&mechanisms, login.expose()).await?;
        }
        Ok(connection)
    }
}

fn certificate(pem: &str) -> Result<Certificate, String> {
    // The parser takes a text without any certificate for an empty list of them.
    if !pem.contains("-----BEGIN CERTIFICATE-----") {
        return Err("the authority is not a PEM certificate".to_owned());
    }
    Certificate::from_pem(pem.as_bytes())
        .map_err(|error| format!("the authority is not a PEM certificate: {error}"))
}

fn accepted(taken: &Taken) -> Attempt {
    let answer = short_reason(&taken.answer);
    let detail = match taken.refused_recipients {
        0 => answer.clone(),
        refused => format!("{answer}; {refused} recipients were refused"),
    };
    Attempt::Accepted {
        detail,
        provider_id: Some(answer).filter(|answer| !answer.is_empty()),
    }
}

/// A status says that the server did not take it, wherever it comes; without one, a break after the
/// body leaves the outcome open.
fn broken(error: &Error, body_begun: bool) -> Attempt {
    let reason = short_reason(&chain(error));
    if error.is_permanent() {
        let hint = match error.status().map(|code| code.to_string()).as_deref() {
            Some("530" | "535") => "; check `user` and `password`",
            _ => "",
        };
        return Attempt::Refused {
            reason: format!("{reason}{hint}"),
            retry: Retry::Never,
        };
    }
    if body_begun && !error.is_transient() {
        return Attempt::Unknown { reason };
    }
    // A missing STARTTLS or login mechanism will be missing again.
    let retry = if error.is_client() {
        Retry::Never
    } else {
        Retry::Backoff
    };
    Attempt::Refused { reason, retry }
}

/// The error with its causes: `a: b: c`.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.contains(&said) {
            let _ = write!(text, ": {said}");
        }
        source = cause.source();
    }
    text
}
