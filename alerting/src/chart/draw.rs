//! The picture of a function: one panel a measure, today over yesterday and last week.

use chrono_tz::Tz;
use model::Timestamp;

use super::canvas::{Canvas, Color, Stroke};
use super::{Chart, Curves, Panel, png};

const WIDTH: usize = 720;
const PANEL_HEIGHT: i64 = 170;
const HEAD_HEIGHT: i64 = 44;
const FOOT_HEIGHT: i64 = 26;
/// Room for the numbers on the left.
const LEFT: i64 = 66;
const RIGHT: i64 = 14;
/// Between a panel's title and its curve.
const PANEL_TOP: i64 = 22;
const TITLE_CHARS_MAX: usize = 52;

const INK: Color = Color(33, 37, 41);
const SOFT: Color = Color(110, 117, 125);
const GRID: Color = Color(226, 229, 233);
const TODAY: Color = Color(21, 101, 192);
const YESTERDAY: Color = Color(150, 158, 168);
const LAST_WEEK: Color = Color(186, 142, 90);
const OPENED: Color = Color(198, 40, 40);

/// The picture as PNG; `None` when there is nothing to draw or it cannot be encoded.
pub(super) fn draw(curves: &Curves, opened_at: Timestamp, zone: Tz) -> Option<Chart> {
    if curves.panels.is_empty() || curves.panels.iter().all(Panel::is_empty) {
        return None;
    }
    let panels = i64::try_from(curves.panels.len()).ok()?;
    let height = HEAD_HEIGHT + panels * PANEL_HEIGHT + FOOT_HEIGHT;
    let height = usize::try_from(height).ok()?;
    let mut canvas = Canvas::new(WIDTH, height);
    head(&mut canvas, &curves.title);
    for (index, panel) in (0..).zip(&curves.panels) {
        let top = HEAD_HEIGHT + index * PANEL_HEIGHT;
        draw_panel(&mut canvas, panel, top);
        mark(&mut canvas, curves, opened_at, top);
    }
    times(
        &mut canvas,
        curves,
        zone,
        HEAD_HEIGHT + panels * PANEL_HEIGHT,
    );
    png::encode(WIDTH, height, canvas.dots()).map(Chart::new)
}

fn head(canvas: &mut Canvas, title: &str) {
    let title: String = title.chars().take(TITLE_CHARS_MAX).collect();
    canvas.text(&title, (12, 8), 2, INK);
    let mut x = 12;
    for (name, color) in [
        ("now", TODAY),
        ("yesterday", YESTERDAY),
        ("last week", LAST_WEEK),
        ("incident opened", OPENED),
    ] {
        canvas.fill((x, 33), (16, 3), color);
        canvas.text(name, (x + 22, 31), 1, SOFT);
        x += 22 + Canvas::text_width(name, 1) + 18;
    }
}

fn draw_panel(canvas: &mut Canvas, panel: &Panel, top: i64) {
    canvas.text(&panel.name, (LEFT, top + 8), 1, SOFT);
    let (low, high) = panel.range();
    let bottom = top + PANEL_HEIGHT - 10;
    let curve_top = top + PANEL_TOP;
    let y_of = |value: f64| {
        let share = (value - low) / (high - low);
        bottom as f64 - share.clamp(0.0, 1.0) * (bottom - curve_top) as f64
    };
    let right = WIDTH as i64 - RIGHT;
    for part in 0..=2 {
        let value = low + (high - low) * f64::from(part) / 2.0;
        let y = y_of(value);
        let grid = Stroke {
            color: GRID,
            width: 1.0,
            dash: None,
        };
        canvas.line((LEFT as f64, y), (right as f64, y), grid);
        let label = panel.label(value);
        let x = LEFT - 6 - Canvas::text_width(&label, 1);
        canvas.text(&label, (x, y as i64 - 3), 1, SOFT);
    }
    for (values, color, width, dash) in [
        (&panel.last_week, LAST_WEEK, 1.2, Some(4.0)),
        (&panel.yesterday, YESTERDAY, 1.4, None),
        (&panel.now, TODAY, 2.4, None),
    ] {
        let stroke = Stroke { color, width, dash };
        curve(canvas, values, panel.points(), &y_of, stroke);
    }
}

/// Neighbouring values are joined; where one is missing the line is broken.
fn curve(
    canvas: &mut Canvas,
    values: &[Option<f64>],
    points: usize,
    y_of: &impl Fn(f64) -> f64,
    stroke: Stroke,
) {
    let span = (WIDTH as i64 - RIGHT - LEFT) as f64;
    let x_of = |index: usize| LEFT as f64 + span * index as f64 / (points.max(2) - 1) as f64;
    let mut before: Option<(f64, f64)> = None;
    for (index, value) in values.iter().enumerate() {
        let point = value
            .filter(|value| value.is_finite())
            .map(|value| (x_of(index), y_of(value)));
        if let Some(point) = point {
            canvas.line(before.unwrap_or(point), point, stroke);
        }
        before = point;
    }
}

fn mark(canvas: &mut Canvas, curves: &Curves, opened_at: Timestamp, top: i64) {
    let whole = curves.to.since(curves.from).as_secs_f64();
    if opened_at < curves.from || opened_at > curves.to || whole <= 0.0 {
        return;
    }
    let share = opened_at.since(curves.from).as_secs_f64() / whole;
    let x = LEFT as f64 + (WIDTH as i64 - RIGHT - LEFT) as f64 * share;
    let stroke = Stroke {
        color: OPENED,
        width: 1.2,
        dash: Some(3.0),
    };
    let (from, to) = (top + PANEL_TOP, top + PANEL_HEIGHT - 10);
    canvas.line((x, from as f64), (x, to as f64), stroke);
}

fn times(canvas: &mut Canvas, curves: &Curves, zone: Tz, top: i64) {
    const PARTS: u32 = 4;
    let whole = curves.to.since(curves.from);
    for part in 0..=PARTS {
        let at = curves.from + whole * part / PARTS;
        let text = at.to_utc().with_timezone(&zone).format("%H:%M").to_string();
        let span = WIDTH as i64 - RIGHT - LEFT;
        let x = LEFT + span * i64::from(part) / i64::from(PARTS);
        let width = Canvas::text_width(&text, 1);
        let x = (x - width / 2).min(WIDTH as i64 - width - 2);
        canvas.text(&text, (x, top + 4), 1, SOFT);
    }
}
