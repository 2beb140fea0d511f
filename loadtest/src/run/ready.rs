//! A plan made ready to be sent: the address that is allowed, the bytes of its requests.

use std::net::SocketAddr;
use std::sync::Arc;

use model::{AllowList, Timestamp};

use super::{Context, RunError};
use crate::plan::{PermissionError, Plan, Protocol, TargetError};
use crate::request::{Envelope, RequestSet};

/// Everything that is the same for every sender of a run.
#[derive(Clone, Debug)]
pub(crate) struct Ready {
    pub(crate) address: SocketAddr,
    pub(crate) host: String,
    pub(crate) protocol: Protocol,
    pub(crate) tls: Option<Arc<rustls::ClientConfig>>,
    pub(crate) envelope: Envelope,
    pub(crate) requests: RequestSet,
    pub(crate) redirects_max: u32,
}

/// Proves that the target may be sent to and prepares its requests. Nothing is sent to it, except that
/// gRPC reflection asks it for its descriptors. `highest` is the largest rate that will be sent.
pub(crate) fn make(
    plan: &Plan,
    run_id: &str,
    highest: f64,
    gate: &Gate<'_>,
) -> Result<Ready, RunError> {
    let target = &plan.target;
    gate.check_permission(plan, highest)?;
    // The first of the allowed addresses, as a resolver orders them.
    let addresses = crate::plan::resolve(target, &plan.allow)?;
    let address = *addresses.first().ok_or_else(|| TargetError::Unresolved {
        host: target.host.clone(),
        cause: "the name has no address".to_owned(),
    })?;
    gate.check_address(&target.host, address)?;
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

/// What is asked of a plan before it may send from this machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gate<'a> {
    /// The wall clock, against which permissions expire.
    pub(crate) now: Timestamp,
    /// Verifies permissions.
    pub(crate) permission_key: Option<&'a [u8]>,
    /// Where this machine sends to at all, when it has a list of its own beside the plan's.
    pub(crate) own: Option<&'a AllowList>,
}

impl<'a> Gate<'a> {
    /// That of a run whose plan is trusted with its own list.
    pub(crate) fn of(context: &'a Context<'_>) -> Self {
        Gate {
            now: context.clock.wall(),
            permission_key: context.permission_key,
            own: None,
        }
    }

    /// A production target needs a permission for this rate.
    pub(crate) fn check_permission(
        &self,
        plan: &Plan,
        highest: f64,
    ) -> Result<(), PermissionError> {
        crate::plan::check_permission(&plan.target, highest, self.permission_key, self.now)
    }

    /// The very address that would be connected to, by itself or by the name written on the list.
    fn check_address(&self, host: &str, address: SocketAddr) -> Result<(), RunError> {
        let allowed = self.own.is_none_or(|own| {
            own.allows_host(host, address.port())
                || own.allows_address(address.ip(), address.port())
        });
        if allowed {
            Ok(())
        } else {
            Err(RunError::NotAllowedHere(address))
        }
    }
}
