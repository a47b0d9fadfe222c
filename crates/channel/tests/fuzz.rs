//! The checks of `fuzz/` on seeded mutations of the golden vectors, in bounded number.
//!
//! `CAUSEWAY_FUZZ_ROUNDS` and `CAUSEWAY_FUZZ_SEED` choose other ones.
#![allow(unreachable_pub, reason = "the modules belong to the crate in fuzz/")]

mod golden;

#[path = "../../../fuzz/src/block.rs"]
mod block;
#[path = "../../../fuzz/src/config.rs"]
mod config;
#[path = "../../../fuzz/src/envelope.rs"]
mod envelope;
#[path = "../../../fuzz/src/mutation.rs"]
mod mutation;
#[path = "../../../fuzz/src/seeds.rs"]
mod seeds;
#[path = "../../../fuzz/src/update.rs"]
mod update;

#[test]
fn fuzz_vectors_envelopes() {
    let Some(vectors) = golden::directory("") else { return };
    mutation::run(&seeds::envelopes(&vectors), 20_000, envelope::check);
}

#[test]
fn fuzz_vectors_blocks() {
    let Some(vectors) = golden::directory("") else { return };
    mutation::run(&seeds::blocks(&vectors), 2_000, block::check);
}

#[test]
fn fuzz_vectors_configs() {
    let Some(vectors) = golden::directory("") else { return };
    mutation::run(&seeds::configs(&vectors), 1_000, config::check);
}

#[test]
fn fuzz_vectors_updates() {
    let Some(vectors) = golden::directory("") else { return };
    let updates: Vec<_> =
        seeds::updates(&vectors).iter().map(|(base, sent)| update::input(base, sent)).collect();
    // Most of what goes wrong must go wrong in the update, not in the config that it is for.
    mutation::run(&updates, 0, update::check);
    for (base, sent) in seeds::updates(&vectors) {
        mutation::run(&[sent], 10, |sent| update::check(&update::input(&base, sent)));
    }
}
