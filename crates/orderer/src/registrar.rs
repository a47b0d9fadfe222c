//! The channels of this node: which exist, what serves them, and how they come and go.

pub mod participation;

pub use participation::{ChannelInfo, ChannelList, Participation, ParticipationError};
