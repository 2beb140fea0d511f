//! Builds the tree from parser events, within the limits.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use saphyr_parser::{Event, ScalarStyle, Span, Tag};

use super::{DEPTH_LEVELS_MAX, NODES_MAX};
use crate::leaf::quote;
use crate::tree::{Content, Scalar};
use crate::{Kind, Level, Node, Place, Problem, Problems, SourceFile};

/// Reading cannot go on; the reason is among the problems.
pub(super) struct Stop;

pub(super) struct Builder<'a> {
    file: &'a Arc<SourceFile>,
    pub(super) problems: Problems,
    pub(super) root: Option<Node>,
    open: Vec<Open>,
    anchors: HashMap<usize, Sized>,
    documents: usize,
    nodes: usize,
}

/// A node with what it adds to the limits wherever an alias repeats it.
#[derive(Clone)]
struct Sized {
    node: Node,
    nodes: usize,
    levels: usize,
}

/// A list or record whose end has not been met.
struct Open {
    place: Place,
    anchor: usize,
    nodes: usize,
    levels: usize,
    children: Children,
}

enum Children {
    List(Vec<Node>),
    Record {
        key: Option<Node>,
        fields: Vec<(Node, Node)>,
        names: HashSet<String>,
    },
}

impl<'a> Builder<'a> {
    pub(super) fn new(file: &'a Arc<SourceFile>) -> Self {
        Builder {
            file,
            problems: Problems::new(),
            root: None,
            open: Vec::new(),
            anchors: HashMap::new(),
            documents: 0,
            nodes: 0,
        }
    }

    pub(super) fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Stop> {
        let place = self.place_of(span);
        match event {
            Event::DocumentStart(_) => self.start_document(place),
            Event::Scalar(text, style, anchor, tag) => {
                let content = self.scalar(&text, style, tag.as_deref(), place);
                let node = Node::new(self.file, place, content);
                self.finish(node, anchor, 1, 0)
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_tag(tag.as_deref(), "seq", place);
                self.start(place, anchor, Children::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_tag(tag.as_deref(), "map", place);
                self.start(
                    place,
                    anchor,
                    Children::Record {
                        key: None,
                        fields: Vec::new(),
                        names: HashSet::new(),
                    },
                )
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => self.repeat(anchor, place),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn place_of(&self, span: Span) -> Place {
        let on_one_line = span.start.line() == span.end.line();
        let to = on_one_line.then_some(span.end.col());
        self.file.place(span.start.line(), span.start.col(), to)
    }

    fn error(&mut self, place: Place, message: impl Into<String>) -> &mut Problem {
        self.problems
            .push(Problem::new(self.file, place, Level::Error, message))
    }

    fn start_document(&mut self, place: Place) -> Result<(), Stop> {
        self.documents += 1;
        if self.documents == 1 {
            return Ok(());
        }
        self.error(place, "a second document begins here, a file holds one")
            .hint("move it into a file of its own");
        Err(Stop)
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        place: Place,
    ) -> Content {
        self.refuse_tag(tag, "str", place);
        let quoted = style != ScalarStyle::Plain || tag.is_some();
        if !quoted && matches!(text, "" | "~" | "null" | "Null" | "NULL") {
            return Content::Null;
        }
        Content::Scalar(Arc::new(Scalar {
            text: text.to_owned(),
            quoted,
        }))
    }

    fn refuse_tag(&mut self, tag: Option<&Tag>, allowed: &str, place: Place) {
        let Some(tag) = tag else { return };
        if !(tag.is_yaml_core_schema() && tag.suffix == allowed) {
            let shown = if tag.is_yaml_core_schema() {
                format!("!!{}", tag.suffix)
            } else {
                tag.to_string()
            };
            self.error(place, format!("the tag {} is not supported", quote(&shown)))
                .hint("leave it out");
        }
    }

    fn start(&mut self, place: Place, anchor: usize, children: Children) -> Result<(), Stop> {
        if self.open.len() >= DEPTH_LEVELS_MAX {
            return Err(self.too_deep(place));
        }
        // Of brackets only the opening one is meant; block records and lists have none.
        let place = Place {
            width: place.width.min(1),
            ..place
        };
        self.open.push(Open {
            place,
            anchor,
            nodes: 1,
            levels: 0,
            children,
        });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Stop> {
        let Some(open) = self.open.pop() else {
            return Err(Stop);
        };
        let (place, content) = match open.children {
            Children::List(items) => (open.place, Content::List(items.into())),
            Children::Record { fields, .. } => {
                // Block records have no sign of their own: their first key is where they begin.
                let first = fields.first().map(|(key, _)| key.place());
                let place = first
                    .filter(|first| open.place.width == 0 && first.line == open.place.line)
                    .unwrap_or(open.place);
                (place, Content::Record(fields.into()))
            }
        };
        let node = Node::new(self.file, place, content);
        self.finish(node, open.anchor, open.nodes, open.levels + 1)
    }

    fn repeat(&mut self, anchor: usize, place: Place) -> Result<(), Stop> {
        let Some(sized) = self.anchors.get(&anchor).cloned() else {
            self.error(place, "this alias stands inside what it refers to");
            return Err(Stop);
        };
        self.add(sized.node.moved_to(place), sized.nodes, sized.levels)
    }

    fn finish(
        &mut self,
        node: Node,
        anchor: usize,
        nodes: usize,
        levels: usize,
    ) -> Result<(), Stop> {
        if anchor != 0 {
            let sized = Sized {
                node: node.clone(),
                nodes,
                levels,
            };
            self.anchors.insert(anchor, sized);
        }
        self.add(node, nodes, levels)
    }

    /// Puts a finished node where it belongs.
    fn add(&mut self, node: Node, nodes: usize, levels: usize) -> Result<(), Stop> {
        let place = node.place();
        if self.open.len() + levels > DEPTH_LEVELS_MAX {
            return Err(self.too_deep(place));
        }
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        parent.nodes = parent.nodes.saturating_add(nodes);
        parent.levels = parent.levels.max(levels);
        self.nodes = self.nodes.max(parent.nodes);
        if parent.nodes > NODES_MAX {
            self.error(
                place,
                format!("the file holds more than {NODES_MAX} values"),
            )
            .hint("what an alias stands for counts wherever it is used");
            return Err(Stop);
        }
        match &mut parent.children {
            Children::List(items) => items.push(node),
            Children::Record { key, fields, names } => {
                if let Some(key) = key.take() {
                    fields.push((key, node));
                } else if let Some(outer) = place_of_double_brace(&node) {
                    // Reading on would only complain about what follows from it.
                    self.error(outer, "a text that begins with `{{` must be quoted")
                        .hint("write \"{{ … }}\" in quotes");
                    return Err(Stop);
                } else {
                    let mistake = key_mistake(&node, names);
                    *key = Some(node);
                    if let Some((message, hint)) = mistake {
                        self.error(place, message).maybe_hint(hint);
                    }
                }
            }
        }
        Ok(())
    }

    fn too_deep(&mut self, place: Place) -> Stop {
        self.error(
            place,
            format!("nested deeper than {DEPTH_LEVELS_MAX} levels"),
        );
        Stop
    }
}

/// The place of `{{`, which YAML reads as a record whose key is a record.
fn place_of_double_brace(key: &Node) -> Option<Place> {
    let place = key.place();
    let outer = place.column.checked_sub(2)?;
    let written = key.file().line(place.line).chars().skip(outer).take(2);
    (key.kind() == Kind::Record && written.eq("{{".chars())).then_some(Place {
        line: place.line,
        column: outer + 1,
        width: 2,
    })
}

/// What is wrong with a key, given the keys before it in the same record.
fn key_mistake(key: &Node, names: &mut HashSet<String>) -> Option<(String, Option<&'static str>)> {
    let Some(name) = key.as_text() else {
        let message = "a key must be a plain text".to_owned();
        return Some((
            message,
            Some("write `key: value`; quote a key that is null"),
        ));
    };
    if name == "<<" && !key.is_quoted() {
        let message = "merge keys (`<<`) are not supported".to_owned();
        return Some((
            message,
            Some("write the fields out, or use an alias as a whole value"),
        ));
    }
    if !names.insert(name.to_owned()) {
        return Some((
            format!("the key {} stands here twice", quote(name)),
            Some("keep one of them"),
        ));
    }
    None
}
