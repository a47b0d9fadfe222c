//! Broadcast: takes transactions in.
