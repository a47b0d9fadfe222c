//! orderer.yaml and its environment.
