//! The functions that JavaScript calls. They convert their arguments, call the core, and let the driver perform its outputs.

use std::cell::RefCell;
use std::rc::Rc;

use flagwire_core::protocol::{CHANGE_EVENT, HEARTBEAT_EVENT};
use flagwire_core::{
    Client as Core, Millis, PageEvent, RequestId, Response, StreamId, StreamInput, TabInput,
    TabMessage,
};
use wasm_bindgen::prelude::*;

use crate::border::Input;
use crate::codec::HostCodec;
use crate::driver::Driver;
use crate::host::{Host, Values, Wire, copy};
use crate::options::{Numbers, config};

thread_local! {
    /// The clients that are open; the place of a client is its number.
    static CLIENTS: RefCell<Vec<Option<Rc<Driver>>>> = const { RefCell::new(Vec::new()) };
}

/// Makes a client, and returns its number; its first input is to be that it starts. `seed` decides about jitter.
///
/// There is a list of clients instead of an exported class, because a class brings a cell, a destructor and texts, which are
/// larger.
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

/// Takes an input of a client. `input` is an [`Input`], which defines the other arguments; `retry_after` is in milliseconds, NaN
/// for none. Where `detail` is bytes, `status` is their number. A client that is closed is dropped, and its number may become
/// another's.
///
/// There is one function for all inputs, because each exported function needs glue code.
#[wasm_bindgen(js_name = call_)]
pub fn call(
    client: u32,
    input: u32,
    mut detail: Option<JsValue>,
    id: u32,
    status: u32,
    retry_after: f64,
    etag: Option<JsValue>,
) {
    const FIRST_MESSAGE: u32 = Input::Message as u32;

    // The number of a message is the difference to that of the first message.
    let Some(what) = Input::from_number(input.min(FIRST_MESSAGE)) else {
        return;
    };
    let driver = CLIENTS.with_borrow_mut(|clients| {
        let place = clients.get_mut(client as usize)?;
        if let Input::Close = what {
            place.take()
        } else {
            place.clone()
        }
    });
    let Some(driver) = driver else { return };
    let retry_after = (!retry_after.is_nan()).then_some(Millis(retry_after as u32));
    let mut text = Vec::new();
    if what as u32 >= Input::Event as u32
        && let Some(bytes) = detail.take()
    {
        text.resize(status as usize, 0);
        copy(&mut text, bytes);
    }
    driver.run(|core, now| {
        let of_stream = match what {
            Input::Tick => return core.handle_timeout(now),
            Input::Close => return core.close(now),
            Input::Refresh => return core.refresh(now),
            Input::Flush => return core.flush(now),
            Input::Identify => {
                // The facade counts the switches, too.
                core.identify(now, detail.unwrap_or_default());
                return;
            }
            Input::Set => {
                return core.set_evaluations(now, detail.unwrap_or_default().unchecked_into());
            }
            Input::Online => return core.handle_page(now, PageEvent::Online),
            Input::Visible => return core.handle_page(now, PageEvent::Visible),
            Input::Hidden => return core.handle_page(now, PageEvent::Hidden),
            Input::Left => return core.handle_page(now, PageEvent::Left),
            Input::Restored => return core.handle_page(now, PageEvent::Restored),
            Input::Leading => return core.handle_tabs(now, TabInput::Leading),
            Input::Lost => return core.handle_tabs(now, TabInput::Lost),
            Input::Failure => return core.handle_failure(now, RequestId(id)),
            Input::Reply => {
                let response = Response {
                    status: status as u16,
                    retry_after,
                    etag,
                    body: detail,
                };
                return core.handle_response(now, RequestId(id), response);
            }
            Input::Answered | Input::Opened => StreamInput::Answered {
                status: status as u16,
                event_stream: matches!(what, Input::Opened),
                retry_after,
            },
            Input::Retry => StreamInput::Retry(Millis(status)),
            Input::Event | Input::Heartbeat => StreamInput::Event {
                kind: if let Input::Event = what {
                    CHANGE_EVENT
                } else {
                    HEARTBEAT_EVENT
                },
                data: &text,
            },
            Input::Ended => StreamInput::Closed,
            Input::Start => return core.start(now),
            Input::Message => {
                // A message of a later version is ignored.
                if let Some(message) = TabMessage::from_number(input.wrapping_sub(FIRST_MESSAGE)) {
                    core.handle_tabs(now, TabInput::Message(message, &text));
                }
                return;
            }
        };
        core.handle_stream(now, StreamId(id), of_stream);
    });
}
