//! Descriptors from a file.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use prost_reflect::DescriptorPool;

use super::{DESCRIPTOR_BYTES_MAX, GrpcError};

/// Reads a compiled descriptor set.
pub(super) fn read(path: &Path) -> Result<DescriptorPool, GrpcError> {
    let unreadable = |source| GrpcError::File {
        path: path.to_owned(),
        source,
    };
    let unusable = |cause: String| GrpcError::Descriptors {
        origin: format!("`{}`", path.display()),
        cause,
    };
    let mut bytes = Vec::new();
    File::open(path)
        .map_err(unreadable)?
        .take(DESCRIPTOR_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() > DESCRIPTOR_BYTES_MAX {
        return Err(unusable(format!(
            "larger than {DESCRIPTOR_BYTES_MAX} bytes"
        )));
    }
    let pool =
        DescriptorPool::decode(bytes.as_slice()).map_err(|error| unusable(error.to_string()))?;
    if pool.services().len() == 0 {
        return Err(unusable("no service in it".to_owned()));
    }
    Ok(pool)
}
