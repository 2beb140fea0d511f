//! Routes that declare what they need. There is no way to add one without.

use std::convert::Infallible;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;

use crate::{Access, Identity, ProblemDocument, events};

/// A room's routes, each behind the guard that its declared [`Access`] asks for.
///
/// One path may be declared several times with different methods and different needs.
#[derive(Debug)]
pub struct Routes<S = ()> {
    router: Router<S>,
    declared: Vec<(String, Access)>,
}

impl<S: Clone + Send + Sync + 'static> Default for Routes<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// No routes.
    pub fn new() -> Self {
        Routes {
            router: Router::new(),
            declared: Vec::new(),
        }
    }

    /// Adds methods of a path (axum's syntax, `/incidents/{id}`) that need `access`.
    pub fn route(
        mut self,
        access: Access,
        path: &str,
        methods: MethodRouter<S, Infallible>,
    ) -> Self {
        // `layer`, not `route_layer`: the latter leaves the handler of `any(..)` unguarded.
        let guarded = methods.layer(from_fn_with_state(access, guard));
        self.router = self.router.route(path, guarded);
        self.declared.push((path.to_owned(), access));
        self
    }

    /// Adds all routes of another set.
    pub fn merge(mut self, other: Routes<S>) -> Self {
        self.router = self.router.merge(other.router);
        self.declared.extend(other.declared);
        self
    }

    /// Adds all routes of another set below a prefix such as `/api/v1`.
    pub fn nest(mut self, prefix: &str, other: Routes<S>) -> Self {
        self.router = self.router.nest(prefix, other.router);
        self.declared.extend(
            other
                .declared
                .into_iter()
                .map(|(path, access)| (format!("{prefix}{path}"), access)),
        );
        self
    }

    /// Gives the handlers their state.
    pub fn with_state<T>(self, state: S) -> Routes<T> {
        Routes {
            router: self.router.with_state(state),
            declared: self.declared,
        }
    }

    /// The router, every route guarded.
    pub fn into_router(self) -> Router<S> {
        self.router
    }

    /// Every declaration in order, for tests and for the API's description.
    pub fn declared(&self) -> &[(String, Access)] {
        &self.declared
    }
}

/// Lets a request through when its caller may.
async fn guard(State(access): State<Access>, request: Request, next: Next) -> Response {
    match permit(access, request.extensions().get::<Identity>()) {
        Ok(()) => next.run(request).await,
        Err(problem) => {
            events::refused(if problem.status() == 401 {
                "no_token"
            } else {
                "role"
            });
            problem.into_response()
        }
    }
}

fn permit(access: Access, identity: Option<&Identity>) -> Result<(), ProblemDocument> {
    let Some(needed) = access.role_needed() else {
        return Ok(());
    };
    match identity {
        None => Err(ProblemDocument::token_needed()),
        Some(identity) if identity.role.may(access) => Ok(()),
        Some(Identity { name, role }) => Err(ProblemDocument::forbidden(format!(
            "this needs the role {needed}; token `{name}` has the role {role}"
        ))),
    }
}
