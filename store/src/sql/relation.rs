//! What a question may name after FROM: the tables that are kept, and the live rollups as one.

use crate::schema::Table;

/// Something that can be selected from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    /// A table that is kept.
    Stored(Table),
    /// The live rollups, a row per series and second.
    Seconds,
}

impl Relation {
    /// Everything that can be selected from.
    pub(super) fn all() -> impl Iterator<Item = Relation> {
        let stored = Table::ALL.into_iter().map(Relation::Stored);
        stored.chain([Relation::Seconds])
    }

    /// The name in SQL.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Relation::Stored(table) => table.name(),
            Relation::Seconds => "seconds",
        }
    }

    /// That with this name.
    pub(super) fn from_name(name: &str) -> Option<Relation> {
        Relation::all().find(|relation| relation.name() == name)
    }

    /// Every name, as a sentence lists them.
    pub(super) fn names() -> String {
        let names: Vec<&str> = Relation::all().map(Relation::name).collect();
        match names.split_last() {
            Some((last, others)) => format!("{} and {last}", others.join(", ")),
            None => String::new(),
        }
    }
}
