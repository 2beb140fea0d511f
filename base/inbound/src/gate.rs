//! Who may come in at all, before any route is looked at.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderMap, Method, Uri, header, uri};

use crate::authority::Authority;
use crate::{Identity, ProblemDocument, Tokens, events};

/// How callers become identities, and which hosts this server answers for.
///
/// With tokens, a caller is who its bearer token says. Without any (`tokens: None`) every caller
/// on the loopback interface is the local admin, and the `Host` header must name this machine or
/// the external URL, so that a web page cannot reach it through a name of its own (DNS
/// rebinding). The peer's address is the connection's [`ConnectInfo`]; a request without one is
/// not local.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    tokens: Option<Tokens>,
    external: Option<External>,
    insecure: bool,
    any_host: bool,
}

/// The address that people use, when it differs from the one listened on.
#[derive(Clone, Debug)]
struct External {
    scheme: String,
    authority: Authority,
    /// Without a final slash; empty when the URL has no path.
    path: String,
}

/// Why a gate cannot be built.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum GateError {
    /// The external URL is not one.
    #[error("external_url {0:?} is not a URL such as https://rampart.example.com/guard")]
    ExternalUrl(String),
}

impl Gate {
    /// A gate with these tokens; `None` means that none are configured, which opens it to callers
    /// on this machine. `Some` of an empty set lets nobody in.
    pub fn new(tokens: Option<Tokens>) -> Self {
        Gate {
            tokens,
            external: None,
            insecure: false,
            any_host: false,
        }
    }

    /// Also answers under this `http(s)` URL: its host is accepted, and its path, if any, is taken
    /// off before routing.
    pub fn external_url(mut self, url: &str) -> Result<Self, GateError> {
        self.external =
            Some(External::parse(url).ok_or_else(|| GateError::ExternalUrl(url.to_owned()))?);
        Ok(self)
    }

    /// Makes every caller from anywhere an admin while no tokens are configured, as `--insecure`
    /// asks. Hosts written as addresses are accepted then: rebinding needs a name.
    pub fn insecure(mut self) -> Self {
        self.insecure = true;
        self
    }

    /// Answers under every name. For a server that stands where one without any gate stood: a web page
    /// in a browser that reaches it can then reach it too.
    pub fn any_host(mut self) -> Self {
        self.any_host = true;
        self
    }

    /// Checks a request and gives it its identity, or says why it may not come in.
    pub(crate) fn admit(&self, request: &mut Request) -> Result<(), ProblemDocument> {
        let host = Authority::addressed(request.uri(), request.headers());
        self.check_host(host.as_ref())?;
        self.check_origin(request.method(), request.headers(), host.as_ref())?;
        // What stands in the extensions was put there by the server, never by a client; an
        // identity is only ever made here.
        request.extensions_mut().remove::<Identity>();
        if let Some(identity) = self.identify(request) {
            request.extensions_mut().insert(identity);
        }
        if let Some(shorter) = self.without_prefix(request.uri()) {
            *request.uri_mut() = shorter;
        }
        Ok(())
    }

    fn identify(&self, request: &Request) -> Option<Identity> {
        match &self.tokens {
            Some(tokens) => {
                let mut sent = request.headers().get_all(header::AUTHORIZATION).iter();
                let (first, second) = (sent.next()?, sent.next());
                // Two headers: a proxy and we might each believe another one.
                second.is_none().then(|| tokens.authenticate(first))?
            }
            None => (self.insecure || is_loopback(request)).then(Identity::local_admin),
        }
    }

    fn check_host(&self, host: Option<&Authority>) -> Result<(), ProblemDocument> {
        if self.tokens.is_some() || self.any_host {
            return Ok(());
        }
        let welcome = host.is_some_and(|host| {
            host.is_local()
                || self
                    .external
                    .as_ref()
                    .is_some_and(|external| external.authority.host == host.host)
                || (self.insecure && host.address().is_some())
        });
        if welcome {
            return Ok(());
        }
        events::refused("host");
        Err(ProblemDocument::forbidden(match host {
            Some(host) => format!("this server does not answer for the host `{}`", host.host),
            None => "the request names no host, or several".to_owned(),
        })
        .field("Host")
        .hint("use localhost, set external_url to the name people use, or configure auth.tokens"))
    }

    fn check_origin(
        &self,
        method: &Method,
        headers: &HeaderMap,
        host: Option<&Authority>,
    ) -> Result<(), ProblemDocument> {
        if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
            return Ok(());
        }
        let foreign = headers
            .get_all(header::ORIGIN)
            .iter()
            .any(|origin| !self.is_own_origin(origin.to_str().unwrap_or_default(), host));
        if !foreign {
            return Ok(());
        }
        events::refused("origin");
        Err(
            ProblemDocument::forbidden("a page of another site may not change anything here")
                .field("Origin")
                .hint("set external_url when people reach rampart under another name"),
        )
    }

    fn is_own_origin(&self, origin: &str, host: Option<&Authority>) -> bool {
        // `null` and anything else without a scheme is no origin of ours.
        let Some((scheme, authority)) = origin
            .split_once("://")
            .and_then(|(scheme, rest)| Some((scheme, Authority::parse(rest)?)))
        else {
            return false;
        };
        host.is_some_and(|host| authority.same_place(host, scheme))
            || self.external.as_ref().is_some_and(|external| {
                external.scheme == scheme && authority.same_place(&external.authority, scheme)
            })
    }

    /// The target without the external URL's path, when it has one and lies below it.
    fn without_prefix(&self, target: &Uri) -> Option<Uri> {
        let prefix = self
            .external
            .as_ref()
            .map(|external| external.path.as_str())
            .filter(|path| !path.is_empty())?;
        let rest = target.path_and_query()?.as_str().strip_prefix(prefix)?;
        let path_and_query = match rest.chars().next() {
            Some('/') => rest.to_owned(),
            None | Some('?') => format!("/{rest}"),
            Some(_) => return None,
        };
        let mut parts = uri::Parts::from(target.clone());
        parts.path_and_query = Some(path_and_query.parse().ok()?);
        Uri::from_parts(parts).ok()
    }
}

impl External {
    fn parse(url: &str) -> Option<Self> {
        let read: Uri = url.parse().ok()?;
        let scheme = read.scheme_str()?.to_owned();
        let authority = Authority::parse(read.authority()?.as_str())?;
        let path = read.path().trim_end_matches('/').to_owned();
        (matches!(scheme.as_str(), "http" | "https") && read.query().is_none()).then_some(
            External {
                scheme,
                authority,
                path,
            },
        )
    }
}

fn is_loopback(request: &Request) -> bool {
    request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .is_some_and(|ConnectInfo(peer)| peer.ip().to_canonical().is_loopback())
}
