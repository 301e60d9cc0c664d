//! Messages for people.

use std::rc::Rc;

/// Takes messages.
pub type Logger = Rc<dyn Fn(Level, &str)>;

/// How much a message matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// What is going on; only with [`Options::debug`](crate::Options::debug).
    Debug,
    /// Something is wrong that somebody must mend, such as a refused key.
    Error,
}

pub(super) fn to_console(level: Level, message: &str) {
    let message = message.into();
    match level {
        Level::Debug => web_sys::console::debug_1(&message),
        Level::Error => web_sys::console::error_1(&message),
    }
}
