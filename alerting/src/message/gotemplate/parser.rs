//! From tokens to a tree. Functions, variables and keywords are proven here, so that a typing mistake is
//! found by `check` and not at night.

use super::functions;
use super::lexer::{Token, tokens, with_hint};
use super::{Mistake, Source};

/// How deep blocks and parentheses may stand in each other.
const NESTING_MAX: usize = 64;

/// A part of a body.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Text(String),
    Action(Pipeline),
    If(Pipeline, Vec<Node>, Vec<Node>),
    With(Pipeline, Vec<Node>, Vec<Node>),
    Range(Pipeline, Vec<Node>, Vec<Node>),
    /// A template by its name, with what it is given, at this byte.
    Call(String, Option<Pipeline>, usize),
    Break,
    Continue,
}

/// Commands, each of which is given the result of the one before.
#[derive(Clone, Debug)]
pub(super) struct Pipeline {
    /// Variables that take the result; two for `range $index, $element`.
    pub(super) variables: Vec<String>,
    /// Whether they are new.
    pub(super) declares: bool,
    pub(super) commands: Vec<Command>,
}

/// An operand, or a function or method with what it is given.
#[derive(Clone, Debug)]
pub(super) struct Command {
    pub(super) first: Operand,
    pub(super) arguments: Vec<Operand>,
    pub(super) at: usize,
}

/// A value and the fields that are taken of it.
#[derive(Clone, Debug)]
pub(super) struct Operand {
    pub(super) term: Term,
    pub(super) fields: Vec<String>,
    pub(super) at: usize,
}

#[derive(Clone, Debug)]
pub(super) enum Term {
    Dot,
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Variable(String),
    Function(String),
    Group(Box<Pipeline>),
}

/// What a text holds.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    /// What stands outside of every `define`.
    pub(super) nodes: Vec<Node>,
    pub(super) defined: Vec<(String, Vec<Node>)>,
    /// Templates that are called, and where.
    pub(super) calls: Vec<(String, usize)>,
}

pub(super) fn parse(source: &Source) -> Result<Parsed, Mistake> {
    let mut parser = Parser {
        source,
        tokens: tokens(source)?.into_iter().peekable(),
        at: 0,
        depth: 0,
        loops: 0,
        variables: vec![String::new()],
        parsed: Parsed::default(),
    };
    let (nodes, end) = parser.body()?;
    if let Some((word, at)) = end {
        return Err(source.mistake(at, format!("`{word}` without what it belongs to")));
    }
    parser.parsed.nodes = nodes;
    Ok(parser.parsed)
}

/// The word that ended a body, and where it stands.
type End = Option<(String, usize)>;

struct Parser<'a> {
    source: &'a Source,
    tokens: std::iter::Peekable<std::vec::IntoIter<(Token, usize)>>,
    /// Where the last token stood.
    at: usize,
    depth: usize,
    loops: usize,
    /// Those in scope; `$` is the empty name.
    variables: Vec<String>,
    parsed: Parsed,
}

impl Parser<'_> {
    fn next(&mut self) -> Option<Token> {
        let (token, at) = self.tokens.next()?;
        self.at = at;
        Some(token)
    }

    fn next_if(&mut self, wanted: &Token) -> bool {
        let found = self.tokens.next_if(|(token, _)| token == wanted);
        if let Some((_, at)) = &found {
            self.at = *at;
        }
        found.is_some()
    }

    fn wrong<T>(&self, message: impl Into<String>) -> Result<T, Mistake> {
        Err(self.source.mistake(self.at, message))
    }

    fn enter(&mut self) -> Result<(), Mistake> {
        self.depth += 1;
        if self.depth > NESTING_MAX {
            return self.wrong(format!("nested deeper than {NESTING_MAX}"));
        }
        Ok(())
    }

    /// Nodes up to the end of the text, or to `else` or `end`.
    fn body(&mut self) -> Result<(Vec<Node>, End), Mistake> {
        self.enter()?;
        let scope = self.variables.len();
        let mut nodes = Vec::new();
        let end = loop {
            match self.next() {
                None => break None,
                Some(Token::Text(text)) => nodes.push(Node::Text(text)),
                Some(_) => match self.tokens.peek() {
                    Some((Token::Word(word), at)) if word == "end" || word == "else" => {
                        let end = (word.clone(), *at);
                        self.next();
                        break Some(end);
                    }
                    _ => nodes.extend(self.action()?),
                },
            }
        };
        self.variables.truncate(scope);
        self.depth -= 1;
        Ok((nodes, end))
    }

    fn close(&mut self) -> Result<(), Mistake> {
        match self.next() {
            Some(Token::Close) => Ok(()),
            _ => self.wrong("this is more than the action takes"),
        }
    }

    fn action(&mut self) -> Result<Option<Node>, Mistake> {
        let word = match self.tokens.peek() {
            Some((Token::Word(word), _)) => word.clone(),
            _ => String::new(),
        };
        let node = match word.as_str() {
            "if" | "with" | "range" => {
                self.next();
                return self.control(&word).map(Some);
            }
            "define" | "block" => {
                self.next();
                return self.define(word == "block");
            }
            "template" => {
                self.next();
                let at = self.at;
                let name = self.name()?;
                let given = self.optional_pipeline()?;
                self.parsed.calls.push((name.clone(), at));
                Node::Call(name, given, at)
            }
            "break" | "continue" => {
                self.next();
                if self.loops == 0 {
                    return self.wrong(format!("`{word}` outside of `range`"));
                }
                if word == "break" {
                    Node::Break
                } else {
                    Node::Continue
                }
            }
            _ => Node::Action(self.pipeline(false)?),
        };
        self.close()?;
        Ok(Some(node))
    }

    /// `if`, `with` and `range` up to their `end`.
    fn control(&mut self, word: &str) -> Result<Node, Mistake> {
        let begin = self.at;
        let scope = self.variables.len();
        let pipeline = self.pipeline(word == "range")?;
        self.close()?;
        let loops = usize::from(word == "range");
        self.loops += loops;
        let (then, end) = self.body()?;
        self.loops -= loops;
        let otherwise = match end {
            Some((end, _)) if end == "end" => {
                self.close()?;
                Vec::new()
            }
            Some(_) => self.otherwise(word, begin)?,
            None => {
                let unclosed = self.source.mistake(begin, format!("`{word}` has no end"));
                return Err(with_hint(unclosed, "write {{ end }} after it"));
            }
        };
        self.variables.truncate(scope);
        Ok(match word {
            "if" => Node::If(pipeline, then, otherwise),
            "with" => Node::With(pipeline, then, otherwise),
            _ => Node::Range(pipeline, then, otherwise),
        })
    }

    /// What follows `else`: a body, or for `else if` another block that shares the `end`.
    fn otherwise(&mut self, word: &str, begin: usize) -> Result<Vec<Node>, Mistake> {
        let chained = matches!(
            self.tokens.peek(),
            Some((Token::Word(next), _)) if next == word && word != "range"
        );
        if chained {
            self.next();
            self.enter()?;
            let nested = self.control(word)?;
            self.depth -= 1;
            return Ok(vec![nested]);
        }
        self.close()?;
        let (nodes, end) = self.body()?;
        match end {
            Some((end, _)) if end == "end" => {
                self.close()?;
                Ok(nodes)
            }
            Some(_) => self.wrong("a second `else`"),
            None => Err(self.source.mistake(begin, format!("`{word}` has no end"))),
        }
    }

    /// `define` names a body, `block` names it and calls it.
    fn define(&mut self, is_block: bool) -> Result<Option<Node>, Mistake> {
        let begin = self.at;
        let name = self.name()?;
        let given = if is_block {
            Some(self.pipeline(false)?)
        } else {
            None
        };
        self.close()?;
        let outer = std::mem::replace(&mut self.variables, vec![String::new()]);
        let loops = std::mem::take(&mut self.loops);
        let (nodes, end) = self.body()?;
        self.variables = outer;
        self.loops = loops;
        if end.is_none_or(|(end, _)| end != "end") {
            let message = format!("the template `{name}` has no end");
            return Err(self.source.mistake(begin, message));
        }
        self.close()?;
        self.parsed.defined.push((name.clone(), nodes));
        Ok(is_block.then_some(Node::Call(name, given, begin)))
    }

    fn name(&mut self) -> Result<String, Mistake> {
        match self.next() {
            Some(Token::Quoted(name)) => Ok(name),
            _ => self.wrong("a template's name stands in double quotes"),
        }
    }

    fn optional_pipeline(&mut self) -> Result<Option<Pipeline>, Mistake> {
        match self.tokens.peek() {
            Some((Token::Close, _)) => Ok(None),
            _ => self.pipeline(false).map(Some),
        }
    }

    /// `$x := command | command`; `two_variables` for `range`.
    fn pipeline(&mut self, two_variables: bool) -> Result<Pipeline, Mistake> {
        self.enter()?;
        let (variables, declares) = self.assignment(two_variables)?;
        let mut commands = vec![self.command(true)?];
        while self.next_if(&Token::Pipe) {
            commands.push(self.command(false)?);
        }
        if declares {
            self.variables.extend(variables.iter().cloned());
        }
        self.depth -= 1;
        Ok(Pipeline {
            variables,
            declares,
            commands,
        })
    }

    /// The variables before `:=` or `=`, if that is how the pipeline begins.
    fn assignment(&mut self, two: bool) -> Result<(Vec<String>, bool), Mistake> {
        let mut ahead = self.tokens.clone().map(|(token, _)| token);
        let mut names = Vec::new();
        let declares = loop {
            match ahead.next() {
                Some(Token::Variable(name)) => names.push(name),
                _ => return Ok((Vec::new(), false)),
            }
            match ahead.next() {
                Some(Token::Comma) if two && names.len() == 1 => {}
                Some(Token::Declare) => break true,
                Some(Token::Assign) => break false,
                _ => return Ok((Vec::new(), false)),
            }
        };
        for _ in 0..names.len() * 2 {
            self.next();
        }
        if let Some(unknown) = names
            .iter()
            .find(|name| !declares && !self.variables.contains(name))
        {
            return self.wrong(format!("there is no variable `${unknown}`"));
        }
        Ok((names, declares))
    }

    fn command(&mut self, is_first: bool) -> Result<Command, Mistake> {
        let Some(first) = self.operand()? else {
            return self.wrong("a value or a function is missing here");
        };
        let at = first.at;
        let mut arguments = Vec::new();
        while let Some(argument) = self.operand()? {
            arguments.push(argument);
        }
        let takes = matches!(first.term, Term::Function(_)) || !first.fields.is_empty();
        if !takes && (!is_first || !arguments.is_empty()) {
            let message = "this is a value and takes nothing; only functions do";
            return Err(self.source.mistake(at, message));
        }
        Ok(Command {
            first,
            arguments,
            at,
        })
    }

    /// The next operand; `None` where the command ends.
    fn operand(&mut self) -> Result<Option<Operand>, Mistake> {
        let ends = |token: &Token| matches!(token, Token::Close | Token::GroupEnd | Token::Pipe);
        match self.tokens.peek() {
            Some((token, _)) if !ends(token) => {}
            _ => return Ok(None),
        }
        let mut fields = Vec::new();
        let Some(token) = self.next() else {
            return Ok(None);
        };
        let at = self.at;
        let term = match token {
            Token::Dot => Term::Dot,
            Token::Field(name, _) => {
                fields.push(name);
                Term::Dot
            }
            Token::Variable(name) if self.variables.contains(&name) => Term::Variable(name),
            Token::Variable(name) => return self.wrong(format!("there is no variable `${name}`")),
            Token::Quoted(text) => Term::Text(text),
            Token::Int(number) => Term::Int(number),
            Token::Float(number) => Term::Float(number),
            Token::Group => {
                let inner = self.pipeline(false)?;
                if !self.next_if(&Token::GroupEnd) {
                    return self.wrong("the parenthesis is not closed");
                }
                Term::Group(Box::new(inner))
            }
            Token::Word(word) => self.word(word)?,
            _ => return self.wrong("this stands in the wrong place"),
        };
        while let Some((Token::Field(name, _), _)) = self
            .tokens
            .next_if(|(token, _)| matches!(token, Token::Field(_, true)))
        {
            fields.push(name);
        }
        Ok(Some(Operand { term, fields, at }))
    }

    fn word(&self, word: String) -> Result<Term, Mistake> {
        match word.as_str() {
            "true" => return Ok(Term::Bool(true)),
            "false" => return Ok(Term::Bool(false)),
            "nil" => return Ok(Term::Nil),
            _ => {}
        }
        if functions::find(&word).is_some() {
            return Ok(Term::Function(word));
        }
        let mut mistake = self
            .source
            .mistake(self.at, format!("there is no function `{word}`"));
        mistake.hint = Some(match declare::closest(&word, functions::names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!(
                "known: {}",
                functions::names().collect::<Vec<_>>().join(", ")
            ),
        });
        Err(mistake)
    }
}
