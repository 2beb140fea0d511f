//! `templates:` and the fields of destinations that are templates: read, tried, and what is wrong with
//! them said where it stands.

use std::collections::BTreeMap;

use declare::{Level, Node, Place, Problem, Problems, SourceFile};

use super::kinds::Kind;
use crate::channel::Look;
use crate::config::Surroundings;
use crate::message::gotemplate::{Mistake, Template, Templates};

/// A field whatever the case of its letters, as headers of mails are written.
fn field_like<'a>(node: &'a Node, name: &str) -> Option<&'a Node> {
    let is_it = |key: &Node| {
        key.key_text()
            .is_some_and(|key| key.eq_ignore_ascii_case(name))
    };
    let mut fields = node.fields();
    fields.find(|(key, _)| is_it(key)).map(|(_, value)| value)
}

/// The named templates of a configuration, and the files they come from.
pub(super) struct Files {
    templates: Templates,
    texts: BTreeMap<String, SourceFile>,
}

impl Files {
    /// Reads every file that `templates:` names.
    pub(super) fn read(
        node: &Node,
        surroundings: &Surroundings<'_>,
        problems: &mut Problems,
    ) -> Files {
        let mut files = Files {
            templates: Templates::built_in(),
            texts: BTreeMap::new(),
        };
        for at in node.items_of("templates") {
            let Some(pattern) = at.text() else { continue };
            match (surroundings.templates)(pattern) {
                Ok(found) if found.is_empty() => {
                    problems
                        .advice(at, "no file matches")
                        .hint("relative patterns begin at the folder of this file");
                }
                Ok(found) => found
                    .into_iter()
                    .for_each(|(name, text)| files.add(at, &name, &text, problems)),
                Err(reason) => {
                    problems.error(at, format!("cannot read the templates: {reason}"));
                }
            }
        }
        for mistake in files.templates.missing() {
            files.tell(node, mistake, problems);
        }
        files
    }

    fn add(&mut self, at: &Node, name: &str, text: &str, problems: &mut Problems) {
        let file = SourceFile::new(name, text);
        self.texts.insert(name.to_owned(), file);
        if let Err(mistake) = self.templates.add(name, text) {
            self.tell(at, mistake, problems);
        }
    }

    /// What a destination's fields say, where they say it: in the field, or in a file that redefines the
    /// template that Alertmanager takes when the field is absent.
    pub(super) fn look(&self, kind: &Kind, config: &Node, problems: &mut Problems) -> Look {
        let mut look = Look::default();
        for (field, default) in kind.templates {
            let node = field
                .split('.')
                .try_fold(config, |node, part| field_like(node, part));
            let compiled = match (node, node.and_then(Node::text)) {
                (Some(_), Some(text)) => self.templates.compile(text),
                _ if self.templates.is_redefined(default) => self
                    .templates
                    .compile(&format!("{{{{ template \"{default}\" . }}}}")),
                _ => continue,
            };
            self.put(&mut look, field, compiled, node.unwrap_or(config), problems);
        }
        for (key, value) in kind
            .details
            .and_then(|details| config.field(details))
            .into_iter()
            .flat_map(Node::fields)
        {
            if let (Some(name), Some(text)) = (key.key_text(), value.text()) {
                let field = format!("details.{name}");
                self.put(
                    &mut look,
                    &field,
                    self.templates.compile(text),
                    value,
                    problems,
                );
            }
        }
        look
    }

    fn put(
        &self,
        look: &mut Look,
        field: &str,
        compiled: Result<Template, Mistake>,
        at: &Node,
        problems: &mut Problems,
    ) {
        let added = compiled.and_then(|template| look.add(field, template));
        if let Err(mistake) = added {
            self.tell(at, mistake, problems);
        }
    }

    /// Says what is wrong in a file, or within the text of a field.
    fn tell(&self, at: &Node, mistake: Mistake, problems: &mut Problems) {
        let problem = match self.texts.get(&*mistake.source) {
            Some(file) => {
                let place = Place {
                    line: mistake.line,
                    column: mistake.column,
                    width: 1,
                };
                problems.push(Problem::new(file, place, Level::Error, mistake.message))
            }
            None => problems.error_within(at, mistake.line, mistake.column, mistake.message),
        };
        problem.maybe_hint(mistake.hint);
    }
}
