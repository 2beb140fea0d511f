//! gRPC: unary calls over HTTP/2, their messages encoded before the run.

mod status;

pub(crate) use status::outcome;
