//! What a sandbox tells: lines for people, or one JSON object an event.

use std::{
    cell::RefCell,
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    layout::Layout,
    network::{NodeStatus, Submitted},
    nodes::NodesError,
};
use crate::{
    failure::{Failure, explain},
    terminal::print_line,
};

/// Without a terminal the status is told when it changes, but no more often than this.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);

/// Tells what happens.
pub(super) struct Story {
    json: bool,
    terminal: bool,
    last_status: RefCell<Option<(Instant, String, u64)>>,
}

impl Story {
    pub(super) fn new(json: bool) -> Self {
        Self { json, terminal: io::stdout().is_terminal() && !json, last_status: RefCell::new(None) }
    }

    fn tell(&self, event: &str, mut details: Value, text: impl FnOnce() -> String) {
        if self.json {
            details["event"] = event.into();
            print_line(&details.to_string());
        } else {
            if self.terminal && self.last_status.borrow_mut().take().is_some() {
                // The status line is overwritten by what comes now.
                print!("\r\x1b[K");
            }
            print_line(&text());
        }
    }

    pub(super) fn prepared(&self, layout: &Layout, fresh: bool) {
        let dir = layout.root.display().to_string();
        let nodes = layout.nodes.len();
        let details = json!({"dir": dir, "channel": layout.channel, "nodes": nodes, "new": fresh});
        self.tell("prepared", details, || {
            let made = if fresh {
                "made two organisations, their certificates and the genesis block"
            } else {
                "going on with what is there"
            };
            format!("sandbox in {dir}: {made}; starting {nodes} nodes")
        });
    }

    pub(super) fn ready(&self, layout: &Layout, leader: &str, pids: &[Option<u32>]) {
        let nodes = || layout.nodes.iter().zip(pids);
        let listed: Vec<Value> = nodes()
            .map(|(node, pid)| {
                json!({
                    "name": node.name, "pid": pid, "address": node.address(), "admin": node.admin_address(),
                    "operations": node.operations_address(), "log": layout.node_log(node),
                })
            })
            .collect();
        let details = json!({"channel": layout.channel, "leader": leader, "nodes": listed});
        self.tell("ready", details, || {
            let mut text = format!("channel {} is being ordered; {leader} leads", layout.channel);
            for (node, pid) in nodes() {
                text.push_str(&format!(
                    "\n  {}  orderer {}  admin {}  metrics http://{}/metrics  pid {}",
                    node.name,
                    node.address(),
                    node.admin_address(),
                    node.operations_address(),
                    pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string()),
                ));
            }
            text
        });
    }

    pub(super) fn comparing(&self, count: usize) {
        self.tell("acknowledged", json!({"transactions": count}), || {
            format!("{count} transactions acknowledged; reading the chain of every node")
        });
    }

    pub(super) fn submitted(&self, count: u64, nodes: usize, result: &Result<Submitted, Failure>) {
        let details = match result {
            Ok(done) => json!({
                "ok": true, "transactions": count, "seconds": done.duration.as_secs_f64(), "blocks": done.agreement.blocks,
                "height": done.agreement.height, "last_header_hash": hex::encode(done.agreement.last_hash),
            }),
            Err(failure) => json!({"ok": false, "transactions": count, "reason": explain(&**failure)}),
        };
        self.tell("compared", details, || match result {
            Ok(Submitted { agreement, duration }) => format!(
                "{count} transactions in {} blocks, ordered in {:.2} s; each is in the chain of all {nodes} nodes exactly once\n\
                 the same header hash at every height on all {nodes} nodes: height {}, last block {}",
                agreement.blocks,
                duration.as_secs_f64(),
                agreement.height,
                hex::encode(agreement.last_hash),
            ),
            Err(failure) => format!("FAILED: {}", explain(&**failure)),
        });
    }

    pub(super) fn next_steps(&self, layout: &Layout) {
        if self.json {
            return;
        }
        let program = std::env::args().next().unwrap_or_else(|| "causeway".to_owned());
        let dir = layout.root.display();
        print_line(&format!(
            "Next, in another terminal:\n\
             \x20 {program} submit --sandbox {dir} --count 100      sign and order 100 transactions\n\
             \x20 {program} watch --sandbox {dir} --from oldest     follow the chain, verified\n\
             \x20 {program} config show --sandbox {dir}             the channel's config; config edit --set changes it\n\
             \x20 {program} inspect {block}      the channel's genesis block and config\n\
             \x20 {program} bench order --sandbox {dir}             how fast it is\n\
             Ctrl-C stops it; the same command goes on from there. Remove {dir} to start anew.",
            block = layout.genesis_block().display(),
        ));
    }

    pub(super) fn status(&self, nodes: &[NodeStatus]) {
        let height = nodes.iter().filter_map(|node| Some(node.channel.as_ref()?.height)).max().unwrap_or(0);
        if self.json {
            let listed: Vec<Value> = nodes
                .iter()
                .map(|node| {
                    let info = node.channel.as_ref();
                    json!({
                        "name": node.name, "leader": node.leader, "height": info.map(|info| info.height),
                        "status": info.map(|info| &info.status),
                    })
                })
                .collect();
            print_line(&json!({"event": "status", "height": height, "nodes": listed}).to_string());
            return;
        }
        let states: Vec<String> = nodes.iter().map(|node| state(node, height)).collect();
        let states = states.join(", ");
        let line = format!("height {height}: {states}");
        let mut last = self.last_status.borrow_mut();
        let due = match &*last {
            None => true,
            Some((told, before, _)) if !self.terminal => {
                let changed = *before != states;
                changed
                    || (told.elapsed() >= PLAIN_INTERVAL
                        && last.as_ref().is_some_and(|last| last.2 != height))
            }
            Some(_) => true,
        };
        if !due {
            return;
        }
        if self.terminal {
            print!("\r\x1b[K{line}");
            // A terminal that is gone ends the sandbox by a signal.
            let _ = io::stdout().flush();
        } else {
            print_line(&line);
        }
        *last = Some((Instant::now(), states, height));
    }

    pub(super) fn died(&self, death: &NodesError) {
        self.tell("died", json!({"reason": death.to_string()}), || {
            format!("{death}\nthe others go on; start the sandbox again to have it back")
        });
    }

    pub(super) fn stopping(&self) {
        self.tell("stopping", json!({}), || "stopping the nodes".to_owned());
    }

    pub(super) fn stopped(&self, killed: &[String]) {
        self.tell("stopped", json!({"killed": killed}), || {
            if killed.is_empty() {
                "stopped".to_owned()
            } else {
                format!("stopped; {} did not stop by itself and was killed", killed.join(", "))
            }
        });
    }
}

/// One node in the status line.
fn state(node: &NodeStatus, height: u64) -> String {
    let name = &node.name;
    match &node.channel {
        None => format!("{name} does not answer"),
        Some(info) if node.leader => format!("{name} leads ({})", info.status),
        Some(info) if info.height < height => {
            format!("{name} {} ({} behind)", info.status, height - info.height)
        }
        Some(info) => format!("{name} {}", info.status),
    }
}
