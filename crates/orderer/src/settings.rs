//! The node's settings: `orderer.yaml` and its `ORDERER_...` overrides.

mod model;

pub use model::*;
