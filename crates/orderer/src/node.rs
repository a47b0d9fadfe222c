//! Assembles and runs the node.
