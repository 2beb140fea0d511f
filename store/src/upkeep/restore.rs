//! A backup becomes a data directory again, byte for byte.

use std::path::Path;

use super::copy::{Filling, expect};
use super::listing::Listing;
use super::{UpkeepError, failed_at};
use crate::fs::Fs;

/// Copies the backup in `source` to `destination`, which is not there yet or empty. Every file is checked before the
/// first is written, and again as it was written. Gives what was restored.
pub fn restore(fs: &dyn Fs, source: &Path, destination: &Path) -> Result<Listing, UpkeepError> {
    let listing = Listing::read(fs, source)?;
    for file in &listing.files {
        expect(fs, &source.join(&file.path), file.content())?;
    }
    let mut filling = Filling::begin(fs, destination)?;
    for file in &listing.files {
        let from = source.join(&file.path);
        let content = filling.copy(&from, &file.path, u64::MAX)?;
        if content != file.content() {
            return Err(UpkeepError::Changed {
                path: from,
                reason: "it changed while it was copied".to_owned(),
            });
        }
    }
    filling.settle()?;
    fs.sync_dir(destination).map_err(failed_at(destination))?;
    Ok(listing)
}
