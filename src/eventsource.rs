//! Streams by the browser's own `EventSource`.

use core::future::poll_fn;
use core::pin::Pin;
use std::rc::Rc;

use flagwire_core::protocol::{CHANGE_EVENT, HEARTBEAT_EVENT};
use flagwire_core::{StreamId, StreamInput};
use futures_core::Stream as _;
use gloo_net::eventsource::futures::{EventSource, EventSourceSubscription};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;

use crate::driver::Driver;

/// Opens a stream, which is closed when dropped; `None` where that fails.
pub(crate) fn open(driver: &Rc<Driver>, id: StreamId, url: &JsValue) -> Option<EventSource> {
    let mut source = EventSource::new(&url.as_string()?).ok()?;
    for kind in [CHANGE_EVENT, HEARTBEAT_EVENT] {
        let subscription = source.subscribe(kind).ok()?;
        spawn_local(listen(driver.clone(), id, kind, subscription));
    }
    Some(source)
}

/// Passes one name's events on, until the stream is closed by either side.
async fn listen(
    driver: Rc<Driver>,
    id: StreamId,
    kind: &'static str,
    mut subscription: EventSourceSubscription,
) {
    loop {
        let event = poll_fn(|context| Pin::new(&mut subscription).poll_next(context)).await;
        let data = match event {
            Some(Ok((_, message))) => message.data().as_string(),
            _ => None,
        };
        let input = match &data {
            Some(data) => StreamInput::Event { kind, data },
            None => StreamInput::Closed,
        };
        driver.run(&mut |core, now| core.handle_stream(now, id, input));
        if data.is_none() {
            return;
        }
    }
}
