//! The channels of this node: which exist, what serves them, and how they come and go.

pub mod channels;
pub mod participation;

pub use channels::{ChannelHandle, Channels};
pub use participation::{ChannelInfo, ChannelList, Participation, ParticipationError};
