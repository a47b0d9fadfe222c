//! A config update as a client sends it, against a config.

use bytes::Bytes;
use channel::{
    bundle::Bundle,
    configtx::{propose_update, validate_config},
    envelope::decode_canonical,
};
use protos::{Message, common::Config};

/// The input of [`check`]: the config's length (four bytes, big-endian), the config, the envelope.
pub fn input(config: &[u8], envelope: &[u8]) -> Vec<u8> {
    [&(config.len() as u32).to_be_bytes(), config, envelope].concat()
}

/// Never panics; a config that was proposed is valid.
pub fn check(data: &[u8]) {
    let Some((length, rest)) = data.split_first_chunk::<4>() else { return };
    let Some((config, envelope)) = rest.split_at_checked(u32::from_be_bytes(*length) as usize) else {
        return;
    };
    let Ok(config) = Config::decode(config) else { return };
    let Ok((envelope, _)) = decode_canonical(Bytes::copy_from_slice(envelope)) else { return };
    let Ok(bundle) = Bundle::new("ch1", config) else { return };
    let Ok(proposed) = propose_update(&bundle, &envelope) else { return };
    validate_config(&bundle, &proposed).expect("what follows from the update is valid");
    if let Ok(next) = Bundle::new("ch1", proposed.config.unwrap_or_default()) {
        let _ = bundle.check_successor(&next);
    }
}
