//! Running a template, within limits.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::fields;
use super::functions::{self, Function};
use super::parser::{Command, Node, Operand, Pipeline, Term};
use super::value::{Text, Value};
use super::{Body, Medium, Mistake, Source};

/// Nodes and commands that one run may take.
const STEPS_MAX: usize = 100_000;
/// How deep templates may call each other, and how deep blocks may stand in each other over all of them.
const CALLS_MAX: usize = 32;
const DEPTH_MAX: usize = 128;
/// The most rounds of a `range` over a number.
const ITEMS_MAX: i64 = 10_000;
/// The longest text that a run writes or holds.
const TEXT_BYTES_MAX: usize = 256 * 1024;

pub(super) fn run(
    body: &Body,
    named: &BTreeMap<String, Body>,
    facts: &Value,
    medium: Medium,
) -> Result<String, Mistake> {
    let mut run = Run {
        named,
        medium,
        written: String::new(),
        steps: 0,
        calls: 0,
        depth: 0,
    };
    run.call(body, facts.clone())?;
    Ok(run.written)
}

/// How a body ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

struct Run<'a> {
    named: &'a BTreeMap<String, Body>,
    medium: Medium,
    written: String,
    steps: usize,
    calls: usize,
    depth: usize,
}

/// What a template sees: its text, the dot and its variables.
struct Frame<'a> {
    source: &'a Arc<Source>,
    dot: Value,
    variables: Vec<(String, Value)>,
}

impl Frame<'_> {
    fn mistake(&self, at: usize, message: impl Into<String>) -> Mistake {
        self.source.mistake(at, message)
    }
}

impl Run<'_> {
    fn call(&mut self, body: &Body, dot: Value) -> Result<(), Mistake> {
        let mut frame = Frame {
            source: &body.source,
            variables: vec![(String::new(), dot.clone())],
            dot,
        };
        self.nodes(&body.nodes, &mut frame)?;
        Ok(())
    }

    fn step(&mut self, frame: &Frame<'_>, at: usize) -> Result<(), Mistake> {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return Err(frame.mistake(at, format!("it takes more than {STEPS_MAX} steps")));
        }
        Ok(())
    }

    fn write(&mut self, text: &str, frame: &Frame<'_>, at: usize) -> Result<(), Mistake> {
        if self.written.len() + text.len() > TEXT_BYTES_MAX {
            let message = format!("the text is longer than {TEXT_BYTES_MAX} bytes");
            return Err(frame.mistake(at, message));
        }
        self.written.push_str(text);
        Ok(())
    }

    fn nodes(&mut self, nodes: &[Node], frame: &mut Frame<'_>) -> Result<Flow, Mistake> {
        let scope = frame.variables.len();
        let mut flow = Flow::On;
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(frame.mistake(0, format!("nested deeper than {DEPTH_MAX}")));
        }
        for node in nodes {
            flow = self.node(node, frame)?;
            if flow != Flow::On {
                break;
            }
        }
        self.depth -= 1;
        frame.variables.truncate(scope);
        Ok(flow)
    }

    fn node(&mut self, node: &Node, frame: &mut Frame<'_>) -> Result<Flow, Mistake> {
        match node {
            Node::Text(text) => {
                self.step(frame, 0)?;
                self.write(text, frame, 0)?;
            }
            Node::Action(pipeline) => {
                let value = self.pipeline(pipeline, frame)?;
                if pipeline.variables.is_empty() {
                    let at = pipeline.commands.first().map_or(0, |command| command.at);
                    let shown = value.text().inert(self.medium.escape);
                    self.write(&shown, frame, at)?;
                }
            }
            Node::If(condition, then, otherwise) | Node::With(condition, then, otherwise) => {
                let scope = frame.variables.len();
                let value = self.pipeline(condition, frame)?;
                let (holds, is_with) = (value.holds(), matches!(node, Node::With(..)));
                let outer = frame.dot.clone();
                if is_with && holds {
                    frame.dot = value;
                }
                let flow = self.nodes(if holds { then } else { otherwise }, frame);
                frame.dot = outer;
                frame.variables.truncate(scope);
                return flow;
            }
            Node::Range(over, body, otherwise) => return self.range(over, body, otherwise, frame),
            Node::Call(name, given, at) => {
                let dot = match given {
                    Some(given) => self.pipeline(given, frame)?,
                    None => Value::Nil,
                };
                let Some(body) = self.named.get(name) else {
                    return Err(frame.mistake(*at, format!("there is no template `{name}`")));
                };
                self.step(frame, *at)?;
                self.calls += 1;
                if self.calls > CALLS_MAX {
                    let message = format!("templates call each other deeper than {CALLS_MAX}");
                    return Err(frame.mistake(*at, message));
                }
                self.call(body, dot)?;
                self.calls -= 1;
            }
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    fn range(
        &mut self,
        over: &Pipeline,
        body: &[Node],
        otherwise: &[Node],
        frame: &mut Frame<'_>,
    ) -> Result<Flow, Mistake> {
        let scope = frame.variables.len();
        let at = over.commands.first().map_or(0, |command| command.at);
        let value = self.value_of(over, frame)?;
        let Some(items) = items(&value) else {
            let message = format!(
                "`range` goes through lists and labels, not {}",
                value.what()
            );
            return Err(frame.mistake(at, message));
        };
        if items.is_empty() {
            return self.nodes(otherwise, frame);
        }
        let outer = frame.dot.clone();
        for (index, item) in items {
            self.step(frame, at)?;
            match (over.variables.as_slice(), over.declares) {
                ([element], _) => self.assign(element, item.clone(), over.declares, frame),
                ([first, element], _) => {
                    self.assign(first, index, over.declares, frame);
                    self.assign(element, item.clone(), over.declares, frame);
                }
                _ => {}
            }
            frame.dot = item;
            let flow = self.nodes(body, frame)?;
            if over.declares {
                frame.variables.truncate(scope);
            }
            if flow == Flow::Break {
                break;
            }
        }
        frame.dot = outer;
        frame.variables.truncate(scope);
        Ok(Flow::On)
    }

    #[expect(clippy::unused_self, reason = "one of the steps of a run")]
    fn assign(&self, name: &str, value: Value, declares: bool, frame: &mut Frame<'_>) {
        if declares {
            frame.variables.push((name.to_owned(), value));
            return;
        }
        let mut known = frame.variables.iter_mut().rev();
        if let Some((_, place)) = known.find(|(known, _)| known == name) {
            *place = value;
        }
    }

    fn pipeline(&mut self, pipeline: &Pipeline, frame: &mut Frame<'_>) -> Result<Value, Mistake> {
        let value = self.value_of(pipeline, frame)?;
        if let Some(name) = pipeline.variables.first() {
            self.assign(name, value.clone(), pipeline.declares, frame);
        }
        Ok(value)
    }

    fn value_of(&mut self, pipeline: &Pipeline, frame: &mut Frame<'_>) -> Result<Value, Mistake> {
        let mut piped = None;
        for command in &pipeline.commands {
            self.step(frame, command.at)?;
            piped = Some(self.command(command, piped, frame)?);
        }
        Ok(piped.unwrap_or(Value::Nil))
    }

    fn command(
        &mut self,
        command: &Command,
        piped: Option<Value>,
        frame: &mut Frame<'_>,
    ) -> Result<Value, Mistake> {
        let first = &command.first;
        if let Term::Function(name) = &first.term {
            let Some(function) = functions::find(name) else {
                return Err(frame.mistake(command.at, format!("there is no function `{name}`")));
            };
            let mut value = self.function(function, command, piped, frame)?;
            for field in &first.fields {
                value = self.field(value, field, &[], first.at, frame)?;
            }
            return Ok(value);
        }
        let mut arguments = Vec::new();
        for argument in &command.arguments {
            arguments.push(self.operand(argument, frame)?);
        }
        arguments.extend(piped);
        let mut value = self.term(&first.term, first.at, frame)?;
        let (last, before) = match first.fields.split_last() {
            Some(split) => split,
            None if arguments.is_empty() => return Ok(value),
            None => return Err(frame.mistake(first.at, "this is a value and takes nothing")),
        };
        for field in before {
            value = self.field(value, field, &[], first.at, frame)?;
        }
        self.field(value, last, &arguments, first.at, frame)
    }

    fn function(
        &mut self,
        function: &Function,
        command: &Command,
        piped: Option<Value>,
        frame: &mut Frame<'_>,
    ) -> Result<Value, Mistake> {
        let count = command.arguments.len() + usize::from(piped.is_some());
        if count < function.least || count > function.most {
            let message = format!("`{}` takes {}", function.name, function.takes());
            return Err(frame.mistake(command.at, message));
        }
        // `and` and `or` look no further than they need to.
        let stops_at = match function.name {
            "and" => Some(false),
            "or" => Some(true),
            _ => None,
        };
        let mut given = Vec::new();
        for argument in &command.arguments {
            let value = self.operand(argument, frame)?;
            if stops_at.is_some_and(|stop| value.holds() == stop) {
                return Ok(value);
            }
            given.push(value);
        }
        given.extend(piped);
        let value = (function.call)(&given, self.medium)
            .map_err(|message| frame.mistake(command.at, message))?;
        if let Value::Text(Text { text, .. }) = &value
            && text.len() > TEXT_BYTES_MAX
        {
            let message = format!("a text is longer than {TEXT_BYTES_MAX} bytes");
            return Err(frame.mistake(command.at, message));
        }
        Ok(value)
    }

    fn operand(&mut self, operand: &Operand, frame: &mut Frame<'_>) -> Result<Value, Mistake> {
        let command = Command {
            first: operand.clone(),
            arguments: Vec::new(),
            at: operand.at,
        };
        self.command(&command, None, frame)
    }

    fn term(&mut self, term: &Term, at: usize, frame: &mut Frame<'_>) -> Result<Value, Mistake> {
        Ok(match term {
            Term::Dot => frame.dot.clone(),
            Term::Nil | Term::Function(_) => Value::Nil,
            Term::Bool(value) => Value::Bool(*value),
            Term::Int(number) => Value::Int(*number),
            Term::Float(number) => Value::Float(*number),
            Term::Text(text) => Value::own(text.as_str()),
            Term::Group(pipeline) => self.pipeline(pipeline, frame)?,
            Term::Variable(name) => {
                let mut known = frame.variables.iter().rev();
                let found = known.find(|(known, _)| known == name);
                match found {
                    Some((_, value)) => value.clone(),
                    None => {
                        return Err(frame.mistake(at, format!("there is no variable `${name}`")));
                    }
                }
            }
        })
    }

    /// A field, or a method with what it is given.
    fn field(
        &mut self,
        value: Value,
        name: &str,
        given: &[Value],
        at: usize,
        frame: &Frame<'_>,
    ) -> Result<Value, Mistake> {
        self.step(frame, at)?;
        fields::field(&value, name, given, self.medium.escape).map_err(|wrong| {
            let mut mistake = frame.mistake(at, wrong.message);
            mistake.hint = wrong.hint;
            mistake
        })
    }
}

/// What `range` goes through, each with its number or name.
fn items(value: &Value) -> Option<Vec<(Value, Value)>> {
    Some(match value {
        Value::List(items) => (0_i64..)
            .zip(items.iter())
            .map(|(index, item)| (Value::Int(index), item.clone()))
            .collect(),
        Value::Pairs(pairs) => pairs
            .iter()
            .map(|(name, text)| (Value::foreign(name.as_str()), Value::Text(text.clone())))
            .collect(),
        Value::Map(map) => map
            .iter()
            .map(|(name, value)| (Value::own(name.as_str()), value.clone()))
            .collect(),
        Value::Int(count) => (0..*count.min(&ITEMS_MAX))
            .map(|index| (Value::Int(index), Value::Int(index)))
            .collect(),
        Value::Nil => Vec::new(),
        _ => return None,
    })
}
