//! An event for many readers, which is framed once for each different text of it.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};
use flagwire_core::protocol::{CHANGE_EVENT, Change, ChangeEvent, Domain, Evaluation, Target};
use parking_lot::Mutex;
use serde_json::json;

use super::changes::Difference;
use super::current::Current;
use super::framing::Framed;
use crate::time::unix_seconds;

/// The kind of reader that a stream has, which decides what its events say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Audience {
    /// A back end, which evaluates by itself: gets each event and nothing more.
    Rules,
    /// A client whose target is not known, or that gets no evaluations.
    Anyone,
    /// A client: gets the new evaluations with the event.
    One(Arc<Target>),
    /// A client of OpenFeature's protocol, which asks for everything again after each event.
    Refetch,
}

impl Audience {
    /// Returns the frames of events that the reader has missed, oldest first.
    pub(crate) fn missed(&self, events: &[Event]) -> Bytes {
        let mut frames = BytesMut::new();
        for event in events {
            frames.extend_from_slice(event.frames(self).plain());
        }
        frames.freeze()
    }
}

/// A change, the configuration it came with, and its frames.
#[derive(Debug)]
pub(crate) struct Event {
    id: String,
    difference: Difference,
    current: Arc<Current>,
    rules: OnceLock<Framed>,
    /// The frame for back ends without an id.
    rules_unnumbered: OnceLock<Framed>,
    anyone: OnceLock<Framed>,
    refetch: OnceLock<Framed>,
    /// The frames for targets, by the variations that these get, which decide the text: ten thousand users share a few of them.
    evaluated: Mutex<HashMap<String, Framed>>,
}

impl Event {
    pub(crate) fn new(id: String, difference: Difference, current: Arc<Current>) -> Self {
        Self {
            id,
            difference,
            current,
            rules: OnceLock::new(),
            rules_unnumbered: OnceLock::new(),
            anyone: OnceLock::new(),
            refetch: OnceLock::new(),
            evaluated: Mutex::default(),
        }
    }

    /// Returns the frames for a reader, one or more; nothing where the event does not concern it.
    pub(crate) fn frames(&self, audience: &Audience) -> Framed {
        if !self.concerns(audience) {
            return Framed::new(b"");
        }
        let (cell, make): (_, fn(&Self) -> Bytes) = match audience {
            Audience::One(target) => return self.frame_for(target),
            Audience::Rules => (&self.rules, |event| event.frame_change(None)),
            Audience::Anyone => (&self.anyone, Self::frame_for_anyone),
            Audience::Refetch => (&self.refetch, |event| refetch(&event.current)),
        };
        cell.get_or_init(|| Framed::new(&make(self))).clone()
    }

    /// Whether a reader of this kind gets the event at all.
    pub(crate) fn concerns(&self, audience: &Audience) -> bool {
        *audience == Audience::Rules || !self.difference.serves_the_same
    }

    /// Returns the frame for a back end that is still being sent everything, and has to ask for it again if it is cut off.
    pub(crate) fn unnumbered(&self) -> &Framed {
        self.rules_unnumbered
            .get_or_init(|| Framed::new(&frame(&self.change_event(None), None)))
    }

    fn change_event(&self, evaluations: Option<Vec<Evaluation>>) -> ChangeEvent {
        ChangeEvent {
            event: self.difference.change,
            domain: self.difference.domain,
            identifier: self.difference.identifier.clone(),
            version: Some(self.difference.version),
            evaluations,
        }
    }

    fn frame_change(&self, evaluations: Option<Vec<Evaluation>>) -> Bytes {
        frame(&self.change_event(evaluations), Some(&self.id))
    }

    /// Returns the frames without evaluations. A flag's event then does not name the flags that depend on it, so these
    /// get events of their own. So do the flags of a deleted group, as the published JavaScript client ignores the
    /// deletion.
    fn frame_for_anyone(&self) -> Bytes {
        match (self.difference.domain, self.difference.change) {
            (Domain::TargetSegment, Change::Create | Change::Patch) => self.frame_group_patch(None),
            _ => self.with_dependents(self.frame_change(None), |_| None),
        }
    }

    fn frame_for(&self, target: &Target) -> Framed {
        let snapshot = &self.current.snapshot;
        let evaluations: Vec<_> = self
            .difference
            .affected
            .iter()
            .filter_map(|flag| snapshot.evaluate_ref(flag, Some(target)).ok())
            .collect();
        let mut key = String::new();
        for evaluation in &evaluations {
            for part in [evaluation.flag, "\0", evaluation.identifier, "\0"] {
                key.push_str(part);
            }
        }
        if let Some(frame) = self.evaluated.lock().get(&key) {
            return frame.clone();
        }
        let evaluations: Vec<Evaluation> = evaluations
            .iter()
            .map(|evaluation| evaluation.to_owned())
            .collect();
        let framed = Framed::new(&self.frame_evaluated(evaluations));
        self.evaluated.lock().insert(key, framed.clone());
        framed
    }

    fn frame_evaluated(&self, evaluations: Vec<Evaluation>) -> Bytes {
        let difference = &self.difference;
        match (difference.domain, difference.change) {
            (Domain::Flag, Change::Create | Change::Patch) => {
                // A flag that cannot be evaluated is left out, and the client then asks for it.
                let own = evaluations
                    .iter()
                    .any(|evaluation| evaluation.flag == difference.identifier);
                if own {
                    self.frame_change(Some(evaluations))
                } else {
                    self.with_dependents(self.frame_change(None), |flag| find(&evaluations, flag))
                }
            }
            (Domain::TargetSegment, Change::Create | Change::Patch) => {
                if difference.affected.is_empty() {
                    // An event without evaluations would make the client fetch everything although nothing has changed
                    // for it.
                    Bytes::new()
                } else {
                    self.frame_group_patch(Some(evaluations).filter(|list| !list.is_empty()))
                }
            }
            (_, Change::Delete) => {
                self.with_dependents(self.frame_change(None), |flag| find(&evaluations, flag))
            }
        }
    }

    /// Clients act on a `patch` of a group only, so its creation is sent to them as one.
    fn frame_group_patch(&self, evaluations: Option<Vec<Evaluation>>) -> Bytes {
        frame(
            &ChangeEvent {
                event: Change::Patch,
                domain: Domain::TargetSegment,
                identifier: self.difference.identifier.clone(),
                version: Some(self.difference.version),
                evaluations,
            },
            Some(&self.id),
        )
    }

    fn with_dependents(
        &self,
        first: Bytes,
        evaluation: impl Fn(&str) -> Option<Evaluation>,
    ) -> Bytes {
        let mut frames = Vec::from(first);
        for flag in self.difference.affected.iter().filter(|flag| {
            **flag != self.difference.identifier || self.difference.domain != Domain::Flag
        }) {
            frames.extend_from_slice(&frame(
                &ChangeEvent {
                    event: Change::Patch,
                    domain: Domain::Flag,
                    identifier: flag.clone(),
                    version: self
                        .current
                        .snapshot
                        .flag(flag)
                        .and_then(|flag| flag.version),
                    evaluations: evaluation(flag).map(|evaluation| vec![evaluation]),
                },
                Some(&self.id),
            ));
        }
        frames.into()
    }
}

fn find(evaluations: &[Evaluation], flag: &str) -> Option<Evaluation> {
    evaluations
        .iter()
        .find(|evaluation| evaluation.flag == flag)
        .cloned()
}

/// OpenFeature's event for "ask again". Its id names the configuration, so that a reader who comes back to any replica
/// learns whether it missed something.
pub(crate) fn refetch(current: &Current) -> Bytes {
    let Current { content, .. } = current;
    let data = json!({
        "type": "refetchEvaluation",
        "etag": content,
        "lastModified": unix_seconds(current.since),
    });
    Bytes::from(format!("data: {data}\nid: {content}\n\n"))
}

/// One frame. The id comes last, since hand-written readers expect `data` right after `event`, and the JSON is on one
/// line behind exactly one space, since some of them count characters.
pub(super) fn frame(event: &ChangeEvent, id: Option<&str>) -> Bytes {
    let json = serde_json::to_string(event).unwrap_or_default();
    let id = id.map_or_else(String::new, |id| format!("id: {id}\n"));
    Bytes::from(format!("event: {CHANGE_EVENT}\ndata: {json}\n{id}\n"))
}
