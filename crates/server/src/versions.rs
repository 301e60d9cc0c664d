//! Versions of flags and groups, which never fall.
//!
//! Published server SDKs drop a configuration whose version is not greater than that of the one they hold. So whatever
//! happens, a change must come with a greater version than any that was served for that flag or group before: after a
//! restart, an edit, a file replaced by another, from a flags file to an upstream and back, on every replica.
//!
//! While an entry is in force, its version is at hand. This module remembers the rest, in three parts that a restart must
//! not lose. Versions that this server makes for a flags file are times: seconds since the Unix epoch, which fit readers
//! with 32 bits until 2038. So one number, the last time that was used, bounds nearly all of them, and where even that is
//! lost, the clock is greater. The few that are not bounded by it are listed one by one: versions ahead of the clock, since
//! there were several changes in a second or since the file itself gives a greater one; and those of entries that were
//! removed. An upstream counts by itself: its versions are kept as they are, so that relays side by side agree, and only
//! what this server had to make in place of one that fell is listed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use flagwire_core::protocol::Domain;
use serde::{Deserialize, Serialize};

use crate::files::write::write_if;

/// How many versions are listed one by one. Of more, the least is dropped, and `forgotten` is raised to it.
const MAX_LISTED: usize = 1_000;

/// The meaning of the versions that a source gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counting {
    /// Versions were written into a file by hand, or there are none. They count where they are greater than any before
    /// and than the clock.
    File,
    /// Versions are counted by an upstream. They count as they are, unless one falls.
    Upstream,
    /// Versions are this server's own, from before a restart or from the replica that leads.
    Own,
}

/// Remembers versions besides those in force. Its JSON is what is saved on disk and shared among replicas.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Versions {
    /// The last time that was used for a version, in seconds since the Unix epoch.
    clock: i64,
    /// No version that was dropped from the lists is greater than this.
    forgotten: i64,
    /// The greatest version of an upstream that was ahead of the clock.
    ahead: i64,
    /// The last versions of flags that `clock` does not bound, by identifier.
    flags: BTreeMap<String, i64>,
    /// The last versions of groups that `clock` does not bound, by identifier.
    groups: BTreeMap<String, i64>,
    /// Whether something has changed since this was last saved.
    #[serde(skip)]
    unsaved: bool,
}

impl Versions {
    /// Returns the time from which versions are made for the first configuration of a process. It is ahead of the
    /// clock, as the process before may have made versions in this same second.
    pub(crate) fn begin(&mut self, now: i64, counting: Counting) -> i64 {
        let now = now.max(self.clock).saturating_add(1);
        if counting == Counting::File || self.clock > 0 {
            // This also covers entries that are not in this configuration, and come back in a later one.
            self.clock = now;
            self.unsaved = true;
        }
        now
    }

    /// Returns the time from which versions are made for each configuration after the first.
    pub(crate) fn advance(&self, now: i64) -> i64 {
        now.max(self.clock)
    }

    /// Returns the version of a flag or group that was not in force before.
    pub(crate) fn first(
        &mut self,
        domain: Domain,
        identifier: &str,
        given: Option<i64>,
        now: i64,
        counting: Counting,
    ) -> i64 {
        let floor = self.forgotten.max(self.listed(domain, identifier));
        match (counting, given) {
            (Counting::Own, Some(given)) => self.taken(given, now),
            (Counting::Upstream, Some(given)) if given > floor.max(self.clock) => {
                self.taken(given, now)
            }
            (counting, given) => {
                let floor = floor.max(self.ahead);
                let floor = match counting {
                    Counting::File => floor,
                    Counting::Upstream | Counting::Own => floor.max(self.clock),
                };
                self.made(domain, identifier, floor, given, now, counting)
            }
        }
    }

    /// Returns the version of a flag or group that changed, or to which its source gives a greater one; `last` is the one before.
    pub(crate) fn next(
        &mut self,
        domain: Domain,
        identifier: &str,
        last: i64,
        given: Option<i64>,
        now: i64,
        counting: Counting,
    ) -> i64 {
        match (counting, given) {
            (Counting::Own | Counting::Upstream, Some(given)) if given > last => {
                self.taken(given, now)
            }
            (counting, given) => self.made(domain, identifier, last, given, now, counting),
        }
    }

    /// Remembers the version that an unchanged entry of a flags file keeps. An upstream may have given it before, whose
    /// versions are not remembered, and nothing else bounds it after a restart.
    pub(crate) fn kept(
        &mut self,
        domain: Domain,
        identifier: &str,
        last: i64,
        now: i64,
        counting: Counting,
    ) {
        if counting != Counting::File || last <= self.clock {
            return;
        }
        if last <= now {
            self.clock = last;
            self.unsaved = true;
        } else if self.listed(domain, identifier) < last {
            self.list(domain, identifier, last);
        }
    }

    /// Returns the version of the event for a removal. A flag or group that comes back under that name gets a greater one.
    pub(crate) fn removed(
        &mut self,
        domain: Domain,
        identifier: &str,
        last: i64,
        now: i64,
        counting: Counting,
    ) -> i64 {
        let version = now.max(last.saturating_add(1));
        // The version is listed even if the clock bounds it, as the entry may come back within the same second.
        self.list(domain, identifier, version);
        if counting == Counting::File {
            self.clock = self.clock.max(now);
        }
        version
    }

    fn taken(&mut self, given: i64, now: i64) -> i64 {
        if given > now.max(self.ahead) {
            self.ahead = given;
            self.unsaved = true;
        }
        given
    }

    /// Makes a version that is greater than `floor` and no less than the clock and than what the source gives, and remembers it.
    fn made(
        &mut self,
        domain: Domain,
        identifier: &str,
        floor: i64,
        given: Option<i64>,
        now: i64,
        counting: Counting,
    ) -> i64 {
        let version = given
            .unwrap_or_default()
            .max(now)
            .max(floor.saturating_add(1));
        if counting == Counting::File && version <= now {
            if self.clock < now {
                self.clock = now;
                self.unsaved = true;
            }
        } else {
            self.list(domain, identifier, version);
        }
        version
    }

    fn of(&mut self, domain: Domain) -> &mut BTreeMap<String, i64> {
        match domain {
            Domain::Flag => &mut self.flags,
            Domain::TargetSegment => &mut self.groups,
        }
    }

    fn listed(&self, domain: Domain, identifier: &str) -> i64 {
        let listed = match domain {
            Domain::Flag => &self.flags,
            Domain::TargetSegment => &self.groups,
        };
        listed.get(identifier).copied().unwrap_or_default()
    }

    fn list(&mut self, domain: Domain, identifier: &str, version: i64) {
        self.unsaved = true;
        self.of(domain).insert(identifier.to_owned(), version);
        let clock = self.clock;
        if self.flags.len() + self.groups.len() > MAX_LISTED {
            for listed in [&mut self.flags, &mut self.groups] {
                listed.retain(|_, version| *version >= clock);
            }
        }
        while self.flags.len() + self.groups.len() > MAX_LISTED {
            let least = |listed: &BTreeMap<String, i64>| {
                let least = listed.iter().min_by_key(|(_, version)| **version);
                least.map(|(identifier, version)| (*version, identifier.clone()))
            };
            let (flag, group) = (least(&self.flags), least(&self.groups));
            let Some(dropped) = (match (flag, group) {
                (Some(flag), Some(group)) if flag.0 <= group.0 => self.flags.remove(&flag.1),
                (_, Some(group)) => self.groups.remove(&group.1),
                (Some(flag), None) => self.flags.remove(&flag.1),
                (None, None) => None,
            }) else {
                return;
            };
            self.forgotten = self.forgotten.max(dropped);
        }
    }

    /// Returns the flags and groups that are listed, some of which are in force.
    pub(crate) fn named(&self) -> impl Iterator<Item = (Domain, &str, i64)> {
        let flags = self.flags.iter().map(|entry| (Domain::Flag, entry));
        let groups = self
            .groups
            .iter()
            .map(|entry| (Domain::TargetSegment, entry));
        flags
            .chain(groups)
            .map(|(domain, (identifier, version))| (domain, identifier.as_str(), *version))
    }

    /// Adds what another replica remembers.
    pub(crate) fn merge(&mut self, other: &Self) {
        let before = self.clone();
        self.clock = self.clock.max(other.clock);
        self.forgotten = self.forgotten.max(other.forgotten);
        self.ahead = self.ahead.max(other.ahead);
        for (domain, listed) in [
            (Domain::Flag, &other.flags),
            (Domain::TargetSegment, &other.groups),
        ] {
            for (identifier, version) in listed {
                if self.listed(domain, identifier) < *version {
                    self.list(domain, identifier, *version);
                }
            }
        }
        self.unsaved = before.unsaved || before != *self;
    }
}

/// Holds the remembered versions, and the file that they are saved in. Without a file they last as long as the process.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) versions: Versions,
    path: Option<PathBuf>,
    /// Whether saving fails, which is logged once.
    failing: bool,
}

impl Ledger {
    /// Reads what was saved at `path` and saves it there from now on. A file that cannot be read counts as missing: the clock is
    /// greater, unless it was set back.
    pub(crate) fn keep_in(&mut self, path: &Path) {
        match fs::read(path) {
            Ok(bytes) => match serde_json::from_slice(&bytes) {
                Ok(kept) => self.versions.merge(&kept),
                Err(error) => tracing::warn!(
                    file = %path.display(),
                    "the versions that were kept cannot be read, and are counted on from the clock: {error}"
                ),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.fails(path, &error),
        }
        self.path = Some(path.to_owned());
    }

    /// Saves what changed. Blocks.
    pub(crate) fn save(&mut self) {
        if !std::mem::take(&mut self.versions.unsaved) {
            return;
        }
        let Some(path) = self.path.clone() else {
            return;
        };
        let written = serde_json::to_vec(&self.versions)
            .map_err(io::Error::from)
            .and_then(|json| {
                if let Some(directory) = path.parent() {
                    fs::create_dir_all(directory)?;
                }
                write_if(&path, &json, None, || true)
            });
        match written {
            Ok(()) => self.failing = false,
            Err(error) => {
                // Saving is tried again with the next change.
                self.fails(&path, &error);
            }
        }
    }

    fn fails(&mut self, path: &Path, error: &io::Error) {
        if !std::mem::replace(&mut self.failing, true) {
            tracing::warn!(
                file = %path.display(),
                "cannot keep the versions of flags: {error}. After a restart they are counted on from the clock, which must not be set back; name a writable --state-dir"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAG: Domain = Domain::Flag;

    #[test]
    fn an_upstreams_versions_are_kept_unless_one_falls() {
        let mut versions = Versions::default();
        let upstream = Counting::Upstream;
        assert_eq!(versions.first(FLAG, "a", Some(12), 100, upstream), 12);
        assert_eq!(versions.next(FLAG, "a", 12, Some(13), 100, upstream), 13);
        assert_eq!(versions.next(FLAG, "a", 13, Some(2), 100, upstream), 100);
        // After a restart, only that version continues from what was made here.
        assert_eq!(versions.first(FLAG, "a", Some(2), 90, upstream), 101);
        assert_eq!(versions.first(FLAG, "b", Some(3), 90, upstream), 3);
        assert_eq!(versions.first(FLAG, "a", Some(200), 90, upstream), 200);
    }

    #[test]
    fn a_version_of_an_upstream_that_a_file_keeps_outlives_a_restart() {
        let mut versions = Versions::default();
        let given = versions.first(FLAG, "a", Some(50), 100, Counting::Upstream);
        versions.kept(FLAG, "a", given, 100, Counting::File);
        let kept = serde_json::to_string(&versions).unwrap();
        let mut versions: Versions = serde_json::from_str(&kept).unwrap();
        for counting in [Counting::Upstream, Counting::File] {
            assert!(versions.first(FLAG, "a", Some(1), 40, counting) > given);
        }
    }

    #[test]
    fn what_comes_back_after_it_was_removed_gets_a_greater_version() {
        for counting in [Counting::File, Counting::Upstream] {
            let mut versions = Versions::default();
            let gone = versions.removed(FLAG, "a", 500, 100, counting);
            assert!(gone > 500);
            let kept = serde_json::to_string(&versions).unwrap();
            let mut versions: Versions = serde_json::from_str(&kept).unwrap();
            assert!(versions.first(FLAG, "a", Some(1), 100, counting) > gone);
        }
    }

    #[test]
    fn however_many_are_listed_none_falls_and_the_list_stays_short() {
        let mut versions = Versions::default();
        for n in 0..3 * MAX_LISTED as i64 {
            versions.removed(FLAG, &format!("f{n}"), 1_000 + n, 10, Counting::File);
        }
        assert_eq!(versions.flags.len(), MAX_LISTED);
        for n in 0..3 * MAX_LISTED as i64 {
            let again = versions.first(FLAG, &format!("f{n}"), None, 10, Counting::File);
            assert!(again > 1_001 + n, "{n}: {again}");
        }
    }
}
