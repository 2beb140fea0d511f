//! The picture of a state: the same state and size always give the same picture.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Gauge, Paragraph, Sparkline, Wrap};

use super::State;
use crate::Failure;
use crate::report::words;
use crate::result::Spread;

/// Below this width panels stand under one another only, and the histogram is left out.
const WIDE: u16 = 64;
/// Lines the curve of the rate needs at least.
const CURVE_LINES_MIN: u16 = 4;
/// Lines the curve of the rate needs at most.
const CURVE_LINES_MAX: u16 = 9;
/// Lines of the latency panel: a heading, names, and six figures.
const LATENCY_LINES: u16 = 8;
/// Lines of the lowest panels.
const LOWEST_LINES: u16 = 7;

/// Draws the whole screen. Works in any size: what does not fit is left out, least important first.
pub fn draw(frame: &mut Frame, state: &State) {
    let area = frame.area();
    if area.height == 0 || area.width == 0 {
        return;
    }
    let [head, load, gauge, body] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Min(0),
    ])
    .areas(area);
    title(frame, head, state);
    frame.render_widget(Paragraph::new(load_line(state)), load);
    progress(frame, gauge, state);
    let curve = body.height.saturating_sub(LATENCY_LINES + LOWEST_LINES);
    // A curve needs little; a list of trials takes what there is.
    let curve = match curve {
        lines if lines < CURVE_LINES_MIN => 0,
        lines if state.trials.is_empty() => lines.min(CURVE_LINES_MAX),
        lines => lines,
    };
    let lowest = if body.height >= LATENCY_LINES + 3 {
        body.height - curve - LATENCY_LINES
    } else {
        0
    };
    let [curve, latency, lowest] = Layout::vertical([
        Constraint::Length(curve),
        Constraint::Min(0),
        Constraint::Length(lowest),
    ])
    .areas(body);
    rates(frame, curve, state);
    latencies(frame, latency, state);
    let [left, right] = halves(lowest);
    answers(frame, left, state);
    generator(frame, right, state);
}

fn halves(area: Rect) -> [Rect; 2] {
    if area.width < WIDE {
        let [upper, lower] =
            Layout::vertical([Constraint::Percentage(50), Constraint::Min(0)]).areas(area);
        return [upper, lower];
    }
    Layout::horizontal([Constraint::Percentage(42), Constraint::Min(0)])
        .spacing(2)
        .areas(area)
}

/// A panel with its heading on a line above; gives the room inside.
fn panel(frame: &mut Frame, area: Rect, heading: &str, state: &State) -> Rect {
    let block = Block::new()
        .borders(Borders::TOP)
        .border_style(dim(state))
        .title(Span::styled(format!(" {heading} "), bold()));
    let inside = block.inner(area);
    frame.render_widget(block, area);
    inside
}

fn bold() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

fn dim(state: &State) -> Style {
    coloured(state, Color::DarkGray)
}

fn coloured(state: &State, colour: Color) -> Style {
    if state.colour {
        Style::new().fg(colour)
    } else {
        Style::new()
    }
}

fn title(frame: &mut Frame, area: Rect, state: &State) {
    let keys = "q stops";
    let [name, key] = Layout::horizontal([
        Constraint::Min(0),
        Constraint::Length(keys.len() as u16 + 1),
    ])
    .areas(area);
    frame.render_widget(
        Paragraph::new(Span::styled(state.subject.as_str(), bold())),
        name,
    );
    frame.render_widget(
        Paragraph::new(Span::styled(keys, dim(state))).right_aligned(),
        key,
    );
}

fn load_line(state: &State) -> Line<'_> {
    match &state.stopping {
        Some(why) => Line::styled(
            format!("stopping: {why}"),
            coloured(state, Color::Yellow).add_modifier(Modifier::BOLD),
        ),
        None => Line::raw(state.load.as_str()),
    }
}

fn progress(frame: &mut Frame, area: Rect, state: &State) {
    let left = state.planned.saturating_sub(state.passed);
    let warm_up = state.seconds.back().is_some_and(|second| second.warm_up);
    let label = format!(
        "{} of {}, {} left{}",
        whole(state.passed),
        whole(state.planned),
        whole(left),
        if warm_up { " (warm-up)" } else { "" }
    );
    let gauge = Gauge::default()
        .ratio(state.progress())
        .label(label)
        .use_unicode(true)
        .gauge_style(coloured(state, Color::Blue));
    frame.render_widget(gauge, area);
}

/// Whole seconds, so that the label does not jump.
fn whole(span: std::time::Duration) -> String {
    words::span(span.as_secs_f64().round())
}

fn rates(frame: &mut Frame, area: Rect, state: &State) {
    if area.height == 0 {
        return;
    }
    let (curve, list) = if state.trials.is_empty() || area.width < WIDE {
        (area, None)
    } else {
        let [curve, list] = halves(area);
        (curve, Some(list))
    };
    let last = state.seconds.back().copied().unwrap_or_default();
    let heading = format!(
        "{} QPS sent of {}, {} ok, {} in flight",
        words::rate(last.sent),
        words::rate(last.intended),
        words::rate(last.ok),
        words::number(last.in_flight)
    );
    let inside = panel(frame, curve, &heading, state);
    let shown = state
        .seconds
        .len()
        .saturating_sub(usize::from(inside.width));
    let figures: Vec<u64> = state
        .seconds
        .iter()
        .skip(shown)
        .map(|second| second.sent.max(0.0).round() as u64)
        .collect();
    frame.render_widget(
        Sparkline::default()
            .data(&figures)
            .style(coloured(state, Color::Cyan)),
        inside,
    );
    if let Some(list) = list {
        trials(frame, list, state);
    }
}

fn trials(frame: &mut Frame, area: Rect, state: &State) {
    let inside = panel(
        frame,
        area,
        &format!(
            "{} so far",
            words::counted(state.trials.len() as u64, "trial")
        ),
        state,
    );
    let shown = state
        .trials
        .len()
        .saturating_sub(usize::from(inside.height));
    let lines: Vec<Line> = state
        .trials
        .iter()
        .skip(shown)
        .map(|trial| {
            let (mark, colour) = match trial.class.as_str() {
                "carried" => ("✓", Color::Green),
                "overloaded" => ("✕", Color::Red),
                "invalid" => ("!", Color::Yellow),
                _ => ("?", Color::Yellow),
            };
            Line::from(vec![
                Span::styled(
                    format!("{mark} {:<10} ", trial.class),
                    coloured(state, colour),
                ),
                Span::raw(format!(
                    "{:>6} QPS {:>7}  ",
                    words::rate(trial.rate),
                    words::ms(trial.latency_ms)
                )),
                Span::styled(trial.why.as_str(), dim(state)),
            ])
        })
        .collect();
    frame.render_widget(Paragraph::new(lines), inside);
}

fn latencies(frame: &mut Frame, area: Rect, state: &State) {
    if area.width < WIDE {
        percentiles(frame, area, state);
        return;
    }
    let [left, right] = halves(area);
    percentiles(frame, left, state);
    histogram(frame, right, state);
}

fn percentiles(frame: &mut Frame, area: Rect, state: &State) {
    let inside = panel(frame, area, "latency", state);
    let spread = Spread::of(&state.so_far.latency);
    let last = state.seconds.back().copied().unwrap_or_default();
    let mut lines = vec![Line::styled(
        format!("{:<6}{:>10}{:>13}", "", "so far", "last second"),
        dim(state),
    )];
    for (name, so_far, now) in [
        ("p50", spread.p50_ms, Some(last.p50_ms)),
        ("p90", spread.p90_ms, None),
        ("p95", spread.p95_ms, Some(last.p95_ms)),
        ("p99", spread.p99_ms, Some(last.p99_ms)),
        ("p99.9", spread.p999_ms, None),
        ("max", spread.max_ms, Some(last.max_ms)),
    ] {
        let now = now.map_or(String::new(), words::ms);
        lines.push(Line::raw(format!(
            "{name:<6}{:>10}{now:>13}",
            words::ms(so_far)
        )));
    }
    frame.render_widget(Paragraph::new(lines), inside);
}

/// One bar a line, each over an equal step of the logarithmic axis.
fn histogram(frame: &mut Frame, area: Rect, state: &State) {
    let inside = panel(frame, area, "how latencies are spread", state);
    let times = &state.so_far.latency;
    let rows = usize::from(inside.height);
    if times.count() == 0 || rows == 0 {
        return;
    }
    let low = (times.min().max(1_000)) as f64;
    let high = (times.max() as f64).max(low * 1.01);
    let step = (high / low).powf(1.0 / rows as f64);
    let mut from = 0;
    let counts: Vec<(f64, u64)> = (1..=rows)
        .map(|row| {
            let to = if row == rows {
                u64::MAX
            } else {
                (low * step.powi(row as i32)) as u64
            };
            let count = times.over(from).saturating_sub(times.over(to));
            // The fastest belong to the first bar.
            let count = if row == 1 {
                times.count() - times.over(to)
            } else {
                count
            };
            from = to;
            (low * step.powi(row as i32), count)
        })
        .collect();
    let most = counts
        .iter()
        .map(|(_, count)| *count)
        .max()
        .unwrap_or(1)
        .max(1);
    let room = usize::from(inside.width).saturating_sub(18);
    let lines: Vec<Line> = counts
        .iter()
        .map(|(to, count)| {
            let share = *count as f64 / times.count() as f64;
            Line::from(vec![
                Span::raw(format!("≤{:>7} ", words::ms(to / 1e6))),
                Span::styled(
                    bar(*count as f64 / most as f64, room),
                    coloured(state, Color::Cyan),
                ),
                Span::raw(format!(" {}", rounded(share))),
            ])
        })
        .collect();
    frame.render_widget(Paragraph::new(lines), inside);
}

/// To a tenth of a per cent; what is there at all is not called nothing.
fn rounded(share: f64) -> String {
    if share > 0.0 && share < 0.000_5 {
        return "<0.1%".to_owned();
    }
    words::share((share * 1e3).round() / 1e3)
}

/// A bar to an eighth of a cell; what is there at all is seen.
fn bar(share: f64, cells: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (share.clamp(0.0, 1.0) * cells as f64 * 8.0).round() as usize;
    let eighths = if share > 0.0 { eighths.max(1) } else { 0 };
    let part = EIGHTHS.get(eighths % 8).copied().unwrap_or("");
    format!("{}{part}", "█".repeat(eighths / 8))
}

fn answers(frame: &mut Frame, area: Rect, state: &State) {
    if area.height < 2 {
        return;
    }
    let inside = panel(frame, area, "answers so far", state);
    let counts = &state.so_far.counts;
    let row = |name: String, count: u64, bad: bool| {
        let text = format!("{name:<18}{:>13}", words::number(count));
        if bad && count > 0 {
            Line::styled(
                text,
                coloured(state, Color::Red).add_modifier(Modifier::BOLD),
            )
        } else {
            Line::raw(text)
        }
    };
    let mut lines = vec![row("ok".to_owned(), counts.ok, false)];
    let mut bad: Vec<(String, u64)> = Failure::ALL
        .into_iter()
        .zip(counts.failures)
        .map(|(failure, count)| (failure.word().replace('_', " "), count))
        .chain([
            ("unexpected answer".to_owned(), counts.unexpected),
            ("missed".to_owned(), counts.missed),
            ("limited (429)".to_owned(), counts.limited),
        ])
        .filter(|(_, count)| *count > 0)
        .collect();
    bad.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    if bad.is_empty() && counts.done() > 0 {
        lines.push(Line::styled("no failure", dim(state)));
    }
    lines.extend(bad.into_iter().map(|(name, count)| row(name, count, true)));
    frame.render_widget(Paragraph::new(lines), inside);
}

fn generator(frame: &mut Frame, area: Rect, state: &State) {
    if area.height < 2 {
        return;
    }
    let inside = panel(frame, area, "generator", state);
    let health = state.health();
    let troubles = health.troubles();
    let mut lines = Vec::new();
    if troubles.is_empty() {
        lines.push(Line::styled("healthy", coloured(state, Color::Green)));
    }
    lines.extend(troubles.into_iter().map(|trouble| {
        Line::styled(
            trouble,
            coloured(state, Color::Yellow).add_modifier(Modifier::BOLD),
        )
    }));
    lines.push(Line::styled(
        format!(
            "lag p99 {}, gap {}, CPU {}",
            words::ms(health.lag_p99_ms),
            words::ms(health.loop_gap_ms),
            words::cpu(health.cpu)
        ),
        dim(state),
    ));
    let room = usize::from(inside.height).saturating_sub(lines.len());
    let skipped = state.notes.len().saturating_sub(room);
    lines.extend(
        state
            .notes
            .iter()
            .skip(skipped)
            .map(|note| Line::raw(note.as_str())),
    );
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: true }), inside);
}
