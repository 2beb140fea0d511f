//! What arrived at a node that does not lead, written down for the one that does.

use model::Alert;
use serde::{Deserialize, Serialize};

use super::event::{Action, DutyChange, Event, How};
use super::mute::Silence;
use crate::delivery::Receipt;

/// What the leader is to do. Each kind is an [`Event`] that comes from outside.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// [`Event::Alerts`].
    Alerts(Vec<Alert>),
    /// [`Event::Posted`].
    Posted(Vec<Alert>),
    /// [`Event::Silences`].
    Silences(Vec<Silence>),
    /// [`Event::Act`].
    Act {
        /// To which incident.
        incident: String,
        /// What.
        action: Action,
        /// Who.
        by: String,
        /// By which way.
        how: How,
    },
    /// [`Event::Receipt`].
    Receipt {
        /// The provider's number for the message.
        provider_id: String,
        /// What it says.
        receipt: Receipt,
    },
    /// [`Event::Duty`].
    Duty(DutyChange),
}

impl From<Order> for Event {
    fn from(order: Order) -> Self {
        match order {
            Order::Alerts(alerts) => Event::Alerts(alerts),
            Order::Posted(alerts) => Event::Posted(alerts),
            Order::Silences(silences) => Event::Silences(silences),
            Order::Act {
                incident,
                action,
                by,
                how,
            } => Event::Act {
                incident,
                action,
                by,
                how,
            },
            Order::Receipt {
                provider_id,
                receipt,
            } => Event::Receipt {
                provider_id,
                receipt,
            },
            Order::Duty(change) => Event::Duty(change),
        }
    }
}
