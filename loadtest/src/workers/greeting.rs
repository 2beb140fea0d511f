//! How the two sides of a connection prove themselves before either believes a word.

use std::net::TcpStream;

use serde::de::DeserializeOwned;

use super::GREETING_WAIT;
use super::messages::{Hello, Introduction, PROTOCOL, RELEASE, Reception};
use super::secret::{Nonces, Role, Seal, Token, nonce};
use super::wire::{Reader, WireError, Writer, printable};
use crate::engine::RunClock;
use crate::timing::Nanos;

type In = Reader<TcpStream>;
type Out = Writer<TcpStream>;

/// The worker's part: takes a leader that holds the token and finds a seat, which is given back. The
/// error says why not.
pub(super) fn receive<S>(
    reader: &mut In,
    writer: &mut Out,
    token: &Token,
    clock: &RunClock,
    seat: impl FnOnce() -> Option<S>,
) -> Result<S, String> {
    let until = clock.now().plus(GREETING_WAIT.as_nanos() as u64);
    let worker = nonce();
    let hello = Hello {
        rampart_worker: PROTOCOL,
        release: RELEASE.to_owned(),
        nonce: worker,
    };
    writer.write(&hello).map_err(|error| error.to_string())?;
    let leader: Introduction = expect(reader, clock, until)?;
    let nonces = Nonces {
        worker,
        leader: leader.nonce,
    };
    let seated = admit(&leader, token, &nonces, seat);
    let reception = match &seated {
        Ok(_) => Reception::Welcome {
            proof: token.code(Role::WorkerProves, &nonces),
        },
        Err(why) => Reception::Refused { why: why.clone() },
    };
    writer
        .write(&reception)
        .map_err(|error| error.to_string())?;
    let seat = seated?;
    reader.seal(Seal::new(token, Role::LeaderSigns, &nonces));
    writer.seal(Seal::new(token, Role::WorkerSigns, &nonces));
    Ok(seat)
}

/// Whoever does not hold the token learns nothing but that.
fn admit<S>(
    leader: &Introduction,
    token: &Token,
    nonces: &Nonces,
    seat: impl FnOnce() -> Option<S>,
) -> Result<S, String> {
    if !token.proves(Role::LeaderProves, nonces, &leader.proof) {
        return Err(
            "the token is not the worker's: give both sides the same token file".to_owned(),
        );
    }
    if (leader.protocol, leader.release.as_str()) != (PROTOCOL, RELEASE) {
        return Err(other_release(leader.protocol, &leader.release));
    }
    seat().ok_or_else(|| "busy: another run is using it".to_owned())
}

/// The leader's part. The error says why the worker cannot be used.
pub(super) fn introduce(
    reader: &mut In,
    writer: &mut Out,
    token: &Token,
    clock: &RunClock,
) -> Result<(), String> {
    let until = clock.now().plus(GREETING_WAIT.as_nanos() as u64);
    let hello: Hello = expect(reader, clock, until)?;
    if (hello.rampart_worker, hello.release.as_str()) != (PROTOCOL, RELEASE) {
        return Err(other_release(hello.rampart_worker, &hello.release));
    }
    let nonces = Nonces {
        worker: hello.nonce,
        leader: nonce(),
    };
    let introduction = Introduction {
        protocol: PROTOCOL,
        release: RELEASE.to_owned(),
        nonce: nonces.leader,
        proof: token.code(Role::LeaderProves, &nonces),
    };
    writer
        .write(&introduction)
        .map_err(|error| error.to_string())?;
    match expect(reader, clock, until)? {
        Reception::Refused { why } => Err(printable(&why)),
        Reception::Welcome { proof } if !token.proves(Role::WorkerProves, &nonces, &proof) => {
            Err("it does not hold our token, so it is not ours".to_owned())
        }
        Reception::Welcome { .. } => {
            reader.seal(Seal::new(token, Role::WorkerSigns, &nonces));
            writer.seal(Seal::new(token, Role::LeaderSigns, &nonces));
            Ok(())
        }
    }
}

fn other_release(protocol: u32, release: &str) -> String {
    format!(
        "the other side is release {} (protocol {protocol}), this one {RELEASE} (protocol {PROTOCOL}): run the same release on all machines",
        printable(release)
    )
}

fn expect<T: DeserializeOwned>(
    reader: &mut In,
    clock: &RunClock,
    until: Nanos,
) -> Result<T, String> {
    while clock.now() < until {
        match reader.next() {
            Ok(Some(message)) => return Ok(message),
            Ok(None) => {}
            Err(WireError::Closed) => return Err("it closed the connection".to_owned()),
            Err(error) => return Err(error.to_string()),
        }
    }
    Err(format!(
        "it said nothing for {}",
        model::format_duration(GREETING_WAIT)
    ))
}
