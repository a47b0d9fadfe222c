//! Metrics under Fabric's names.
