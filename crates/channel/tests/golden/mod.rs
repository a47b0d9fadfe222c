//! Finding the golden vectors.

use std::{env, path::PathBuf};

/// The vectors' directory `name`: below `CAUSEWAY_VECTORS`, else below `shared/vectors` beside the
/// workspace. Without one a test has nothing to do, which is allowed only outside CI.
pub(crate) fn directory(name: &str) -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors");
    let root = env::var_os("CAUSEWAY_VECTORS").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    let directory = root.join(name);
    if directory.is_dir() {
        return Some(directory);
    }
    assert!(env::var_os("CI").is_none(), "{} is missing; set CAUSEWAY_VECTORS", directory.display());
    eprintln!("skipped: {} is missing; set CAUSEWAY_VECTORS to run this test", directory.display());
    None
}
