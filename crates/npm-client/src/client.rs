//! What JavaScript calls: converts, calls the core and lets the driver drain.

use std::cell::RefCell;
use std::rc::Rc;

use flagwire_core::protocol::{CHANGE_EVENT, HEARTBEAT_EVENT};
use flagwire_core::{
    Client as Core, Millis, PageEvent, RequestId, Response, StreamId, StreamInput, TabInput,
    TabMessage,
};
use wasm_bindgen::prelude::*;

use crate::codec::HostCodec;
use crate::driver::Driver;
use crate::host::{Host, Values, Wire, copy};
use crate::options::{Numbers, config};

thread_local! {
    /// The clients at work; a client's place is its number.
    static CLIENTS: RefCell<Vec<Option<Rc<Driver>>>> = const { RefCell::new(Vec::new()) };
}

/// Of the inputs, the one that ends a client, and the first that brings bytes.
const CLOSE: u32 = 1;
const EVENT: u32 = 18;

/// Makes a client, and returns its number; its first input is to be that it starts. `seed` decides about jitter.
///
/// Functions and a list: an exported class brings a cell, a destructor and texts that take more than the list.
#[expect(
    clippy::needless_pass_by_value,
    reason = "a borrowed object needs glue of its own"
)]
#[wasm_bindgen(js_name = start_)]
pub fn start(host: Host, wire: Wire, values: Values, numbers: Numbers, seed: f64) -> u32 {
    let codec = HostCodec { wire, values };
    let core = Core::new(config(&numbers), codec, seed.to_bits());
    let driver = Rc::new(Driver::new(host, core));
    CLIENTS.with_borrow_mut(|clients| {
        for (number, place) in clients.iter_mut().enumerate() {
            if place.is_none() {
                *place = Some(driver);
                return number as u32;
            }
        }
        clients.push(Some(driver));
        (clients.len() - 1) as u32
    })
}

/// Something happened to a client, or the application wants something: `what` is a place in `Input` of `pkg-template/src/core.ts`,
/// the others what it says there; `retry_after` is in milliseconds, NaN for none. Where `detail` is bytes, `status` is how many.
/// A client that is closed is let go of, and its number may be another's then.
///
/// One function for all: each exported one costs glue.
#[wasm_bindgen(js_name = call_)]
pub fn call(
    client: u32,
    what: u32,
    id: u32,
    status: u32,
    retry_after: f64,
    mut detail: Option<JsValue>,
    tag: Option<JsValue>,
) {
    let driver = CLIENTS.with_borrow_mut(|clients| {
        let place = clients.get_mut(client as usize)?;
        if what == CLOSE {
            place.take()
        } else {
            place.clone()
        }
    });
    let Some(driver) = driver else { return };
    let retry_after = (!retry_after.is_nan()).then_some(Millis(retry_after as u32));
    let mut text = Vec::new();
    if what >= EVENT
        && let Some(bytes) = detail.take()
    {
        text.resize(status as usize, 0);
        copy(&mut text, bytes);
    }
    driver.run(|core, now| {
        let stream = match what {
            0 => return core.handle_timeout(now),
            CLOSE => return core.close(now),
            2 => return core.refresh(now),
            3 => return core.flush(now),
            4 => {
                // The facade counts them too.
                core.identify(now, detail.unwrap_or_default());
                return;
            }
            5 => return core.set_evaluations(now, detail.unwrap_or_default().unchecked_into()),
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
                    status: status as u16,
                    retry_after,
                    etag: tag,
                    body: detail,
                };
                return core.handle_response(now, RequestId(id), response);
            }
            15 | 16 => StreamInput::Answered {
                status: status as u16,
                event_stream: what == 16,
                retry_after,
            },
            17 => StreamInput::Retry(Millis(status)),
            EVENT | 19 => StreamInput::Event {
                kind: if what == EVENT {
                    CHANGE_EVENT
                } else {
                    HEARTBEAT_EVENT
                },
                data: &text,
            },
            20 => StreamInput::Closed,
            21 => return core.start(now),
            _ => {
                // A message of a later version is none.
                if let Some(message) = TabMessage::from_number(what.wrapping_sub(22) as u8) {
                    core.handle_tabs(now, TabInput::Message(message, &text));
                }
                return;
            }
        };
        core.handle_stream(now, StreamId(id), stream);
    });
}
