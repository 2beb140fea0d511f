//! Charts as inline SVG. They keep their height and take the width they are given: places across are
//! shares of the width, so that text stays as large on a phone as on a screen.

use std::fmt::Write as _;

use super::scale::Scale;
use crate::report::escape::escape;

/// Height of the plane in pixels, without the names under it.
const HEIGHT: f64 = 180.0;
/// Width of the plane in the units that lines are drawn in; the browser stretches it.
const WIDTH: f64 = 1_000.0;
/// Space above the plane, so that the topmost name is whole.
const ABOVE: f64 = 10.0;
/// Space under the plane for the names of the ticks.
const BELOW: f64 = 20.0;

/// A line through points, with gaps where a figure is absent.
pub(super) struct Line {
    /// What it shows.
    pub(super) name: String,
    /// Which of the styles `s1` to `s4`: colour and dashes together.
    pub(super) style: u8,
    /// Figure across and figure up; none breaks the line.
    pub(super) points: Vec<(f64, Option<f64>)>,
}

/// A bar from one figure across to another.
pub(super) struct Bar {
    /// Its left edge.
    pub(super) from: f64,
    /// Its right edge.
    pub(super) to: f64,
    /// Its height.
    pub(super) height: f64,
    /// Says what it is when the pointer rests on it.
    pub(super) title: String,
}

/// A single point with a shape that means something.
pub(super) struct Mark {
    /// Figure across.
    pub(super) x: f64,
    /// Figure up.
    pub(super) y: f64,
    /// Its shape.
    pub(super) shape: Shape,
    /// Says what it is when the pointer rests on it.
    pub(super) title: String,
}

/// What a mark means; told apart by form, not only by colour.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// A filled circle.
    Carried,
    /// A cross.
    Overloaded,
    /// An empty diamond.
    Unclear,
    /// An empty, dashed square.
    Invalid,
}

impl Shape {
    /// Every shape with its word in a result.
    pub(super) const ALL: [(Shape, &'static str); 4] = [
        (Shape::Carried, "carried"),
        (Shape::Overloaded, "overloaded"),
        (Shape::Unclear, "unclear"),
        (Shape::Invalid, "invalid"),
    ];

    /// The shape of a trial's class.
    pub(super) fn of(class: &str) -> Self {
        Self::ALL
            .into_iter()
            .find(|(_, word)| *word == class)
            .map_or(Shape::Unclear, |(shape, _)| shape)
    }

    fn path(self) -> (&'static str, &'static str) {
        match self {
            Shape::Carried => ("carried", "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z"),
            Shape::Overloaded => ("overloaded", "M-5 -5L5 5M-5 5L5 -5"),
            Shape::Unclear => ("unclear", "M0 -6L6 0L0 6L-6 0z"),
            Shape::Invalid => ("invalid", "M-5 -5H5V5H-5z"),
        }
    }
}

/// An axis: where figures lie, and how they are written.
pub(super) struct Axis {
    /// Where.
    pub(super) scale: Scale,
    /// How.
    pub(super) say: fn(f64) -> String,
}

/// One chart.
pub(super) struct Chart<'a> {
    /// Its title; the axes' meaning belongs in it.
    pub(super) title: &'a str,
    /// What a person should see in it, for those who cannot.
    pub(super) summary: String,
    /// Across.
    pub(super) x: Axis,
    /// Up.
    pub(super) y: Axis,
    /// Drawn first.
    pub(super) bars: Vec<Bar>,
    /// Drawn over the bars.
    pub(super) lines: Vec<Line>,
    /// Drawn over the lines.
    pub(super) marks: Vec<Mark>,
    /// A limit on the figures up, with its name.
    pub(super) limit_y: Option<(f64, String)>,
    /// A limit on the figures across, with its name.
    pub(super) limit_x: Option<(f64, String)>,
    /// A shaded span across, with its name.
    pub(super) span: Option<(f64, f64, String)>,
}

impl Chart<'_> {
    /// A figure element with caption, legend and plane.
    pub(super) fn draw(&self) -> String {
        let title = escape(self.title);
        let mut out = format!("<figure class=\"chart\">\n<figcaption>{title}</figcaption>\n");
        self.legend(&mut out);
        out.push_str("<div class=\"plot\">\n");
        self.names_up(&mut out);
        let _ = writeln!(
            out,
            "<svg class=\"plane\" height=\"{}\" role=\"img\" aria-label=\"{title}. {}\">",
            ABOVE + HEIGHT + BELOW,
            escape(&self.summary)
        );
        self.shade(&mut out);
        self.grid(&mut out);
        self.draw_bars(&mut out);
        self.draw_lines(&mut out);
        self.limits(&mut out);
        self.draw_marks(&mut out);
        out.push_str("</svg>\n</div>\n</figure>\n");
        out
    }

    fn legend(&self, out: &mut String) {
        let named = self
            .lines
            .iter()
            .filter(|line| !line.name.is_empty())
            .count();
        let several = named > 1 || self.span.is_some();
        if !several && self.marks.is_empty() {
            return;
        }
        out.push_str("<p class=\"legend\">");
        if several {
            for line in &self.lines {
                let _ = write!(
                    out,
                    "<span><svg class=\"key\" width=\"28\" height=\"12\" aria-hidden=\"true\"><path class=\"line s{}\" d=\"M0 6H28\"/></svg>{}</span> ",
                    line.style,
                    escape(&line.name)
                );
            }
        }
        if let Some((.., name)) = &self.span {
            let _ = write!(
                out,
                "<span><svg class=\"key\" width=\"28\" height=\"12\" aria-hidden=\"true\"><rect class=\"shade\" width=\"28\" height=\"12\"/></svg>{}</span> ",
                escape(name)
            );
        }
        for (shape, word) in Shape::ALL {
            if self.marks.iter().any(|mark| mark.shape == shape) {
                let (class, path) = shape.path();
                let _ = write!(
                    out,
                    "<span><svg class=\"key\" width=\"16\" height=\"14\" viewBox=\"-8 -7 16 14\" aria-hidden=\"true\"><path class=\"mark {class}\" d=\"{path}\"/></svg>{word}</span> "
                );
            }
        }
        out.push_str("</p>\n");
    }

    fn names_up(&self, out: &mut String) {
        let _ = writeln!(
            out,
            "<svg class=\"names\" height=\"{}\" aria-hidden=\"true\">",
            ABOVE + HEIGHT + BELOW
        );
        for tick in self.y.scale.ticks() {
            let _ = writeln!(
                out,
                "<text x=\"50\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                self.up(*tick) + 4.0,
                escape(&(self.y.say)(*tick))
            );
        }
        out.push_str("</svg>\n");
    }

    fn shade(&self, out: &mut String) {
        if let Some((from, to, name)) = &self.span {
            let (from, to) = (self.across(*from), self.across(*to));
            let _ = writeln!(
                out,
                "<rect class=\"shade\" x=\"{from:.2}%\" y=\"{ABOVE}\" width=\"{:.2}%\" height=\"{HEIGHT}\"><title>{}</title></rect>",
                (to - from).max(0.0),
                escape(name)
            );
        }
    }

    fn grid(&self, out: &mut String) {
        for tick in self.y.scale.ticks() {
            let y = self.up(*tick);
            let _ = writeln!(
                out,
                "<line class=\"grid\" x1=\"0\" x2=\"100%\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>"
            );
        }
        for tick in self.x.scale.ticks() {
            let x = self.across(*tick);
            // Names at the ends stay within the plane.
            let anchor = match x {
                x if x < 4.0 => "start",
                x if x > 96.0 => "end",
                _ => "middle",
            };
            let class = if self.x.scale.is_minor(*tick) {
                " class=\"minor\""
            } else {
                ""
            };
            let _ = writeln!(
                out,
                "<line class=\"tick\" x1=\"{x:.2}%\" x2=\"{x:.2}%\" y1=\"{}\" y2=\"{}\"/><text{class} x=\"{x:.2}%\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
                ABOVE + HEIGHT,
                ABOVE + HEIGHT + 4.0,
                ABOVE + HEIGHT + 16.0,
                escape(&(self.x.say)(*tick))
            );
        }
    }

    fn draw_bars(&self, out: &mut String) {
        for bar in &self.bars {
            let (from, to) = (self.across(bar.from), self.across(bar.to));
            let top = self.up(bar.height);
            let _ = writeln!(
                out,
                "<rect class=\"bar\" x=\"{from:.2}%\" y=\"{top:.1}\" width=\"{:.2}%\" height=\"{:.1}\"><title>{}</title></rect>",
                // A gap between bars, as a share of their width.
                (to - from) * 0.92,
                ABOVE + HEIGHT - top,
                escape(&bar.title)
            );
        }
    }

    fn draw_lines(&self, out: &mut String) {
        if self.lines.is_empty() {
            return;
        }
        let _ = writeln!(
            out,
            "<svg x=\"0\" y=\"{ABOVE}\" width=\"100%\" height=\"{HEIGHT}\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\">"
        );
        for line in &self.lines {
            let _ = writeln!(
                out,
                "<path class=\"line s{}\" d=\"{}\"/>",
                line.style,
                self.path(&line.points)
            );
        }
        out.push_str("</svg>\n");
    }

    fn path(&self, points: &[(f64, Option<f64>)]) -> String {
        let mut path = String::new();
        let mut pen_down = false;
        for (x, y) in points {
            let Some(y) = y else {
                pen_down = false;
                continue;
            };
            let letter = if pen_down { 'L' } else { 'M' };
            let _ = write!(
                path,
                "{letter}{:.1} {:.1}",
                self.x.scale.at(*x) * WIDTH,
                self.up(*y) - ABOVE
            );
            if !pen_down {
                // A point alone between two gaps would not be seen without this.
                path.push_str("h0.1");
            }
            pen_down = true;
        }
        path
    }

    fn limits(&self, out: &mut String) {
        if let Some((limit, name)) = &self.limit_y {
            let y = self.up(*limit);
            // The name stands above its line unless it would leave the plane.
            let text = if y > ABOVE + 16.0 { y - 5.0 } else { y + 15.0 };
            let _ = writeln!(
                out,
                "<line class=\"limit\" x1=\"0\" x2=\"100%\" y1=\"{y:.1}\" y2=\"{y:.1}\"/><text class=\"limit-name\" x=\"4\" y=\"{text:.1}\">{}</text>",
                escape(name)
            );
        }
        if let Some((limit, name)) = &self.limit_x {
            let x = self.across(*limit);
            let (anchor, beside) = if x > 60.0 { ("end", -5) } else { ("start", 5) };
            let _ = writeln!(
                out,
                "<line class=\"limit\" x1=\"{x:.2}%\" x2=\"{x:.2}%\" y1=\"{ABOVE}\" y2=\"{}\"/><text class=\"limit-name\" x=\"{x:.2}%\" y=\"{}\" dx=\"{beside}\" text-anchor=\"{anchor}\">{}</text>",
                ABOVE + HEIGHT,
                ABOVE + 12.0,
                escape(name)
            );
        }
    }

    fn draw_marks(&self, out: &mut String) {
        for mark in &self.marks {
            let (class, path) = mark.shape.path();
            let _ = writeln!(
                out,
                "<svg class=\"place\" x=\"{:.2}%\" y=\"{:.1}\" overflow=\"visible\"><path class=\"mark {class}\" d=\"{path}\"><title>{}</title></path></svg>",
                self.across(mark.x),
                self.up(mark.y),
                escape(&mark.title)
            );
        }
    }

    fn across(&self, figure: f64) -> f64 {
        self.x.scale.at(figure) * 100.0
    }

    fn up(&self, figure: f64) -> f64 {
        ABOVE + HEIGHT * (1.0 - self.y.scale.at(figure))
    }
}

/// Figures over time in at most so many columns: a chart has no room for more, and a day of seconds
/// would make the page heavy. Each column takes `join` of its figures; absent ones do not count.
pub(super) fn columns(
    points: &[(f64, Option<f64>)],
    columns_max: usize,
    join: fn(&[f64]) -> f64,
) -> Vec<(f64, Option<f64>)> {
    let width = points.len().div_ceil(columns_max.max(1)).max(1);
    points
        .chunks(width)
        .filter_map(|chunk| {
            let (first, _) = chunk.first()?;
            let (last, _) = chunk.last()?;
            let present: Vec<f64> = chunk.iter().filter_map(|(_, figure)| *figure).collect();
            let joined = (!present.is_empty()).then(|| join(&present));
            Some(((first + last) / 2.0, joined))
        })
        .collect()
}

/// The mean of a column.
pub(super) fn mean(figures: &[f64]) -> f64 {
    figures.iter().sum::<f64>() / figures.len().max(1) as f64
}

/// The highest of a column.
pub(super) fn highest(figures: &[f64]) -> f64 {
    figures.iter().copied().fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_seconds_become_few_columns_and_peaks_stay() {
        let points: Vec<(f64, Option<f64>)> = (0..1_000)
            .map(|at| {
                (
                    f64::from(at),
                    (at % 2 == 0).then_some(if at == 500 { 9.0 } else { 1.0 }),
                )
            })
            .collect();
        let joined = columns(&points, 100, highest);
        assert_eq!(joined.len(), 100);
        assert_eq!(joined[50], (504.5, Some(9.0)));
        assert_eq!(columns(&points, 100, mean)[0], (4.5, Some(1.0)));
        assert_eq!(columns(&points[1..2], 100, mean), [(1.0, None)]);
        assert_eq!(columns(&[], 100, mean), []);
    }

    #[test]
    fn a_gap_breaks_the_line_and_a_lone_point_is_seen() {
        let chart = Chart {
            title: "t",
            summary: String::new(),
            x: Axis {
                scale: Scale::up_to(10.0),
                say: |x| x.to_string(),
            },
            y: Axis {
                scale: Scale::from_zero(10.0),
                say: |y| y.to_string(),
            },
            bars: vec![],
            lines: vec![],
            marks: vec![],
            limit_y: None,
            limit_x: None,
            span: None,
        };
        let path = chart.path(&[
            (0.0, Some(0.0)),
            (5.0, Some(5.0)),
            (6.0, None),
            (10.0, Some(10.0)),
        ]);
        assert_eq!(path, "M0.0 180.0h0.1L500.0 90.0M1000.0 0.0h0.1");
    }
}
