//! The configuration that is in force, ready for evaluation, and the two names that it has: its content and its entity tag.

use std::sync::OnceLock;
use std::time::SystemTime;

use flagwire_evaluation::Snapshot;
use flagwire_evaluation::model::{FeatureConfig, Segment};
use sha2::{Digest, Sha256};

use crate::auth::hex;

/// A configuration that is or was in force.
#[derive(Debug)]
pub struct Current {
    /// Ready for evaluation; its flags and groups carry their versions.
    pub snapshot: Snapshot,
    /// A hash of the flags and groups without their versions: the same on any replica and after any restart. 32 hex digits.
    pub content: String,
    /// Counts configurations in this process, from 1.
    pub generation: u64,
    /// When it was put in force.
    pub since: SystemTime,
    /// The text of [`Current::tag`], made when it is first asked for.
    tag: OnceLock<String>,
}

impl Current {
    pub(super) const fn new(
        snapshot: Snapshot,
        content: String,
        generation: u64,
        since: SystemTime,
    ) -> Self {
        Self {
            snapshot,
            content,
            generation,
            since,
            tag: OnceLock::new(),
        }
    }

    /// Returns the same configuration with greater versions.
    pub(super) fn with(&self, snapshot: Snapshot) -> Self {
        Self::new(snapshot, self.content.clone(), self.generation, self.since)
    }

    /// Returns the entity tag of the lists of rules, without its quotes. It is the same for the same flags and groups with the same
    /// versions.
    pub(crate) fn tag(&self) -> &str {
        self.tag.get_or_init(|| {
            let mut hash = Sha256::new();
            let flags = self.snapshot.flags().iter();
            let groups = self.snapshot.segments().iter();
            let versions = flags.map(|flag| (&flag.feature, flag.version));
            for (identifier, version) in
                versions.chain(groups.map(|group| (&group.identifier, group.version)))
            {
                hash.update(identifier);
                hash.update([0]);
                hash.update(version.unwrap_or_default().to_le_bytes());
            }
            let versions = hex(hash.finalize().get(..8).unwrap_or_default());
            format!("{}-{versions}", self.content)
        })
    }

    /// Whether any of these flags and groups has a greater version than here.
    pub(super) fn is_older(&self, flags: &[FeatureConfig], segments: &[Segment]) -> bool {
        let flag = |flag: &FeatureConfig| {
            let known = self.snapshot.flag(&flag.feature);
            known.is_some_and(|known| known.version < flag.version)
        };
        let group = |group: &Segment| {
            let known = self.snapshot.segment(&group.identifier);
            known.is_some_and(|known| known.version < group.version)
        };
        flags.iter().any(flag) || segments.iter().any(group)
    }
}

/// Returns the hash of everything that evaluation reads. Versions are left out, as they differ between replicas.
pub(super) fn content_hash(flags: &[FeatureConfig], segments: &[Segment]) -> String {
    let mut lines: Vec<String> = Vec::with_capacity(flags.len() + segments.len());
    for flag in flags {
        let plain = FeatureConfig {
            version: None,
            ..flag.clone()
        };
        lines.push(serde_json::to_string(&plain).unwrap_or_default());
    }
    for segment in segments {
        let plain = Segment {
            version: None,
            ..segment.clone()
        };
        lines.push(serde_json::to_string(&plain).unwrap_or_default());
    }
    lines.sort_unstable();
    let hash = Sha256::digest(lines.join("\n").as_bytes());
    hex(hash.get(..16).unwrap_or_default())
}
