//! A plan file as a [`Plan`]: every mistake at once, each with its place and the way out.

use std::path::{Path, PathBuf};

use declare::{Node, Problems, check, closest, expand_variables};
use model::{AllowList, Rate, Ratio};

use super::caps::RATE_PER_SECOND_MAX;
use super::files::{Files, Place};
use super::{
    Abort, CapacityPlan, LimitsPlan, Load, LoadModel, Output, Plan, PodSources, Publish, Server,
    capacity, load, objective, requests, scenario, shape, target,
};

/// Limits that change more than this are not taken without asking.
const MAX_CHANGE_DEFAULT: f64 = 0.3;

/// Reads a plan. `folder` is where the relative files it reads are found (bodies, curves,
/// certificates, descriptors, permission, token); files it writes and the kill file stay as written.
/// `lookup` gives the values of `${NAME}`. Whatever is wrong is told at once.
pub fn read(
    file_name: &str,
    text: &str,
    folder: &Path,
    lookup: impl Fn(&str) -> Option<String>,
) -> Result<Plan, Problems> {
    let mut files = Files::new(Place::Folder(folder.to_owned()));
    read_with(file_name, text, &mut files, lookup)
}

/// Reads a plan whose files are told from `files`.
pub(super) fn read_with(
    file_name: &str,
    text: &str,
    files: &mut Files,
    lookup: impl Fn(&str) -> Option<String>,
) -> Result<Plan, Problems> {
    let written = declare::read(file_name, text)?;
    let mut problems = Problems::new();
    let node = expand_variables(&written, lookup, &mut problems);
    check(&node, &shape(), &mut problems);
    let plan = build(&node, files, &mut problems);
    match plan {
        Some(plan) if !problems.has_errors() => Ok(plan),
        _ => {
            if !problems.has_errors() {
                problems.error(&node, "this is not a load plan");
            }
            Err(in_order(problems))
        }
    }
}

fn build(node: &Node, files: &mut Files, problems: &mut Problems) -> Option<Plan> {
    let target = target::read(node, files, problems);
    let protocol = target.as_ref().map(|target| target.protocol);
    let requests = requests::read(node, protocol, files, problems);
    let load = load::read(node, files, problems);
    let objective = node
        .field("objective")
        .and_then(|node| objective::read(node, load.as_ref(), problems));
    let mut capacity = capacity::read(node.field("capacity"), problems);
    if let Some(key) = node
        .key("capacity")
        .filter(|_| !is_meant(node, "objective"))
    {
        problems
            .error(
                key,
                "a capacity is found against an objective, and there is none",
            )
            .hint("write objective: {p99: 100ms}");
    }
    let sizing = node
        .field("plan")
        .and_then(|node| capacity::read_sizing(node, problems));
    let allow = read_allow(node.items_of("allow"), problems);
    let pod = read_pod(node.field("pod"), problems);
    let (target, load) = (target?, load?);
    check_output(node.field("output"), &load, problems);
    if target.production && matches!(load.model, LoadModel::Closed { .. }) {
        let at = node.field("load").and_then(|load| load.key("closed"));
        problems
            .error(
                at.unwrap_or(node),
                "a closed load has no rate that a permission could limit",
            )
            .hint("send a `rate` to production targets");
    }
    if target.production && node.field("capacity").is_none() {
        // A search that nobody asked for goes no further than the load that somebody did ask for.
        let peak = load.peak_rate()?;
        capacity = capacity.map(|capacity| CapacityPlan {
            start: capacity.start.min(peak),
            max: peak,
            ..capacity
        });
    }
    check_burn(node, problems);
    let requests = requests?;
    Some(Plan {
        function: node.function_id_of("function"),
        version: node.text_of("version").map(str::to_owned),
        digest: node.text_of("digest").map(str::to_owned),
        server: node
            .field("server")
            .and_then(|node| read_server(node, files)),
        scenario_hash: scenario::hash(&target, &requests, objective.as_ref()),
        target,
        allow,
        requests,
        load,
        objective,
        capacity: capacity?,
        sizing,
        limits: read_limits(node.field("limits"))?,
        pod,
        abort: read_abort(node.field("abort")),
        output: read_output(node.field("output")),
    })
}

/// Problems in the order of the text.
fn in_order(problems: Problems) -> Problems {
    if problems.len() > Problems::COUNT_MAX {
        return problems;
    }
    let mut all = problems.into_vec();
    all.sort_by_key(|problem| (problem.line, problem.column));
    let mut sorted = Problems::new();
    for problem in all {
        sorted.push(problem);
    }
    sorted
}

/// Whether a field is there, or one that was probably meant to be it: what is misspelt is one mistake,
/// not two.
pub(super) fn is_meant(node: &Node, name: &str) -> bool {
    node.key(name).is_some()
        || node
            .fields()
            .filter_map(|(key, _)| key.as_text())
            .any(|key| closest(key, [name]).is_some())
}

/// A rate above zero and not beyond what may be sent.
pub(super) fn read_rate(node: &Node, problems: &mut Problems) -> Option<f64> {
    let rate = node.rate()?;
    if rate.get() > RATE_PER_SECOND_MAX {
        let most = Rate::per_second(RATE_PER_SECOND_MAX)?;
        problems
            .error(node, format!("{rate} is more than may be sent"))
            .hint(format!("{most} is the limit"));
        return None;
    }
    Some(rate.get())
}

/// A count that the shape keeps within bounds.
pub(super) fn read_count(node: Option<&Node>, name: &str, default: u32) -> u32 {
    node.and_then(|node| node.integer_of(name))
        .and_then(|count| u32::try_from(count).ok())
        .unwrap_or(default)
}

fn read_server(node: &Node, files: &Files) -> Option<Server> {
    let url = node.text().or_else(|| node.text_of("url"))?;
    Some(Server {
        url: url.trim_end_matches('/').to_owned(),
        token_file: node.text_of("token_file").map(|name| files.own_path(name)),
    })
}

fn read_allow(entries: &[Node], problems: &mut Problems) -> AllowList {
    let mut texts = Vec::new();
    for (node, text) in entries.iter().filter_map(|node| Some((node, node.text()?))) {
        match AllowList::parse(&[text]) {
            Ok(_) => texts.push(text),
            Err(wrong) => {
                for error in wrong {
                    problems
                        .error(
                            node,
                            format!("`{}` cannot be allowed: {}", error.text, error.reason),
                        )
                        .hint("write 10.0.0.0/8, 127.0.0.1:8080 or feed.internal:8080");
                }
            }
        }
    }
    AllowList::parse(&texts).unwrap_or_default()
}

fn read_limits(node: Option<&Node>) -> Option<LimitsPlan> {
    let text = node.and_then(|node| node.text_of("publish"));
    Some(LimitsPlan {
        publish: match text {
            Some("never") => Publish::Never,
            Some("auto") => Publish::Auto,
            _ => Publish::Ask,
        },
        max_change: match node.and_then(|node| node.field("max_change")) {
            Some(written) => written.ratio()?,
            None => Ratio::new(MAX_CHANGE_DEFAULT)?,
        },
    })
}

fn read_pod(node: Option<&Node>, problems: &mut Problems) -> PodSources {
    let Some(node) = node else {
        return PodSources::default();
    };
    let cpu = node
        .field("cpu")
        .and_then(|node| Some((node, node.text()?)));
    let cgroup = cpu.and_then(|(node, text)| {
        let folder = text
            .strip_prefix("cgroup:")
            .filter(|folder| folder.starts_with('/'));
        if folder.is_none() {
            problems
                .error(node, format!("`{text}` is not where a control group lies"))
                .hint("write cgroup:/sys/fs/cgroup/… with the pod's folder");
        }
        folder.map(PathBuf::from)
    });
    PodSources {
        cgroup,
        metrics: node.text_of("metrics").map(str::to_owned),
    }
}

/// How production fares is asked of a server, about a function.
fn check_burn(node: &Node, problems: &mut Problems) {
    let abort = node.field("abort");
    let Some(key) = abort.and_then(|abort| abort.key("production_burn")) else {
        return;
    };
    let missing: Vec<&str> = ["server", "function"]
        .into_iter()
        .filter(|name| !is_meant(node, name))
        .collect();
    if !missing.is_empty() {
        problems
            .error(
                key,
                format!(
                    "`production_burn` is asked of a Rampart server about a function, and the plan has no {}",
                    missing.join(" and no ")
                ),
            )
            .hint("write function: NAMESPACE/NAME and server: http://127.0.0.1:9650");
    }
}

fn read_abort(node: Option<&Node>) -> Abort {
    Abort {
        production_burn: node.and_then(|node| node.ratio_of("production_burn")),
        kill_file: file_of(node, "kill_file"),
    }
}

/// A search has no distribution of its own.
fn check_output(node: Option<&Node>, load: &Load, problems: &mut Problems) {
    if let Some(key) = node
        .and_then(|output| output.key("hgrm"))
        .filter(|_| load.is_empty())
    {
        problems
            .error(
                key,
                "a capacity search has many trials and no one distribution to write",
            )
            .hint("leave `hgrm` out, or add a `load` for `loadtest run`, which writes it");
    }
}

fn read_output(node: Option<&Node>) -> Output {
    Output {
        json: file_of(node, "json"),
        html: file_of(node, "html"),
        junit: file_of(node, "junit"),
        hgrm: file_of(node, "hgrm"),
    }
}

fn file_of(node: Option<&Node>, name: &str) -> Option<PathBuf> {
    node.and_then(|node| node.text_of(name)).map(PathBuf::from)
}
