//! Messages for people.

use std::rc::Rc;

/// A function that takes messages.
pub type Logger = Rc<dyn Fn(Level, &str)>;

/// How much a message matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Level {
    /// The message says what is going on; it is logged only with [`Options::debug`](crate::Options::debug).
    Debug,
    /// The message says what is wrong and may pass, such as a server that cannot be reached; and with
    /// [`Options::debug`](crate::Options::debug), a read that gave the default. It is logged once for each cause.
    Warning,
    /// The message says what is wrong and must be mended by somebody, such as a refused key.
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
