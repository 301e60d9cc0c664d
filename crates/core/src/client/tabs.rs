//! Shares one stream among the tabs of an origin.
//!
//! Browsers allow six connections to an origin on HTTP/1.1, and a stream holds one for good. So the tabs with the same
//! service, key and target form a *group* and elect a leader: the tab that holds the lock of the group's name. The leader holds
//! the stream and posts its events on a channel of that name; the others *follow*: they take the leader's messages for
//! events of a stream.
//!
//! - A leader that closes, crashes or is discarded frees the lock; the next tab in the lock's queue leads.
//! - A frozen leader does not free the lock, but posts nothing: a follower steals the lock.
//! - A leader that cannot stream any more (signed out, paused, refused) leaves the group. Each tab finds out for itself
//!   whether it can.
//! - A leader posts events and heartbeats only once it knows of a follower: most pages are open in one tab, and posting is
//!   the largest part of an event's cost. A tab that joins posts a message, and the tabs of the group answer a new leader.
//! - When a new stream opens, each tab fetches all evaluations, as with a stream of its own, to find changes that were missed.
//!
//! Fetches, sign-in and metrics stay each tab's own.

use alloc::vec::Vec;

use super::Client;
use super::stream::{Leader, StreamStatus};
use crate::codec::Codec;
use crate::config::IDLE_TIMEOUT;
use crate::error::Cause;
use crate::input::TabInput;
use crate::message::TabMessage;
use crate::output::{Output, TabOutput};
use crate::time::{Instant, Millis};
use crate::timer::Timer;

/// How long a tab that joined waits for the lock, or for a message of the tab that holds it.
const HELLO_TIMEOUT: Millis = Millis(5_000);

/// How long the leader may take to open a stream, or be silent while it cannot; more than opening one (35 s), and than
/// [`LEAD_INTERVAL`] when a browser lets timers of hidden pages fire once a minute.
const LEAD_TIMEOUT: Millis = Millis(90_000);

/// How often the leader posts the status of its stream.
const LEAD_INTERVAL: Millis = Millis(30_000);

/// The most milliseconds that are added at random before a follower gives up a silent leader, so that one of them does so first
/// and the others get its message in time.
const STEAL_JITTER: u32 = 10_000;

/// The most milliseconds, chosen at random, after which a follower fetches when a stream opens, so that not all fetch at once.
const FETCH_JITTER: u32 = 1_000;

/// This tab's part in the group.
#[derive(Debug, Default)]
pub(super) struct Tabs {
    joined: bool,
    pub(super) leading: bool,
    /// Whether this tab leads, and another one has reported that it follows.
    followed: bool,
}

impl<C: Codec> Client<C> {
    /// Takes an input of the group of tabs.
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
                        // The follower was frozen when this tab began to lead, and has missed the events since.
                        self.post(TabMessage::Open, b"");
                    }
                }
            }
            TabInput::Message(TabMessage::Event, _) if self.tabs.leading => {
                // A former leader, which was frozen when this tab took its place, has posted an event that its stream still held.
                // The others may have taken older values from it, so they are made to fetch.
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

    /// Posts `message` to the other tabs, if this tab leads and knows of a follower.
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

    /// Takes a message of the leader, if this tab follows.
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
                        // No event came since this tab asked for its list, and from now on it gets all events.
                    } else if self.snapshots.signed_in_again {
                        // It fetches without a wait: after one, it could sign in, join and fetch again, once a second.
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

    /// Steals the lock of a leader that was silent for too long, and so is taken for frozen.
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
