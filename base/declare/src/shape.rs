//! What a section may hold, said once: checking, typed reading and JSON Schema follow from it.

/// The shape of one value.
#[derive(Clone, Debug)]
pub enum Shape {
    /// Any scalar, read as text.
    Text,
    /// `true` or `false`.
    Bool,
    /// A whole number within bounds.
    Integer {
        /// The smallest allowed.
        min: i64,
        /// The largest allowed.
        max: i64,
    },
    /// A number within bounds.
    Number {
        /// The smallest allowed.
        min: f64,
        /// The largest allowed.
        max: f64,
    },
    /// `30s`, `1m30s`.
    Duration,
    /// `99.5%`, `1pp`, `0.995`.
    Ratio,
    /// `5/s`, `300/m`.
    Rate,
    /// `20MiB`.
    Bytes,
    /// `2026-11-10T20:00`.
    LocalTime,
    /// `Asia/Shanghai`.
    TimeZone,
    /// `guide/*`.
    Glob,
    /// `severity="critical"`.
    Matcher,
    /// `guide/wow-video-feed`.
    FunctionId,
    /// `https://host/path`.
    Url,
    /// `127.0.0.1:9650`.
    SocketAddress,
    /// A regular expression.
    Regex,
    /// A message template.
    Template,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// `[a, b]`.
    List {
        /// What each item is.
        item: Box<Shape>,
        /// The fewest items.
        min: usize,
        /// The most items.
        max: usize,
    },
    /// A record whose keys the user chooses.
    Map {
        /// What each value is.
        value: Box<Shape>,
        /// What a key is, for messages and documentation: `receiver name`.
        key: &'static str,
    },
    /// A record with known fields.
    Record(Record),
    /// A record that may hold itself, such as a route with routes: built when it is reached.
    Recursive(fn() -> Record),
    /// Any of these. When none fits, the first whose *kind* fits says what is wrong.
    Either(Vec<Shape>),
    /// Anything.
    Any,
}

/// A record with known fields; unknown ones are mistakes.
#[derive(Clone, Debug)]
pub struct Record {
    /// What it is called: `rule`.
    pub name: &'static str,
    /// What it is for.
    pub doc: &'static str,
    /// Its fields in the order they are documented.
    pub fields: Vec<Field>,
    /// Of each group exactly one field must be there.
    pub one_of: Vec<&'static [&'static str]>,
}

/// One field of a record.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its key.
    pub name: &'static str,
    /// What it is for.
    pub doc: &'static str,
    /// What its value is.
    pub shape: Shape,
    /// Whether it must be there.
    pub required: bool,
}

impl Record {
    /// A record without fields yet.
    pub fn new(name: &'static str, doc: &'static str) -> Self {
        Record {
            name,
            doc,
            fields: Vec::new(),
            one_of: Vec::new(),
        }
    }

    /// Adds a field that may be left out.
    pub fn field(mut self, name: &'static str, shape: Shape, doc: &'static str) -> Self {
        self.fields.push(Field {
            name,
            doc,
            shape,
            required: false,
        });
        self
    }

    /// Adds a field that must be there.
    pub fn required(mut self, name: &'static str, shape: Shape, doc: &'static str) -> Self {
        self.fields.push(Field {
            name,
            doc,
            shape,
            required: true,
        });
        self
    }

    /// Says that exactly one of these fields must be there.
    pub fn exactly_one(mut self, names: &'static [&'static str]) -> Self {
        self.one_of.push(names);
        self
    }

    /// The field with this name.
    pub fn find(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

impl From<Record> for Shape {
    fn from(record: Record) -> Self {
        Shape::Record(record)
    }
}

impl Shape {
    /// The most items a list holds where nothing smaller is said.
    pub const LIST_ITEMS_MAX: usize = 10_000;

    /// A list with any number of items up to [`Shape::LIST_ITEMS_MAX`].
    pub fn list(item: impl Into<Shape>) -> Self {
        Shape::List {
            item: Box::new(item.into()),
            min: 0,
            max: Self::LIST_ITEMS_MAX,
        }
    }

    /// A list with at least one item.
    pub fn some(item: impl Into<Shape>) -> Self {
        Shape::List {
            item: Box::new(item.into()),
            min: 1,
            max: Self::LIST_ITEMS_MAX,
        }
    }

    /// A record whose keys the user chooses.
    pub fn map(key: &'static str, value: impl Into<Shape>) -> Self {
        Shape::Map {
            value: Box::new(value.into()),
            key,
        }
    }

    /// A whole number of at least `min`.
    pub fn at_least(min: i64) -> Self {
        Shape::Integer { min, max: i64::MAX }
    }
}
