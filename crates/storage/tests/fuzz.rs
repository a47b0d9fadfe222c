//! The check of `fuzz/` on seeded mutations of Raft logs, in bounded number.
//!
//! `CAUSEWAY_FUZZ_ROUNDS` and `CAUSEWAY_FUZZ_SEED` choose other ones.
#![allow(unreachable_pub, reason = "the modules belong to the crate in fuzz/")]

#[path = "../../../fuzz/src/mutation.rs"]
mod mutation;
#[path = "../../../fuzz/src/wal.rs"]
mod wal;

#[test]
fn fuzz_wal() {
    let samples = wal::samples();
    mutation::keep("wal", &samples);
    mutation::run(&samples, 500, wal::check);
}
