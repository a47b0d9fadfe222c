//! Ticks, elections, and who leads.

use std::time::Duration;

use raft::StateRole;

use crate::metrics::{Counter, Gauge};

use super::{
    super::{convert::MemberChange, leader::Leading},
    Core, Effect, Patience, Paused, list,
};

/// Longest pause between two campaigns of a node that is to be the first leader.
const LONGEST_CAMPAIGN_PAUSE: Duration = Duration::from_secs(3600);

impl Core {
    pub(super) fn tick(&mut self) {
        let raft = &self.raft.raft;
        // A group of one elects itself at once, which the library only survives when all is durable.
        let is_alone = raft.prs().conf().voters().ids().len() == 1;
        if self.installing.is_some()
            || is_alone && !self.is_leader() && raft.raft_log.persisted < raft.raft_log.last_index()
        {
            return;
        }
        self.draw_election_timeout();
        self.raft.tick();
        if self.is_leader() && self.raft.raft.state != StateRole::Leader {
            // With Fabric's words, which scripts look for.
            let id = self.settings.id;
            self.warn(format_args!("{id:x} stepped down to follower since quorum is not active"));
        }
        if self.raft.raft.state == StateRole::Leader {
            self.watch_active_nodes();
            self.abdicate_further();
            self.is_unseating_due = self.leading.as_ref().is_some_and(|leading| leading.unseating.is_some());
        } else {
            self.silent_ticks += 1;
            if self.silent_ticks > 2 * self.settings.election_ticks {
                self.give_up_silent_leader();
                self.outlive_removed_peer();
            }
        }
    }

    /// A node that may not stand for election, as one that was added and removed again before it got
    /// any of the log, would believe for ever in the leader that it knew, and never ask whether it
    /// still is a consenter.
    fn give_up_silent_leader(&mut self) {
        let raft = &mut self.raft.raft;
        if raft.leader_id != 0 && !raft.promotable() {
            raft.become_follower(raft.term, raft::INVALID_ID);
        }
    }

    /// Of two members one was removed, and stopped before it had a hand in raft's letting it go: the
    /// one that stays would need its vote for ever. It may go on alone, because neither of the two could
    /// have ordered anything without the other, and the removal is committed. As leader it then brings
    /// raft's change into the log.
    fn outlive_removed_peer(&mut self) {
        let is_idle = self.leader() == 0 && self.paused == Paused::No && self.to_apply.is_empty();
        let members = self.raft.store().conf_state();
        if !is_idle || self.membership.ids() != [self.settings.id] || members.voters.len() != 2 {
            return;
        }
        let Some(change @ MemberChange::Remove(id)) = self.membership.lacking(members) else { return };
        match self.raft.apply_conf_change(&change.for_library()) {
            Ok(members) => {
                self.warn(format_args!("Node {id} was removed and is gone; this node goes on without it"));
                self.raft.mut_store().set_conf_state(members);
                self.unlogged_removal = Some(id);
                self.effects.push(Effect::Reconfigure);
            }
            Err(error) => self.warn(format_args!("cannot go on without node {id}: {error}")),
        }
    }

    /// Between one and two election timeouts, another one after each change of role. The library
    /// would draw it by itself, but then a simulation could not be repeated.
    fn draw_election_timeout(&mut self) {
        let ticks = self.settings.election_ticks as u64;
        let mut mixed = self.settings.seed ^ self.settings.id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for part in [self.role_changes, self.raft.raft.term] {
            mixed = (mixed ^ part).wrapping_mul(0xff51_afd7_ed55_8ccd);
            mixed ^= mixed >> 33;
        }
        self.raft.raft.set_randomized_election_timeout((ticks + mixed % ticks) as usize);
    }

    fn watch_active_nodes(&mut self) {
        let own = self.settings.id;
        let peers =
            self.raft.raft.prs().iter().filter(|(id, progress)| **id != own && progress.recent_active);
        let mut active: Vec<u64> = peers.map(|(id, _)| *id).collect();
        active.sort_unstable();
        active.insert(0, own);
        if let Some(report) = self.active.tick(active) {
            let (channel, count) = (&self.settings.channel, report.len() as u64);
            tracing::debug!(
                target: "orderer.consensus.etcdraft", channel = %channel, node = own,
                "Current active nodes in cluster are: {}", list(report)
            );
            self.metrics.set(Gauge::ActiveNodes, channel, count);
        }
    }

    /// Compares role, term and leader with what they were.
    pub(super) fn observe_role(&mut self) {
        let raft = &self.raft.raft;
        let role = (raft.term, raft.state, raft.leader_id);
        if role == self.role {
            return;
        }
        let (old_term, old_state, old_leader) = std::mem::replace(&mut self.role, role);
        let (term, state, leader) = role;
        self.role_changes += 1;
        if leader != old_leader {
            self.info(format_args!("Raft leader changed: {old_leader} -> {leader}"));
            self.metrics.add(Counter::LeaderChanges, &self.settings.channel, 1);
            self.active.forget();
            self.patience = Patience::default();
            if leader == 0 {
                let size = self.membership.ids().len();
                self.warn(format_args!("No leader is present, cluster size is {size}"));
                self.metrics.set(Gauge::ActiveNodes, &self.settings.channel, 0);
            }
        }
        if leader != 0 && self.next_campaign.take().is_some() {
            self.info(format_args!("Leader {leader} is present, quit campaign"));
        }
        let leads = state == StateRole::Leader;
        if old_state == StateRole::Leader && (!leads || term != old_term) {
            self.leading = None;
            self.abdicated_since = self.abdicating.take().map(|abdication| abdication.since);
            self.leave_until = None;
            self.metrics.set(Gauge::IsLeader, &self.settings.channel, 0);
        }
        if leader != 0
            && leader != self.settings.id
            && let Some(since) = self.abdicated_since.take()
        {
            let (own, took) = (self.settings.id, self.now.saturating_sub(since));
            self.info(format_args!("Leader has been transferred from {own} to {leader}"));
            self.info(format_args!("abdicateLeader took {took:?}"));
        }
        if leads && self.leading.is_none() {
            self.leading = Some(Leading::new(term));
            self.metrics.set(Gauge::IsLeader, &self.settings.channel, 1);
        }
    }

    pub(super) fn campaign_first(&mut self) {
        if self.next_campaign.is_none_or(|at| at > self.now) {
            return;
        }
        // Campaigning needs the members to be applied, which the first advance does.
        if self.raft.raft.promotable() {
            self.info(format_args!("This node is picked to start campaign"));
            if let Err(error) = self.raft.campaign() {
                self.warn(format_args!("cannot campaign: {error}"));
            }
        }
        // A configuration may name the longest intervals.
        let ticks = u32::try_from(self.settings.heartbeat_ticks).unwrap_or(u32::MAX).saturating_mul(2);
        let period = self.settings.tick_interval.saturating_mul(ticks).min(LONGEST_CAMPAIGN_PAUSE);
        self.next_campaign = Some(self.now + period);
    }

    /// Chooses somebody to lead in this node's place; whether there was anybody.
    pub(super) fn transfer_leadership(&mut self) -> bool {
        if !self.is_leader() {
            return false;
        }
        let own = self.settings.id;
        let candidates = self
            .raft
            .raft
            .prs()
            .iter()
            .filter(|(id, progress)| **id != own && progress.recent_active && !progress.is_paused());
        match candidates.max_by_key(|(id, progress)| (progress.matched, **id)).map(|(id, _)| *id) {
            Some(transferee) => {
                self.info(format_args!("Transferring leadership to {transferee}"));
                let ticks = u32::try_from(self.settings.election_ticks).unwrap_or(u32::MAX);
                let patience = self.settings.tick_interval.saturating_mul(ticks);
                self.info(format_args!("Will wait {patience:?} time to abdicate"));
                self.raft.transfer_leader(transferee);
                true
            }
            None => {
                self.error(format_args!("No follower is qualified as transferee, abort leader transfer"));
                false
            }
        }
    }

    pub(crate) fn is_transferring(&self) -> bool {
        self.raft.raft.lead_transferee.is_some()
    }
}
