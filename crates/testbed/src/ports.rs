//! Ports that nobody else uses.

use std::fs::{self, File};
use std::net::TcpListener;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// All ports that are handed out. They lie below the system's ephemeral ports, so that outgoing
/// connections do not take one between the choice and the node's own bind.
const PORTS: Range<u16> = 12_000..32_000;
/// Ports are handed out in slots of so many: each has a file of its own to be locked by.
const SLOT: u16 = 10;

/// A base for blocks of consecutive ports: `base..base + count` can all be bound now, and no other test
/// is given one of them, of this process or another one, as long as this process lives.
///
/// # Panics
/// When no such block is left, or the temporary directory cannot be used.
pub fn block(count: u16) -> u16 {
    static HELD: Mutex<Vec<File>> = Mutex::new(Vec::new());
    let slots = (PORTS.end - PORTS.start) / SLOT;
    let wanted = count.div_ceil(SLOT);
    // Tests of several processes run side by side: start from a place of this process's own.
    let start = u16::try_from(std::process::id() % u32::from(slots)).unwrap_or(0);
    for step in 0..slots {
        let first = (start + step) % slots;
        let base = PORTS.start + first * SLOT;
        let free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if first + wanted <= slots
            && let Some(locks) = (first..first + wanted).map(lock).collect::<Option<Vec<_>>>()
            && (base..base + count).all(free)
        {
            HELD.lock().unwrap_or_else(PoisonError::into_inner).extend(locks);
            return base;
        }
    }
    panic!("no {count} consecutive free ports in {PORTS:?}")
}

/// The slot, unless somebody has it. The system unlocks the file when whoever has it ends, in whatever
/// way; nodes do not inherit it.
fn lock(slot: u16) -> Option<File> {
    let folder = std::env::temp_dir().join("causeway-test-ports");
    let path = folder.join(slot.to_string());
    let opened = fs::create_dir_all(&folder).and_then(|()| File::create(&path));
    let file = opened.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    file.try_lock().is_ok().then_some(file)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::{BufRead, BufReader, Read};
    use std::process::{Child, Command, Stdio};

    const COUNT: u16 = 25;
    const CHILD: &str = "CAUSEWAY_TEST_PORTS_CHILD";

    #[test]
    #[ignore = "what the processes of the other test run"]
    fn takes_a_block_and_holds_it() {
        if std::env::var_os(CHILD).is_some() {
            println!("\nblock {}", block(COUNT));
            let _ = std::io::stdin().read(&mut [0]);
        }
    }

    fn process() -> Child {
        let name = "ports::tests::takes_a_block_and_holds_it";
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--ignored", "--nocapture"])
            .env(CHILD, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    }

    #[test]
    fn no_two_processes_have_the_same_and_none_is_lost_when_one_dies() {
        let mut processes: Vec<Child> = (0..6).map(|_| process()).collect();
        let mut bases: Vec<u16> = processes
            .iter_mut()
            .map(|child| {
                let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
                lines.find_map(|line| line.unwrap().strip_prefix("block ")?.parse().ok()).unwrap()
            })
            .collect();
        bases.extend([block(COUNT), block(COUNT)]);
        let held = bases[0];
        bases.sort_unstable();
        assert!(bases.windows(2).all(|pair| pair[0] + COUNT <= pair[1]), "{bases:?}");
        let slots = || (held - PORTS.start) / SLOT..(held + COUNT - PORTS.start).div_ceil(SLOT);
        assert!(slots().all(|slot| lock(slot).is_none()));
        for child in &mut processes {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert!(slots().all(|slot| lock(slot).is_some()));
    }
}
