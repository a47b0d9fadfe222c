//! Everything that can happen to a ledger's files: torn writes, flipped bits, lost tails, a full disk,
//! a killed process.
#![allow(clippy::unwrap_used)]

mod fixture;

use fixture::{SmallDisk, block, chain, open};
use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};
use storage::ledger::{BlockReader, Ledger, LedgerOptions, LedgerStore, Step, StoreError};

fn block_file(location: &Path) -> PathBuf {
    location.join("chains/ch1/blockfile_000000")
}

fn offsets_file(location: &Path) -> PathBuf {
    location.join("offsets/ch1")
}

/// A ledger of three blocks, the first `flushed` of them flushed, and the end of each record.
fn three_blocks(location: &Path, flushed: u64) -> Vec<usize> {
    let ledger = open(location).unwrap();
    let mut ends = Vec::new();
    for block in chain(3, 120) {
        ledger.append(&block).unwrap();
        if ledger.height() <= flushed {
            ledger.flush().unwrap();
        }
        ends.push(fs::metadata(block_file(location)).unwrap().len() as usize);
    }
    ends
}

fn append_next(ledger: &Ledger) {
    let next = block(ledger.height(), ledger.last_header_hash().to_vec(), 50);
    ledger.append(&Arc::new(next)).unwrap();
    ledger.flush().unwrap();
}

fn assert_sound(location: &Path, height: u64) {
    let mut reader = BlockReader::open(location, "ch1").unwrap();
    loop {
        match reader.step().unwrap() {
            Step::Block(stored) => assert!(stored.data_hash_matches, "block {}", stored.block.number()),
            Step::End => break,
            fault => panic!("{fault:?}"),
        }
    }
    assert_eq!(reader.next_number(), height);
}

#[test]
fn a_record_torn_at_any_byte_is_cut_off() {
    for keep_offsets in [true, false] {
        let directory = fixture::directory();
        let location = directory.path();
        let ends = three_blocks(location, 2);
        let whole = fs::read(block_file(location)).unwrap();
        let offsets = fs::read(offsets_file(location)).unwrap();
        for end in ends[1] + 1..ends[2] {
            fs::write(block_file(location), &whole[..end]).unwrap();
            fs::write(offsets_file(location), &offsets).unwrap();
            if !keep_offsets {
                fs::remove_file(offsets_file(location)).unwrap();
            }
            assert!(matches!(last_step(location), Step::Torn(fault) if fault.offset as usize == ends[1]));
            let ledger = open(location).unwrap();
            assert_eq!(ledger.height(), 2, "torn at {end}");
            let report = ledger.repaired().unwrap();
            assert!(report.contains(&format!("cut {} bytes", end - ends[1])), "{report}");
            assert_eq!(fs::metadata(block_file(location)).unwrap().len() as usize, ends[1]);
        }
        append_next(&open(location).unwrap());
        assert_sound(location, 3);
    }
}

/// What a reader of the files finds behind the last good block.
fn last_step(location: &Path) -> Step {
    let mut reader = BlockReader::open(location, "ch1").unwrap();
    loop {
        match reader.step().unwrap() {
            Step::Block(_) => {}
            other => return other,
        }
    }
}

#[test]
fn what_was_not_flushed_may_be_garbage_after_a_power_cut() {
    let directory = fixture::directory();
    let location = directory.path();
    let ends = three_blocks(location, 2);
    let whole = fs::read(block_file(location)).unwrap();
    let offsets = fs::read(offsets_file(location)).unwrap();
    let metadata_begins = ends[2] - 6;
    for at in ends[1]..ends[2] {
        for value in [0, whole[at] ^ 1] {
            let mut damaged = whole.clone();
            damaged[at..].fill(value);
            if value != 0 {
                damaged[at + 1..].copy_from_slice(&whole[at + 1..]);
            }
            if damaged == whole {
                continue;
            }
            fs::write(block_file(location), &damaged).unwrap();
            fs::write(offsets_file(location), &offsets).unwrap();
            let ledger = open(location).unwrap();
            // No hash covers the metadata; everything else is found out.
            assert!(ledger.height() == 2 || at >= metadata_begins, "changed at {at}: {}", ledger.height());
            append_next(&ledger);
        }
    }
}

#[test]
fn a_flipped_bit_among_flushed_blocks_is_refused_or_reported() {
    let directory = fixture::directory();
    let location = directory.path();
    let ends = three_blocks(location, 3);
    let whole = fs::read(block_file(location)).unwrap();
    let good: Vec<_> = chain(3, 120).iter().map(|block| block.header_hash()).collect();
    let (mut refused, mut reported, mut found_on_reading) = (0, 0, 0);
    for at in 0..ends[1] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1 << (at % 8);
        fs::write(block_file(location), &damaged).unwrap();
        fs::remove_file(offsets_file(location)).unwrap();
        match open(location) {
            Err(StoreError::Damaged { path, offset, .. }) => {
                refused += 1;
                assert!(path == block_file(location) && offset as usize <= ends[1]);
                assert_eq!(fs::read(block_file(location)).unwrap(), damaged, "nothing is changed");
                fs::write(offsets_file(location), b"").unwrap();
            }
            Err(error) => panic!("flipped at {at}: {error}"),
            Ok(ledger) => {
                // A length that reaches behind the file cannot be told from a torn write.
                reported += usize::from(ledger.repaired().is_some());
                for number in 0..ledger.height() {
                    match ledger.block(number) {
                        Ok(block) => {
                            let hash = block.unwrap().header_hash();
                            assert_eq!(hash, good[number as usize], "flipped at {at}");
                        }
                        // Found at the latest when the block is read.
                        Err(StoreError::Damaged { .. }) => found_on_reading += 1,
                        Err(error) => panic!("flipped at {at}: {error}"),
                    }
                }
            }
        }
    }
    assert!(refused > 100, "{refused} refused, {reported} cut");
    assert!(reported < 8, "{reported} cut");
    assert!(found_on_reading > 100, "{found_on_reading} found on reading");
}

#[test]
fn damage_in_an_old_block_is_found_when_it_is_read() {
    let directory = fixture::directory();
    let location = directory.path();
    three_blocks(location, 3);
    let mut damaged = fs::read(block_file(location)).unwrap();
    damaged[2] ^= 0x10;
    fs::write(block_file(location), &damaged).unwrap();
    // Opening looks at the end only, however long the ledger is.
    let ledger = open(location).unwrap();
    assert_eq!(ledger.height(), 3);
    let error = ledger.block(0).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { offset: 0, .. }), "{error}");
    assert!(error.to_string().contains("join it again"), "{error}");
    assert!(ledger.block(1).unwrap().is_some());
    append_next(&ledger);
}

#[test]
fn a_lost_tail_is_refused_until_the_checkpoint_is_removed() {
    let directory = fixture::directory();
    let location = directory.path();
    let ends = three_blocks(location, 3);
    for (length, height) in [(ends[2] - 1, 2), (ends[0] + 5, 1), (0, 0)] {
        let file = fs::OpenOptions::new().write(true).open(block_file(location)).unwrap();
        let lost = fs::metadata(block_file(location)).unwrap().len() as usize - length;
        file.set_len(length as u64).unwrap();
        let error = open(location).unwrap_err();
        assert!(
            matches!(error, StoreError::TailLost { missing_bytes, .. } if missing_bytes as usize == lost),
            "{error}"
        );
        assert!(error.to_string().contains(offsets_file(location).to_str().unwrap()), "{error}");
        assert_eq!(fs::metadata(block_file(location)).unwrap().len() as usize, length, "nothing is changed");
        fs::remove_file(offsets_file(location)).unwrap();
        assert_eq!(open(location).unwrap().height(), height);
    }
    append_next(&open(location).unwrap());
    fs::remove_file(block_file(location)).unwrap();
    assert!(matches!(open(location).unwrap_err(), StoreError::TailLost { .. }));
}

#[test]
fn offsets_are_worked_out_again_whatever_happens_to_them() {
    let directory = fixture::directory();
    let location = directory.path();
    three_blocks(location, 3);
    let whole = fs::read(offsets_file(location)).unwrap();
    assert_eq!(whole.len(), 3 * 16);
    let mut variants: Vec<Vec<u8>> = (0..whole.len()).map(|end| whole[..end].to_vec()).collect();
    variants.push([&whole[..], &[0; 4096]].concat());
    variants.push([&whole[..20], &[0; 28]].concat());
    variants.push(vec![0xff; 1000]);
    variants.extend(
        (32..48).map(|at| whole.iter().enumerate().map(|(i, b)| if i == at { b ^ 4 } else { *b }).collect()),
    );
    for variant in variants {
        fs::write(offsets_file(location), &variant).unwrap();
        let ledger = open(location).unwrap();
        assert_eq!((ledger.height(), ledger.repaired()), (3, None), "{} bytes", variant.len());
        assert!((0..3).all(|number| ledger.block(number).unwrap().unwrap().number() == number));
        assert_eq!(fs::read(offsets_file(location)).unwrap()[..48], whole);
    }
    // An old entry that is wrong is found when it is used.
    let mut damaged = whole.clone();
    damaged[3] ^= 1;
    fs::write(offsets_file(location), &damaged).unwrap();
    let error = open(location).unwrap().block(0).unwrap_err();
    assert!(matches!(error, StoreError::Offsets { number: 0, .. }), "{error}");
    fs::remove_file(offsets_file(location)).unwrap();
    assert!(open(location).unwrap().block(0).unwrap().is_some());
}

#[test]
fn a_block_file_that_is_missing_is_named() {
    let directory = fixture::directory();
    let options = LedgerOptions { max_file_bytes: 1, ..LedgerOptions::default() };
    let store = LedgerStore::open(directory.path(), options).unwrap();
    let ledger = store.open_channel("ch1").unwrap();
    chain(3, 10).iter().for_each(|block| ledger.append(block).unwrap());
    ledger.flush().unwrap();
    drop((ledger, store));
    fs::remove_file(directory.path().join("chains/ch1/blockfile_000001")).unwrap();
    let error = open(directory.path()).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("blockfile_000001"), "{error}");
}

#[test]
fn a_torn_file_that_is_not_the_last_is_refused() {
    let directory = fixture::directory();
    let options = LedgerOptions { max_file_bytes: 1, ..LedgerOptions::default() };
    let store = LedgerStore::open(directory.path(), options).unwrap();
    let ledger = store.open_channel("ch1").unwrap();
    chain(3, 10).iter().for_each(|block| ledger.append(block).unwrap());
    drop((ledger, store));
    let torn = directory.path().join("chains/ch1/blockfile_000001");
    let length = fs::metadata(&torn).unwrap().len();
    fs::OpenOptions::new().write(true).open(&torn).unwrap().set_len(length - 1).unwrap();
    let error = open(directory.path()).unwrap_err();
    assert!(matches!(&error, StoreError::Damaged { path, offset: 0, .. } if *path == torn), "{error}");
}

#[test]
fn a_full_disk_leaves_nothing_half_written() {
    let Some(disk) = SmallDisk::mount() else { return };
    let ledger = open(disk.path()).unwrap();
    let mut last = None;
    let error = loop {
        let next = block(ledger.height(), ledger.last_header_hash().to_vec(), 20_000);
        match ledger.append(&Arc::new(next)).and_then(|()| ledger.flush()) {
            Ok(()) => last = ledger.block(ledger.height() - 1).unwrap(),
            Err(error) => break error,
        }
        assert!(ledger.height() < 1000, "the disk does not get full");
    };
    assert!(error.to_string().contains("No space left on device"), "{error}");
    assert!(error.to_string().contains("chains/ch1/blockfile_000000"), "{error}");
    let kept = last.unwrap();
    assert_eq!(ledger.durable_height(), kept.number() + 1);
    let next = Arc::new(block(ledger.height(), ledger.last_header_hash().to_vec(), 1));
    for refused in [ledger.append(&next), ledger.flush()] {
        let error = refused.unwrap_err();
        assert!(matches!(error, StoreError::Poisoned { .. }), "{error}");
        assert!(error.to_string().contains("No space left on device"), "{error}");
    }
    assert!(ledger.poisoned().unwrap().contains("No space left on device"));
    assert_eq!(ledger.block(kept.number()).unwrap().unwrap(), kept, "reads go on");
    drop(ledger);
    assert_sound(disk.path(), kept.number() + 1);
    let ledger = open(disk.path()).unwrap();
    assert_eq!(
        (ledger.height(), ledger.repaired()),
        (kept.number() + 1, None),
        "what was written was taken back"
    );
    append_next(&ledger);
}

#[test]
fn a_flush_that_fails_poisons_the_ledger() {
    let Some(disk) = SmallDisk::mount() else { return };
    let ledger = open(disk.path()).unwrap();
    // Enough blocks that their offsets need a page that the disk does not have.
    let blocks = chain(300, 10);
    blocks.iter().for_each(|block| ledger.append(block).unwrap());
    disk.fill();
    let error = ledger.flush().unwrap_err().to_string();
    assert!(error.contains("offsets/ch1") && error.contains("No space left on device"), "{error}");
    assert_eq!(ledger.durable_height(), 0);
    fs::remove_file(disk.path().join("filler")).unwrap();
    // There is room again, but what became of the flush is not known.
    let next = Arc::new(block(300, ledger.last_header_hash().to_vec(), 1));
    for refused in [ledger.flush(), ledger.append(&next)] {
        assert!(matches!(refused, Err(StoreError::Poisoned { .. })));
    }
    assert_eq!(ledger.block(299).unwrap().unwrap(), blocks[299]);
    drop(ledger);
    let ledger = open(disk.path()).unwrap();
    assert_eq!(ledger.height(), 300);
    append_next(&ledger);
}

#[test]
fn a_read_only_disk_is_named() {
    let Some(disk) = SmallDisk::mount() else { return };
    three_blocks(disk.path(), 3);
    disk.make_read_only();
    let error = open(disk.path()).unwrap_err().to_string();
    assert!(
        error.contains("Read-only file system") && error.contains(disk.path().to_str().unwrap()),
        "{error}"
    );
    assert_sound(disk.path(), 3);
}

/// The process that is killed: appends and flushes as fast as it can and tells what is durable.
#[test]
#[ignore = "a child of the test below"]
fn writer_that_is_killed() {
    let location = std::env::var("CAUSEWAY_TEST_LEDGER").unwrap();
    let options = LedgerOptions { max_file_bytes: 100_000, ..LedgerOptions::default() };
    let ledger = LedgerStore::open(Path::new(&location), options).unwrap().open_channel("ch1").unwrap();
    loop {
        for size in [10, 3000, 20_000] {
            let next = block(ledger.height(), ledger.last_header_hash().to_vec(), size);
            ledger.append(&Arc::new(next)).unwrap();
        }
        ledger.flush().unwrap();
        println!("durable {}", ledger.durable_height());
    }
}

#[test]
fn a_killed_process_loses_nothing_that_it_had_flushed() {
    let directory = fixture::directory();
    let mut height = 0;
    for round in 0..8 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writer_that_is_killed", "--ignored", "--nocapture"])
            .env("CAUSEWAY_TEST_LEDGER", directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut durable = 0;
        for line in output.lines() {
            if let Some(told) = line.unwrap().rsplit("durable ").next().and_then(|n| n.parse().ok()) {
                durable = told;
                if durable >= height + 5 + 7 * round {
                    child.kill().unwrap();
                }
            }
        }
        child.wait().unwrap();
        assert!(durable > height, "the writer made no progress");
        let ledger = open(directory.path()).unwrap();
        height = ledger.height();
        assert!(height >= durable, "round {round}: {height} of {durable} blocks are left");
        drop(ledger);
        assert_sound(directory.path(), height);
    }
}
