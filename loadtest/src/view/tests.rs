//! Pictures of the screen in several sizes, and plain lines.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;

use std::time::Duration;

use super::*;
use crate::Random;
use crate::report::sample;
use crate::report::tests::assert_golden;
use crate::result::{Second, Subject, TrialResult};
use crate::tally::Tally;

fn feed(observer: &mut impl FnMut(&Second, &Tally), seconds: u32) {
    let mut random = Random::new(7, 0);
    let mut so_far = Tally::default();
    for at in 0..seconds {
        let tally = sample::second(at, &mut random);
        so_far.add_after(&tally);
        observer(&Second::of(f64::from(at), at < 5, &tally), &so_far);
    }
}

fn state(seconds: u32) -> State {
    let mut state = State::default();
    state.begin(
        &sample::subject(),
        "open, poisson, 300/s for 1m after 5s of warm-up",
        Duration::from_secs(65),
    );
    feed(&mut |second, so_far| state.second(second, so_far), seconds);
    state.objective_ms = Some(100.0);
    state.passed = Duration::from_secs(u64::from(seconds));
    state
}

fn picture(state: &State, width: u16, height: u16) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw::draw(frame, state)).unwrap();
    terminal
}

fn text(state: &State, width: u16, height: u16) -> String {
    let terminal = picture(state, width, height);
    let buffer = terminal.backend().buffer();
    let mut out = String::new();
    for line in buffer.content().chunks(usize::from(width)) {
        let line: String = line.iter().map(ratatui::buffer::Cell::symbol).collect();
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[test]
fn a_run_in_several_sizes() {
    let mut state = state(40);
    state.note("results go to http://127.0.0.1:9650");
    for (width, height) in [(80, 24), (120, 36), (50, 30), (80, 12), (40, 10)] {
        assert_golden(
            &format!("screen_{width}x{height}.txt"),
            &text(&state, width, height),
        );
    }
}

#[test]
fn a_search_lists_its_trials() {
    let mut state = state(12);
    for trial in &sample::capacity().searches[0].trials[..9] {
        state.trial(trial);
    }
    assert_golden("screen_capacity.txt", &text(&state, 80, 24));
}

#[test]
fn an_unhealthy_generator_says_why_and_stopping_is_said() {
    let mut state = state(20);
    state.so_far.cpu_nanos = state.so_far.span_nanos * 2;
    state.so_far.loop_gap_nanos_max = 12_400_000;
    state.stopping = Some("a person pressed q".to_owned());
    let text = text(&state, 80, 24);
    assert!(
        text.contains("it uses 100% of its CPU (limit 80%)"),
        "{text}"
    );
    assert!(text.contains("its loop was away for 12.4ms"), "{text}");
    assert!(text.contains("stopping: a person pressed q"), "{text}");
    assert!(!text.contains("healthy"), "{text}");
}

#[test]
fn nothing_breaks_in_any_size_with_or_without_figures() {
    for state in [State::default(), state(3)] {
        for width in [1, 2, 7, 20, 63, 64, 200] {
            for height in [1, 2, 3, 5, 11, 14, 19, 60] {
                let _ = text(&state, width, height);
            }
        }
    }
}

#[test]
fn colours_come_only_when_they_are_wanted() {
    let colours = |state: &State| {
        let terminal = picture(state, 80, 24);
        let buffer = terminal.backend().buffer();
        buffer
            .content()
            .iter()
            .filter(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset)
            .count()
    };
    let mut state = state(20);
    assert_eq!(colours(&state), 0);
    state.colour = true;
    assert!(colours(&state) > 50);
}

#[test]
fn hostile_names_do_not_reach_the_terminal() {
    let mut state = State::default();
    let subject = Subject {
        target: "http://a\u{1b}[2J\u{7}".to_owned(),
        ..Subject::default()
    };
    state.begin(&subject, "\u{1b}]0;x\u{7}", Duration::from_secs(1));
    state.note("\u{9b}31m\r");
    let why = "\u{1b}c".to_owned();
    state.trial(&TrialResult {
        why,
        ..TrialResult::default()
    });
    assert!(
        text(&state, 80, 24)
            .chars()
            .all(|c| c == '\n' || !c.is_control())
    );
    let mut lines = Lines::new(Vec::new(), || Duration::ZERO);
    lines.note("\u{1b}[2J");
    lines.begun(&subject, "\u{7}", Duration::from_secs(1));
    assert!(
        String::from_utf8(lines.into_out())
            .unwrap()
            .chars()
            .all(|c| c == '\n' || !c.is_control())
    );
}

#[test]
fn what_is_kept_is_bounded() {
    let mut state = State::default();
    for number in 0..1_000 {
        state.note("note");
        state.trial(&TrialResult::default());
        state.second(
            &Second {
                at: f64::from(number),
                ..Second::default()
            },
            &Tally::default(),
        );
    }
    assert_eq!(
        (state.notes.len(), state.trials.len(), state.seconds.len()),
        (state::NOTES_MAX, state::TRIALS_MAX, state::SECONDS_MAX)
    );
    state.begin(&Subject::default(), "", Duration::ZERO);
    assert_eq!((state.seconds.len(), state.trials.len()), (0, 0));
}

#[test]
fn lines_come_each_second_at_first_and_seldom_later() {
    let passed = std::cell::Cell::new(Duration::from_secs(3));
    let mut lines = Lines::new(Vec::new(), || passed.get());
    lines.begun(
        &sample::subject(),
        "open, poisson, 300/s for 1m after 5s of warm-up",
        Duration::from_secs(65),
    );
    let mut each = |second: &Second, so_far: &Tally| {
        passed.set(passed.get() + Duration::from_secs(1));
        lines.second(second, so_far);
    };
    feed(&mut each, 43);
    lines.note("the kill file is there");
    lines.trial(&sample::capacity().searches[0].trials[4]);
    lines.ended();
    assert_golden("lines.txt", &String::from_utf8(lines.into_out()).unwrap());
}

#[test]
fn the_last_answers_of_a_trial_are_no_rate() {
    let mut lines = Lines::new(Vec::new(), || Duration::ZERO);
    lines.begun(&sample::subject(), "p99 ≤ 100ms", Duration::from_secs(9));
    let mut random = Random::new(7, 0);
    for trial in 0..2 {
        let mut so_far = Tally::default();
        for at in 0..3 {
            let mut tally = sample::second(at, &mut random);
            if at == 2 {
                // 35 ms after the last request: seven answers, one failure.
                tally.clear();
                tally.span_nanos = 35_000_000;
                tally.counts.ok = 7;
                tally.counts.unexpected = 1;
            }
            so_far.add_after(&tally);
            lines.second(&Second::of(f64::from(at), false, &tally), &so_far);
        }
        if trial == 0 {
            lines.trial(&sample::capacity().searches[0].trials[0]);
        }
    }
    let text = String::from_utf8(lines.into_out()).unwrap();
    let (whole, left): (Vec<&str>, Vec<&str>) = text
        .lines()
        .filter(|line| line.contains(" left  "))
        .partition(|line| line.contains("/s sent"));
    assert_eq!((whole.len(), left.len()), (4, 2), "{text}");
    for line in left {
        assert!(line.contains("left  7 ok  1 failed  0 in flight"), "{line}");
    }
}
