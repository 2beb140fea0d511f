//! Where load goes: a URL taken apart, and how the target is reached.

use declare::{Node, Problems};

use super::files::Files;
use super::read::{is_meant, read_count};
use super::{Descriptors, Protocol, Target};
use crate::request::{Envelope, TextError, check_path_text};

impl Target {
    /// A target from its URL alone, reached by HTTP/1.1 on connections that are used again.
    pub fn parse(url: &str) -> Result<Self, TextError> {
        let refuse = |message: String| TextError {
            message,
            hint: "write it as http://host:8080 or https://host/path".to_owned(),
        };
        let tls = match url.split_once("://") {
            Some(("http", _)) => false,
            Some(("https", _)) => true,
            _ => {
                return Err(refuse(format!(
                    "`{url}` begins neither with http:// nor https://"
                )));
            }
        };
        let read: http::Uri = url
            .parse()
            .map_err(|error| refuse(format!("`{url}` is not a URL: {error}")))?;
        let authority = read.authority().map_or("", http::uri::Authority::as_str);
        if authority.contains('@') {
            return Err(TextError {
                message: "a target's URL holds no user or password".to_owned(),
                hint: "send a header instead: authorization: \"Bearer ${TOKEN}\"".to_owned(),
            });
        }
        if read.query().is_some() || url.contains('#') {
            return Err(TextError {
                message: "a target's URL ends with its path".to_owned(),
                hint: "put the query into the path of a request".to_owned(),
            });
        }
        let host = read.host().unwrap_or_default().trim_matches(['[', ']']);
        let port = read.port_u16().or_else(|| {
            let is_written = authority
                .rsplit(']')
                .next()
                .is_some_and(|tail| tail.contains(':'));
            (!is_written).then_some(if tls { 443 } else { 80 })
        });
        let port = port.filter(|port| *port > 0).ok_or_else(|| {
            refuse(format!(
                "the port of `{url}` is not a number from 1 to 65535"
            ))
        })?;
        if host.is_empty() {
            return Err(refuse(format!("the host of `{url}` is missing")));
        }
        let base_path = read.path().trim_end_matches('/');
        check_path_text(base_path.as_bytes())?;
        Ok(Target {
            url: url.to_owned(),
            host: host.to_ascii_lowercase(),
            port,
            tls,
            base_path: base_path.to_owned(),
            protocol: Protocol::Http1,
            keep_alive: true,
            ca_file: None,
            insecure_tls: false,
            production: false,
            permission_file: None,
            redirects_max: 0,
            descriptors: None,
        })
    }

    /// `https` or `http`.
    pub fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }

    /// For `Host` and `:authority`: the port is left out when it is the scheme's own.
    pub fn authority(&self) -> String {
        let own_port = if self.tls { 443 } else { 80 };
        let host = self.bracketed_host();
        if self.port == own_port {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }

    /// Scheme, host and port, always written out: what a permission is given for.
    pub fn origin(&self) -> String {
        format!(
            "{}://{}:{}",
            self.scheme(),
            self.bracketed_host(),
            self.port
        )
    }

    /// What is the same for every request to it; `run_id` is sent as `x-rampart-test`.
    pub fn envelope(&self, run_id: &str) -> Envelope {
        Envelope {
            authority: self.authority(),
            scheme: self.scheme(),
            base_path: self.base_path.clone(),
            run_id: run_id.to_owned(),
            keep_alive: self.keep_alive,
        }
    }

    fn bracketed_host(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        }
    }
}

/// The target of a plan.
pub(super) fn read(root: &Node, files: &Files, problems: &mut Problems) -> Option<Target> {
    let node = root.field("target")?;
    let url = if node.text().is_some() {
        node
    } else {
        node.field("url")?
    };
    let mut target = match Target::parse(url.text()?) {
        Ok(target) => target,
        Err(error) => {
            // What the shape has refused already is told once, and so is a variable that is not set.
            if is_well_formed(url) && !url.text().is_some_and(|text| text.contains("${")) {
                problems.error(url, error.message).hint(error.hint);
            }
            return None;
        }
    };
    target.protocol = match node.text_of("protocol") {
        Some("http2") => Protocol::Http2,
        Some("grpc") => Protocol::Grpc,
        _ => Protocol::Http1,
    };
    target.keep_alive = node.boolean_of("keep_alive").unwrap_or(true);
    target.insecure_tls = node.boolean_of("insecure_tls").unwrap_or(false);
    target.production = node.boolean_of("production").unwrap_or(false);
    target.permission_file = node.text_of("permission_file").map(|name| files.path(name));
    target.redirects_max = read_count(Some(node), "redirects_max", 0);
    target.ca_file = files.readable(node.field("ca_file"), problems);
    target.descriptors = read_descriptors(node, target.protocol, files, problems);
    check_permission(node, &target, problems);
    check_tls(node, &target, problems);
    Some(target)
}

fn is_well_formed(url: &Node) -> bool {
    let mut found = Problems::new();
    declare::check(url, &declare::Shape::Url, &mut found);
    found.is_empty()
}

fn check_permission(node: &Node, target: &Target, problems: &mut Problems) {
    if target.production && !is_meant(node, "permission_file") {
        problems
            .error(
                node.key("production").unwrap_or(node),
                "a target that serves real users needs a signed permission",
            )
            .hint("name it with `permission_file`");
    }
}

fn check_tls(node: &Node, target: &Target, problems: &mut Problems) {
    for name in ["ca_file", "insecure_tls"] {
        if let Some(key) = node.key(name).filter(|_| !target.tls) {
            problems
                .error(
                    key,
                    format!("`{name}` has no meaning for an http:// target"),
                )
                .hint("leave it out, or write https://");
        }
    }
    if let Some(key) = node
        .key("insecure_tls")
        .filter(|_| target.insecure_tls && target.production)
    {
        problems
            .error(key, "a production target's certificate is always verified")
            .hint("name its root with `ca_file`");
    }
}

fn read_descriptors(
    node: &Node,
    protocol: Protocol,
    files: &Files,
    problems: &mut Problems,
) -> Option<Descriptors> {
    let reflection = node.boolean_of("reflection").unwrap_or(false);
    let file = node.field("descriptor_set");
    if protocol != Protocol::Grpc {
        for name in ["descriptor_set", "reflection"] {
            if let Some(key) = node.key(name) {
                problems
                    .error(key, format!("`{name}` is of gRPC"))
                    .hint("write `protocol: grpc`, or leave it out");
            }
        }
        return None;
    }
    match (file, reflection) {
        (Some(at), true) => {
            problems
                .error(at, "`descriptor_set` and `reflection` exclude each other")
                .hint("keep one of them");
            None
        }
        (Some(_), false) => files.readable(file, problems).map(Descriptors::File),
        (None, true) => Some(Descriptors::Reflection),
        (None, false) => {
            if !is_meant(node, "descriptor_set")
                && node
                    .field("reflection")
                    .is_none_or(|at| at.boolean().is_some())
            {
                problems
                    .error(
                        node.field("protocol").unwrap_or(node),
                        "gRPC messages cannot be written without their descriptors",
                    )
                    .hint(
                        "add `descriptor_set: file.pb`, or `reflection: true` if the target has it",
                    );
            }
            None
        }
    }
}
