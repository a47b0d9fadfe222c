//! Networks of real ordering nodes for tests: processes with TLS on this machine, with
//! the means to kill, stop and cut off one of them, and the checks of what must hold
//! afterwards. Development only.

pub mod binary;
pub mod channel_config;
pub mod forge;
pub mod guide;
pub mod hosts;
pub mod ledgers;
pub mod load;
pub mod material;
pub mod network;
pub mod node;
pub mod operator;
pub mod ports;
pub mod probe;
pub mod proxy;
pub mod reconfigure;
pub mod settings;
pub mod source;
pub mod system_channel;
pub mod vectors;
pub mod wait;
