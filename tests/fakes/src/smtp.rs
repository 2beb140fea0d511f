//! A mail sink: ESMTP with 8BITMIME and, if asked, AUTH PLAIN; refuses or drops where told to.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::mail::Mail;
use crate::records::Records;
use crate::script::Script;

const LINE_BYTES_MAX: u64 = 16 * 1024;
const MAIL_BYTES_MAX: usize = 4 * 1024 * 1024;
const CONNECTIONS_MAX: usize = 64;
const HANG: Duration = Duration::from_mins(10);

/// Where in the conversation something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// On connecting.
    Greeting,
    /// On MAIL FROM.
    Mail,
    /// On RCPT TO.
    Recipient,
    /// On DATA.
    Data,
    /// After the mail's last line.
    Body,
}

/// What the sink does in one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SmtpBehaviour {
    /// Takes the mail.
    Accept,
    /// Answers this line at this stage, such as `451 4.7.1 greylisted`.
    Refuse(Stage, String),
    /// Says nothing at this stage.
    Hang(Stage),
    /// Closes the connection at this stage. At [`Stage::Body`] the mail was taken and recorded.
    Drop(Stage),
}

/// A mail sink on loopback.
#[derive(Debug)]
pub struct Smtp {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    login: Option<(String, String)>,
    script: Script<SmtpBehaviour>,
    taken: Records<Mail>,
    refused: Records<String>,
}

impl Drop for Smtp {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Smtp {
    /// A sink that takes mail from anybody.
    pub async fn start() -> io::Result<Smtp> {
        Self::start_with(None).await
    }

    /// A sink that wants AUTH PLAIN with this user and password.
    pub async fn start_with_login(user: &str, password: &str) -> io::Result<Smtp> {
        Self::start_with(Some((user.to_owned(), password.to_owned()))).await
    }

    async fn start_with(login: Option<(String, String)>) -> io::Result<Smtp> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            login,
            script: Script::always(SmtpBehaviour::Accept),
            taken: Records::new(),
            refused: Records::new(),
        });
        let serving = Arc::clone(&shared);
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                if connections.len() >= CONNECTIONS_MAX {
                    connections.join_next().await;
                }
                let shared = Arc::clone(&serving);
                connections.spawn(async move {
                    let mut session = Session::new(stream, shared);
                    // A client that goes away in the middle is none of the sink's business.
                    let _ = session.converse().await;
                });
            }
        });
        Ok(Smtp {
            address,
            shared,
            accepting,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on, whatever was queued before.
    pub fn behave(&self, behaviour: SmtpBehaviour) {
        self.shared.script.set(behaviour);
    }

    /// For the coming connections, one each.
    pub fn behave_next(&self, coming: impl IntoIterator<Item = SmtpBehaviour>) {
        self.shared.script.queue(coming);
    }

    /// Mails taken, oldest first.
    pub fn mails(&self) -> Vec<Mail> {
        self.shared.taken.all()
    }

    /// How many mails were taken.
    pub fn count(&self) -> u64 {
        self.shared.taken.count()
    }

    /// Waits (up to 20 s) until `count` mails were taken.
    pub async fn wait_for(&self, count: u64) -> Vec<Mail> {
        self.shared.taken.wait_for(count).await
    }

    /// What was refused, oldest first.
    pub fn refusals(&self) -> Vec<String> {
        self.shared.refused.all()
    }
}

/// Whether the conversation goes on.
#[derive(PartialEq, Eq)]
enum Flow {
    On,
    Over,
}

struct Session {
    stream: BufReader<TcpStream>,
    shared: Arc<Shared>,
    behaviour: SmtpBehaviour,
    authenticated: bool,
    from: String,
    to: Vec<String>,
}

impl Session {
    fn new(stream: TcpStream, shared: Arc<Shared>) -> Session {
        Session {
            behaviour: shared.script.next(),
            authenticated: shared.login.is_none(),
            stream: BufReader::new(stream),
            shared,
            from: String::new(),
            to: Vec::new(),
        }
    }

    async fn converse(&mut self) -> io::Result<()> {
        if self.at(Stage::Greeting, "220 sink.test ESMTP").await? == Flow::Over {
            return Ok(());
        }
        while let Some(line) = self.line().await? {
            if self.command(&line).await? == Flow::Over {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn line(&mut self) -> io::Result<Option<String>> {
        let mut bytes = Vec::new();
        let mut limited = (&mut self.stream).take(LINE_BYTES_MAX);
        let count = limited.read_until(b'\n', &mut bytes).await?;
        Ok((count > 0).then(|| {
            let text = String::from_utf8_lossy(&bytes);
            text.trim_end_matches(['\r', '\n']).to_owned()
        }))
    }

    async fn say(&mut self, line: &str) -> io::Result<Flow> {
        let answer = format!("{line}\r\n");
        self.stream.get_mut().write_all(answer.as_bytes()).await?;
        Ok(Flow::On)
    }

    /// Says `answer`, unless the script has something else in mind for this stage.
    async fn at(&mut self, stage: Stage, answer: &str) -> io::Result<Flow> {
        match self.behaviour.clone() {
            SmtpBehaviour::Refuse(at, line) if at == stage => {
                self.shared.refused.push(line.clone());
                self.say(&line).await
            }
            SmtpBehaviour::Hang(at) if at == stage => {
                tokio::time::sleep(HANG).await;
                Ok(Flow::Over)
            }
            SmtpBehaviour::Drop(at) if at == stage => Ok(Flow::Over),
            _ => self.say(answer).await,
        }
    }

    async fn command(&mut self, line: &str) -> io::Result<Flow> {
        let verb: String = line
            .split([' ', ':'])
            .next()
            .unwrap_or("")
            .to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" | "HELO" => {
                let auth = if self.shared.login.is_some() {
                    "250-AUTH PLAIN\r\n"
                } else {
                    ""
                };
                self.say(&format!(
                    "250-sink.test\r\n{auth}250-8BITMIME\r\n250 SMTPUTF8"
                ))
                .await
            }
            "AUTH" => self.authenticate(line).await,
            "MAIL" | "RCPT" | "DATA" if !self.authenticated => {
                self.say("530 5.7.0 authentication required").await
            }
            "MAIL" => {
                self.from = angle(line);
                self.to.clear();
                self.at(Stage::Mail, "250 2.1.0 ok").await
            }
            "RCPT" => {
                self.to.push(angle(line));
                self.at(Stage::Recipient, "250 2.1.5 ok").await
            }
            "DATA" => {
                let refused = matches!(self.behaviour, SmtpBehaviour::Refuse(Stage::Data, _));
                let flow = self.at(Stage::Data, "354 go ahead").await?;
                if refused || flow == Flow::Over {
                    return Ok(flow);
                }
                self.receive().await
            }
            "RSET" | "NOOP" => self.say("250 2.0.0 ok").await,
            "QUIT" => {
                self.say("221 2.0.0 bye").await?;
                Ok(Flow::Over)
            }
            _ => self.say("502 5.5.1 not implemented").await,
        }
    }

    async fn authenticate(&mut self, line: &str) -> io::Result<Flow> {
        let offered = line
            .strip_prefix("AUTH PLAIN ")
            .and_then(|encoded| STANDARD.decode(encoded.trim()).ok())
            .and_then(|bytes| String::from_utf8(bytes).ok());
        let wanted = self.shared.login.as_ref();
        let wanted = wanted.map(|(user, password)| format!("\0{user}\0{password}"));
        if offered.is_some() && offered == wanted {
            self.authenticated = true;
            return self.say("235 2.7.0 welcome").await;
        }
        self.shared.refused.push("authentication".to_owned());
        self.say("535 5.7.8 authentication failed").await
    }

    async fn receive(&mut self) -> io::Result<Flow> {
        let mut raw = String::new();
        while let Some(line) = self.line().await? {
            if line == "." {
                let refused = matches!(self.behaviour, SmtpBehaviour::Refuse(Stage::Body, _));
                if !refused {
                    let to = std::mem::take(&mut self.to);
                    let mail = Mail::read(self.from.clone(), to, raw);
                    self.shared.taken.push(mail);
                }
                return self.at(Stage::Body, "250 2.0.0 queued as fake-1").await;
            }
            raw.push_str(line.strip_prefix('.').unwrap_or(&line));
            raw.push_str("\r\n");
            if raw.len() > MAIL_BYTES_MAX {
                self.say("552 5.3.4 too big").await?;
                return Ok(Flow::Over);
            }
        }
        Ok(Flow::Over)
    }
}

/// The address between `<` and `>`.
fn angle(line: &str) -> String {
    let inner = line
        .split_once('<')
        .and_then(|(_, rest)| rest.split_once('>'));
    inner.map_or("", |(address, _)| address).to_owned()
}
