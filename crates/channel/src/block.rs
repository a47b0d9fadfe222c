//! Blocks: assembly, hashes, metadata, signatures and their verification.
