//! Where the tests keep state: each runs on a file and on a server.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used)] // each test file uses its part

use model::Secret;
use state::{Limits, Migrations, Place, State};

/// An empty place.
pub struct Home {
    pub place: Place,
    pub directory: tempfile::TempDir,
}

impl Home {
    pub fn file() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::File(directory.path().join("rampart.db"));
        Home { place, directory }
    }

    pub fn server() -> Self {
        let url = fakes::Postgres::shared().unwrap().database().unwrap();
        Home {
            place: Place::Server(Secret::new(url)),
            directory: tempfile::tempdir().unwrap(),
        }
    }

    pub async fn open(&self, rooms: &[Migrations]) -> State {
        self.open_with(rooms, &Limits::default()).await
    }

    pub async fn open_with(&self, rooms: &[Migrations], limits: &Limits) -> State {
        State::open_at(&self.place, rooms, limits).await.unwrap()
    }
}

/// The same test on either.
macro_rules! on_both {
    ($($(#[doc = $doc:literal])* async fn $name:ident($home:ident: Home) $body:block)*) => {$(
        $(#[doc = $doc])*
        mod $name {
            use super::*;

            async fn body($home: Home) $body

            #[tokio::test]
            async fn on_a_file() {
                body(Home::file()).await;
            }

            #[tokio::test]
            async fn on_a_server() {
                body(Home::server()).await;
            }
        }
    )*};
}
