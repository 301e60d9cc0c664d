//! Puts configurations in force: completes them, gives each flag and group its version, finds what changed, and publishes that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use flagwire_evaluation::Snapshot;
use flagwire_evaluation::model::{FeatureConfig, Segment};
use parking_lot::MutexGuard;

use super::Environment;
use super::changes::{self, Difference};
use super::configuration::Configuration;
use super::current::{Current, content_hash};
use super::document::Document;
use super::event::Event;
use crate::auth::PROJECT;
use crate::time::unix_seconds;
use crate::versions::{Counting, Versions};

impl Environment {
    /// Puts a configuration of a flags file in force and publishes what changed. Returns the changes. There are none, and
    /// nothing happens, if it is the same as the configuration in force. The first configuration publishes nothing, as no
    /// reader has seen another one.
    pub fn apply(&self, configuration: Configuration) -> Vec<Difference> {
        self.apply_with(configuration, Counting::File)
    }

    /// Puts a configuration in force as [`apply`](Self::apply) does, of a source whose versions have another meaning.
    pub fn apply_with(&self, configuration: Configuration, counting: Counting) -> Vec<Difference> {
        let applying = self.applying.lock();
        self.put_in_force(&applying, configuration, counting, None, None, None)
    }

    /// Puts a configuration in force together with the text of the flags file that it was read from.
    pub(crate) fn apply_document(
        &self,
        configuration: Configuration,
        document: Arc<Document>,
    ) -> Vec<Difference> {
        let (applying, document) = (self.applying.lock(), Some(document));
        self.put_in_force(
            &applying,
            configuration,
            Counting::File,
            None,
            document,
            None,
        )
    }

    /// Puts the configuration of a flags file in force in place of that of another source, and publishes what changed. A flag that
    /// is not in `differing` is known to serve every target the same in both, so clients get no event for it.
    pub(crate) fn take_over(
        &self,
        configuration: Configuration,
        document: Arc<Document>,
        differing: &BTreeSet<String>,
    ) -> Vec<Difference> {
        let (applying, document) = (self.applying.lock(), Some(document));
        self.put_in_force(
            &applying,
            configuration,
            Counting::File,
            None,
            document,
            Some(differing),
        )
    }

    /// Returns the [content](Current::content) that a configuration would have in force.
    pub(crate) fn content_of(&self, configuration: Configuration) -> String {
        let (flags, segments) = self.complete(configuration);
        content_hash(&flags, &segments)
    }

    /// Puts a configuration in force that another replica has put in force under this stamp.
    pub(crate) fn apply_as(
        &self,
        configuration: Configuration,
        stamp: String,
        versions: &Versions,
        document: Option<Arc<Document>>,
    ) -> Vec<Difference> {
        self.ledger.lock().versions.merge(versions);
        let stamp = Some(stamp);
        self.put_in_force(
            &self.applying.lock(),
            configuration,
            Counting::Own,
            stamp,
            document,
            None,
        )
    }

    /// Gives flags and groups in force at least these versions, by identifier, as another replica has served them with the same
    /// values.
    pub(crate) fn raise(&self, flags: &BTreeMap<String, i64>, groups: &BTreeMap<String, i64>) {
        self.raise_with(|version, least| version.max(least), flags, groups);
    }

    /// Gives flags and groups in force greater versions than these, which other replicas have served, perhaps with other values.
    pub(crate) fn outgrow(
        &self,
        versions: &Versions,
        flags: &BTreeMap<String, i64>,
        groups: &BTreeMap<String, i64>,
    ) {
        self.ledger.lock().versions.merge(versions);
        let greater = |version: i64, served: i64| version.max(served.saturating_add(1));
        self.raise_with(greater, flags, groups);
    }

    fn raise_with(
        &self,
        raised: impl Fn(i64, i64) -> i64,
        flags: &BTreeMap<String, i64>,
        groups: &BTreeMap<String, i64>,
    ) {
        let applying = self.applying.lock();
        let Some(current) = self.current() else {
            return;
        };
        let mut configuration = Configuration {
            flags: current.snapshot.flags().to_vec(),
            segments: current.snapshot.segments().to_vec(),
        };
        for flag in &mut configuration.flags {
            if let (Some(version), Some(other)) = (&mut flag.version, flags.get(&flag.feature)) {
                *version = raised(*version, *other);
            }
        }
        for group in &mut configuration.segments {
            let other = groups.get(&group.identifier);
            if let (Some(version), Some(other)) = (&mut group.version, other) {
                *version = raised(*version, *other);
            }
        }
        self.put_in_force(&applying, configuration, Counting::Own, None, None, None);
    }

    fn put_in_force(
        &self,
        _applying: &MutexGuard<'_, ()>,
        configuration: Configuration,
        counting: Counting,
        stamp: Option<String>,
        document: Option<Arc<Document>>,
        differing: Option<&BTreeSet<String>>,
    ) -> Vec<Difference> {
        let (mut flags, mut segments) = self.complete(configuration);
        let before = self.current();
        let now = SystemTime::now();
        let mut differences =
            self.number(before.as_deref(), &mut flags, &mut segments, now, counting);
        if let Some(differing) = differing {
            for difference in &mut differences {
                difference.serves_the_same = !difference.may_serve_another(differing);
            }
        }
        let new_text = self.store_document(document);
        if let Some(before) = before.as_ref().filter(|_| differences.is_empty()) {
            if let Some(stamp) = stamp {
                self.replay.lock().step(stamp, &[]);
            }
            let raised = before.is_older(&flags, &segments);
            if raised {
                // Evaluations stay the same; back ends see the versions when they fetch, and no event is needed.
                self.current.store(Some(Arc::new(
                    before.with(Snapshot::compile(flags, segments)),
                )));
            }
            if raised || new_text {
                self.edition.send_modify(|edition| *edition += 1);
                self.generation.send_modify(|_| {});
            }
            return differences;
        }
        let content = content_hash(&flags, &segments);
        let snapshot = Snapshot::compile(flags, segments);
        for problem in snapshot.problems() {
            tracing::warn!(
                environment = self.name,
                entry = problem.identifier,
                "{}",
                problem.sentence
            );
        }
        let current = Arc::new(Current::new(
            snapshot,
            content,
            before.as_ref().map_or(1, |current| current.generation + 1),
            now,
        ));
        let stamp = stamp.unwrap_or_else(|| current.content.clone());
        self.current.store(Some(Arc::clone(&current)));
        if let Some(before) = &before {
            self.publish(&differences, &current, stamp);
            self.activity
                .changed(&differences, &before.snapshot, &current.snapshot);
        } else {
            self.replay.lock().step(stamp, &[]);
        }
        self.edition.send_modify(|edition| *edition += 1);
        self.generation.send_replace(current.generation);
        differences
    }

    /// Fills in the environment and the project where a source leaves them out.
    fn complete(&self, configuration: Configuration) -> (Vec<FeatureConfig>, Vec<Segment>) {
        let Configuration {
            mut flags,
            mut segments,
        } = configuration;
        for flag in &mut flags {
            if flag.environment.is_empty() {
                self.name.clone_into(&mut flag.environment);
            }
            if flag.project.is_empty() {
                PROJECT.clone_into(&mut flag.project);
            }
        }
        for segment in &mut segments {
            segment.environment.get_or_insert_with(|| self.name.clone());
        }
        (flags, segments)
    }

    /// Gives each flag and group its version and finds what differs. The versions are saved before the changes are published.
    fn number(
        &self,
        before: Option<&Current>,
        flags: &mut [FeatureConfig],
        segments: &mut [Segment],
        now: SystemTime,
        counting: Counting,
    ) -> Vec<Difference> {
        let mut ledger = self.ledger.lock();
        let now = unix_seconds(now);
        let (old, now) = match before {
            Some(current) => (
                (current.snapshot.flags(), current.snapshot.segments()),
                ledger.versions.advance(now),
            ),
            None => ((&[][..], &[][..]), ledger.versions.begin(now, counting)),
        };
        let differences =
            changes::compare(old, (flags, segments), &mut ledger.versions, now, counting);
        ledger.save();
        differences
    }

    /// Stores the text of the flags file in force. Returns whether it differs from the one before.
    fn store_document(&self, document: Option<Arc<Document>>) -> bool {
        let mut stored = self.document.lock();
        let hash = |document: &Option<Arc<Document>>| document.as_ref().map(|one| one.hash.clone());
        let differs = document.is_some() && hash(&stored) != hash(&document);
        if document.is_some() {
            *stored = document;
        }
        differs
    }

    /// Publishes all changes of one configuration as one message, so that a large configuration makes a slow reader lag by one.
    fn publish(&self, differences: &[Difference], current: &Arc<Current>, stamp: String) {
        let ids = self.replay.lock().step(stamp, differences);
        let events: Arc<[Event]> = ids
            .into_iter()
            .zip(differences)
            .map(|(id, difference)| Event::new(id, difference.clone(), Arc::clone(current)))
            .collect();
        // An error means that there is no receiver.
        drop(self.events.send(events));
    }
}
