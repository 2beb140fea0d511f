//! Which build a test was of, and whether it is the one that runs in production.

use super::row::Summary;

/// A version and the digest of its image, as far as they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Build {
    pub(crate) version: Option<String>,
    pub(crate) digest: Option<String>,
}

/// What production calls say of the build that answers them.
pub(crate) type InProduction = Build;

impl Build {
    pub(crate) fn of(test: &Summary) -> Build {
        Build {
            version: test.version.clone(),
            digest: test.digest.clone(),
        }
    }

    /// Whether this is what runs: by digest where both have one, else by version; `None` when nobody
    /// can tell.
    pub(crate) fn is_in(&self, production: &InProduction) -> Option<bool> {
        let (own, other) = self.comparable(production)?;
        Some(own.name == other.name)
    }

    /// How what runs differs from this, in a sentence.
    pub(crate) fn differs_from(&self, production: &InProduction) -> Option<String> {
        let (own, other) = self.comparable(production)?;
        (own.name != other.name).then(|| {
            format!(
                "{} {} is in production, {} was tested",
                own.kind, other.name, own.name
            )
        })
    }

    /// How a newer test's build differs from this, in a sentence.
    pub(crate) fn is_older_than(&self, newer: &Build) -> Option<String> {
        let (own, other) = self.comparable(newer)?;
        (own.name != other.name).then(|| {
            format!(
                "a newer test was of {} {}, this one of {}",
                own.kind, other.name, own.name
            )
        })
    }

    /// What both are known by.
    fn comparable<'a>(&'a self, other: &'a Build) -> Option<(Name<'a>, Name<'a>)> {
        let both = |kind, own: &'a Option<String>, other: &'a Option<String>| {
            let name = |name: &'a str| Name { kind, name };
            Some((name(own.as_deref()?), name(other.as_deref()?)))
        };
        both("image", &self.digest, &other.digest)
            .or_else(|| both("version", &self.version, &other.version))
    }
}

struct Name<'a> {
    kind: &'static str,
    name: &'a str,
}
