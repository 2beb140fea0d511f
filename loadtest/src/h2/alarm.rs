//! Wakes the thread at an instant, to some microseconds: the runtime's own timers know milliseconds only.

use std::os::fd::OwnedFd;
use std::task::{Context, Poll};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::unix::AsyncFd;

use crate::engine::EngineError;
use crate::timing::Nanos;

const SECOND: u64 = 1_000_000_000;
const ZERO: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

/// A timer of the kernel that the runtime waits for like for a socket.
#[derive(Debug)]
pub(super) struct Alarm {
    timer: AsyncFd<OwnedFd>,
    set: Option<Nanos>,
}

impl Alarm {
    /// Not set. Within a runtime only.
    #[expect(
        deprecated,
        reason = "what is unsound needs a type that changes its descriptor; an `OwnedFd` never does"
    )]
    pub(super) fn new() -> Result<Self, EngineError> {
        let doing = "make a timer";
        let timer = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )
        .map_err(EngineError::kernel(doing))?;
        let timer = AsyncFd::new(timer).map_err(EngineError::kernel(doing))?;
        Ok(Alarm { timer, set: None })
    }

    /// Rings at `at` or before, and tells for when it is set. An alarm that is to ring before `at` anyway
    /// is left alone: waking once too often costs less than setting it.
    pub(super) fn set(&mut self, at: Nanos, now: Nanos) -> Result<Nanos, EngineError> {
        if let Some(set) = self.set.filter(|set| *set > now && *set <= at) {
            return Ok(set);
        }
        // Zero would switch it off.
        let nanos = at.since(now).max(1);
        let value = Itimerspec {
            it_interval: ZERO,
            it_value: Timespec {
                tv_sec: (nanos / SECOND).cast_signed(),
                tv_nsec: (nanos % SECOND).cast_signed(),
            },
        };
        timerfd_settime(self.timer.get_ref(), TimerfdTimerFlags::empty(), &value)
            .map_err(EngineError::kernel("set a timer"))?;
        self.set = Some(at);
        Ok(at)
    }

    /// Whether it rang since it was last asked; the task is woken when it does.
    pub(super) fn poll_rang(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.timer.poll_read_ready(cx) {
            Poll::Ready(Ok(mut ready)) => {
                // Setting the timer again forgets its count, so it need not be read.
                ready.clear_ready();
                self.set = None;
                Poll::Ready(())
            }
            // The runtime is going away.
            Poll::Ready(Err(_)) => Poll::Ready(()),
            Poll::Pending => Poll::Pending,
        }
    }
}
