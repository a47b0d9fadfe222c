//! The guide `docs/operations/tools.md`, typed to the letter.

use std::time::Duration;
use testbed::guide::Guide;
use testbed::{binary, ports};

/// How long all of it may take; it takes some ten seconds.
const LIMIT: Duration = Duration::from_secs(180);

#[test]
fn the_guide_to_the_tools_works_to_the_letter() {
    let mut guide = Guide::read("tools.md");
    // The ports of the guide may be taken here.
    let base = ports::block(9);
    for (index, port) in [7050, 7051, 7052, 7060, 7061, 7062, 7070, 7071, 7072].into_iter().enumerate() {
        let free = usize::from(base) + index;
        guide.put(&port.to_string(), &free.to_string());
    }
    assert!(guide.len() > 25, "only {} commands were found", guide.len());
    let place = tempfile::tempdir().expect("a temporary directory can be made");
    guide.type_in(place.path(), &[("causeway", &binary::causeway())], LIMIT);
}
