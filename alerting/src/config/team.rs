//! `teams:` of the main file: who owns which functions, where its chat is, who is on call for it.

use declare::{Node, Problems, Record, Shape};
use model::Glob;

use super::{Names, unknown_name};

/// One team.
#[derive(Clone, Debug)]
pub struct Team {
    /// Its name.
    pub name: String,
    /// Which functions it owns.
    pub owns: Vec<Glob>,
    /// The receiver that is its chat.
    pub im: Option<String>,
    /// The schedule that says who is on call for it.
    pub schedule: Option<String>,
    node: Option<Node>,
}

/// All teams, in the order declared.
#[derive(Clone, Debug, Default)]
pub struct Teams(Vec<Team>);

impl Teams {
    /// The shape of `teams:`.
    pub fn shape() -> Shape {
        Shape::map(
            "team name",
            Record::new("team", "who owns which functions")
                .field(
                    "owns",
                    Shape::list(Shape::Glob),
                    "patterns over namespace/name; the first team that matches owns a function",
                )
                .field(
                    "im",
                    Shape::Text,
                    "the receiver in alerting.yaml that is its chat",
                )
                .field(
                    "schedule",
                    Shape::Text,
                    "the schedule in alerting.yaml that says who is on call",
                ),
        )
    }

    /// Reads a node that was checked against [`Teams::shape`].
    pub fn read(node: &Node) -> Teams {
        let team = |(key, value): (&Node, &Node)| {
            Some(Team {
                name: key.key_text()?.to_owned(),
                owns: value
                    .items_of("owns")
                    .iter()
                    .filter_map(Node::glob)
                    .collect(),
                im: value.text_of("im").map(str::to_owned),
                schedule: value.text_of("schedule").map(str::to_owned),
                node: Some(value.clone()),
            })
        };
        Teams(node.fields().filter_map(team).collect())
    }

    /// The team that owns a function: the first with a matching pattern.
    pub fn owner(&self, function_id: &str) -> Option<&Team> {
        self.0
            .iter()
            .find(|team| team.owns.iter().any(|glob| glob.matches(function_id)))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Team> {
        self.0.iter()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Checks the names that refer to `alerting.yaml`.
    pub(super) fn check(&self, names: &Names, problems: &mut Problems) {
        for team in &self.0 {
            let Some(node) = &team.node else { continue };
            let mut refers = |field: &str, what: &str, known: &[String]| {
                if let Some(at) = node.field(field)
                    && let Some(name) = at.text()
                    && !known.iter().any(|declared| declared == name)
                {
                    unknown_name(problems, at, what, name, known);
                }
            };
            refers("im", "receiver", &names.receivers);
            refers("schedule", "schedule", &names.schedules);
        }
    }
}
