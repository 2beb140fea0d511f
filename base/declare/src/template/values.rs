//! The values a template sees, watched so that a variable that is not there can be named.

use std::sync::{Arc, Mutex};

use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr, ValueKind};

/// A record of values that remembers the last name asked for in vain.
#[derive(Debug)]
pub(super) struct Watched {
    values: Value,
    path: String,
    missing: Arc<Mutex<Option<Missing>>>,
}

/// A name that was not there.
#[derive(Clone, Debug)]
pub(super) struct Missing {
    /// As the template says it: `labels.unti`.
    pub(super) path: String,
    /// Its last part: `unti`.
    pub(super) name: String,
    /// What was there instead.
    pub(super) known: Vec<String>,
}

impl Watched {
    pub(super) fn root(values: Value) -> Arc<Self> {
        Arc::new(Watched {
            values,
            path: String::new(),
            missing: Arc::default(),
        })
    }

    pub(super) fn last_missing(&self) -> Option<Missing> {
        self.missing.lock().ok()?.clone()
    }

    fn names(&self) -> Vec<String> {
        let keys = self.values.try_iter().into_iter().flatten();
        keys.map(|key| key.to_string()).collect()
    }

    fn path_to(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }
}

impl Object for Watched {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.to_string();
        let found = self.values.get_item(key).ok();
        match found.filter(|value| !value.is_undefined()) {
            Some(value) if value.kind() == ValueKind::Map => Some(Value::from_object(Watched {
                path: self.path_to(&name),
                values: value,
                missing: Arc::clone(&self.missing),
            })),
            Some(value) => Some(value),
            None => {
                let missing = Missing {
                    path: self.path_to(&name),
                    name,
                    known: self.names(),
                };
                if let Ok(mut last) = self.missing.lock() {
                    *last = Some(missing);
                }
                None
            }
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let keys = self.values.try_iter().into_iter().flatten();
        Enumerator::Values(keys.collect())
    }
}
