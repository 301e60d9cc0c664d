//! One stream for all tabs of an origin.
//!
//! Browsers allow six connections to an origin on HTTP/1.1, and a stream holds one for good. So the tabs with the same
//! service, key and target form a *group* and elect a leader: whoever holds the lock of the group's name. The leader holds
//! the stream and posts what it hears on a channel of that name; the others *follow*: what they hear from the leader is
//! their stream.
//!
//! - A leader that closes, crashes or is discarded frees the lock; the next tab in the lock's queue leads.
//! - A frozen leader frees nothing, but is silent: a follower steals the lock.
//! - A leader that cannot stream any more (signed out, paused, refused) leaves the group. Each tab finds out for itself.
//! - A leader speaks of events and heartbeats only once it knows of a follower: most pages are open in one tab, and posting is
//!   what costs most of an event. A tab that joins says so, and those that are there answer a new leader.
//! - On a new stream everybody fetches all evaluations, as with a stream of one's own: what was missed is found.
//!
//! Fetches, sign-in and metrics stay each tab's own.

use alloc::vec::Vec;

use super::Client;
use super::stream::{IDLE_TIMEOUT, Leader, StreamStatus};
use crate::codec::Codec;
use crate::error::Cause;
use crate::input::TabInput;
use crate::message::TabMessage;
use crate::output::{Output, TabOutput};
use crate::time::{Instant, Millis};
use crate::timer::Timer;

/// How long a tab that joined waits for the lock or for a word from who holds it.
const HELLO_TIMEOUT: Millis = Millis(5_000);

/// How long the leader may take to open a stream, or be silent while it cannot; more than opening one (35 s), and than
/// [`LEAD_INTERVAL`] when a browser lets timers of hidden pages fire once a minute.
const LEAD_TIMEOUT: Millis = Millis(90_000);

/// How often the leader says how its stream stands.
const LEAD_INTERVAL: Millis = Millis(30_000);

/// Followers that notice a silent leader do so at different moments: the first one leads, and the others hear of it.
const STEAL_JITTER: u32 = 10_000;

/// Followers fetch within this time of a new stream, and not all in the same millisecond.
const FETCH_JITTER: u32 = 1_000;

/// This tab's part in the group.
#[derive(Debug, Default)]
pub(super) struct Tabs {
    joined: bool,
    pub(super) leading: bool,
    /// This tab leads, and another one has said that it follows.
    followed: bool,
}

impl<C: Codec> Client<C> {
    /// Takes what happened in the group of tabs.
    pub fn handle_tabs(&mut self, now: Instant, input: TabInput<'_>) {
        match input {
            _ if !self.tabs.joined => {}
            TabInput::Leading if !self.tabs.leading => {
                self.tabs.leading = true;
                self.post_state(now);
                self.open_stream(now);
            }
            TabInput::Lost if self.tabs.leading => {
                self.tabs.leading = false;
                self.tabs.followed = false;
                self.timers.cancel(Timer::Lead);
                self.open_stream(now);
            }
            TabInput::Leading | TabInput::Lost => {}
            TabInput::Message(message @ (TabMessage::Hello | TabMessage::Here), _) => {
                if self.tabs.leading {
                    let known = core::mem::replace(&mut self.tabs.followed, true);
                    if message == TabMessage::Hello {
                        self.post_state(now);
                    } else if !known && let StreamStatus::Open { .. } = self.streaming.status(now) {
                        // It was frozen when this tab began to lead, and has missed what was heard since.
                        self.post(TabMessage::Open, b"");
                    }
                }
            }
            TabInput::Message(TabMessage::Event, _) if self.tabs.leading => {
                // A tab that was frozen when this one took its place has posted what its stream still held: the others may have
                // taken older values from it, and fetch.
                if let StreamStatus::Open { .. } = self.streaming.status(now) {
                    self.post(TabMessage::Open, b"");
                }
            }
            TabInput::Message(message, data) => self.heard(now, message, data),
        }
    }

    /// Returns whether another tab has the stream: there is a group, and this tab does not lead it. Joins the group if need be.
    pub(super) fn follow(&mut self, now: Instant) -> bool {
        if !self.config.share_stream || self.tabs.leading {
            return false;
        }
        if !self.tabs.joined {
            let Some(group) = self.codec.group() else {
                return false; // no group can be named for such a target: a stream of its own
            };
            self.tabs.joined = true;
            self.tell_driver(TabOutput::Join(group));
        }
        self.follow_stream(now, Leader::Unknown);
        self.await_leader(now, HELLO_TIMEOUT);
        self.post(TabMessage::Hello, b"");
        true
    }

    /// Leaves the group, if this tab is in one.
    pub(super) fn leave_tabs(&mut self) {
        if core::mem::take(&mut self.tabs).joined {
            self.timers.cancel(Timer::Lead);
            self.tell_driver(TabOutput::Leave);
        }
    }

    /// Says `message` to the others, if there are any that listen to this tab.
    pub(super) fn post_as_leader(&mut self, message: TabMessage, data: &[u8]) {
        if self.tabs.followed {
            self.post(message, data);
        }
    }

    /// Posts the stream's status to the other tabs, now and again in a while.
    pub(super) fn post_state(&mut self, now: Instant) {
        self.timers.set(Timer::Lead, now.after(LEAD_INTERVAL));
        let mut data = None;
        let message = match self.streaming.status(now) {
            StreamStatus::Open { quiet_seconds } => {
                data = Some(quiet_seconds);
                TabMessage::Alive
            }
            StreamStatus::Down => TabMessage::Down,
            StreamStatus::Starting => TabMessage::Lead,
        };
        self.post(message, data.as_slice());
    }

    /// Takes a message of the leader.
    fn heard(&mut self, now: Instant, message: TabMessage, data: &[u8]) {
        let Some(open) = self.streaming.followed() else {
            return;
        };
        if let Some(session) = &mut self.session {
            session.ticket = false; // it will be too old when this tab leads
        }
        match message {
            TabMessage::Hello | TabMessage::Here => {}
            TabMessage::Lead | TabMessage::Down => {
                self.await_leader(now, LEAD_TIMEOUT);
                self.post(TabMessage::Here, b"");
                if message == TabMessage::Down {
                    self.follow_stream(now, Leader::Down(Cause::Network));
                }
            }
            TabMessage::Open | TabMessage::Alive | TabMessage::Event => {
                self.await_leader(now, IDLE_TIMEOUT);
                if !open || message == TabMessage::Open {
                    self.follow_stream(now, Leader::Open);
                    if message == TabMessage::Alive && self.is_complete(now, data) {
                        // Nothing happened since this tab asked for its list, and from now on it hears of all.
                    } else if self.snapshots.signed_in_again {
                        // No wait: after one, this tab would sign in, join and fetch again, once a second.
                        self.fetch_all(now);
                    } else {
                        self.snapshots.wanted = true;
                        let delay = Millis(self.random.below(FETCH_JITTER));
                        self.timers.set(Timer::Snapshot, now.after(delay));
                    }
                }
                if message == TabMessage::Event {
                    self.stream_event(now, data);
                }
            }
        }
    }

    /// Whether this tab's list was asked for within the time for which the leader heard no event.
    fn is_complete(&self, now: Instant, quiet: &[u8]) -> bool {
        let quiet = u64::from(quiet.first().copied().unwrap_or_default()).saturating_mul(1_000);
        self.snapshots
            .asked_at
            .is_some_and(|asked| now.millis_since(asked) < quiet)
    }

    /// The leader was silent for too long: it is frozen, and holds the lock.
    pub(super) fn leader_silent(&mut self, now: Instant) {
        self.tell_driver(TabOutput::Steal);
        self.await_leader(now, LEAD_TIMEOUT);
        self.follow_stream(now, Leader::Down(Cause::Timeout));
    }

    fn await_leader(&mut self, now: Instant, limit: Millis) {
        let jitter = Millis(self.random.below(STEAL_JITTER));
        self.timers
            .set(Timer::StreamIdle, now.after(limit).after(jitter));
    }

    fn post(&mut self, message: TabMessage, data: &[u8]) {
        self.tell_driver(TabOutput::Post(message, Vec::from(data)));
    }

    fn tell_driver(&mut self, output: TabOutput<C::Text>) {
        self.put(Output::Tabs(output));
    }
}
