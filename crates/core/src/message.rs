//! The messages that the tabs of a group send to each other.

use crate::numbered;

numbered! {
    /// The messages that the tabs of a group send to each other.
    pub enum TabMessage {
        /// A tab joined or came back, and asks for the state of the stream.
        Hello,
        /// There is a new leader, which is opening the stream.
        Lead,
        /// The leader's stream has just opened.
        Open,
        /// The leader's stream is open. In an answer to [`Hello`](Self::Hello) one byte has the number of seconds since the last event.
        Alive,
        /// The leader's stream is down, and the leader keeps trying to open it.
        Down,
        /// The stream had an event, whose data follows.
        Event,
        /// A tab follows the leader. It is the answer to a leader that may not know of the tab.
        Here,
    }
}
