//! Caches the bodies of replies with all evaluations, by configuration and target. Reloads of a page, its other tabs
//! and fetches that confirm what it has are answered without evaluating again.
//!
//! The cache is sharded, so that threads seldom wait for one another. Each shard has a limit of bytes and drops the
//! least recently used entry; so replies of configurations that are no longer in force are dropped in time.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use parking_lot::Mutex;

/// The number of shards, a power of two.
const SHARDS: usize = 16;

/// The limit of bytes for all shards together. A reply with 100 flags takes about 7 kB.
const MAX_BYTES: usize = 32 * 1024 * 1024;

/// The limit of bytes for one shard.
const SHARD_BYTES: usize = MAX_BYTES / SHARDS;

/// About how many bytes an entry takes besides its key and body.
const OVERHEAD: usize = 200;

/// The cache of replies.
#[derive(Debug)]
pub(crate) struct ReplyCache {
    shards: Vec<Mutex<Shard>>,
}

#[derive(Debug, Default)]
struct Shard {
    entries: HashMap<String, (Bytes, u64)>,
    /// The fingerprints, by the value of `clock` when each was used last.
    by_use: BTreeMap<u64, String>,
    clock: u64,
    bytes: usize,
}

impl Default for ReplyCache {
    fn default() -> Self {
        let mut shards = Vec::new();
        shards.resize_with(SHARDS, Mutex::default);
        Self { shards }
    }
}

impl ReplyCache {
    /// Returns the body for a fingerprint of configuration and target, and makes it if it is not cached. An error is
    /// not cached.
    pub(crate) fn get<E>(
        &self,
        fingerprint: &str,
        make: impl FnOnce() -> Result<Vec<u8>, E>,
    ) -> Result<Bytes, E> {
        let Some(shard) = self.shard(fingerprint) else {
            return make().map(Bytes::from);
        };
        let lock = || shard.lock();
        if let Some(body) = lock().used(fingerprint) {
            return Ok(body);
        }
        // The shard is not locked meanwhile. Two requests at the same time both make the body, which costs less than
        // waiting.
        let body = Bytes::from(make()?);
        lock().put(fingerprint, body.clone());
        Ok(body)
    }

    fn shard(&self, fingerprint: &str) -> Option<&Mutex<Shard>> {
        // The fingerprint is a hash, so its last digit spreads entries evenly.
        let digit = fingerprint
            .as_bytes()
            .last()
            .map_or(0, |byte| usize::from(*byte));
        let value = if digit >= usize::from(b'a') {
            digit - usize::from(b'a') + 10
        } else {
            digit
        };
        self.shards.get(value % SHARDS)
    }
}

impl Shard {
    fn used(&mut self, fingerprint: &str) -> Option<Bytes> {
        let (body, at) = self.entries.get_mut(fingerprint)?;
        self.clock += 1;
        let name = self
            .by_use
            .remove(at)
            .unwrap_or_else(|| fingerprint.to_owned());
        *at = self.clock;
        self.by_use.insert(self.clock, name);
        Some(body.clone())
    }

    fn put(&mut self, fingerprint: &str, body: Bytes) {
        let size = |key: &str, body: &Bytes| 2 * key.len() + body.len() + OVERHEAD;
        let needed = size(fingerprint, &body);
        if needed > SHARD_BYTES / 4 {
            return;
        }
        self.clock += 1;
        if let Some((old, at)) = self
            .entries
            .insert(fingerprint.to_owned(), (body, self.clock))
        {
            self.bytes = self.bytes.saturating_sub(size(fingerprint, &old));
            self.by_use.remove(&at);
        }
        self.by_use.insert(self.clock, fingerprint.to_owned());
        self.bytes += needed;
        while self.bytes > SHARD_BYTES {
            let Some((_, oldest)) = self.by_use.pop_first() else {
                break;
            };
            if let Some((body, _)) = self.entries.remove(&oldest) {
                self.bytes = self.bytes.saturating_sub(size(&oldest, &body));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// Returns the length of the body, and whether it was made by this call.
    fn get(cache: &ReplyCache, key: &str, bytes: usize) -> (usize, bool) {
        let mut made = false;
        let body = cache.get(key, || {
            made = true;
            Ok::<_, Infallible>(vec![0; bytes])
        });
        (body.unwrap().len(), made)
    }

    #[test]
    fn what_was_asked_for_is_not_made_again() {
        let cache = ReplyCache::default();
        assert_eq!(get(&cache, "a0", 7), (7, true));
        assert_eq!(get(&cache, "a0", 8), (7, false));
        assert_eq!(get(&cache, "b0", 9), (9, true));
        let failed: Result<Bytes, &str> = cache.get("c0", || Err("no"));
        assert_eq!(failed, Err("no"));
        assert_eq!(get(&cache, "c0", 1), (1, true), "a failure is not kept");
    }

    #[test]
    fn it_is_bounded_and_forgets_what_was_used_longest_ago() {
        let cache = ReplyCache::default();
        let body = SHARD_BYTES / 10;
        get(&cache, "first-0", body);
        get(&cache, "second-0", body);
        for n in 0..9 {
            get(&cache, "first-0", body);
            get(&cache, &format!("{n}-0"), body);
        }
        assert_eq!(
            get(&cache, "first-0", 1),
            (body, false),
            "it was used all the time"
        );
        assert_eq!(get(&cache, "second-0", 1), (1, true), "it was not");
        for shard in &cache.shards {
            let shard = shard.lock();
            assert!(shard.bytes <= SHARD_BYTES);
            assert_eq!(shard.entries.len(), shard.by_use.len());
        }
    }

    #[test]
    fn one_large_body_does_not_push_out_all_others() {
        let cache = ReplyCache::default();
        get(&cache, "a0", 10);
        assert!(get(&cache, "b0", SHARD_BYTES).1);
        assert!(get(&cache, "b0", SHARD_BYTES).1);
        assert_eq!(get(&cache, "a0", 1), (10, false));
    }
}
