//! Messages that were taken in here on their way to another node that leads.

use std::time::Duration;

use bytes::Bytes;
use channel::block::EncodedBlock;

use super::{super::pending::Numbered, Core, Effect, Forwarding};

/// How long a leader that does not count is waited for when nothing comes back from it: after some silences
/// in a row it is taken to have lost what it was sent. It may only be slow, and orders whatever it is sent;
/// so it is given twice the time before it is sent the same a third time, and so on.
#[derive(Debug)]
pub(super) struct Patience {
    silences: u32,
    limit: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self { silences: 0, limit: 3 }
    }
}

impl Patience {
    /// Another silence. Whether it is one too many.
    fn ends(&mut self) -> bool {
        self.silences += 1;
        if self.silences < self.limit {
            return false;
        }
        *self = Self { silences: 0, limit: self.limit.saturating_mul(2) };
        true
    }
}

impl Core {
    /// Sends what waits to the leader, if that is another node.
    pub(super) fn forward(&mut self) {
        let (term, _, leader) = self.role;
        if leader == 0 || leader == self.settings.id {
            return;
        }
        if let Some((of_term, from, _)) = self.resend.take_if(|(_, _, at)| *at <= self.now)
            && of_term == term
        {
            self.send_again(from);
        }
        let forgets = self.leader_forgets();
        while let Some(message) = self.pending.take_for_forwarding(term, forgets) {
            self.send_to_leader(message);
        }
        if self.retry_at.is_none() && !self.pending.is_empty() {
            self.retry_at = Some(self.now + self.retry_interval());
        }
    }

    /// Sends again what the leader of the current term was sent from this number on.
    fn send_again(&mut self, from_sequence: u64) {
        self.resumes = true;
        let again = self.pending.sent_again(self.role.0, from_sequence);
        again.into_iter().for_each(|message| self.send_to_leader(message));
    }

    fn send_to_leader(&mut self, message: Numbered) {
        let resumes = std::mem::take(&mut self.resumes);
        self.effects.push(Effect::Forward(Forwarding { leader: self.leader(), message, resumes }));
    }

    /// Until when it is waited for what a deposed leader of Fabric's may forward to the next one.
    pub(super) fn returned_until(&self) -> Duration {
        self.returned_at + self.retry_interval()
    }

    /// What was handed to a leader of Fabric's that leads no more goes to the next leader. A deposed one
    /// forwards what it still has; ours do not order that, as its term is over. Fabric's do, so that they
    /// are given it only when it has not come by itself.
    pub(super) fn release_returned(&mut self) {
        let is_known = self.leader() != 0;
        if self.pending.has_returned()
            && is_known
            && (!self.leader_forgets() || self.returned_until() <= self.now)
        {
            self.pending.release();
        }
    }

    /// An entry of a later term has been applied.
    pub(super) fn entered_term(&mut self, term: u64) {
        if self.pending.entered_term(term) {
            self.returned_at = self.now;
        }
    }

    /// A message did not reach the leader's stream, and none behind it was tried. It stays the
    /// leader's of that term: an earlier try may have reached it.
    pub(super) fn not_forwarded(&mut self, term: u64, from_sequence: u64) {
        let at = self.now + self.settings.tick_interval / 4;
        let from = match self.resend {
            Some((resent_term, from, _)) if resent_term == term => from.min(from_sequence),
            Some((resent_term, ..)) if resent_term > term => return,
            _ => from_sequence,
        };
        self.resend = Some((term, from, at));
    }

    /// How long it is waited for any of this node's messages to be ordered before they are sent
    /// again: longer than a batch may take to fill.
    fn retry_interval(&self) -> Duration {
        2 * self.rules.batch().1 + 4 * self.settings.tick_interval
    }

    /// When nothing of what was forwarded comes back, it is sent again: at once to a leader that takes
    /// each message once; to one of Fabric's, which may order a message as often as it is sent, only
    /// after a longer silence.
    pub(super) fn retry(&mut self) {
        if self.retry_at.is_none_or(|at| at > self.now) {
            return;
        }
        self.retry_at = None;
        if self.pending.is_empty() {
            return;
        }
        if self.leader_counts() {
            self.send_again(0);
        } else if self.leader_forgets() && self.patience.ends() {
            self.passed_over = Some((self.role.0, u64::MAX, self.now));
            self.take_back_passed_over();
            self.forward();
        }
        self.retry_at = Some(self.now + self.retry_interval());
    }

    /// Whether another node leads that takes each number once.
    fn leader_counts(&self) -> bool {
        self.counting.contains(&self.leader())
    }

    /// Whether another node leads that looks at no numbers: one of Fabric's.
    fn leader_forgets(&self) -> bool {
        let leader = self.leader();
        leader != 0 && leader != self.settings.id && !self.counting.contains(&leader)
    }

    /// One of Fabric's leaders orders what it is sent on a stream in order, and drops what it cannot
    /// order without a word; so does a stream that breaks. What it has passed over for a while is handed
    /// in again, unless the configuration allows it no longer.
    pub(super) fn take_back_passed_over(&mut self) {
        let Some((term, up_to, _)) = self.passed_over.take_if(|(_, _, at)| *at <= self.now) else { return };
        if term != self.role.0 || !self.leader_forgets() {
            return;
        }
        let sequence = self.rules.sequence();
        for (id, submission) in self.pending.take_back(term, up_to) {
            if submission.config_sequence < sequence
                && let Err(reason) = self.rules.recheck(&submission)
            {
                self.pending.reject(id, reason);
            }
        }
    }

    pub(super) fn block_pulled(&mut self, block: &EncodedBlock) {
        let is_config = channel::block::is_config_block(block.block());
        self.seen_in_chain(block.number(), is_config, block.data());
        self.pending.written(block.number());
    }

    /// Looks for messages of this node in a block; each one found puts off sending again.
    pub(super) fn seen_in_chain(&mut self, number: u64, is_config: bool, data: &[Bytes]) {
        if self.pending.committed(number, is_config, data) == 0 {
            return;
        }
        self.patience = Patience::default();
        self.retry_at = (!self.pending.is_empty()).then(|| self.now + self.retry_interval());
        let term = self.role.0;
        if self.passed_over.is_none_or(|(of_term, ..)| of_term != term)
            && self.leader_forgets()
            && let Some(up_to) = self.pending.passed_over(term)
        {
            self.passed_over = Some((term, up_to, self.now + self.retry_interval()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_leader_is_sent_the_same_ever_more_rarely() {
        let mut patience = Patience::default();
        let sent: Vec<u32> = (1..50).filter(|_| patience.ends()).collect();
        assert_eq!(sent, [3, 3 + 6, 9 + 12, 21 + 24]);
    }
}
