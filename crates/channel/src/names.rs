//! Which names channels and configuration elements may have.
