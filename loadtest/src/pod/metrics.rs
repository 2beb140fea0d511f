//! A pod's figures on a Prometheus page: its own, or a container runtime's about it alone.

use std::collections::{BTreeMap, BTreeSet};

use model::AllowList;
use prometheus_parse::LineInfo;

use super::fetch::Page;
use super::{PodError, PodFigures};

const PROCESS_CPU: &str = "process_cpu_seconds_total";
const PROCESS_MEMORY: &str = "process_resident_memory_bytes";
const CONTAINER_CPU: &str = "container_cpu_usage_seconds_total";
const CONTAINER_MEMORY: &str = "container_memory_working_set_bytes";
const CONTAINER_THROTTLED: &str = "container_cpu_cfs_throttled_seconds_total";
const CONTAINER_THROTTLED_PERIODS: &str = "container_cpu_cfs_throttled_periods_total";
const READ: [&str; 6] = [
    PROCESS_CPU,
    PROCESS_MEMORY,
    CONTAINER_CPU,
    CONTAINER_MEMORY,
    CONTAINER_THROTTLED,
    CONTAINER_THROTTLED_PERIODS,
];

/// A metrics page.
#[derive(Debug)]
pub struct Metrics {
    page: Page,
}

impl Metrics {
    pub(super) fn open(url: &str, allow: &AllowList) -> Result<Self, PodError> {
        Ok(Metrics {
            page: Page::open(url, allow)?,
        })
    }

    /// Fetches the page and reads it.
    pub(super) fn read(&self) -> Result<PodFigures, PodError> {
        figures(&self.page.fetch()?).map_err(|why| PodError::Ambiguous {
            url: self.page.url.clone(),
            why,
        })
    }
}

/// The figures on a page. A container's are preferred, as they cover all of its processes; several
/// processes or containers of one pod are added up.
pub(super) fn figures(page: &str) -> Result<PodFigures, String> {
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    let mut pods = BTreeSet::new();
    for line in page.lines() {
        // Looked at before it is parsed: pages of thousands of lines have six that matter.
        let Some(name) = READ.into_iter().find(|name| line.starts_with(name)) else {
            continue;
        };
        let LineInfo::Sample {
            metric_name,
            labels,
            value,
            ..
        } = LineInfo::parse(line)
        else {
            continue;
        };
        let Ok(value) = value.parse::<f64>() else {
            continue;
        };
        if metric_name != name || !value.is_finite() || value < 0.0 {
            continue;
        }
        let label = |name| labels.and_then(|labels| label(labels, name));
        if name.starts_with("container_") {
            // A pod's sum and its sandbox have no container name of their own; they would count twice.
            let sums_up = matches!(label("container"), Some("" | "POD"));
            let one_cpu = label("cpu").is_some_and(|cpu| cpu != "total");
            if sums_up || one_cpu {
                continue;
            }
            pods.insert(label("pod").unwrap_or_default());
        }
        *sums.entry(name).or_default() += value;
    }
    if pods.len() > 1 {
        let count = pods.len();
        return Err(format!(
            "it has the containers of {count} pods; give the page of the one that is tested"
        ));
    }
    let sum = |names: [&str; 2]| names.into_iter().find_map(|name| sums.get(name).copied());
    let figures = PodFigures {
        cpu_seconds: sum([CONTAINER_CPU, PROCESS_CPU]),
        memory_bytes: sum([CONTAINER_MEMORY, PROCESS_MEMORY]).map(|bytes| bytes as u64),
        throttled_seconds: sums.get(CONTAINER_THROTTLED).copied(),
        throttled_periods: sums
            .get(CONTAINER_THROTTLED_PERIODS)
            .map(|periods| *periods as u64),
        ..PodFigures::default()
    };
    if figures == PodFigures::default() {
        return Err(format!("it has neither {PROCESS_CPU} nor {CONTAINER_CPU}"));
    }
    Ok(figures)
}

/// The value of a label in `a="b",c="d"`. None of those that are asked for holds a comma or a quote.
fn label<'l>(labels: &'l str, name: &str) -> Option<&'l str> {
    labels.split(',').find_map(|pair| {
        pair.trim()
            .strip_prefix(name)?
            .strip_prefix("=\"")?
            .strip_suffix('"')
    })
}
