//! What leader and worker say to one another.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::secret::{CODE_BYTES, Nonce};
use crate::engine::SecondTally;
use crate::run::senders::{Purpose, Sending};

/// Changes whenever the messages do.
pub(super) const PROTOCOL: u32 = 1;
/// Both sides must be of one release: the same seed gives the same slots only there.
pub(super) const RELEASE: &str = env!("CARGO_PKG_VERSION");
/// A file is sent in pieces of so many bytes at most.
pub(super) const PIECE_BYTES_MAX: usize = 1 << 20;

/// The worker's first word.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) rampart_worker: u32,
    pub(super) release: String,
    pub(super) nonce: Nonce,
}

/// The leader's answer to it: who it is, and that it holds the token.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Introduction {
    pub(super) protocol: u32,
    pub(super) release: String,
    pub(super) nonce: Nonce,
    pub(super) proof: [u8; CODE_BYTES],
}

/// The worker's last word before it listens to orders.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Reception {
    /// It holds the token too and takes orders now.
    Welcome { proof: [u8; CODE_BYTES] },
    /// It does not take this leader.
    Refused { why: String },
}

/// What a leader wants.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// More of a file that the plan names; the first piece begins it.
    Piece {
        file: String,
        #[serde(with = "base64_text")]
        content: Vec<u8>,
    },
    /// Read the plan, prove that it may be sent, and send one request of each kind.
    Prepare(Box<Preparation>),
    /// Say what your clock shows.
    Ask,
    /// Measure what you can send.
    Calibrate,
    /// Send your share.
    Send(Share),
    /// Stop what you are doing.
    Stop,
    /// The leader is there.
    Alive,
}

/// A plan as it is read on a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Preparation {
    pub(super) run_id: String,
    pub(super) purpose: Purpose,
    pub(super) file_name: String,
    pub(super) text: String,
    pub(super) variables: BTreeMap<String, String>,
}

/// One worker's share of a load: so many of all threads. Each thread draws from the plan's seed by its
/// own number, so shares have no slot in common and together have them all.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Share {
    pub(super) sending: Sending,
    /// Number of its first thread.
    pub(super) first: u64,
    /// Its threads.
    pub(super) threads: u32,
    /// Threads of all workers.
    pub(super) of: u64,
    /// What the worker's clock shows when the load begins, in nanoseconds.
    pub(super) start_nanos: u64,
}

/// What a worker has to say.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Report {
    /// The plan may be sent from there, and its target answers.
    Prepared(Prepared),
    /// What its clock shows, in nanoseconds.
    Clock { nanos: u64 },
    /// Calls per second that it reaches.
    Calibrated { per_second: f64 },
    /// What one of its threads saw in one second.
    Second(SecondTally),
    /// Its share is over.
    Ended,
    /// What it was asked to do cannot be done.
    Failed { why: String },
    /// The worker is there.
    Alive,
}

/// A worker that is ready to send.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Prepared {
    /// CPU model, CPUs and kernel.
    pub(super) machine: String,
    /// Its CPUs.
    pub(super) cpus: u32,
    /// Of the plan as it reads it.
    pub(super) scenario_hash: String,
}

mod base64_text {
    use serde::de::Error;

    use super::{Deserialize, Engine, STANDARD};

    pub(super) fn serialize<S: serde::Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<u8>, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(from)?;
        STANDARD.decode(text.as_bytes()).map_err(D::Error::custom)
    }
}
