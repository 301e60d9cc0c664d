//! The time.

use std::cell::Cell;

use flagwire_core::Instant;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// Milliseconds since the Unix epoch. Not js-sys's, whose descriptions of everything else stay in the table of functions.
    #[wasm_bindgen(js_namespace = Date, js_name = now)]
    fn wall() -> f64;
}

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
        let wall = wall();
        let last = self.last_ms.get();
        let mut now = wall + self.set_back_ms.get();
        if now < last {
            self.set_back_ms.set(last - wall);
            now = last;
        }
        self.last_ms.set(now);
        Instant::from_millis(now as u64)
    }
}
