//! From alerts to people: routes, groups, escalates, delivers, and hears "I have it".
//!
//! Owns: the configuration of routes, receivers, escalations, schedules and people; incidents and
//! their timelines; the outbox and every attempt to deliver; acknowledgement by API and phone page.
//! Never: evaluates a rule, reads a clock outside its runtime, sends before the attempt is on disk.
//! Entry point: [`Alerting::start`]; the pipeline is one function, [`pipeline::step`].

pub mod api;
pub mod channel;
pub mod chart;
pub mod config;
pub mod delivery;
mod engine;
mod events;
mod intervals;
mod lease;
pub mod message;
pub mod oncall;
pub mod page;
pub mod pipeline;
pub mod replay;
mod tables;
#[cfg(test)]
mod testing;

pub use api::v2::About;
pub use api::{
    AlertAnswer, IncidentAnswer, IncidentList, OnCallAnswer, alertmanager_routes, openapi, routes,
};
pub use chart::{ChartSource, Curves, Panel};
pub use config::{Config, Teams};
pub use engine::{Alerting, AlertingError, Handle, Node, NodeStatus, TestResult};
pub use intervals::{Period, TimeInterval};
pub use tables::{LoadError, MIGRATIONS};
