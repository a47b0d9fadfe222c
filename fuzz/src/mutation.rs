//! Seeded mutations of good inputs, for bounded runs without a fuzzing engine.

use std::{env, fs, path::PathBuf, thread};

/// Writes the seeds where libFuzzer will look for them, if `CAUSEWAY_FUZZ_CORPUS` names the place.
pub fn keep(target: &str, seeds: &[Vec<u8>]) {
    let Some(corpus) = env::var_os("CAUSEWAY_FUZZ_CORPUS") else { return };
    let directory = PathBuf::from(corpus).join(target);
    fs::create_dir_all(&directory).expect("the corpus can be written");
    for (i, seed) in seeds.iter().enumerate() {
        fs::write(directory.join(format!("seed-{i}")), seed).expect("the corpus can be written");
    }
}

/// Calls `check` with mutations of the seeds, `rounds` of them (or `CAUSEWAY_FUZZ_ROUNDS`); round
/// N's depends on N alone, beginning with `CAUSEWAY_FUZZ_SEED` (or 0). Says which round failed.
pub fn run(seeds: &[Vec<u8>], rounds: u64, check: impl Fn(&[u8])) {
    assert!(!seeds.is_empty(), "there is nothing to mutate");
    seeds.iter().for_each(|seed| check(seed));
    let number = |name| env::var(name).ok().map(|text| text.parse().expect("a number"));
    let first: u64 = number("CAUSEWAY_FUZZ_SEED").unwrap_or(0);
    for round in first..first + number("CAUSEWAY_FUZZ_ROUNDS").unwrap_or(rounds) {
        let input = Mutator::new(round).mutate(seeds);
        let _on_panic = Report(round);
        check(&input);
    }
}

struct Report(u64);

impl Drop for Report {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("to repeat: CAUSEWAY_FUZZ_SEED={} CAUSEWAY_FUZZ_ROUNDS=1 cargo test ...", self.0);
        }
    }
}

/// A small generator (SplitMix64) and what it does to bytes.
struct Mutator(u64);

impl Mutator {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    fn mutate(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut input = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(3) {
            input = match self.below(4) {
                0 => self.damage(input, seeds),
                // Changes within the structure go deeper before they are noticed.
                _ => self.message(&input, seeds).unwrap_or_else(|| self.damage(input, seeds)),
            };
        }
        input
    }

    /// Changes bytes without regard to what they mean.
    fn damage(&mut self, mut bytes: Vec<u8>, seeds: &[Vec<u8>]) -> Vec<u8> {
        let at = self.below(bytes.len());
        let end = (at + 1 + self.below(16)).min(bytes.len());
        match self.below(7) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
            1 if !bytes.is_empty() => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][self.below(5)],
            2 => bytes.truncate(at),
            3 if !bytes.is_empty() => drop(bytes.drain(at..end)),
            4 => {
                let more = (0..1 + self.below(16)).map(|_| self.next() as u8).collect::<Vec<_>>();
                drop(bytes.splice(at..at, more));
            }
            5 if !bytes.is_empty() => {
                let piece = bytes[at..end].to_vec();
                let to = self.below(bytes.len());
                drop(bytes.splice(to..to, piece));
            }
            _ => {
                let other = &seeds[self.below(seeds.len())];
                bytes.truncate(at);
                bytes.extend_from_slice(&other[self.below(other.len())..]);
            }
        }
        bytes
    }

    /// Changes one field of a protobuf message, at some depth, and fits the lengths around it;
    /// `None` if the bytes are not a message.
    fn message(&mut self, bytes: &[u8], seeds: &[Vec<u8>]) -> Option<Vec<u8>> {
        let mut fields = fields(bytes)?;
        let chosen = self.below(fields.len());
        let Field { content, is_bytes, .. } = fields.get(chosen)?;
        let deeper = *is_bytes && self.below(8) > 0;
        if let Some(inner) = deeper.then(|| self.message(content, seeds)).flatten() {
            fields[chosen].content = inner;
        } else {
            match self.below(8) {
                0 => drop(fields.remove(chosen)),
                1 => fields.insert(chosen, fields[chosen].clone()),
                2 => fields[chosen].number = 1 + self.below(12) as u64,
                3 => fields.push(fields[chosen].clone()),
                4 => fields[chosen].content.clear(),
                5 => {
                    let other = self.below(fields.len());
                    fields[chosen].content = fields[other].content.clone();
                    fields[chosen].is_bytes = fields[other].is_bytes;
                }
                _ => {
                    let content = std::mem::take(&mut fields[chosen].content);
                    fields[chosen].content = self.damage(content, seeds);
                }
            }
        }
        Some(fields.iter().flat_map(Field::encode).collect())
    }
}

/// A field with a varint (its bytes) or with bytes.
#[derive(Clone)]
struct Field {
    number: u64,
    is_bytes: bool,
    content: Vec<u8>,
}

impl Field {
    fn encode(&self) -> Vec<u8> {
        let mut encoded = varint(self.number << 3 | if self.is_bytes { 2 } else { 0 });
        if self.is_bytes {
            encoded.extend(varint(self.content.len() as u64));
        }
        encoded.extend_from_slice(&self.content);
        encoded
    }
}

/// The fields of a message of varints and bytes, which is all that Fabric's messages consist of.
fn fields(mut bytes: &[u8]) -> Option<Vec<Field>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = read_varint(&mut bytes)?;
        let before = bytes;
        let number_or_length = read_varint(&mut bytes)?;
        let content = match tag & 7 {
            0 => &before[..before.len() - bytes.len()],
            2 => bytes.split_off(..usize::try_from(number_or_length).ok()?)?,
            _ => return None,
        };
        fields.push(Field { number: tag >> 3, is_bytes: tag & 7 == 2, content: content.to_vec() });
    }
    Some(fields)
}

fn read_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.split_off_first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}
