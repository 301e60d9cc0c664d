//! The class that JavaScript sees: converts, calls the core and lets the driver drain.

use std::rc::Rc;

use flagwire_core::{Client as Core, PageEvent, TabInput, TabMessage};
use wasm_bindgen::prelude::*;

use crate::codec::HostCodec;
use crate::driver::Driver;
use crate::host::{Host, Values, Wire};
use crate::options::{Numbers, config};
use crate::tasks;

/// What `call` is told from here on: that a task was woken, and which.
const WAKE: u32 = 64;

/// A client at work. The facade owns it and closes it.
#[wasm_bindgen]
pub struct Client(Rc<Driver>);

#[wasm_bindgen]
impl Client {
    /// Starts at once. `seed` decides about jitter.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a borrowed object needs glue of its own"
    )]
    #[wasm_bindgen(constructor)]
    pub fn new(host: Host, wire: Wire, values: Values, numbers: Numbers, seed: f64) -> Self {
        let codec = HostCodec { wire, values };
        let core = Core::new(config(&numbers), codec, seed.to_bits());
        let driver = Driver::new(host, core);
        driver.run(&mut Core::start);
        Self(driver)
    }

    /// Something happened, or the application wants something: `what` is a place in `Input` of `pkg-template/src/core.ts`,
    /// `detail` what it says there. Returns how many times the target was switched.
    ///
    /// One method for all, because each exported one costs a third of a kilobyte of glue.
    pub fn call(&self, what: u32, detail: JsValue) -> u32 {
        if what >= WAKE {
            tasks::poll((what - WAKE) as usize);
            return 0;
        }
        if what == 13 {
            // The core trapped, which leaves it borrowed for good. Its native stream is all that JavaScript cannot end itself.
            drop(self.0.native.take());
            return 0;
        }
        let mut detail = Some(detail);
        let mut switches = 0;
        self.0.run(&mut |core, now| {
            let detail = detail.take().unwrap_or_default();
            match what {
                0 => core.handle_timeout(now),
                1 => core.close(now),
                2 => core.refresh(now),
                3 => core.flush(now),
                4 => switches = core.identify(now, detail),
                5 => core.set_evaluations(now, detail.unchecked_into()),
                6 => core.handle_page(now, PageEvent::Online),
                7 => core.handle_page(now, PageEvent::Visible),
                8 => core.handle_page(now, PageEvent::Hidden),
                9 => core.handle_page(now, PageEvent::Left),
                10 => core.handle_page(now, PageEvent::Restored),
                11 => core.handle_tabs(now, TabInput::Leading),
                12 => core.handle_tabs(now, TabInput::Lost),
                _ => {
                    let text = detail.as_string().unwrap_or_default();
                    // A message of a later version is none.
                    if let Some(message) = TabMessage::from_number(what.wrapping_sub(14) as u8) {
                        core.handle_tabs(now, TabInput::Message(message, text.as_bytes()));
                    }
                }
            }
        });
        switches
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        tasks::end_all(&self.0);
    }
}
