//! From the library's `Ready` to effects.

use super::{AwaitingPersist, Core, Effect, Persist};

impl Core {
    /// Handles what the library has ready; returns whether there was anything.
    ///
    /// A leader's messages go out at once, while its own disk is still busy; all others only after
    /// what they promise is durable. What the library calls persisted is what the driver reported.
    pub(super) fn process_ready(&mut self) -> bool {
        let mut had_any = false;
        while !self.failed && self.raft.has_ready() {
            had_any = true;
            let mut ready = self.raft.ready();
            self.effects.extend(ready.take_messages().into_iter().map(Effect::Send));
            let messages = ready.take_persisted_messages();
            self.to_apply.extend(ready.take_committed_entries());

            let snapshot = Some(ready.snapshot()).filter(|s| !s.is_empty()).cloned();
            let hard_state = ready.hs().cloned();
            let entries = ready.take_entries();
            let log = self.raft.mut_store();
            if let Some(snapshot) = &snapshot {
                log.replace(snapshot.clone());
            }
            log.append(&entries);
            if let Some(hard_state) = &hard_state {
                log.set_hard_state(hard_state.clone());
            }

            let number = ready.number();
            let must_sync = ready.must_sync();
            let is_empty = snapshot.is_none() && hard_state.is_none() && entries.is_empty();
            let to_catch_up = snapshot.clone();
            self.raft.advance_append_async(ready);
            if is_empty && self.awaiting_persist.is_empty() {
                self.raft.on_persist_ready(number);
                self.effects.extend(messages.into_iter().map(Effect::Send));
            } else {
                if !is_empty {
                    let persist = Persist { number, snapshot, hard_state, entries, must_sync };
                    self.effects.push(Effect::Persist(persist));
                }
                self.awaiting_persist.push_back(AwaitingPersist { number, is_empty, messages });
            }
            if let Some(snapshot) = to_catch_up {
                // What was committed before it is part of it.
                let index = snapshot.get_metadata().index;
                self.to_apply.retain(|entry| entry.index > index);
                self.installing = Some(index);
                self.catch_up_with(snapshot);
            }
        }
        had_any
    }

    /// What was to be persisted up to `number` is durable: the messages that promise it go out.
    pub(super) fn persisted(&mut self, number: u64) {
        let mut last = number;
        // A ready that had nothing to persist needs no more than those before it.
        while let Some(next) = self.awaiting_persist.front()
            && (next.number <= number || next.is_empty)
        {
            let Some(next) = self.awaiting_persist.pop_front() else { break };
            last = last.max(next.number);
            self.effects.extend(next.messages.into_iter().map(Effect::Send));
        }
        self.raft.on_persist_ready(last);
        if let Some(index) = self.installing.take_if(|index| self.raft.raft.raft_log.persisted >= *index) {
            self.raft.advance_apply_to(index);
        }
    }
}
