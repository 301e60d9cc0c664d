//! The class that JavaScript sees: converts, calls the core and lets the driver drain.

use flagwire_core::protocol::{CHANGE_EVENT, HEARTBEAT_EVENT};
use flagwire_core::{
    Client as Core, Millis, PageEvent, RequestId, Response, StreamId, StreamInput, TabInput,
    TabMessage,
};
use wasm_bindgen::prelude::*;

use crate::codec::HostCodec;
use crate::driver::Driver;
use crate::host::{Host, Values, Wire};
use crate::options::{Numbers, config};

/// A client at work. The facade owns it and closes it.
#[wasm_bindgen]
pub struct Client(Driver);

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
    /// the others what it says there; `retry_after` is in milliseconds, NaN for none. Returns how many times the target was switched.
    #[expect(
        clippy::too_many_arguments,
        reason = "one method for all: each exported one costs a third of a kilobyte of glue, and reading an object more than that"
    )]
    pub fn call(
        &self,
        what: u32,
        id: u32,
        status: u32,
        retry_after: f64,
        text: &[u8],
        detail: JsValue,
        tag: JsValue,
    ) -> u32 {
        let status = status as u16;
        let retry_after = (!retry_after.is_nan()).then_some(Millis(retry_after as u32));
        let mut arguments = Some((detail, tag));
        let mut switches = 0;
        self.0.run(&mut |core, now| {
            let (detail, tag) = arguments.take().unwrap_or_default();
            let stream = match what {
                0 => return core.handle_timeout(now),
                1 => return core.close(now),
                2 => return core.refresh(now),
                3 => return core.flush(now),
                4 => return switches = core.identify(now, detail),
                5 => return core.set_evaluations(now, detail.unchecked_into()),
                6 => return core.handle_page(now, PageEvent::Online),
                7 => return core.handle_page(now, PageEvent::Visible),
                8 => return core.handle_page(now, PageEvent::Hidden),
                9 => return core.handle_page(now, PageEvent::Left),
                10 => return core.handle_page(now, PageEvent::Restored),
                11 => return core.handle_tabs(now, TabInput::Leading),
                12 => return core.handle_tabs(now, TabInput::Lost),
                13 => return core.handle_failure(now, RequestId(id)),
                14 => {
                    let response = Response {
                        status,
                        retry_after,
                        etag: (!tag.is_null()).then_some(tag),
                        body: (!detail.is_undefined()).then_some(detail),
                    };
                    return core.handle_response(now, RequestId(id), response);
                }
                15 | 16 => StreamInput::Answered {
                    status,
                    event_stream: what == 16,
                    retry_after,
                },
                17 => StreamInput::Bytes(text),
                18 | 19 => StreamInput::Event {
                    kind: if what == 18 {
                        CHANGE_EVENT
                    } else {
                        HEARTBEAT_EVENT
                    },
                    data: text,
                },
                20 => StreamInput::Closed,
                _ => {
                    // A message of a later version is none.
                    if let Some(message) = TabMessage::from_number(what.wrapping_sub(21) as u8) {
                        core.handle_tabs(now, TabInput::Message(message, text));
                    }
                    return;
                }
            };
            core.handle_stream(now, StreamId(id), stream);
        });
        switches
    }
}
