//! A bounded map that forgets what has not been used for long.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    mem,
};

use parking_lot::RwLock;

/// Two generations: the young one takes what is new or used, and becomes the old one when it is full;
/// the old one then is dropped. So at most twice `generation` entries are held, and the last
/// `generation` that were used are among them.
pub(crate) struct Cache<K, V, S = RandomState> {
    generation: usize,
    entries: RwLock<Generations<K, V, S>>,
}

struct Generations<K, V, S> {
    young: HashMap<K, V, S>,
    old: HashMap<K, V, S>,
}

impl<K: Hash + Eq, V: Clone> Cache<K, V> {
    /// An empty cache that keeps at least the last `generation` entries (one or more).
    pub(crate) fn new(generation: usize) -> Self {
        let entries = Generations { young: HashMap::new(), old: HashMap::new() };
        Self { generation: generation.max(1), entries: RwLock::new(entries) }
    }
}

impl<K: Hash + Eq, V: Clone, S: BuildHasher + Default> Cache<K, V, S> {
    pub(crate) fn get<Q>(&self, key: &Q) -> Option<V>
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        {
            let entries = self.entries.read();
            if let Some(value) = entries.young.get(key) {
                return Some(value.clone());
            }
            if !entries.old.contains_key(key) {
                return None;
            }
        }
        let (key, value) = self.entries.write().old.remove_entry(key)?;
        self.insert(key, value.clone());
        Some(value)
    }

    pub(crate) fn insert(&self, key: K, value: V) {
        let mut entries = self.entries.write();
        if entries.young.len() >= self.generation {
            entries.old = mem::take(&mut entries.young);
        }
        entries.young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_rest_goes() {
        let cache = Cache::new(10);
        for number in 0..1000u32 {
            cache.insert(number, number);
            assert_eq!(cache.get(&0), Some(0), "used all the time");
        }
        assert_eq!(cache.get(&999), Some(999));
        assert_eq!(cache.get(&500), None);
        let entries = cache.entries.read();
        assert!(entries.young.len() + entries.old.len() <= 20);
    }
}
