//! What processes on this machine use, from Linux's `/proc`.

use std::{collections::HashMap, fs, os::unix::fs::MetadataExt, path::Path, time::Duration};

/// What the kernel counts CPU time in for user space, on every architecture.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time of a process so far, all threads, user and system; `None` when there is no such process.
pub(super) fn cpu_time(pid: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, parentheses too; fields 14 and 15 are utime and stime.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let user: f64 = fields.get(11)?.parse().ok()?;
    let system: f64 = fields.get(12)?.parse().ok()?;
    Some(Duration::from_secs_f64((user + system) / TICKS_PER_SECOND))
}

/// The most memory that a process has had resident, in bytes.
pub(super) fn peak_memory_bytes(pid: u32) -> Option<u64> {
    Some(status(pid, "VmHWM:")?.strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// The memory that a process has resident now, in bytes.
pub(super) fn memory_bytes(pid: u32) -> Option<u64> {
    Some(status(pid, "VmRSS:")?.strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// How many threads a process has.
pub(super) fn threads(pid: u32) -> Option<u64> {
    status(pid, "Threads:")?.parse().ok()
}

/// How many descriptors a process has open.
pub(super) fn open_descriptors(pid: u32) -> Option<usize> {
    Some(fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count())
}

/// Bytes that the files below a directory take on the disk.
pub(super) fn disk_bytes(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let bytes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => disk_bytes(&entry.path()),
        // What stat counts in, whatever the file system's blocks are.
        Ok(metadata) => metadata.blocks() * 512,
        // It was removed meanwhile.
        Err(_) => 0,
    });
    bytes.sum()
}

/// How many TCP connections each of these processes has with the others, whoever made them.
pub(super) fn connections_among(pids: &[u32]) -> Vec<usize> {
    let mut owners = HashMap::new();
    for (index, pid) in pids.iter().enumerate() {
        owners.extend(socket_inodes(*pid).map(|inode| (inode, index)));
    }
    let mut by_ports = HashMap::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        for line in fs::read_to_string(table).unwrap_or_default().lines().skip(1) {
            if let Some((local, remote, inode)) = established_socket(line)
                && let Some(owner) = owners.get(&inode)
            {
                by_ports.insert((local, remote), *owner);
            }
        }
    }
    let mut counts = vec![0; pids.len()];
    for ((local, remote), owner) in &by_ports {
        if by_ports.get(&(*remote, *local)).is_some_and(|other| other != owner) {
            counts[*owner] += 1;
        }
    }
    counts
}

/// A line of `/proc/PID/status`.
fn status(pid: u32, label: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix(label)).map(|value| value.trim().to_owned())
}

/// The processes that listen on these TCP ports of this machine, as far as this user may see them.
pub(super) fn listeners(ports: &[u16]) -> HashMap<u16, u32> {
    let mut by_inode = HashMap::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        for line in fs::read_to_string(table).unwrap_or_default().lines().skip(1) {
            if let Some((port, inode)) = listening_socket(line)
                && ports.contains(&port)
            {
                by_inode.insert(inode, port);
            }
        }
    }
    let mut found = HashMap::new();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
        for inode in socket_inodes(pid) {
            if let Some(port) = by_inode.get(&inode) {
                found.insert(*port, pid);
            }
        }
    }
    found
}

/// Port and inode of a line of `/proc/net/tcp` whose socket listens.
fn listening_socket(line: &str) -> Option<(u16, u64)> {
    const LISTEN: &str = "0A";
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (_, port) = fields.get(1)?.rsplit_once(':')?;
    if *fields.get(3)? != LISTEN {
        return None;
    }
    Some((u16::from_str_radix(port, 16).ok()?, fields.get(9)?.parse().ok()?))
}

/// Both ports and the inode of a line of `/proc/net/tcp` whose socket is connected.
fn established_socket(line: &str) -> Option<(u16, u16, u64)> {
    const ESTABLISHED: &str = "01";
    let fields: Vec<&str> = line.split_whitespace().collect();
    let port = |field: &str| u16::from_str_radix(field.rsplit_once(':')?.1, 16).ok();
    if *fields.get(3)? != ESTABLISHED {
        return None;
    }
    Some((port(fields.get(1)?)?, port(fields.get(2)?)?, fields.get(9)?.parse().ok()?))
}

fn socket_inodes(pid: u32) -> impl Iterator<Item = u64> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    descriptors.filter_map(|entry| socket_inode(&fs::read_link(entry.path()).ok()?))
}

fn socket_inode(link: &Path) -> Option<u64> {
    link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_listener_on_a_port_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(listeners(&[port]).get(&port), Some(&std::process::id()));
        assert!(peak_memory_bytes(std::process::id()).unwrap() > 0);
        assert!(cpu_time(std::process::id()).is_some());
        assert!(cpu_time(u32::MAX).is_none());
        assert!(memory_bytes(std::process::id()).unwrap() > 0);
        assert!(threads(std::process::id()).unwrap() > 0);
        assert!(open_descriptors(std::process::id()).unwrap() > 0);
    }
}
