//! Classification, filtering and processing of incoming messages.
