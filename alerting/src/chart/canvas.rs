//! Dots, lines and letters on a white ground. Lines are smoothed by how much of each dot they cover.

use super::font;

/// Red, green, blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Color(pub(super) u8, pub(super) u8, pub(super) u8);

pub(super) const WHITE: Color = Color(255, 255, 255);

/// A picture that is drawn on.
pub(super) struct Canvas {
    width: usize,
    height: usize,
    dots: Vec<u8>,
}

/// How a line is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stroke {
    pub(super) color: Color,
    /// In dots.
    pub(super) width: f64,
    /// Dots drawn and left out in turn; whole when `None`.
    pub(super) dash: Option<f64>,
}

impl Canvas {
    pub(super) fn new(width: usize, height: usize) -> Self {
        let Color(shade, ..) = WHITE;
        Canvas {
            width,
            height,
            dots: vec![shade; width * height * 3],
        }
    }

    /// Red, green and blue of every dot, row by row.
    pub(super) fn dots(&self) -> &[u8] {
        &self.dots
    }

    /// Covers a dot by a share of 0 to 1; outside the picture nothing happens.
    fn cover(&mut self, x: i64, y: i64, color: Color, share: f64) {
        let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else {
            return;
        };
        if x >= self.width || y >= self.height {
            return;
        }
        let start = (y * self.width + x) * 3;
        let Some(dot) = self.dots.get_mut(start..start + 3) else {
            return;
        };
        let Color(red, green, blue) = color;
        for (shade, new) in dot.iter_mut().zip([red, green, blue]) {
            let mixed =
                f64::from(*shade) + (f64::from(new) - f64::from(*shade)) * share.clamp(0.0, 1.0);
            *shade = mixed.round() as u8;
        }
    }

    /// Fills a rectangle.
    pub(super) fn fill(&mut self, (x, y): (i64, i64), (width, height): (i64, i64), color: Color) {
        for row in y..y + height {
            for column in x..x + width {
                self.cover(column, row, color, 1.0);
            }
        }
    }

    /// A straight line between two points; each dot is covered by how near it lies.
    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), stroke: Stroke) {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length = dx.hypot(dy);
        let reach = stroke.width / 2.0 + 1.0;
        let bounds = |a: f64, b: f64| {
            let (low, high) = (a.min(b) - reach, a.max(b) + reach);
            (low.floor() as i64, high.ceil() as i64)
        };
        let ((left, right), (top, bottom)) = (bounds(from.0, to.0), bounds(from.1, to.1));
        for y in top.max(0)..=bottom.min(self.height as i64) {
            for x in left.max(0)..=right.min(self.width as i64) {
                let (px, py) = (x as f64 - from.0, y as f64 - from.1);
                let along = if length > 0.0 {
                    (px * dx + py * dy) / length
                } else {
                    0.0
                };
                let on = along.clamp(0.0, length);
                let (nx, ny) = if length > 0.0 {
                    (dx / length * on, dy / length * on)
                } else {
                    (0.0, 0.0)
                };
                // A dash counts from the picture's edge, so that neighbouring pieces agree.
                let start = if dx.abs() >= dy.abs() {
                    x as f64
                } else {
                    y as f64
                };
                if stroke
                    .dash
                    .is_some_and(|dash| (start / dash) as i64 % 2 == 1)
                {
                    continue;
                }
                let distance = (px - nx).hypot(py - ny);
                self.cover(x, y, stroke.color, stroke.width / 2.0 + 0.5 - distance);
            }
        }
    }

    /// Text with its top left corner at a point, each dot of a glyph drawn `scale` dots wide.
    pub(super) fn text(&mut self, text: &str, (x, y): (i64, i64), scale: i64, color: Color) {
        let mut left = x;
        for character in text.chars() {
            for (row, bits) in (0..).zip(font::glyph(character)) {
                for column in 0..font::WIDTH as i64 {
                    if bits >> (font::WIDTH as i64 - 1 - column) & 1 == 1 {
                        let at = (left + column * scale, y + row * scale);
                        self.fill(at, (scale, scale), color);
                    }
                }
            }
            left += Self::advance(scale);
        }
    }

    /// How wide a text is, in dots.
    pub(super) fn text_width(text: &str, scale: i64) -> i64 {
        text.chars().count() as i64 * Self::advance(scale)
    }

    fn advance(scale: i64) -> i64 {
        (font::WIDTH as i64 + 1) * scale
    }
}
