//! The process' own figures, named as every Prometheus client names them; dashboards of Fabric's
//! orderer show them. Linux only: elsewhere there are none.

use std::fmt::Write;

/// Ticks of `/proc/self/stat` in a second: the kernel shows 100 on all platforms it shows them on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Appends the figures that can be had.
pub(super) fn write(out: &mut String) {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let open_files = std::fs::read_dir("/proc/self/fd").map(Iterator::count).ok();
    figures(
        out,
        &read("/proc/self/stat"),
        &read("/proc/self/status"),
        &read("/proc/self/limits"),
        &read("/proc/stat"),
        &read("/proc/self/net/netstat"),
    );
    if let Some(count) = open_files {
        // The listing itself holds one open.
        figure(
            out,
            "process_open_fds",
            "gauge",
            "File descriptors that this process has open.",
            Some((count - 1) as f64),
        );
    }
}

fn figures(out: &mut String, stat: &str, status: &str, limits: &str, boot: &str, network: &str) {
    // Behind the program's name, which may hold anything, stand numbers.
    let numbers: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    let number = |index: usize| numbers.get(index).and_then(|text| text.parse::<f64>().ok());
    let cpu = number(11).zip(number(12)).map(|(user, system)| (user + system) / TICKS_PER_SECOND);
    let booted = word_after(boot, "btime").and_then(|text| text.parse::<f64>().ok());
    let started = number(19).zip(booted).map(|(ticks, booted)| booted + ticks / TICKS_PER_SECOND);
    let kilobytes =
        |key| word_after(status, key).and_then(|text| text.parse::<f64>().ok()).map(|count| count * 1024.0);
    let limit = |key| match word_after(limits, key)? {
        // Go's client shows the largest number for it.
        "unlimited" => Some(u64::MAX as f64),
        number => number.parse().ok(),
    };
    for (name, kind, help, value) in [
        (
            "process_cpu_seconds_total",
            "counter",
            "CPU seconds of this process, in user and kernel mode.",
            cpu,
        ),
        ("process_max_fds", "gauge", "File descriptors that this process may open.", limit("Max open files")),
        ("process_resident_memory_bytes", "gauge", "Bytes of this process in memory.", kilobytes("VmRSS:")),
        (
            "process_virtual_memory_bytes",
            "gauge",
            "Bytes of this process's address space.",
            kilobytes("VmSize:"),
        ),
        (
            "process_virtual_memory_max_bytes",
            "gauge",
            "Bytes that the address space may grow to.",
            limit("Max address space"),
        ),
        (
            "process_network_receive_bytes_total",
            "counter",
            "Bytes received in the network namespace of this process.",
            named(network, "IpExt:", "InOctets"),
        ),
        (
            "process_network_transmit_bytes_total",
            "counter",
            "Bytes sent in the network namespace of this process.",
            named(network, "IpExt:", "OutOctets"),
        ),
        ("process_start_time_seconds", "gauge", "When this process began, in seconds since 1970.", started),
    ] {
        figure(out, name, kind, help, value);
    }
}

/// The first word behind `key` at the beginning of a line.
fn word_after<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(key)).and_then(|rest| rest.split_whitespace().next())
}

/// A number of a table of two lines with the same first word: names, then numbers. They are those of the
/// network namespace that the process is in.
fn named(text: &str, table: &str, name: &str) -> Option<f64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(table)).map(str::split_whitespace);
    let (mut names, mut numbers) = (lines.next()?, lines.next()?);
    numbers.nth(names.position(|other| other == name)?)?.parse().ok()
}

fn figure(out: &mut String, name: &str, kind: &str, help: &str, value: Option<f64>) {
    if let Some(value) = value {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_from_proc() {
        let stat = "12 (a ) b) S 1 1 1 0 -1 4194304 100 0 0 0 150 50 0 0 20 0 9 0 12300 1000 200";
        let status = "Name:\tx\nVmSize:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        let limits = "Limit  Soft Limit\n\
                      Max open files            1024                 4096                 files\n\
                      Max address space         unlimited            unlimited            bytes\n";
        let network = "TcpExt: InOctets\nTcpExt: 9\nIpExt: InNoRoutes InOctets OutOctets\nIpExt: 0 70 80\n";
        let mut out = String::new();
        figures(&mut out, stat, status, limits, "cpu 1\nbtime 1700000000\n", network);
        let values: Vec<_> = out.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            values,
            [
                "process_cpu_seconds_total 2",
                "process_max_fds 1024",
                "process_resident_memory_bytes 1048576",
                "process_virtual_memory_bytes 2097152",
                "process_virtual_memory_max_bytes 18446744073709552000",
                "process_network_receive_bytes_total 70",
                "process_network_transmit_bytes_total 80",
                "process_start_time_seconds 1700000123",
            ]
        );
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        let mut out = String::new();
        figures(&mut out, "", "", "Max open files many", "btime x", "IpExt: InOctets");
        assert_eq!(out, "");
    }
}
