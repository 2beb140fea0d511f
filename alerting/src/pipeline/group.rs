//! Which alerts one person handles together.

use std::collections::{BTreeSet, HashMap};

use model::{Alert, Labels};

use super::memory::Memory;
use super::route::{Routed, Way};

/// Alerts by their groups, in the order the groups were first seen.
#[derive(Debug, Default)]
pub(super) struct Grouped {
    pub(super) joining: Vec<Joining>,
    pub(super) resolved: Vec<Alert>,
}

/// Alerts that fire, for one group.
#[derive(Debug)]
pub(super) struct Joining {
    pub(super) key: String,
    pub(super) way: Way,
    pub(super) alerts: Vec<Alert>,
}

/// The group of everything that comes when too many incidents are open.
const OVERFLOW: &str = "overflow";

pub(super) fn collect(memory: &Memory, routed: Routed) -> Grouped {
    let mut grouped = Grouped {
        resolved: routed.resolved,
        ..Grouped::default()
    };
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut room = room_left(memory);
    for (alert, ways) in routed.firing {
        let mut keys = BTreeSet::new();
        for mut way in ways {
            let mut key = format!("{}{}", way.route, way.group);
            if !memory.groups.contains_key(&key) && !places.contains_key(&key) {
                if room == 0 {
                    OVERFLOW.clone_into(&mut key);
                    way.group = Labels::new();
                } else {
                    room -= 1;
                }
            }
            if !keys.insert(key.clone()) {
                continue;
            }
            let place = *places.entry(key.clone()).or_insert_with(|| {
                grouped.joining.push(Joining {
                    key,
                    way,
                    alerts: Vec::new(),
                });
                grouped.joining.len() - 1
            });
            if let Some(joining) = grouped.joining.get_mut(place) {
                joining.alerts.push(alert.clone());
            }
        }
    }
    grouped
}

fn room_left(memory: &Memory) -> usize {
    Memory::OPEN_INCIDENTS_MAX.saturating_sub(memory.open_incidents())
}
