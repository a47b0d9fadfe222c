//! Makes what a sandbox stands on: organisations, certificates, the channel's genesis
//! block and each node's settings, in the places that [`Layout`] names.

use crate::{
    failure::{Failure, because},
    sandbox::layout::Layout,
};

/// Writes everything that `layout` names, except its description and the nodes' data.
pub fn generate(_layout: &Layout) -> Result<(), Failure> {
    Err(because("not here yet"))
}
