//! The demo: a small but real function platform, its faults, and the people who are told.
//!
//! Owns: pods, a gateway, traffic, a plan of troubles, the phones on the other end, and the story told
//! on the terminal and on a page of its own; the configuration `rampart demo` runs with.
//! Never: reaches into Rampart; everything goes over HTTP, as a user's platform would.
//! Entry point: [`prepare`], then [`Stage::configuration`] for Rampart, then [`Stage::run`].

pub mod board;
pub mod config;
pub mod fault;
pub mod gateway;
pub mod history;
mod listening;
mod page;
pub mod person;
pub mod phone;
mod platform;
pub mod pod;
pub mod story;
pub mod traffic;

use std::io::Write;
use std::pin::Pin;

use model::SystemClock;

use board::Board;

pub use config::Configuration;
pub use phone::Phone;

/// Where the page is, unless somebody else listens there.
const PAGE_PORT: u16 = 9651;

/// What a run of the demo needs.
pub struct Options {
    /// Where Rampart listens: `http://127.0.0.1:9650`.
    pub rampart_url: String,
    /// Where the story is told, line by line.
    pub out: Box<dyn Write + Send>,
    /// Seed of traffic and service times.
    pub seed: u64,
    /// The demo stops when this is done.
    pub stop: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// Why the demo cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A part of the platform found no port on loopback.
    #[error("cannot listen on loopback for {what}")]
    Listen {
        /// The part.
        what: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The HTTP client cannot be made.
    #[error("cannot make an HTTP client")]
    Client(#[from] reqwest::Error),
    /// The story can no longer be written.
    #[error("cannot write the story")]
    Write(#[from] std::io::Error),
}

/// The demo with its phones ringing already, so that a configuration can name their addresses.
pub struct Stage {
    phone: Phone,
    board: Board,
    page: listening::Listening,
}

/// Starts what Rampart will send messages to.
pub async fn prepare() -> Result<Stage, DemoError> {
    let phone = Phone::start(SystemClock::shared()).await?;
    let board = Board::default();
    let router = page::routes(board.clone());
    let page = listening::Listening::start_near("the demo's page", PAGE_PORT, router).await?;
    Ok(Stage { phone, board, page })
}

impl Stage {
    /// The configuration that makes Rampart watch the demo's functions and tell its people.
    pub fn configuration(&self) -> Configuration {
        Configuration::telling(self.phone.address())
    }

    /// Where the demo's page is.
    pub fn page_url(&self) -> String {
        format!("http://{}/", self.page.address())
    }

    /// Starts the platform and tells its story until `options.stop` is done.
    pub async fn run(self, options: Options) -> Result<(), DemoError> {
        let clock = SystemClock::shared();
        let platform =
            platform::Platform::start(&options.rampart_url, options.seed, &clock).await?;
        let told = story::tell(&platform, self.phone, self.board, options, &clock).await;
        drop(self.page);
        platform.stop().await;
        told
    }
}

/// A client that stays on loopback: no proxies from the environment, no redirects, always a deadline.
pub(crate) fn loopback_client(
    deadline: std::time::Duration,
) -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(deadline)
        .build()
}
