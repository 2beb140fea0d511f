//! Sources of calls and metrics: wire formats in, decoded rows out to the store.
//!
//! Owns: the section `collector:`, files that are followed, targets that are scraped, pushed lines;
//! decoding, admission, watermarks, and what is known of each source.
//! Never: judges health; keeps rows (the store does).
//! Entry point: [`Collector::start`] and [`routes`].

mod collector;
mod config;
mod dead_letters;
mod events;
pub mod exposition;
mod formats;
mod intake;
mod ledger;
mod push;
mod scrape;
mod tail;
mod watermark;

pub use collector::{Collector, StartError};
pub use config::{
    Config, FileInput, HttpInput, Input, PUSH, ScrapeInput, SourceConfig, Target, shape,
};
pub use formats::{
    AHEAD_MAX, Decoded, Decoder, Format, FunctionSource, Mapping, MappingError, Meaning,
    NGINX_LOG_FORMAT, OutcomeMap, Refusal, RefusalCounts, RefusalKind,
};
pub use ledger::{SourceState, SourceStatus};
pub use push::{openapi, routes};
pub use scrape::STALE_MARKER_BITS;
pub use watermark::{Completeness, Promise, Watermarks};
