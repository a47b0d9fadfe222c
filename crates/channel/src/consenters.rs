//! The consenter set of an etcdraft channel and its changes.
