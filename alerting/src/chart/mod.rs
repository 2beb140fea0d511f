//! The picture of what went wrong: a function's curve with yesterday's and last week's, drawn here,
//! without a font or a library of charts. The numbers come from whoever has them.

mod canvas;
mod draw;
mod font;
mod png;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono_tz::Tz;
use model::Timestamp;
use tokio::sync::Semaphore;

/// Curves that are still being fetched.
pub type Fetching<'a> = Pin<Box<dyn Future<Output = Option<Curves>> + Send + 'a>>;

/// Who knows a function's past.
pub trait ChartSource: Send + Sync + 'static {
    /// The curves of `namespace/function` between two instants, each beside those of the day and the
    /// week before; `None` when nothing is known of it.
    fn curves<'a>(&'a self, function: &'a str, from: Timestamp, to: Timestamp) -> Fetching<'a>;
}

/// What a picture shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Curves {
    /// Above everything.
    pub title: String,
    /// The first instant.
    pub from: Timestamp,
    /// The last.
    pub to: Timestamp,
    /// One below the other.
    pub panels: Vec<Panel>,
}

/// One measure, as values at even distances; `None` where nothing is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    /// What it is, with its unit.
    pub name: String,
    /// Whether it is a share, from 0 to 1, which is written in percent.
    pub is_share: bool,
    /// Up to now.
    pub now: Vec<Option<f64>>,
    /// At the same time a day before.
    pub yesterday: Vec<Option<f64>>,
    /// At the same time a week before.
    pub last_week: Vec<Option<f64>>,
}

/// A picture, as PNG. `Debug` shows its size only.
#[derive(Clone, PartialEq, Eq)]
pub struct Chart(Arc<[u8]>);

impl Chart {
    fn new(bytes: Vec<u8>) -> Self {
        Chart(bytes.into())
    }

    /// The file's content.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Chart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chart({} bytes)", self.0.len())
    }
}

impl Panel {
    fn values(&self) -> impl Iterator<Item = f64> {
        let all = [&self.now, &self.yesterday, &self.last_week];
        all.into_iter()
            .flatten()
            .copied()
            .flatten()
            .filter(|value| value.is_finite())
    }

    fn is_empty(&self) -> bool {
        self.values().next().is_none()
    }

    fn points(&self) -> usize {
        let all = [&self.now, &self.yesterday, &self.last_week];
        all.into_iter().map(Vec::len).max().unwrap_or(0)
    }

    /// The lowest and highest that is shown. Shares hang from 100 %, other measures stand on 0.
    fn range(&self) -> (f64, f64) {
        let (mut low, mut high) = (f64::INFINITY, 0.0_f64);
        for value in self.values() {
            low = low.min(value);
            high = high.max(value);
        }
        if !self.is_share {
            return (0.0, round_up(high));
        }
        let steps = [0.999, 0.99, 0.95, 0.9, 0.8, 0.5];
        let floor = steps.into_iter().find(|step| low >= *step);
        (floor.unwrap_or(0.0), 1.0)
    }

    fn label(&self, value: f64) -> String {
        if self.is_share {
            let percent = value * 100.0;
            return if (percent - percent.round()).abs() < 1e-9 {
                format!("{percent:.0}%")
            } else {
                format!("{percent:.2}%")
            };
        }
        match value {
            value if value >= 1e6 => format!("{:.1}M", value / 1e6),
            value if value >= 1e4 => format!("{:.1}k", value / 1e3),
            value if value >= 10.0 || value == 0.0 => format!("{value:.0}"),
            value => format!("{value:.2}"),
        }
    }
}

/// The next of 1, 2, 2.5, 5, 10 times a power of ten.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0].map(|step| step * power);
    steps
        .into_iter()
        .find(|step| *step >= value)
        .unwrap_or(10.0 * power)
}

/// Who draws, once somebody said who knows the numbers. Clones share it.
#[derive(Clone)]
pub(crate) struct Painter {
    source: Arc<OnceLock<Arc<dyn ChartSource>>>,
    at_once: Arc<Semaphore>,
}

impl fmt::Debug for Painter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Painter").finish_non_exhaustive()
    }
}

impl Default for Painter {
    fn default() -> Self {
        Painter {
            source: Arc::default(),
            at_once: Arc::new(Semaphore::new(Self::AT_ONCE_MAX)),
        }
    }
}

impl Painter {
    /// Pictures drawn at the same time; a message beyond them goes without.
    const AT_ONCE_MAX: usize = 4;
    /// How far back a picture reaches.
    const BACK: Duration = Duration::from_hours(2);

    /// Says who knows the numbers; once.
    pub(crate) fn set_source(&self, source: Arc<dyn ChartSource>) {
        self.source.set(source).ok();
    }

    /// The picture of a function up to now, unless it takes longer than `deadline`, or there is
    /// nothing to draw, or too many are drawn already.
    pub(crate) async fn paint(
        &self,
        function: &str,
        (opened_at, now): (Timestamp, Timestamp),
        zone: Tz,
        deadline: Duration,
    ) -> Option<Chart> {
        let source = Arc::clone(self.source.get()?);
        let _permit = self.at_once.try_acquire().ok()?;
        let painting = async {
            let curves = source.curves(function, now - Self::BACK, now).await?;
            let drawing = tokio::task::spawn_blocking(move || draw::draw(&curves, opened_at, zone));
            drawing.await.ok().flatten()
        };
        tokio::time::timeout(deadline, painting)
            .await
            .ok()
            .flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::at;

    fn wave(level: f64, dip_from: usize, dip: f64) -> Vec<Option<f64>> {
        (0..120)
            .map(|minute| {
                let swing =
                    1.0 + 0.12 * (minute as f64 / 17.0).sin() + 0.03 * (minute as f64 * 1.7).cos();
                let value = level * swing;
                Some(if minute >= dip_from {
                    value * dip
                } else {
                    value
                })
            })
            .collect()
    }

    fn shares(dip_from: usize, dip: f64) -> Vec<Option<f64>> {
        let share = |minute: usize| if minute >= dip_from { dip } else { 0.9995 };
        (0..120)
            .map(|minute| (minute != 40).then_some(share(minute)))
            .collect()
    }

    fn curves() -> Curves {
        Curves {
            title: "guide/wow-video-feed".to_owned(),
            from: at("2026-11-11T00:10:00Z"),
            to: at("2026-11-11T02:10:00Z"),
            panels: vec![
                Panel {
                    name: "calls per second".to_owned(),
                    is_share: false,
                    now: wave(1_830.0, 104, 0.55),
                    yesterday: wave(1_700.0, 120, 1.0),
                    last_week: wave(1_250.0, 120, 1.0),
                },
                Panel {
                    name: "success rate".to_owned(),
                    is_share: true,
                    now: shares(104, 0.831),
                    yesterday: shares(120, 1.0),
                    last_week: shares(120, 1.0),
                },
            ],
        }
    }

    fn count(dots: &[u8], color: (u8, u8, u8)) -> usize {
        dots.chunks_exact(3)
            .filter(|dot| (dot[0], dot[1], dot[2]) == color)
            .count()
    }

    #[test]
    fn a_picture_shows_now_yesterday_last_week_and_when_it_began() {
        let chart = draw::draw(
            &curves(),
            at("2026-11-11T01:54:00Z"),
            chrono_tz::Asia::Shanghai,
        )
        .unwrap();
        if let Ok(path) = std::env::var("RAMPART_CHART_OUT") {
            std::fs::write(path, chart.bytes()).unwrap();
        }
        let (width, height, dots) = png::tests::decode(chart.bytes());
        assert_eq!((width, height), (720, 410));
        for color in [
            (21, 101, 192),
            (150, 158, 168),
            (186, 142, 90),
            (198, 40, 40),
        ] {
            assert!(
                count(&dots, color) > 40,
                "{color:?}: {}",
                count(&dots, color)
            );
        }
        assert!(
            chart.bytes().len() < 60_000,
            "{} bytes",
            chart.bytes().len()
        );
    }

    #[test]
    fn values_that_are_no_numbers_and_nothing_at_all_do_no_harm() {
        let mut empty = curves();
        for panel in &mut empty.panels {
            panel.now.clear();
            panel.yesterday.clear();
            panel.last_week = vec![None, None];
        }
        let began = at("2026-11-11T01:54:00Z");
        assert_eq!(draw::draw(&empty, began, Tz::UTC), None);
        empty.panels[0].now = vec![Some(f64::NAN), Some(f64::INFINITY), Some(0.0)];
        empty.title = "秒杀/视频".to_owned();
        empty.to = empty.from;
        assert!(draw::draw(&empty, began, Tz::UTC).is_some());
    }

    #[test]
    fn axes_are_round_and_shares_hang_from_the_top() {
        for (value, top) in [
            (0.0, 1.0),
            (0.7, 1.0),
            (1.0, 1.0),
            (1.2, 2.0),
            (2_300.0, 2_500.0),
            (6e6, 1e7),
        ] {
            assert!((round_up(value) - top).abs() < 1e-9 * top, "{value}");
        }
        let panel = &curves().panels[1];
        assert_eq!(panel.range(), (0.8, 1.0));
        assert_eq!(
            (panel.label(0.9), panel.label(0.9995)),
            ("90%".into(), "99.95%".into())
        );
        let panel = &curves().panels[0];
        assert_eq!(
            (panel.label(0.0), panel.label(0.25), panel.label(25_000.0)),
            ("0".into(), "0.25".into(), "25.0k".into())
        );
    }

    struct Slow;

    impl ChartSource for Slow {
        fn curves<'a>(&'a self, _: &'a str, _: Timestamp, _: Timestamp) -> Fetching<'a> {
            Box::pin(std::future::pending())
        }
    }

    #[tokio::test]
    async fn a_source_that_hangs_keeps_no_message_back() {
        let painter = Painter::default();
        let times = (at("2026-11-11T01:54:00Z"), at("2026-11-11T02:10:00Z"));
        let paint = async || {
            let deadline = Duration::from_millis(20);
            painter.paint("a/b", times, Tz::UTC, deadline).await
        };
        assert_eq!(paint().await, None, "no source");
        painter.set_source(Arc::new(Slow));
        // This would never end without the deadline, nor would a picture be left to draw after it.
        for _ in 0..=Painter::AT_ONCE_MAX {
            assert_eq!(paint().await, None);
        }
        assert_eq!(painter.at_once.available_permits(), Painter::AT_ONCE_MAX);
    }
}
