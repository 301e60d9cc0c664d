//! The time.

use std::cell::Cell;

use flagwire_core::Instant;

/// A clock that never runs backwards, and goes on while the device sleeps.
///
/// `performance.now()` stands still in sleep in some browsers, and then a stream that died in the night would look alive in
/// the morning. The wall clock goes on, but may be set back: that part is taken out.
#[derive(Default)]
pub(crate) struct Clock {
    last_ms: Cell<f64>,
    set_back_ms: Cell<f64>,
}

impl Clock {
    pub(crate) fn now(&self) -> Instant {
        let wall = js_sys::Date::now();
        let now = wall + self.set_back_ms.get();
        let last = self.last_ms.get();
        if now < last {
            self.set_back_ms.set(last - wall);
        } else {
            self.last_ms.set(now);
        }
        Instant::from_millis(now.max(last) as u64)
    }
}
