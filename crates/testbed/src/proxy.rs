//! A wire between nodes that can be cut.
//!
//! Consenters have one address each in the channel's config; a proxy at that address forwards to
//! the node behind it. To cut a node off, its own proxy drops what comes in, and the proxies of
//! the others drop what comes from it: who dials is found from the socket's owner in `/proc`.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// A proxy in front of one node.
pub struct Proxy {
    state: Arc<State>,
}

struct State {
    target: SocketAddr,
    closed: AtomicBool,
    rules: Mutex<Rules>,
}

#[derive(Default)]
struct Rules {
    cut: bool,
    refused_pids: HashSet<u32>,
    connections: Vec<Connection>,
}

struct Connection {
    dialer_pid: Option<u32>,
    ends: [TcpStream; 2],
}

impl Proxy {
    /// Listens at `port` and forwards to `target`, both on this machine.
    ///
    /// # Panics
    /// When the port is taken.
    pub fn new(port: u16, target: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap_or_else(|e| panic!("port {port}: {e}"));
        listener.set_nonblocking(true).expect("a socket can be made non-blocking");
        let state = Arc::new(State {
            target: SocketAddr::from(([127, 0, 0, 1], target)),
            closed: AtomicBool::new(false),
            rules: Mutex::default(),
        });
        let acceptor = Arc::clone(&state);
        thread::spawn(move || acceptor.accept(&listener));
        Self { state }
    }

    /// Drops every connection and refuses new ones.
    pub fn cut(&self) {
        let mut rules = self.state.rules();
        rules.cut = true;
        rules.drop_connections(|_| true);
    }

    /// Drops and refuses the connections that the process `pid` makes.
    pub fn refuse(&self, pid: u32) {
        let mut rules = self.state.rules();
        rules.refused_pids.insert(pid);
        rules.drop_connections(|connection| connection.dialer_pid == Some(pid));
    }

    /// Forwards everything again.
    pub fn heal(&self) {
        let mut rules = self.state.rules();
        rules.cut = false;
        rules.refused_pids.clear();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.closed.store(true, Ordering::Relaxed);
        self.state.rules().drop_connections(|_| true);
    }
}

impl State {
    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        while !self.closed.load(Ordering::Relaxed) {
            match listener.accept() {
                Ok((stream, from)) => self.connect(stream, from),
                Err(_) => thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    fn connect(self: &Arc<Self>, incoming: TcpStream, from: SocketAddr) {
        let dialer_pid = owner_of_port(from.port());
        let mut rules = self.rules();
        if rules.cut || dialer_pid.is_some_and(|pid| rules.refused_pids.contains(&pid)) {
            return;
        }
        let Ok(outgoing) = TcpStream::connect(self.target) else { return };
        for stream in [&incoming, &outgoing] {
            let _ = stream.set_nonblocking(false);
            let _ = stream.set_nodelay(true);
        }
        let ends = [incoming, outgoing];
        let [Ok(a), Ok(b), Ok(c), Ok(d)] = [0, 1, 0, 1].map(|end: usize| ends[end].try_clone()) else {
            return;
        };
        thread::spawn(move || forward(a, b));
        thread::spawn(move || forward(d, c));
        rules.connections.push(Connection { dialer_pid, ends });
    }
}

impl Rules {
    fn drop_connections(&mut self, which: impl Fn(&Connection) -> bool) {
        self.connections.retain(|connection| {
            let dropped = which(connection);
            if dropped {
                for end in &connection.ends {
                    let _ = end.shutdown(Shutdown::Both);
                }
            }
            !dropped
        });
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) if to.write_all(&buffer[..length]).is_ok() => {}
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            _ => break,
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

/// The process that holds the local end of a TCP connection from 127.0.0.1:`port`.
fn owner_of_port(port: u16) -> Option<u32> {
    let local = format!("0100007F:{port:04X}");
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    let inode = table.lines().find_map(|line| {
        let mut columns = line.split_whitespace().skip(1);
        (columns.next() == Some(&local)).then(|| columns.nth(7).map(str::to_owned))?
    })?;
    let socket = format!("socket:[{inode}]");
    fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
        let pid: u32 = process.file_name().to_str()?.parse().ok()?;
        let holds = fs::read_dir(process.path().join("fd"))
            .ok()?
            .flatten()
            .any(|fd| fs::read_link(fd.path()).is_ok_and(|target| target.as_os_str() == socket.as_str()));
        holds.then_some(pid)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ports;

    fn echo(port: u16) {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let copy = stream.try_clone().unwrap();
                thread::spawn(move || forward(stream, copy));
            }
        });
    }

    fn ask(stream: &mut TcpStream) -> io::Result<[u8; 4]> {
        let mut answer = [0; 4];
        stream.write_all(b"ping")?;
        stream.read_exact(&mut answer)?;
        Ok(answer)
    }

    #[test]
    fn forwards_until_cut_and_after_healing() {
        let base = ports::block(2);
        echo(base + 1);
        let proxy = Proxy::new(base, base + 1);
        let connect = || TcpStream::connect(("127.0.0.1", base)).unwrap();
        let mut before = connect();
        assert_eq!(&ask(&mut before).unwrap(), b"ping");
        proxy.cut();
        assert!(ask(&mut before).is_err());
        assert!(ask(&mut connect()).is_err());
        proxy.heal();
        assert_eq!(&ask(&mut connect()).unwrap(), b"ping");
    }

    #[test]
    fn refuses_a_process_alone() {
        let base = ports::block(2);
        echo(base + 1);
        let proxy = Proxy::new(base, base + 1);
        let connect = || TcpStream::connect(("127.0.0.1", base)).unwrap();
        let mut before = connect();
        assert_eq!(&ask(&mut before).unwrap(), b"ping");
        proxy.refuse(std::process::id() + 1);
        assert_eq!(&ask(&mut before).unwrap(), b"ping");
        proxy.refuse(std::process::id());
        assert!(ask(&mut before).is_err());
        assert!(ask(&mut connect()).is_err());
    }
}
