//! The screen on a terminal: one thread draws it and reads its keys.

use std::io::{Stderr, stderr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};

use super::draw::draw;
use super::{Settings, State};
use crate::engine::{RunClock, Stop};
use crate::result::{Second, Subject, TrialResult};
use crate::run::Observer;
use crate::tally::Tally;
use crate::timing::Nanos;

/// Longest a key waits: stopping shall be felt at once, and 20 looks a second cost nothing.
const LOOK_FOR_KEYS: Duration = Duration::from_millis(50);

/// Whether the terminal is ours. One flag for the process, because so is the terminal.
static SHOWN: AtomicBool = AtomicBool::new(false);
static PANIC_RESTORES: Once = Once::new();

/// Draws what it is told, and raises [`Stop`] when a person presses q or Ctrl-C (which the terminal no
/// longer turns into a signal while the screen is up). The terminal is given back by [`Observer::ended`],
/// when this is dropped, and before a panic prints its message.
#[derive(Debug)]
pub struct Screen {
    shared: Arc<Shared>,
    drawing: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: AtomicBool,
    over: AtomicBool,
    stop: Arc<Stop>,
    clock: RunClock,
    began: Mutex<Option<Nanos>>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn began(&self) -> MutexGuard<'_, Option<Nanos>> {
        self.began.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the time left go on between two seconds that are told, as in the pauses of a search.
    fn tick(&self) {
        let began = *self.began();
        let Some(began) = began else { return };
        let passed = Duration::from_nanos(self.clock.now().since(began));
        let mut state = self.state();
        if passed.as_secs() != state.passed.as_secs() {
            state.passed = passed;
            self.changed.store(true, Ordering::SeqCst);
        }
    }
}

impl Screen {
    /// Takes the terminal of standard error. The error is why it cannot be had; then nothing was changed.
    pub fn open(settings: &Settings, stop: Arc<Stop>) -> std::io::Result<Self> {
        let state = State {
            colour: settings.colour,
            objective_ms: settings
                .objective
                .map(|objective| objective.latency.as_secs_f64() * 1e3),
            ..State::default()
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: AtomicBool::new(true),
            over: AtomicBool::new(false),
            stop,
            clock: RunClock::start(),
            began: Mutex::default(),
        });
        PANIC_RESTORES.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                restore();
                before(panic);
            }));
        });
        let terminal = take().inspect_err(|_| restore())?;
        let drawn = Arc::clone(&shared);
        let drawing = std::thread::Builder::new()
            .name("screen".to_owned())
            .spawn(move || show(terminal, &drawn))
            .inspect_err(|_| restore())?;
        Ok(Screen {
            shared,
            drawing: Some(drawing),
        })
    }

    fn change(&mut self, change: impl FnOnce(&mut State)) {
        change(&mut self.shared.state());
        self.shared.changed.store(true, Ordering::SeqCst);
    }

    fn close(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        if let Some(drawing) = self.drawing.take() {
            // Its panic was printed by the hook; the run goes on without a screen.
            let _ = drawing.join();
        }
        restore();
    }
}

impl Observer for Screen {
    fn begun(&mut self, subject: &Subject, load: &str, planned: Duration) {
        *self.shared.began() = Some(self.shared.clock.now());
        self.change(|state| state.begin(subject, load, planned));
    }

    fn second(&mut self, second: &Second, so_far: &Tally) {
        self.change(|state| state.second(second, so_far));
    }

    fn trial(&mut self, trial: &TrialResult) {
        self.change(|state| state.trial(trial));
    }

    fn note(&mut self, line: &str) {
        self.change(|state| state.note(line));
    }

    fn ended(&mut self) {
        self.close();
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.close();
    }
}

type Shown = Terminal<CrosstermBackend<Stderr>>;

fn take() -> std::io::Result<Shown> {
    // From here on a failure leaves something to restore.
    SHOWN.store(true, Ordering::SeqCst);
    enable_raw_mode()?;
    execute!(stderr(), EnterAlternateScreen)?;
    // The other screen is empty when it is entered. Clearing it would ask the terminal where its cursor
    // is, and not every terminal answers.
    Terminal::new(CrosstermBackend::new(stderr()))
}

/// Gives the terminal back, once.
fn restore() {
    if SHOWN.swap(false, Ordering::SeqCst) {
        let _ = disable_raw_mode();
        let _ = execute!(stderr(), LeaveAlternateScreen, Show);
    }
}

/// Draws after each change and reads keys until it is over. A terminal that no longer takes anything
/// (its window was closed) ends the drawing, not the run; so does a panic anywhere, which has given the
/// terminal back.
fn show(mut terminal: Shown, shared: &Shared) {
    while SHOWN.load(Ordering::SeqCst) && !shared.over.load(Ordering::SeqCst) {
        note_stop(shared);
        shared.tick();
        if shared.changed.swap(false, Ordering::SeqCst) {
            let state = shared.state().clone();
            if terminal.draw(|frame| draw(frame, &state)).is_err() {
                return;
            }
        }
        match event::poll(LOOK_FOR_KEYS).and_then(|ready| ready.then(event::read).transpose()) {
            Ok(Some(event)) => heed(&event, shared),
            Ok(None) => {}
            Err(_) => return,
        }
    }
}

/// Shows that the run is stopping, whoever wanted it.
fn note_stop(shared: &Shared) {
    if shared.stop.is_raised() && shared.state().stopping.is_none() {
        let why = shared.stop.reason().unwrap_or_default();
        shared.state().stopping = Some(crate::report::escape::plain(&why));
        shared.changed.store(true, Ordering::SeqCst);
    }
}

fn heed(event: &Event, shared: &Shared) {
    if let Some(key) = stopping_key(event) {
        shared.stop.raise(format!("a person pressed {key}"));
    }
    if matches!(event, Event::Resize(..)) {
        shared.changed.store(true, Ordering::SeqCst);
    }
}

/// The key that was pressed, when it is one that stops.
fn stopping_key(event: &Event) -> Option<&'static str> {
    let Event::Key(key) = event else {
        return None;
    };
    if key.kind == KeyEventKind::Release {
        return None;
    }
    match key.code {
        KeyCode::Char('c' | 'C') if key.modifiers.contains(KeyModifiers::CONTROL) => Some("Ctrl-C"),
        KeyCode::Char('q' | 'Q') if key.modifiers.difference(KeyModifiers::SHIFT).is_empty() => {
            Some("q")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use ratatui::crossterm::event::KeyEvent;

    use super::*;

    fn shared() -> Shared {
        Shared {
            state: Mutex::default(),
            changed: AtomicBool::new(false),
            over: AtomicBool::new(false),
            stop: Stop::new(),
            clock: RunClock::start(),
            began: Mutex::default(),
        }
    }

    fn key(code: char, modifiers: KeyModifiers) -> Event {
        Event::Key(KeyEvent::new(KeyCode::Char(code), modifiers))
    }

    #[test]
    fn q_and_ctrl_c_stop_and_nothing_else_does() {
        for (event, reason) in [
            (key('q', KeyModifiers::NONE), Some("a person pressed q")),
            (key('Q', KeyModifiers::SHIFT), Some("a person pressed q")),
            (
                key('c', KeyModifiers::CONTROL),
                Some("a person pressed Ctrl-C"),
            ),
            (key('c', KeyModifiers::NONE), None),
            (key('q', KeyModifiers::CONTROL), None),
            (Event::FocusLost, None),
        ] {
            let shared = shared();
            heed(&event, &shared);
            assert_eq!(shared.stop.reason().as_deref(), reason, "{event:?}");
            assert_eq!(shared.stop.is_raised(), reason.is_some());
        }
    }

    #[test]
    fn a_stop_from_elsewhere_is_shown() {
        let shared = shared();
        note_stop(&shared);
        assert_eq!(shared.state().stopping, None);
        shared.stop.raise("the kill file is there");
        note_stop(&shared);
        assert_eq!(
            shared.state().stopping.as_deref(),
            Some("the kill file is there")
        );
        assert!(shared.changed.load(Ordering::SeqCst));
    }

    #[test]
    fn another_size_is_drawn_anew() {
        let shared = shared();
        heed(&Event::Resize(80, 24), &shared);
        assert!(shared.changed.load(Ordering::SeqCst));
    }
}
