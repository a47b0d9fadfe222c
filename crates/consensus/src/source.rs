//! Where blocks come from that this node did not order itself.
