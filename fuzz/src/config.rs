//! A channel's config, as a genesis block carries it.

use channel::{
    bundle::Bundle,
    configtx::{ComputeError, compute_update},
};
use protos::{Message, common::Config};

/// Never panics; a config that can be used may follow itself.
pub fn check(data: &[u8]) {
    let Ok(config) = Config::decode(data) else { return };
    assert!(matches!(
        compute_update("ch1", &config, &config),
        Err(ComputeError::NoDifference | ComputeError::NoOriginal)
    ));
    let Ok(bundle) = Bundle::new("ch1", config.clone()) else { return };
    assert_eq!(bundle.config(), &config);
    assert!(bundle.check_successor(&bundle).is_ok());
    let _ = bundle.unsupported_capability();
    let _ = (bundle.readers_policy(), bundle.writers_policy(), bundle.block_validation_policy());
    assert!(
        Bundle::new("ch1", Config::decode(config.encode_to_vec().as_slice()).expect("it was just encoded"))
            .is_ok()
    );
}
