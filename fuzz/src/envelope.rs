//! An envelope as a client sends it.

use bytes::Bytes;
use channel::{
    envelope::{channel_header, decode_canonical, headers, payload, signed_data, size_bytes},
    processor,
};
use protos::{Message, common::Envelope};

/// Never panics; the canonical form is its own canonical form and means the same.
pub fn check(data: &[u8]) {
    let raw = Bytes::copy_from_slice(data);
    let generated = Envelope::decode(raw.clone());
    let Ok((envelope, canonical)) = decode_canonical(raw) else {
        assert!(generated.is_err(), "refused, but the generated decoder takes it");
        return;
    };
    if let Ok(generated) = generated {
        assert_eq!(envelope, generated);
    }
    assert!(size_bytes(&envelope) <= canonical.len());
    let again = decode_canonical(canonical.clone()).expect("a canonical form decodes");
    assert_eq!(again.0, envelope);
    assert_eq!(again.1, canonical);

    let _ = payload(&envelope);
    let _ = signed_data(&envelope);
    let classified = processor::classify(&envelope);
    match channel_header(&envelope) {
        Err(_) => assert!(headers(&envelope).is_err() && classified.is_err()),
        Ok(header) => {
            if let Ok(classified) = classified {
                assert_eq!(classified.channel_id, header.channel_id);
            }
        }
    }
}
