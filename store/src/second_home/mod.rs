//! The second home of closed hours: an object store that speaks S3.
//!
//! Rows are acknowledged, merged and read back on the machine's own disk. An hour that is closed is copied to
//! the second home; once its rows are old enough the local copy goes, and queries read the object instead.
//! The manifest says of each file where it is, and which objects are to go: an object is named there before it
//! is written, so that none is ever forgotten.

mod account;
mod moving;
mod place;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use model::{Secret, Timestamp};
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use serde::Serialize;

use crate::manifest::TableFile;

pub use moving::{MoveError, Moved};
pub(crate) use moving::{Mover, Pace};
pub(crate) use place::Place;

/// Files that the second home has, as the objects that go when nobody needs them any more.
pub(crate) fn objects_of(files: &[Arc<TableFile>]) -> Vec<String> {
    let away = files.iter().filter(|file| file.place.is_away());
    away.map(|file| file.path.clone()).collect()
}

/// How long one request may take, in all its tries.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(1);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const TRIES_MAX: usize = 3;

/// An object store that speaks S3.
#[derive(Clone, Debug)]
pub struct S3 {
    /// The bucket.
    pub bucket: String,
    /// What the names of all objects begin with; may be empty.
    pub prefix: String,
    /// The address of one that is not Amazon's.
    pub endpoint: Option<String>,
    /// The region, `us-east-1` where it does not matter.
    pub region: String,
    /// Who asks, and their secret; from the surroundings (`AWS_*`, the machine's role) when absent.
    pub keys: Option<(String, Secret<String>)>,
    /// Whether the bucket stands in the host's name instead of the path.
    pub bucket_in_host: bool,
}

/// Why a second home cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the object store cannot be used: {0}")]
pub struct SecondHomeError(#[from] object_store::Error);

/// An object store, what is kept where in it, and when local copies go.
#[derive(Clone)]
pub struct SecondHome {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    /// How long after its end an hour stays on the machine's disk as well.
    pub(crate) keep_local: Duration,
    name: Arc<str>,
    /// Whether hours move by themselves.
    pub(crate) moves: bool,
}

impl SecondHome {
    /// One that speaks S3. Asks nobody anything yet.
    pub fn s3(settings: &S3, keep_local: Duration) -> Result<SecondHome, SecondHomeError> {
        let plain = settings
            .endpoint
            .as_ref()
            .is_some_and(|endpoint| endpoint.starts_with("http://"));
        let client = ClientOptions::new()
            .with_timeout(REQUEST_TIMEOUT)
            .with_connect_timeout(CONNECT_TIMEOUT)
            .with_allow_http(plain);
        let mut builder = match &settings.keys {
            None => AmazonS3Builder::from_env(),
            Some((key, secret)) => AmazonS3Builder::new()
                .with_access_key_id(key)
                .with_secret_access_key(secret.expose()),
        }
        .with_bucket_name(&settings.bucket)
        .with_region(&settings.region)
        .with_virtual_hosted_style_request(settings.bucket_in_host)
        .with_client_options(client)
        .with_retry(RetryConfig {
            backoff: BackoffConfig::default(),
            max_retries: TRIES_MAX,
            retry_timeout: REQUEST_TIMEOUT,
        });
        if let Some(endpoint) = &settings.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        let name = format!("s3://{}/{}", settings.bucket, settings.prefix);
        let store = Arc::new(builder.build()?);
        Ok(Self::over(store, &settings.prefix, keep_local, &name))
    }

    /// Any object store.
    pub fn over(
        store: Arc<dyn ObjectStore>,
        prefix: &str,
        keep_local: Duration,
        name: &str,
    ) -> SecondHome {
        SecondHome {
            store,
            prefix: Path::from(prefix),
            keep_local,
            name: name.trim_end_matches('/').into(),
            moves: true,
        }
    }

    /// The same, to which hours move only when [`crate::Store::move_closed_hours`] is called.
    pub fn on_request(self) -> SecondHome {
        SecondHome {
            moves: false,
            ..self
        }
    }

    /// What a person calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// The object that holds a file, named by its path below the store's directory.
    pub(crate) fn object(&self, path: &str) -> Path {
        self.prefix
            .parts()
            .chain(Path::from(path).parts())
            .map(|part| part.as_ref().to_owned())
            .collect::<Vec<_>>()
            .join("/")
            .into()
    }
}

impl fmt::Debug for SecondHome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecondHome({})", self.name)
    }
}

/// What there is in a second home.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct SecondHomeStats {
    /// What a person calls it; absent when the configuration names none though files are there.
    pub name: Option<String>,
    /// Files that it holds.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those of them that are not on the machine's disk any more.
    pub away_files: u64,
    /// Their bytes.
    pub away_bytes: u64,
    /// Objects that are to be removed.
    pub leaving: u64,
    /// Since when nothing could be moved; absent while all is well.
    pub failing_since: Option<Timestamp>,
    /// Why.
    pub failure: Option<String>,
}
