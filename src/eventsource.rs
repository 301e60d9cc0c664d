//! Opens streams by the browser's own `EventSource`.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;

use flagwire_core::protocol::{CHANGE_EVENT, HEARTBEAT_EVENT};
use flagwire_core::{StreamId, StreamInput};
use futures_core::Stream as _;
use gloo_net::eventsource::futures::{EventSource, EventSourceSubscription};
use wasm_bindgen_futures::spawn_local;

use super::driver::Driver;

/// Opens a stream, which is closed when it is dropped; returns `None` where that fails.
pub(super) fn open(driver: &Rc<Driver>, id: StreamId, url: &str) -> Option<EventSource> {
    let mut source = EventSource::new(url).ok()?;
    // The error is subscribed to by name, because gloo-net does not report one from which the browser recovers by itself. An
    // event without data ends the stream here, because the core decides when to try again.
    for kind in [CHANGE_EVENT, HEARTBEAT_EVENT, "error"] {
        let subscription = source.subscribe(kind).ok()?;
        spawn_local(pass_on(Rc::clone(driver), id, kind, subscription));
    }
    Some(source)
}

/// Passes the events of one name on, until the stream is closed by either side.
async fn pass_on(
    driver: Rc<Driver>,
    id: StreamId,
    kind: &str,
    mut subscription: EventSourceSubscription,
) {
    while let Some(Ok((_, message))) =
        poll_fn(|context| Pin::new(&mut subscription).poll_next(context)).await
    {
        let Some(data) = message.data().as_string() else {
            break;
        };
        driver.stream(
            id,
            StreamInput::Event {
                kind,
                data: data.as_bytes(),
            },
        );
    }
    driver.stream(id, StreamInput::Closed);
}
