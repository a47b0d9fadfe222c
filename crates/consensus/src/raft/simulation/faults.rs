//! What goes wrong.

use std::time::Duration;

use rand::Rng;

use crate::raft::core::Input;

use super::world::{Event, FAULTS_END, World};

impl World {
    pub(super) fn fault(&mut self) {
        if self.now >= FAULTS_END {
            return;
        }
        let after = self.millis(4000);
        self.plan(after, Event::Fault);
        let node = self.rng.random_range(0..self.nodes.len());
        match self.rng.random_range(0..6) {
            0 | 1 => {
                if self.nodes[node].is_up {
                    let kept = self.rng.random_range(0..=self.nodes[node].log_jobs.len());
                    let (torn, blocks) = (self.rng.random_range(0..4), self.rng.random_range(0..4));
                    let keeps_unflushed = self.chance(50);
                    self.nodes[node].crash(kept, torn, blocks, keeps_unflushed);
                    let after = self.millis(6000);
                    self.plan(after, Event::Restart { node });
                }
            }
            2 => {
                self.cut = (0..self.nodes.len()).filter(|_| self.rng.random_bool(0.4)).collect();
                let after = self.millis(8000);
                self.plan(after, Event::Mend);
            }
            3 => {
                for node in 0..self.nodes.len() {
                    if self.nodes[node].is_up && self.chance(70) {
                        self.nodes[node].crash(0, 0, 0, false);
                        let after = self.millis(1500);
                        self.plan(after, Event::Restart { node });
                    }
                }
            }
            4 => {
                // As a virtual machine that is moved, or a process that is stopped.
                let pause = self.millis(3000);
                let until = (self.now + pause).min(FAULTS_END);
                self.nodes[node].paused_until = until.max(self.now + Duration::from_millis(1));
            }
            _ => self.input(node, Input::TransferLeadership),
        }
    }
}
