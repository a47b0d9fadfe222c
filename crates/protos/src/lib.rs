//! Fabric's messages and services, one module a protobuf package.
//!
//! The `.proto` files are ours, written from the field numbers of Fabric 2.5 and
//! etcd; the package names are theirs, because tools print them. Byte fields are
//! [`bytes::Bytes`], so that decoding from a shared buffer copies nothing; maps are
//! ordered, so that our own encoding is deterministic. Fabric's is not: never
//! re-encode what was received and is hashed or signed.
#![allow(missing_docs, clippy::all, unreachable_pub)]

/// Package `common`: blocks, envelopes, config trees, policies and principals.
pub mod common {
    tonic::include_proto!("common");
}

/// Package `orderer`: Broadcast, Deliver, the cluster service, orderer config values.
pub mod orderer {
    tonic::include_proto!("orderer");
}

/// Package `etcdraft`: consenters, options and block metadata of Raft channels.
pub mod etcdraft {
    tonic::include_proto!("etcdraft");
}

/// Package `msp`: identities and MSP definitions.
pub mod msp {
    tonic::include_proto!("msp");
}

/// Package `protos`: Fabric's peer messages: transactions, chaincodes, and what channel configs
/// hold of them.
#[allow(clippy::module_inception)]
pub mod peer {
    tonic::include_proto!("protos");
}

/// Package `rwset`: what a transaction has read and written.
pub mod rwset {
    tonic::include_proto!("rwset");
}

/// Package `kvrwset`: the same in one namespace.
pub mod kvrwset {
    tonic::include_proto!("kvrwset");
}

/// Package `raftpb`: etcd's raft messages, as sent between orderers and kept in the log.
pub mod raftpb {
    tonic::include_proto!("raftpb");
}

/// Package `walpb`: records of etcd's write-ahead log and snapshot files.
pub mod walpb {
    tonic::include_proto!("walpb");
}

/// Fabric's messages, described by messages.
pub mod descriptor {
    pub use prost_types::{
        DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
        field_descriptor_proto,
    };

    /// A marshaled [`FileDescriptorSet`] of all files whose messages have the same fields in Fabric,
    /// without their comments.
    pub const FABRIC: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/fabric.descriptors"));
}

pub use prost::{DecodeError, Message, encode_length_delimiter};
pub use prost_types::Timestamp;
