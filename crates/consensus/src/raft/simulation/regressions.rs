//! What seeds have found, each in a world where nothing else happens.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use bytes::Bytes;
use channel::consenters::RaftConfig;

use crate::{chain::Kind, raft::core::Input};

use super::{
    consenters::{self, position_of},
    world::World,
};

const MILLISECOND: Duration = Duration::from_millis(1);

impl World {
    fn step_until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let deadline = self.now + Duration::from_secs(60);
        while !is_so(self) {
            assert!(self.now < deadline, "seed {}: never {what}", self.seed);
            self.run_until(self.now + MILLISECOND);
        }
    }

    fn leader(&self) -> Option<usize> {
        self.nodes.iter().position(|node| node.core.as_ref().is_some_and(|core| core.is_leader()))
    }

    fn has_leader(&mut self) -> usize {
        self.step_until("a leader", |world| world.leader().is_some());
        self.leader().unwrap()
    }

    fn hand_in_text(&mut self, node: usize) {
        self.texts += 1;
        let text = Bytes::from(format!("tx {}", self.texts));
        self.hand_in(node, Kind::Normal, text);
    }

    fn reconfigure_at(&mut self, node: usize, change: impl FnOnce(&mut RaftConfig)) {
        let mut config = self.nodes[node].disk.config();
        let version = self.nodes[node].disk.version();
        change(&mut config);
        self.texts += 1;
        let transaction = consenters::transaction(self.texts, Some((&config, version)));
        self.hand_in(node, Kind::Config, transaction);
    }

    fn remove(&mut self, place: usize, at: usize) {
        self.reconfigure_at(at, |config| {
            let position = position_of(place, config).unwrap();
            config.consenters.remove(position);
        });
    }

    fn settles(&mut self) {
        self.step_until("settled", Self::is_settled);
        self.run_until(self.now + Duration::from_secs(5));
        self.check();
    }
}

/// Each new leader met the change of its own certificate first and handed over for it, for ever.
#[test]
fn two_changes_that_unseat_two_leaders_do_not_chase_each_other() {
    for seed in 0..10 {
        let mut world = World::quiet(seed, 2, 2);
        let leader = world.has_leader();
        world.run_until(world.now + Duration::from_secs(2));
        for place in [leader, 1 - leader] {
            world.reconfigure_at(leader, |config| {
                let position = position_of(place, config).unwrap();
                config.consenters[position] = consenters::consenter(place, 7);
            });
        }
        world.settles();
        assert_eq!((world.kept.len(), world.rejected.len()), (1, 1), "seed {seed}");
        assert!(world.leaders.len() < 8, "seed {seed}: {} terms", world.leaders.len());
    }
}

/// It knew a leader, had no log, could not stand for election, and so never asked what had become of
/// it.
#[test]
fn a_node_that_is_removed_before_it_has_a_log_finds_out() {
    for seed in 0..10 {
        let mut world = World::quiet(seed, 3, 4);
        let leader = world.has_leader();
        world.hand_in_text(leader);
        world.reconfigure_at(leader, |config| config.consenters.push(consenters::consenter(3, 0)));
        world.step_until("led", |world| world.nodes[3].core.as_ref().is_some_and(|core| core.leader() != 0));
        world.cut.insert(3);
        world.step_until("added", |world| world.waiting.is_empty());
        world.run_until(world.now + Duration::from_secs(3));
        let leader = world.has_leader();
        world.remove(3, leader);
        world.step_until("removed", |world| world.waiting.is_empty());
        world.cut.clear();
        world.settles();
    }
}

/// The one that stayed needed the vote of the one that was gone, for ever.
#[test]
fn the_last_of_two_goes_on_when_the_other_is_removed_and_dies_at_once() {
    for seed in 0..40 {
        let mut world = World::quiet(seed, 2, 2);
        let leader = world.has_leader();
        let removed = 1 - leader;
        world.hand_in_text(leader);
        world.run_until(world.now + Duration::from_secs(2));
        world.remove(removed, leader);
        world.step_until("told of its removal", |world| {
            position_of(removed, &world.nodes[removed].disk.config()).is_none()
        });
        world.nodes[removed].crash(0, 0, 0, false);
        world.run_until(world.now + Duration::from_secs(1));
        world.boot(removed);
        world.hand_in_text(leader);
        world.settles();
        assert_eq!(world.leader(), Some(leader));
    }
}

/// The leader did not take its answers, as they were for who the leader had been.
#[test]
fn a_node_that_missed_that_the_leader_was_removed_and_added_again_catches_up() {
    for seed in 0..10 {
        let mut world = World::quiet(seed, 5, 5);
        let leader = world.has_leader();
        world.hand_in_text(leader);
        world.run_until(world.now + Duration::from_secs(2));
        let (away, again) = ((leader + 1) % 5, (leader + 2) % 5);
        world.nodes[away].crash(0, 0, 0, false);
        world.remove(again, leader);
        world.step_until("removed", |world| world.waiting.is_empty() && world.nodes[again].core.is_none());
        world.reconfigure_at(leader, |config| config.consenters.push(consenters::consenter(again, 0)));
        world
            .step_until("added again", |world| world.waiting.is_empty() && world.nodes[again].core.is_some());
        while world.leader() != Some(again) {
            let leader = world.has_leader();
            world.input(leader, Input::TransferLeadership);
            world.run_until(world.now + Duration::from_secs(1));
        }
        // More than the log keeps.
        for _ in 0..60 {
            world.hand_in_text(again);
            world.run_until(world.now + 100 * MILLISECOND);
        }
        world.boot(away);
        world.hand_in_text(away);
        world.settles();
        assert_eq!(world.leader(), Some(again), "seed {seed}: another leader would have hidden it");
    }
}
