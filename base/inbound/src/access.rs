//! What a route needs, what a caller may do, and who the caller is.

use std::fmt;
use std::str::FromStr;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::request::Parts;

use crate::ProblemDocument;

/// What a route needs from its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Nothing: health, static pages, callbacks that carry their own signature.
    Public,
    /// Sending data in.
    Ingest,
    /// Looking.
    Read,
    /// Acting on an incident: acknowledge, silence, run an approved scenario.
    Respond,
    /// Everything else that changes something.
    Administer,
}

impl Access {
    /// The weakest role that suffices, for the sentence of a refusal; `None` when no role is needed.
    pub fn role_needed(self) -> Option<Role> {
        match self {
            Access::Public => None,
            Access::Ingest => Some(Role::Ingest),
            Access::Read => Some(Role::Viewer),
            Access::Respond => Some(Role::Responder),
            Access::Administer => Some(Role::Admin),
        }
    }
}

/// What a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Sends data in and can read nothing back.
    Ingest,
    /// Looks.
    Viewer,
    /// Looks and acts on incidents.
    Responder,
    /// Does everything.
    Admin,
}

/// Why a text is not a role.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not a role; roles are ingest, viewer, responder, admin")]
pub struct UnknownRole(String);

impl Role {
    /// Every role with the word it has in configuration files.
    pub const ALL: [(Role, &'static str); 4] = [
        (Role::Ingest, "ingest"),
        (Role::Viewer, "viewer"),
        (Role::Responder, "responder"),
        (Role::Admin, "admin"),
    ];

    /// Whether a caller of this role may use a route that needs `access`.
    pub fn may(self, access: Access) -> bool {
        match (self, access) {
            (_, Access::Public)
            | (Role::Admin, _)
            | (Role::Ingest, Access::Ingest)
            | (Role::Viewer | Role::Responder, Access::Read)
            | (Role::Responder, Access::Respond) => true,
            (Role::Ingest | Role::Viewer | Role::Responder, _) => false,
        }
    }

    /// The word for it, as in configuration files.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Ingest => "ingest",
            Role::Viewer => "viewer",
            Role::Responder => "responder",
            Role::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Role::ALL
            .into_iter()
            .find(|(_, word)| *word == text)
            .map(|(role, _)| role)
            .ok_or_else(|| UnknownRole(text.chars().take(64).collect()))
    }
}

/// Who is calling. As an extractor it refuses anonymous callers with 401; `Option<Identity>` does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The token's name, for audit lines.
    pub name: String,
    /// What it may do.
    pub role: Role,
}

impl Identity {
    /// The caller on the same machine while no tokens are configured.
    pub fn local_admin() -> Self {
        Identity {
            name: "local".to_owned(),
            role: Role::Admin,
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Identity {
    type Rejection = ProblemDocument;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        parts
            .extensions
            .get::<Identity>()
            .cloned()
            .ok_or_else(ProblemDocument::token_needed)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Identity {
    type Rejection = ProblemDocument;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        Ok(parts.extensions.get::<Identity>().cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_against_needs() {
        let table = [
            // role, public, ingest, read, respond, administer
            (Role::Ingest, [true, true, false, false, false]),
            (Role::Viewer, [true, false, true, false, false]),
            (Role::Responder, [true, false, true, true, false]),
            (Role::Admin, [true, true, true, true, true]),
        ];
        let needs = [
            Access::Public,
            Access::Ingest,
            Access::Read,
            Access::Respond,
            Access::Administer,
        ];
        for (role, expected) in table {
            assert_eq!(needs.map(|need| role.may(need)), expected, "{role}");
        }
        for need in needs {
            assert!(need.role_needed().is_none_or(|role| role.may(need)));
        }
    }

    #[test]
    fn words_round_trip() {
        for (role, word) in Role::ALL {
            assert_eq!(word.parse(), Ok(role));
            assert_eq!(role.to_string(), word);
        }
        assert!("Admin".parse::<Role>().is_err());
    }
}
