//! Assembly of the gRPC servers.
