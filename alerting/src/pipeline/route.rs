//! Which way an alert goes: the route tree decides for what fires; what resolves follows its firing.

use std::sync::Arc;

use model::{Alert, AlertStatus, Labels};

use super::memory::Memory;
use super::watch;
use crate::config::{Destination, Route, Timing};

/// Alerts with their ways.
#[derive(Debug, Default)]
pub(super) struct Routed {
    pub(super) firing: Vec<(Alert, Vec<Way>)>,
    pub(super) resolved: Vec<Alert>,
}

/// What a route says about one alert.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) route: String,
    pub(super) group: Labels,
    pub(super) timing: Timing,
    pub(super) receiver: String,
    pub(super) destination: Destination,
}

pub(super) fn assign(memory: &Memory, alerts: Vec<Alert>) -> Routed {
    let policy = Arc::clone(&memory.policy);
    let mut routed = Routed::default();
    for alert in alerts {
        if alert.status == AlertStatus::Resolved {
            routed.resolved.push(alert);
            continue;
        }
        let way = |route: &Route| Way {
            route: route.path.clone(),
            group: route.group_by.labels_of(&alert.labels),
            timing: route.timing,
            receiver: route.receiver.clone(),
            destination: route.destination(memory.mode).clone(),
        };
        let found = policy.config.root.find(&alert.labels);
        let mut ways: Vec<Way> = found.into_iter().map(way).collect();
        for way in &mut ways {
            watch::lead_around(memory, &alert, way);
        }
        routed.firing.push((alert, ways));
    }
    routed
}
