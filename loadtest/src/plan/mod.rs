//! What to send, where, and what is wanted: a plan file as types that are already proven.

pub mod caps;

mod address;
mod capacity;
mod curve;
mod files;
mod load;
mod objective;
mod parcel;
mod permission;
mod read;
mod requests;
mod scenario;
mod shape;
mod target;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use model::{AllowList, FunctionId, Ratio};

use crate::request::RequestSet;
use crate::sizing;

pub use address::{TargetError, resolve};
pub use parcel::{PARCEL_BYTES_MAX, PARCEL_FILES_MAX, PackError, Parcel, pack};
pub use permission::{
    PERMISSION_DURATION_MAX, PERMISSION_FILE_BYTES_MAX, PERMISSION_KEY_BYTES_MIN, Permission,
    PermissionError, check_permission,
};
pub use read::read;
pub use shape::shape;

/// A whole plan.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The function whose pod is tested; results are kept under it.
    pub function: Option<FunctionId>,
    /// Its deployed version.
    pub version: Option<String>,
    /// Digest of the image; results of another digest are stale.
    pub digest: Option<String>,
    /// The Rampart server that results go to and production burn is read from.
    pub server: Option<Server>,
    /// Where load goes.
    pub target: Target,
    /// Where it may go; checked on every address that the target resolves to. Redirects are followed within
    /// the target's scheme, host and port only, so they lead to no other address.
    pub allow: AllowList,
    /// What is sent.
    pub requests: RequestSet,
    /// How much and when.
    pub load: Load,
    /// What a pod must keep up.
    pub objective: Option<Objective>,
    /// How the capacity is searched.
    pub capacity: CapacityPlan,
    /// The sale that pods are counted for.
    pub sizing: Option<sizing::Plan>,
    /// What happens to the limits that follow.
    pub limits: LimitsPlan,
    /// Where the pod's own figures are read.
    pub pod: PodSources,
    /// What stops a run early.
    pub abort: Abort,
    /// Files that results are written to.
    pub output: Output,
    /// SHA-256 over what is sent (target path, requests, bodies, objective), in hexadecimal: results are
    /// comparable when it is the same.
    pub scenario_hash: String,
}

/// A Rampart server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its address, without a path's last `/`.
    pub url: String,
    /// A file that holds the token to send.
    pub token_file: Option<PathBuf>,
}

/// How requests are carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, with prior knowledge or by ALPN.
    Http2,
    /// gRPC, unary calls.
    Grpc,
}

/// Where load goes.
#[derive(Clone, Debug)]
pub struct Target {
    /// As written.
    pub url: String,
    /// Host name or address, without brackets.
    pub host: String,
    /// Port, the scheme's own unless written.
    pub port: u16,
    /// Whether the scheme is https.
    pub tls: bool,
    /// Path that every request's path is put behind, without its last `/`.
    pub base_path: String,
    /// How requests are carried.
    pub protocol: Protocol,
    /// Use a connection for one request only when false.
    pub keep_alive: bool,
    /// Root certificates (PEM) that are trusted instead of the public ones.
    pub ca_file: Option<PathBuf>,
    /// Accept any certificate.
    pub insecure_tls: bool,
    /// The target serves real users; a signed permission is needed.
    pub production: bool,
    /// The permission file of a production target.
    pub permission_file: Option<PathBuf>,
    /// Redirects that are followed; 0 takes the redirect itself as the answer.
    pub redirects_max: u32,
    /// Of gRPC: where the descriptors of its messages come from.
    pub descriptors: Option<Descriptors>,
}

/// Where the descriptors of gRPC messages come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Descriptors {
    /// A compiled descriptor set, as `protoc --descriptor_set_out` writes it.
    File(PathBuf),
    /// The target's reflection service.
    Reflection,
}

/// How much is sent, and when.
#[derive(Clone, Debug)]
pub struct Load {
    /// The model of the callers.
    pub model: LoadModel,
    /// Time before anything is counted.
    pub warm_up: Duration,
    /// Time that is counted. Of stages and a replayed curve: their sum.
    pub duration: Duration,
    /// No answer in this time is a failure.
    pub timeout: Duration,
    /// Connections at most; the pool grows on demand up to it in the open model.
    pub connections_max: u32,
    /// Requests in flight at most.
    pub in_flight_max: u32,
    /// Sending threads; 0 takes as many as there are CPUs, less one.
    pub threads: u32,
    /// Makes the same random choices again.
    pub seed: u64,
}

/// The model of the callers.
#[derive(Clone, Debug, PartialEq)]
pub enum LoadModel {
    /// Callers come by themselves, whether or not earlier ones were answered.
    Open {
        /// How they are spaced.
        arrivals: Arrivals,
        /// Rates over time; a constant rate is one stage.
        stages: Vec<Stage>,
    },
    /// So many callers, each sending again once it was answered.
    Closed {
        /// Callers, each with a connection of its own.
        connections: u32,
    },
}

/// How callers of the open model are spaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrivals {
    /// Evenly.
    Constant,
    /// Independently of one another (exponential gaps).
    Poisson,
}

/// A span with a rate that goes evenly from one figure to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stage {
    /// How long.
    pub duration: Duration,
    /// Calls per second at its start.
    pub from: f64,
    /// Calls per second at its end.
    pub to: f64,
}

/// What must hold for a load to count as carried.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Objective {
    /// The share of calls that must be faster than `latency`: 0.99 for `p99`.
    pub quantile: f64,
    /// Measured from the intended instant.
    pub latency: Duration,
    /// The share of calls that must succeed.
    pub success_rate: Ratio,
}

/// How the capacity is searched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CapacityPlan {
    /// Where the search begins, calls per second.
    pub start: f64,
    /// Where it ends, calls per second.
    pub max: f64,
    /// How long the found load is held at the end.
    pub soak: Duration,
    /// How often the whole search is done; the lowest result counts.
    pub searches: u32,
    /// Relative width of the bracket at which bisection ends: 0.05.
    pub precision: f64,
    /// Pods behind the target; the result is for one of them.
    pub pods: u32,
}

/// What happens to the limits that follow from a capacity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LimitsPlan {
    /// Whether the server takes them.
    pub publish: Publish,
    /// Largest change against the limits in force that is taken without asking.
    pub max_change: Ratio,
}

/// Whether limits are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Publish {
    /// They are in the result only.
    Never,
    /// A person confirms.
    Ask,
    /// At once, within `max_change`.
    Auto,
}

/// Where the pod's own figures are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodSources {
    /// The folder of its control group (cgroup v2).
    pub cgroup: Option<PathBuf>,
    /// A Prometheus endpoint of it.
    pub metrics: Option<String>,
}

/// What stops a run early.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Abort {
    /// Share of failed production calls, as the server sees them, at which the run stops.
    pub production_burn: Option<Ratio>,
    /// The run stops when this file is there.
    pub kill_file: Option<PathBuf>,
}

/// Files that results are written to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// The whole result.
    pub json: Option<PathBuf>,
    /// A page with charts, in one file.
    pub html: Option<PathBuf>,
    /// JUnit XML: one test case for each part of the objective.
    pub junit: Option<PathBuf>,
    /// The percentile distribution in HdrHistogram's text form.
    pub hgrm: Option<PathBuf>,
}
