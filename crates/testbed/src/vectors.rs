//! The golden data made by Fabric's own tools.

use std::path::{Path, PathBuf};

/// Where it is: `CAUSEWAY_VECTORS`, or `../shared/vectors` beside the workspace. `None`, with a
/// message, when it is not there.
///
/// # Panics
/// When it is not there and `CI` is set.
pub fn directory() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
    let path = std::env::var_os("CAUSEWAY_VECTORS").map_or(beside, PathBuf::from);
    if path.join("README.md").exists() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "there are no vectors at {}", path.display());
    println!("skipped: there are no vectors at {}; CAUSEWAY_VECTORS names their directory", path.display());
    None
}
