//! Where the `causeway` binary is.

use std::path::PathBuf;

/// The binary under test: `CAUSEWAY_BIN`, or the one beside the running test.
///
/// # Panics
/// When there is none; `cargo xtask test` builds it.
pub fn causeway() -> PathBuf {
    let path = std::env::var_os("CAUSEWAY_BIN").map(PathBuf::from).or_else(|| {
        let test = std::env::current_exe().ok()?;
        Some(test.parent()?.parent()?.join("causeway"))
    });
    match path {
        Some(path) if path.exists() => path,
        other => panic!("no causeway binary at {other:?}; run the tests with `cargo xtask test`"),
    }
}
