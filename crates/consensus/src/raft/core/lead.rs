//! What a leader does: messages become blocks, blocks are proposed.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use channel::consenters::MembershipChange;
use protos::orderer::BatchSize;
use raft::eraftpb::{Entry, EntryType, Message, MessageType};

use crate::{
    chain::{Kind, OrderError},
    metrics::{Counter, Timer},
};

use super::{
    super::{
        convert::MemberChange,
        leader::{Created, Ordered, Source},
        membership::{ConsensusChange, consensus_change},
    },
    Core, Effect, Paused,
};

/// How often a leader tries to make room for another before it gives up a configuration that
/// removes it.
const MAX_ABDICATION_ATTEMPTS: u32 = 5;

impl Core {
    /// Orders what waits, as far as it may.
    pub(super) fn lead(&mut self) {
        if self.leading.is_none() || !self.has_applied_all_or_serves() {
            return;
        }
        if let Some(change) = self.membership.lacking(self.raft.store().conf_state()) {
            if self.paused == Paused::No && !self.raft.raft.has_pending_conf() && self.has_taken_leave(change)
            {
                self.propose_member_change(change);
            }
            return;
        }
        self.leave_until = None;
        if let Some(id) = self.unlogged_removal
            && !self.raft.raft.has_pending_conf()
        {
            self.unlogged_removal = None;
            self.propose_member_change(MemberChange::Remove(id));
        }
        self.start_serving();
        self.release_returned();
        let (limits, timeout) = self.rules.batch();
        while self.is_ordering() {
            let Some(message) = self.next_message() else { break };
            self.order(message, &limits, timeout);
        }
        if self.is_unseating_due && self.is_ordering() {
            self.is_unseating_due = false;
            if let Some(message) = self.leading.as_mut().and_then(|leading| leading.unseating.take()) {
                self.make_room_for(message);
            }
        }
        if self.is_ordering()
            && self.leading.as_ref().and_then(|l| l.batch_deadline).is_some_and(|at| at <= self.now)
        {
            let created = self.leading.as_mut().and_then(|leading| leading.cut(self.now));
            match created {
                Some(created) => self.propose(created),
                None => self.warn(format_args!(
                    "Batch timer expired with no pending requests, this might indicate a bug"
                )),
            }
        }
    }

    /// A new leader makes no block before it has applied all that earlier leaders left.
    fn has_applied_all_or_serves(&self) -> bool {
        let log = &self.raft.raft.raft_log;
        self.leading.as_ref().is_some_and(|leading| leading.is_serving())
            || (log.applied == log.last_index() && self.to_apply.is_empty() && self.paused == Paused::No)
    }

    fn start_serving(&mut self) {
        let tip = self.tip;
        if let Some(leading) =
            self.leading.as_mut().filter(|leading| !leading.is_serving() && !leading.is_closed())
        {
            leading.serve(tip.number, tip.hash);
            self.info(format_args!("Start accepting requests as Raft leader at block [{}]", tip.number));
        }
    }

    /// Whether messages may be made into blocks at the moment.
    pub(super) fn is_ordering(&self) -> bool {
        let may = |leading: &super::Leading| {
            leading.is_serving()
                && !leading.is_config_in_flight()
                && leading.in_flight() < self.settings.max_inflight_blocks
        };
        self.leading.as_ref().is_some_and(may)
            && !self.failed
            && !self.is_transferring()
            && self.abdicating.is_none()
            && self.membership.lacking(self.raft.store().conf_state()).is_none()
    }

    /// Messages of other nodes and of this one take turns.
    fn next_message(&mut self) -> Option<Ordered> {
        let leading = self.leading.as_mut()?;
        let term = leading.term;
        let own = |pending: &mut super::Pending| {
            pending.take_for_ordering(term).map(|(id, submission)| Ordered {
                submission,
                source: Source::Own(id),
                permit: None,
            })
        };
        self.others_first = !self.others_first;
        if self.others_first {
            leading.next_queued().or_else(|| own(&mut self.pending))
        } else {
            own(&mut self.pending).or_else(|| leading.next_queued())
        }
    }

    fn order(&mut self, mut message: Ordered, limits: &BatchSize, timeout: Duration) {
        let sequence = self.rules.sequence();
        let is_config = message.submission.kind == Kind::Config;
        if message.submission.config_sequence < sequence {
            let kind = if is_config { "Config" } else { "Normal" };
            self.warn(format_args!(
                "{kind} message was validated against {}, although current config seq has advanced ({sequence})",
                message.submission.config_sequence
            ));
            match self.rules.recheck(&message.submission) {
                Ok(submission) => message.submission = submission,
                Err(reason) => {
                    let kind = if is_config { "config" } else { "normal" };
                    self.error(format_args!("Failed to order message: bad {kind} message: {reason}"));
                    return self.refuse(message.source, reason);
                }
            }
        }
        if is_config {
            return self.order_config(message);
        }
        let now = self.now;
        let created = self.leading.as_mut().map(|l| l.order(now, message.submission, limits, timeout));
        created.unwrap_or_default().into_iter().for_each(|created| self.propose(created));
    }

    fn order_config(&mut self, message: Ordered) {
        match consensus_change(&message.submission.envelope) {
            Err(error) => {
                self.error(format_args!("Failed to order message: bad config message: {error}"));
                let reason = OrderError::Rejected {
                    status: protos::common::Status::BadRequest,
                    text: error.to_string(),
                };
                return self.refuse(message.source, reason);
            }
            Ok(ConsensusChange::Raft(config)) => {
                if self.membership.unseats(&config, self.settings.id).is_some() {
                    return self.put_off(message);
                }
            }
            Ok(ConsensusChange::None | ConsensusChange::Seal(_)) => {}
        }
        self.propose_config(message);
    }

    fn propose_config(&mut self, message: Ordered) {
        let now = self.now;
        let Some(leading) = &mut self.leading else { return };
        let before = leading.cut(now);
        let config = leading.alone(message.submission);
        leading.config_proposed();
        for created in before.into_iter().chain(config) {
            self.propose(created);
        }
        self.info(format_args!(
            "Received config transaction, pause accepting transaction till it is committed"
        ));
    }

    /// A configuration that removes this node waits until the next tick while others are ordered. Were
    /// leadership handed over at once, two of them that remove two nodes could send it to and fro for
    /// ever, each new leader meeting its own removal first.
    fn put_off(&mut self, message: Ordered) {
        let Some(leading) = &mut self.leading else { return };
        if leading.unseating.is_none() {
            leading.unseating = Some(message);
            return;
        }
        self.warn(format_args!(
            "A reconfiguration transaction is already in progress, ignoring a subsequent transaction"
        ));
        let text = "another change that removes the leader is under way; try again";
        self.refuse(message.source, OrderError::Forwarding(text.to_owned()));
    }

    /// The time of a configuration that was put off has come, if it still removes this node.
    fn make_room_for(&mut self, mut message: Ordered) {
        if message.submission.config_sequence < self.rules.sequence() {
            match self.rules.recheck(&message.submission) {
                Ok(submission) => message.submission = submission,
                Err(reason) => return self.refuse(message.source, reason),
            }
        }
        let change = match consensus_change(&message.submission.envelope) {
            Ok(ConsensusChange::Raft(config)) => self.membership.unseats(&config, self.settings.id),
            _ => None,
        };
        match change {
            Some(change) => self.abdicate(change, message.source),
            None => self.propose_config(message),
        }
    }

    /// Tells whoever took the message in that it will not be ordered.
    fn refuse(&mut self, source: Source, reason: OrderError) {
        self.metrics.add(Counter::ProposalFailures, &self.settings.channel, 1);
        match source {
            Source::Own(id) => self.pending.reject(id, reason),
            Source::Other { origin, sequence } => {
                if let Some(leading) = &mut self.leading {
                    leading.refuse(sequence, reason.clone());
                }
                self.effects.push(Effect::Refuse { to: origin, term: self.role.0, sequence, reason });
            }
        }
    }

    fn propose(&mut self, created: Created) {
        let Created { block, filled_for } = created;
        self.observe(Timer::BlockFillDuration, filled_for);
        let in_flight = self.leading.as_ref().map_or(0, |leading| leading.in_flight());
        self.info(format_args!("Created block [{}], there are {in_flight} blocks in flight", block.number()));
        let mut data = BytesMut::with_capacity(block.encoded_len());
        block.parts().into_iter().for_each(|part| data.extend_from_slice(part));
        if let Err(error) = self.propose_entry(EntryType::EntryNormal, data.freeze()) {
            self.error(format_args!(
                "Failed to propose block [{}] to raft and discard {in_flight} blocks in queue: {error}",
                block.number()
            ));
            if let Some(leading) = &mut self.leading {
                leading.close();
            }
        }
    }

    /// Whether a consenter may be removed: once it is out, it is not sent anything any more, so one that
    /// is up and can be reached is given an election timeout to get the configuration that removes it. Then it learns of
    /// its removal at once, and need not come to suspect it.
    fn has_taken_leave(&mut self, change: MemberChange) -> bool {
        let MemberChange::Remove(id) = change else { return true };
        let raft = &self.raft.raft;
        let is_behind = raft.prs().get(id).is_some_and(|progress| progress.matched < raft.raft_log.committed);
        if !is_behind || !self.active.has_answered(id) {
            return true;
        }
        let ticks = u32::try_from(self.settings.election_ticks).unwrap_or(u32::MAX);
        let timeout = self.settings.tick_interval.saturating_mul(ticks);
        let until = *self.leave_until.get_or_insert(self.now.saturating_add(timeout));
        self.now >= until
    }

    fn propose_member_change(&mut self, change: MemberChange) {
        self.info(format_args!("Config block or ConfChange in flight, pause accepting transaction"));
        if let Err(error) = self.propose_entry(EntryType::EntryConfChange, change.entry_data()) {
            self.warn(format_args!("Failed to propose configuration update to Raft node: {error}"));
        }
    }

    fn propose_entry(&mut self, kind: EntryType, data: Bytes) -> raft::Result<()> {
        let mut entry = Entry::default();
        entry.set_entry_type(kind);
        entry.data = data;
        let mut message = Message::default();
        message.set_msg_type(MessageType::MsgPropose);
        message.from = self.settings.id;
        message.set_entries(vec![entry].into());
        self.raft.raft.step(message)
    }

    /// A leader does not order its own removal: another one is to lead first, and is then handed the
    /// message by the node that took it in.
    fn abdicate(&mut self, change: MembershipChange, source: Source) {
        self.info(format_args!(
            "{}",
            match change {
                MembershipChange::Rotate { .. } => "Detected certificate rotation of our node",
                _ => "Detected eviction of ourselves from the configuration",
            }
        ));
        self.abdicating = Some(Abdication { source, attempts: 0, since: self.now });
        self.abdicate_further();
    }

    /// Tries to hand over, again on every tick that nobody takes over.
    pub(super) fn abdicate_further(&mut self) {
        if self.is_transferring() {
            return;
        }
        let Some(abdication) = &mut self.abdicating else { return };
        abdication.attempts += 1;
        if abdication.attempts <= MAX_ABDICATION_ATTEMPTS {
            self.transfer_leadership();
            return;
        }
        let source = abdication.source;
        self.abdicating = None;
        let text = format!(
            "Abdication failed too many times consecutively ({MAX_ABDICATION_ATTEMPTS}), aborting retries"
        );
        self.error(format_args!("{text}"));
        self.refuse(source, OrderError::Forwarding(text));
    }
}

/// A leader on its way out.
#[derive(Debug)]
pub(super) struct Abdication {
    /// Who took in the message that removes it.
    source: Source,
    attempts: u32,
    /// When it began.
    pub(super) since: Duration,
}
