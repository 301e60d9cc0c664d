//! Streams, by `fetch` or by the browser's own `EventSource`.

use core::future::poll_fn;
use core::pin::Pin;
use std::rc::Weak;

use flagwire_core::protocol::{CHANGE_EVENT, HEARTBEAT_EVENT};
use flagwire_core::{StreamId, StreamInput, StreamRequest};
use futures_core::Stream as _;
use gloo_net::eventsource::futures::{EventSource, EventSourceSubscription};
use wasm_bindgen_futures::spawn_local;

use crate::driver::Driver;
use crate::host::Host;
use crate::http::{self, Abort, report};

/// An open stream, or one being opened; closed when dropped.
#[must_use]
#[expect(dead_code, reason = "held for what dropping them does")]
pub(crate) enum Stream {
    Fetch(Abort),
    Native(EventSource),
}

impl Stream {
    /// Opens a stream; `None` where that failed, which is then reported like any other end.
    pub(crate) fn open(driver: &Weak<Driver>, host: &Host, request: StreamRequest) -> Option<Self> {
        if !request.native {
            return Some(Self::Fetch(http::stream(driver, host, request)));
        }
        let mut source = EventSource::new(&request.url).ok()?;
        for kind in [CHANGE_EVENT, HEARTBEAT_EVENT] {
            spawn_local(listen(
                driver.clone(),
                request.id,
                source.subscribe(kind).ok()?,
            ));
        }
        Some(Self::Native(source))
    }
}

/// Passes one name's events on, until the stream is closed by either side.
async fn listen(driver: Weak<Driver>, id: StreamId, mut subscription: EventSourceSubscription) {
    while let Some(Ok((kind, message))) =
        poll_fn(|context| Pin::new(&mut subscription).poll_next(context)).await
    {
        let data = message.data().as_string().unwrap_or_default();
        report(
            &driver,
            id,
            StreamInput::Event {
                kind: &kind,
                data: &data,
            },
        );
    }
    report(&driver, id, StreamInput::Closed);
}
