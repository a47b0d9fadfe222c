//! Host names of one process: golden genesis blocks name consenters by host names that no
//! name server knows, and all at one port.

use std::path::Path;
use std::process::Command;

/// Whether this machine lets a process have a mount namespace with a hosts file of its own.
pub fn available() -> bool {
    Command::new("unshare")
        .args(["--map-root-user", "--mount", "true"])
        .output()
        .is_ok_and(|output| output.status.success())
}

/// A command that runs `program` with `hosts` in the place of `/etc/hosts`, in the same process.
pub fn command(program: &Path, hosts: &Path) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--map-root-user", "--mount", "sh", "-c"])
        .arg(r#"hosts=$1; shift; mount --bind "$hosts" /etc/hosts && exec "$@""#)
        .arg("sh")
        .arg(hosts)
        .arg(program);
    command
}
