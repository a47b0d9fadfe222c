//! Creation of channels through a system channel.
