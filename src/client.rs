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
use crate::host::{Host, Values, Wire};
use crate::options::{Numbers, config};

thread_local! {
    /// The clients at work; a client's place is its number.
    static CLIENTS: RefCell<Vec<Option<Rc<Driver>>>> = const { RefCell::new(Vec::new()) };
}

/// Starts a client at once, and returns its number. `seed` decides about jitter. The facade closes the client and frees it.
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
    driver.run(&mut Core::start);
    CLIENTS.with_borrow_mut(|clients| {
        let number = clients.iter().position(Option::is_none);
        let number = number.unwrap_or(clients.len());
        if number == clients.len() {
            clients.push(None);
        }
        if let Some(place) = clients.get_mut(number) {
            *place = Some(driver);
        }
        number as u32
    })
}

/// Lets go of a client that was closed; its number may be another's then.
#[wasm_bindgen(js_name = free_)]
pub fn free(client: u32) {
    let taken = CLIENTS.with_borrow_mut(|clients| clients.get_mut(client as usize)?.take());
    drop(taken);
}

/// Something happened to a client, or the application wants something: `what` is a place in `Input` of `pkg-template/src/core.ts`,
/// the others what it says there; `retry_after` is in milliseconds, NaN for none. Returns how many times the target was
/// switched.
#[expect(
    clippy::too_many_arguments,
    reason = "one function for all: each exported one costs glue, and reading an object more than that"
)]
#[wasm_bindgen(js_name = call_)]
pub fn call(
    client: u32,
    what: u32,
    id: u32,
    status: u32,
    retry_after: f64,
    text: &[u8],
    detail: JsValue,
    tag: JsValue,
) -> u32 {
    let driver = CLIENTS.with_borrow(|clients| clients.get(client as usize).cloned().flatten());
    let Some(driver) = driver else { return 0 };
    let status = status as u16;
    let retry_after = (!retry_after.is_nan()).then_some(Millis(retry_after as u32));
    let mut arguments = Some((detail, tag));
    let mut switches = 0;
    driver.run(&mut |core, now| {
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
                    etag: (tag != JsValue::NULL).then_some(tag),
                    body: (detail != JsValue::UNDEFINED).then_some(detail),
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
