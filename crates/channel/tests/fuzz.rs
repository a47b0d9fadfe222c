//! The checks of `fuzz/` on seeded mutations of the golden vectors, in bounded number.
//!
//! `CAUSEWAY_FUZZ_ROUNDS` and `CAUSEWAY_FUZZ_SEED` choose other ones.
#![allow(unreachable_pub, reason = "the modules belong to the crate in fuzz/")]

mod golden;
mod seeds;

#[path = "../../../fuzz/src/block.rs"]
mod block;
#[path = "../../../fuzz/src/config.rs"]
mod config;
#[path = "../../../fuzz/src/envelope.rs"]
mod envelope;
#[path = "../../../fuzz/src/json.rs"]
mod json;
#[path = "../../../fuzz/src/mutation.rs"]
mod mutation;
#[path = "../../../fuzz/src/update.rs"]
mod update;

#[test]
fn fuzz_vectors_envelopes() {
    let Some(vectors) = golden::directory("") else { return };
    let envelopes = seeds::envelopes(&vectors);
    mutation::keep("envelope", &envelopes);
    mutation::run(&envelopes, 20_000, envelope::check);
}

#[test]
fn fuzz_vectors_blocks() {
    let Some(vectors) = golden::directory("") else { return };
    let blocks = seeds::blocks(&vectors);
    mutation::keep("block", &blocks);
    mutation::run(&blocks, 2_000, block::check);
}

#[test]
fn fuzz_vectors_configs() {
    let Some(vectors) = golden::directory("") else { return };
    let configs = seeds::configs(&vectors);
    mutation::keep("config", &configs);
    mutation::run(&configs, 1_000, config::check);
}

#[test]
fn fuzz_vectors_updates() {
    let Some(vectors) = golden::directory("") else { return };
    let updates = seeds::updates(&vectors);
    let inputs: Vec<_> = updates.iter().map(|(config, sent)| update::input(config, sent)).collect();
    mutation::keep("update", &inputs);
    // What goes wrong must go wrong in the update, not in the config that it is for.
    for (config, sent) in updates {
        mutation::run(&[sent], 10, |sent| update::check(&update::input(&config, sent)));
    }
}

#[test]
fn fuzz_vectors_json() {
    let Some(vectors) = golden::directory("") else { return };
    let messages = seeds::messages(&vectors);
    let inputs: Vec<_> =
        messages.iter().filter_map(|(message_type, form)| json::input(message_type, form)).collect();
    assert_eq!(inputs.len(), messages.len());
    mutation::keep("json", &inputs);
    mutation::run(&inputs, 10_000, json::check);
}
