//! Remembers the last changes, for readers that reconnect with a `Last-Event-ID`.
//!
//! Each configuration that is put in force has a stamp, made of what it says, and the changes that led to it are a step from
//! one stamp to the next. The last event of a step has the new stamp for its id, so that a reader that saw it has seen all; the events before
//! it have ids that say "somewhere in this step", and a reader that saw no more than those gets the whole step again.
//!
//! Replicas that share a configuration share its stamp, so an id of one of them means something to the others, and to the
//! same server after a restart. A replica that was away and took two configurations in one step cannot tell what happened
//! between them: an id from there is unknown to it, as is every id too old. Then nothing is replayed. Clients fetch
//! everything as they open a stream; back ends get an event for everything, see [`crate::environment::catch_up`].

use std::collections::VecDeque;

use super::changes::Difference;

/// How many events are kept, over all steps.
const MAX_EVENTS: usize = 1024;

/// How many steps are kept. A step may have no event, where a replica finds that it has the same as another.
const MAX_STEPS: usize = 1024;

/// The last steps from one configuration to the next.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    stamp: String,
    /// Oldest first; each begins where the one before it ended.
    steps: VecDeque<Step>,
    events: usize,
}

#[derive(Debug)]
struct Step {
    from: String,
    to: String,
    differences: Vec<Difference>,
}

impl Step {
    /// Returns the id of the event at `index`.
    fn id(&self, index: usize) -> String {
        if index + 1 == self.differences.len() {
            self.to.clone()
        } else {
            format!("{}~{index}", self.to)
        }
    }
}

impl Replay {
    /// Returns the stamp of the configuration in force; empty before the first.
    pub(crate) fn stamp(&self) -> &str {
        &self.stamp
    }

    /// Adds the step to a new configuration. Returns the ids of its events.
    pub(crate) fn step(&mut self, stamp: String, differences: &[Difference]) -> Vec<String> {
        if stamp == self.stamp && differences.is_empty() {
            return Vec::new();
        }
        let step = Step {
            from: std::mem::replace(&mut self.stamp, stamp.clone()),
            to: stamp,
            differences: differences.to_vec(),
        };
        let ids = (0..differences.len()).map(|index| step.id(index)).collect();
        self.events += differences.len();
        self.steps.push_back(step);
        while self.steps.len() > MAX_STEPS || (self.events > MAX_EVENTS && self.steps.len() > 1) {
            let Some(oldest) = self.steps.pop_front() else {
                break;
            };
            self.events = self.events.saturating_sub(oldest.differences.len());
        }
        ids
    }

    /// Returns the last change of each flag and group that changed since the event of this id, with the id of its event. `None` if
    /// that is not known.
    pub(crate) fn since(&self, id: &str) -> Option<Vec<(String, Difference)>> {
        if id.is_empty() {
            return None;
        }
        // A stamp occurs again if a configuration does. A reader that has seen that configuration needs only what came
        // after its last occurrence.
        let first = match id.split_once('~') {
            None if id == self.stamp => self.steps.len(),
            None => self.steps.iter().rposition(|step| step.from == id)?,
            Some((to, index)) => {
                let index: usize = index.parse().ok()?;
                // The last event has the stamp alone for its id, so this is one before it.
                let within = |step: &Step| step.to == to && index + 1 < step.differences.len();
                self.steps.iter().rposition(within)?
            }
        };
        let missed: Vec<(&Step, usize, &Difference)> = self
            .steps
            .range(first..)
            .flat_map(|step| {
                let numbered = step.differences.iter().enumerate();
                numbered.map(move |(index, difference)| (step, index, difference))
            })
            .collect();
        let superseded = |at: usize, difference: &Difference| {
            missed.iter().skip(at + 1).any(|(_, _, later)| {
                later.domain == difference.domain && later.identifier == difference.identifier
            })
        };
        Some(
            missed
                .iter()
                .enumerate()
                .filter(|(at, (_, _, difference))| !superseded(*at, difference))
                .map(|(_, (step, index, difference))| (step.id(*index), (*difference).clone()))
                .collect(),
        )
    }
}
