//! Messages for people.

use std::rc::Rc;

/// Takes messages.
pub type Logger = Rc<dyn Fn(Level, &str)>;

/// How much a message matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Level {
    /// What is going on; only with [`Options::debug`](crate::Options::debug).
    Debug,
    /// Something is wrong that may pass, such as a server that cannot be reached; and with
    /// [`Options::debug`](crate::Options::debug), a read that gave the default. Said once for each cause.
    Warning,
    /// Something is wrong that somebody must mend, such as a refused key.
    Error,
}

pub(super) fn to_console(level: Level, message: &str) {
    let message = message.into();
    match level {
        Level::Debug => web_sys::console::debug_1(&message),
        Level::Warning => web_sys::console::warn_1(&message),
        Level::Error => web_sys::console::error_1(&message),
    }
}
