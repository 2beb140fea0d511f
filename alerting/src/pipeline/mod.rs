//! What happens to an alert, in order. Each stage is a file; there is no other way in.
//!
//! `receive → route → group → mute → incident → mute → escalate → outbox → deliver → record`. Nothing
//! here does I/O or reads a clock: a step takes an event and the time, changes [`Memory`] and says what is to
//! be stored and sent. The same events from the same memory always give the same effects.

mod active;
mod codes;
mod deliver;
mod duty;
mod escalate;
mod event;
mod group;
mod incident;
mod memory;
mod mute;
mod order;
mod outbox;
mod outside;
mod progress;
mod quota;
mod reach;
mod receipts;
mod receive;
mod record;
mod route;
mod view;
mod watch;

#[cfg(test)]
mod night;

pub use active::{ActiveAlert, ActiveGroup};
pub use codes::Code;
pub use event::{Action, Count, Dispatch, DutyChange, Effect, Event, How, Policy, Write};
pub use incident::{
    Acknowledgement, Entry, EntryKind, HeldAlert, Incident, Reach, Resolution, Told,
};
pub use memory::{Arrival, Memory, Stored};
pub use mute::{Draft, MutedBy, Muting, Silence, SilenceError, SilenceState, WrittenMatcher};
pub use order::Order;
pub use outbox::{Address, OutboxRow, RowState};
pub use progress::Progress;
pub use record::{AttemptRow, AttemptState};
pub use view::Links;

use model::Timestamp;

/// One step of the pipeline.
pub fn step(memory: &mut Memory, event: Event, now: Timestamp) -> Vec<Effect> {
    memory.hear(&event, now);
    // An answer comes first: a refusal brings the next step forward.
    record::settle(memory, &event, now);
    receipts::settle(memory, &event, now);
    let mut admitted = receive::admit(memory, event, now);
    admitted.alerts.extend(watch::alerts(memory, now));
    let routed = route::assign(memory, admitted.alerts);
    let grouped = group::collect(memory, routed);
    mute::watch(memory, &grouped, now);
    incident::open_or_update(memory, grouped, now);
    incident::act(memory, admitted.act, now);
    mute::settle(memory, now);
    let handed_over = duty::hand_over(memory, now);
    outbox::enqueue(memory, handed_over, now);
    // A step whose channel is blocked or fails brings the next one forward, which is then due too.
    for _ in 0..escalate::ROUNDS_MAX {
        let due = escalate::due(memory, now);
        outbox::enqueue(memory, due, now);
        let passed_over = deliver::dispatch(memory, now);
        if !escalate::bring_forward(memory, passed_over, now) {
            break;
        }
    }
    record::effects(memory)
}
