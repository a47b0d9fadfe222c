//! Envelopes: headers, signing and what a signature covers.
