//! A plan made ready to be sent: the address that is allowed, the bytes of its requests.

use std::net::SocketAddr;
use std::sync::Arc;

use super::{Context, RunError};
use crate::plan::{Permission, PermissionError, Plan, Protocol, TargetError};
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
/// gRPC reflection asks it for its descriptors. `highest` is the largest rate that will be sent.
pub(super) fn make(
    plan: &Plan,
    run_id: &str,
    highest: f64,
    context: &Context<'_>,
) -> Result<Ready, RunError> {
    let target = &plan.target;
    check_permission(plan, highest, context)?;
    // The first of the allowed addresses, as a resolver orders them.
    let addresses = crate::plan::resolve(target, &plan.allow)?;
    let address = *addresses.first().ok_or_else(|| TargetError::Unresolved {
        host: target.host.clone(),
        cause: "the name has no address".to_owned(),
    })?;
    let alpn: &[&[u8]] = match target.protocol {
        Protocol::Http1 => &[b"http/1.1"],
        Protocol::Http2 | Protocol::Grpc => &[b"h2"],
    };
    let tls = if target.tls {
        Some(crate::tls::client_config(target, alpn)?)
    } else {
        None
    };
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

/// A production target needs a permission that is signed, not over, and for at least this rate.
fn check_permission(
    plan: &Plan,
    highest: f64,
    context: &Context<'_>,
) -> Result<(), PermissionError> {
    if !plan.target.production {
        return Ok(());
    }
    let (Some(file), Some(key)) = (&plan.target.permission_file, context.permission_key) else {
        return Err(PermissionError::Missing {
            target: plan.target.origin(),
        });
    };
    Permission::read(file)?.verify(&plan.target, highest, context.clock.wall(), key)
}
