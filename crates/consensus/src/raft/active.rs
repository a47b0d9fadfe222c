//! Which consenters are up, as the leader sees it and tells the others.

use std::collections::HashSet;

/// Ticks for which the number of active nodes must stay the same before it is reported.
const STABLE_TICKS: u32 = 3;

/// Watches the active nodes on the leader; keeps what the leader said on the others.
#[derive(Debug, Default)]
pub(crate) struct ActiveNodes {
    /// This node first, then the peers that answered lately.
    current: Vec<u64>,
    /// Those of the tick before. Once per election timeout the library begins to count anew, and on that
    /// tick nobody has answered yet.
    before: Vec<u64>,
    /// Those that the last message could not be sent to, and that have not been heard of since.
    lost: HashSet<u64>,
    stable_ticks: u32,
    /// The last report, and who has not been sent it yet.
    report: Vec<u64>,
    untold: HashSet<u64>,
}

impl ActiveNodes {
    /// The nodes that are known to be up.
    pub(crate) fn current(&self) -> &[u64] {
        &self.current
    }

    /// Whether the leader has heard of a node lately, and could send to it ever since.
    pub(crate) fn has_answered(&self, node: u64) -> bool {
        !self.lost.contains(&node) && (self.current.contains(&node) || self.before.contains(&node))
    }

    /// A message could not be sent to this node.
    pub(crate) fn lost(&mut self, node: u64) {
        self.lost.insert(node);
    }

    /// A message of this node has come.
    pub(crate) fn heard(&mut self, node: u64) {
        self.lost.remove(&node);
    }

    /// One tick on the leader. A report is due on every fourth tick with the same number of nodes.
    pub(crate) fn tick(&mut self, active: Vec<u64>) -> Option<&[u64]> {
        let is_same = active.len() == self.current.len();
        self.before = std::mem::replace(&mut self.current, active);
        if !is_same {
            self.stable_ticks = 0;
            return None;
        }
        if self.stable_ticks < STABLE_TICKS {
            self.stable_ticks += 1;
            return None;
        }
        self.stable_ticks = 0;
        self.report = self.current.clone();
        self.untold = self.report.iter().copied().collect();
        Some(&self.report)
    }

    /// What goes along with the next message to `node`: each report once.
    pub(crate) fn take_report(&mut self, node: u64) -> Option<Vec<u64>> {
        self.untold.remove(&node).then(|| self.report.clone())
    }

    /// The leader's word on a follower.
    pub(crate) fn told(&mut self, nodes: Vec<u64>) {
        self.current = nodes;
    }

    /// There is no leader, or another one: what was known is void.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fourth_stable_tick_is_reported_once_to_each() {
        let mut active = ActiveNodes::default();
        let reports: Vec<bool> = (0..9).map(|_| active.tick(vec![1, 2]).is_some()).collect();
        assert_eq!(reports, [false, false, false, false, true, false, false, false, true]);
        assert_eq!(active.take_report(2), Some(vec![1, 2]));
        assert_eq!(active.take_report(2), None);
        assert_eq!(active.take_report(3), None, "a dead node is not told");
        assert!(active.tick(vec![1]).is_none());
        assert_eq!(active.current(), [1], "the set is fresh on every tick");
        assert!(active.has_answered(2), "one tick may be that on which counting begins anew");
        active.lost(2);
        assert!(!active.has_answered(2), "it can not be sent anything");
        active.heard(2);
        assert!(active.has_answered(2));
        active.tick(vec![1]);
        assert!(!active.has_answered(2));
    }
}
