//! What a fake should do next: a list for the coming calls, then one behaviour for all others.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Debug)]
pub(crate) struct Script<B> {
    inner: Mutex<(VecDeque<B>, B)>,
}

impl<B: Clone> Script<B> {
    pub(crate) fn always(behaviour: B) -> Self {
        Script {
            inner: Mutex::new((VecDeque::new(), behaviour)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, (VecDeque<B>, B)> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set(&self, behaviour: B) {
        *self.lock() = (VecDeque::new(), behaviour);
    }

    pub(crate) fn queue(&self, coming: impl IntoIterator<Item = B>) {
        self.lock().0.extend(coming);
    }

    pub(crate) fn next(&self) -> B {
        let mut inner = self.lock();
        inner.0.pop_front().unwrap_or_else(|| inner.1.clone())
    }
}
