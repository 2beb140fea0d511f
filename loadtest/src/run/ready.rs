//! A plan made ready to be sent: the address that is allowed, the bytes of its requests.

use std::net::SocketAddr;
use std::sync::Arc;

use super::{Context, RunError};
use crate::plan::{Plan, Protocol};
use crate::request::{Envelope, RequestSet};

/// Everything that is the same for every sender of a run.
#[derive(Clone, Debug)]
pub(super) struct Ready {
    pub(super) address: SocketAddr,
    pub(super) host: String,
    pub(super) protocol: Protocol,
    pub(super) tls: Option<Arc<rustls::ClientConfig>>,
    pub(super) envelope: Envelope,
    pub(super) requests: RequestSet,
    pub(super) redirects_max: u32,
}

/// Proves that the target may be sent to and prepares its requests. Nothing is sent to it, except that
/// gRPC reflection asks it for its descriptors.
pub(super) fn make(plan: &Plan, run_id: &str, context: &Context<'_>) -> Result<Ready, RunError> {
    let target = &plan.target;
    crate::plan::check_permission(plan, context.permission_key, context.clock.wall())?;
    // The first of the allowed addresses, as a resolver orders them.
    let address = crate::plan::resolve(target, &plan.allow)?;
    let alpn: &[&[u8]] = match target.protocol {
        Protocol::Http1 => &[b"http/1.1"],
        Protocol::Http2 | Protocol::Grpc => &[b"h2"],
    };
    let tls = if target.tls { Some(crate::tls::client_config(target, alpn)?) } else { None };
    let envelope = Envelope {
        authority: target.authority(),
        scheme: if target.tls { "https" } else { "http" },
        base_path: target.base_path.clone(),
        run_id: run_id.to_owned(),
        keep_alive: target.keep_alive,
    };
    let mut requests = match target.protocol {
        Protocol::Grpc => crate::grpc::prepare(plan, address, tls.as_ref(), &envelope)?,
        Protocol::Http1 | Protocol::Http2 => plan.requests.clone(),
    };
    requests.prepare(&envelope);
    Ok(Ready {
        address,
        host: target.host.clone(),
        protocol: target.protocol,
        tls,
        envelope,
        requests,
        redirects_max: target.redirects_max,
    })
}
