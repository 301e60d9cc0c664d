//! The messages that the tabs of a group send to each other.

use crate::numbered;

numbered! {
    /// What the tabs of a group say to each other.
    pub enum TabMessage {
        /// A tab joined, or came back: how does the stream stand?
        Hello,
        /// There is a new leader, at work on the stream.
        Lead,
        /// The leader's stream has just opened.
        Open,
        /// The leader's stream is open. In an answer to [`Hello`](Self::Hello) one byte says for how many seconds no event has come.
        Alive,
        /// The leader's stream is down, and the leader goes on trying.
        Down,
        /// An event came; this is its data.
        Event,
        /// A tab follows; the answer to a leader that may not know.
        Here,
    }
}
