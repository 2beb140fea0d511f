//! gRPC: unary calls over HTTP/2, their messages encoded before the run.
//!
//! Owns: descriptors from a file or from the target's reflection service, messages from their JSON form,
//! what the status of a call means.
//! Never: streams calls; varies messages from one call to the next.
//! Entry point: [`prepare`].

mod descriptors;
mod encode;
mod messages;
mod reflection;
mod status;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use prost_reflect::DescriptorPool;

use crate::plan::{Descriptors, Plan};
use crate::request::{Envelope, RequestSet};
use crate::tls;

pub use encode::encode;
pub use status::STATUS_BASE;
pub(crate) use status::outcome;

/// Largest descriptor set that is read, from a file or in one answer of a reflection service.
pub const DESCRIPTOR_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Files that a reflection service is asked for at most.
pub const DESCRIPTOR_FILES_MAX: usize = 1_000;
/// How long asking a reflection service may take.
pub const REFLECTION_TIMEOUT: Duration = Duration::from_secs(10);

/// Why gRPC calls cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum GrpcError {
    /// The plan does not say where descriptors come from.
    #[error(
        "gRPC messages cannot be written without their descriptors; add `descriptor_set` or `reflection: true` to the target"
    )]
    NoDescriptors,
    /// The file of descriptors cannot be read.
    #[error("cannot read the descriptors in `{}`: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// What was found are no whole descriptors.
    #[error(
        "{origin} holds no usable descriptor set: {cause}; write it with `protoc --include_imports --descriptor_set_out`"
    )]
    Descriptors {
        /// Where they came from.
        origin: String,
        /// What is wrong with them.
        cause: String,
    },
    /// Not a name of a method.
    #[error("`{name}` names no method; write `package.Service/Method`")]
    Name {
        /// The name as written.
        name: String,
    },
    /// No such service.
    #[error("there is no service `{service}`; the descriptors have {known}")]
    Service {
        /// The name as written.
        service: String,
        /// Those that are there.
        known: String,
    },
    /// No such method.
    #[error("service `{service}` has no method `{method}`; it has {known}")]
    Method {
        /// The service.
        service: String,
        /// The name as written.
        method: String,
        /// Those that are there.
        known: String,
    },
    /// The method streams.
    #[error("`{name}` streams; only unary methods can be called")]
    NotUnary {
        /// The method.
        name: String,
    },
    /// The message does not fit its type.
    #[error("the message of `{name}` is not a `{message}`: at {place}: {cause}")]
    Message {
        /// The method.
        name: String,
        /// The type of its requests.
        message: String,
        /// The field, as a JSON pointer; `/` is the message itself.
        place: String,
        /// What is wrong there.
        cause: String,
    },
    /// The host cannot be a name in a certificate.
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
    /// The reflection service could not be asked.
    #[error(
        "cannot ask {address} for its descriptors: {cause}; is server reflection on? if not, write a `descriptor_set`"
    )]
    Reflection {
        /// The target.
        address: SocketAddr,
        /// What went wrong.
        cause: String,
    },
    /// The reflection service does not know something that is needed.
    #[error("the reflection service does not know `{wanted}`: {cause}")]
    Unknown {
        /// A service or a file.
        wanted: String,
        /// What it said.
        cause: String,
    },
    /// This machine could not do it.
    #[error("cannot start asking for descriptors: {0}")]
    System(#[from] std::io::Error),
}

/// The plan's requests with their messages encoded. Descriptors come from where the plan says; a reflection
/// service is asked at `address`, which was allowed, and nowhere else. Blocks until it answered, at most
/// [`REFLECTION_TIMEOUT`].
pub fn prepare(
    plan: &Plan,
    address: SocketAddr,
    tls: Option<&Arc<rustls::ClientConfig>>,
    envelope: &Envelope,
) -> Result<RequestSet, GrpcError> {
    let mut requests = plan.requests.clone();
    let pool = match &plan.target.descriptors {
        None => return Err(GrpcError::NoDescriptors),
        Some(Descriptors::File(path)) => descriptors::read(path)?,
        Some(Descriptors::Reflection) => {
            let encryption = match tls {
                Some(config) => Some((Arc::clone(config), tls::server_name(&plan.target.host)?)),
                None => None,
            };
            let asked = reflection::Asked {
                address,
                encryption,
                scheme: envelope.scheme,
                authority: envelope.authority.clone(),
            };
            reflection::ask(asked, services(&requests)?)?
        }
    };
    fill(&mut requests, &pool)?;
    Ok(requests)
}

/// Puts the encoded message, the method's path and `POST` into each request that names a gRPC call.
pub fn fill(requests: &mut RequestSet, pool: &DescriptorPool) -> Result<(), GrpcError> {
    for request in requests.requests_mut() {
        if let Some(call) = &request.grpc {
            let encoded = encode(call, pool)?;
            request.method = http::Method::POST;
            request.path = encoded.path;
            request.body = encoded.body;
        }
    }
    Ok(())
}

fn services(requests: &RequestSet) -> Result<BTreeSet<String>, GrpcError> {
    requests
        .requests()
        .iter()
        .filter_map(|request| request.grpc.as_ref())
        .map(|call| Ok(encode::names(call)?.0.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests;
