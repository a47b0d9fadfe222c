//! Fills `corpus/` with good inputs: `corpus VECTORS`.

use std::{fs, path::Path};

use fuzz::{seeds, update, wal};

fn main() {
    let vectors = std::env::args().nth(1).expect("usage: corpus VECTORS");
    let vectors = Path::new(&vectors);
    let updates =
        seeds::updates(vectors).iter().map(|(config, envelope)| update::input(config, envelope)).collect();
    for (target, inputs) in [
        ("envelope", seeds::envelopes(vectors)),
        ("block", seeds::blocks(vectors)),
        ("config", seeds::configs(vectors)),
        ("update", updates),
        ("wal", wal::samples()),
    ] {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
        fs::create_dir_all(&directory).expect("the corpus can be written");
        for (i, input) in inputs.iter().enumerate() {
            fs::write(directory.join(format!("seed-{i}")), input).expect("the corpus can be written");
        }
        println!("{target}: {} inputs", inputs.len());
    }
}
