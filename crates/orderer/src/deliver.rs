//! Deliver: hands blocks out.
