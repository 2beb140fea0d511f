//! What was tested, on what, when.

use super::Context;
use crate::plan::Plan;
use crate::result::Subject;
use crate::timing::Nanos;

/// The subject of a run that begins now.
pub(super) fn begun(plan: &Plan, id: &str, context: &Context<'_>) -> Subject {
    Subject {
        id: id.to_owned(),
        function: plan.function.as_ref().map(ToString::to_string),
        version: plan.version.clone(),
        digest: plan.digest.clone(),
        target: plan.target.url.clone(),
        protocol: Some(plan.target.protocol),
        scenario_hash: plan.scenario_hash.clone(),
        started_at: context.clock.wall().to_string(),
        seconds: 0.0,
        seed: plan.load.seed,
        machine: machine(),
        workers: Vec::new(),
        pod_cpus: None,
        pod_memory_bytes: None,
    }
}

/// A name for a run: the time it begins and a piece of chance, so that two of one moment differ.
pub(super) fn id(context: &Context<'_>) -> String {
    let micros = context.clock.wall().as_micros();
    let Nanos(nanos) = context.clock.now();
    format!(
        "lt-{micros:x}-{:04x}",
        (nanos ^ u64::from(std::process::id())) & 0xffff
    )
}

/// CPU model, CPUs and kernel, as far as the machine tells.
pub(crate) fn machine() -> String {
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let model = std::fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        })
        .unwrap_or_else(|| "unknown CPU".to_owned());
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{model}, {cpus} CPUs, Linux {}", kernel.trim())
}
