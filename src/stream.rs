//! The stream: read from a `fetch`, or by the browser's own `EventSource`.

use core::future::poll_fn;
use core::pin::Pin;
use std::rc::Weak;

use flagwire_core::protocol::{CHANGE_EVENT, HEARTBEAT_EVENT};
use flagwire_core::{StreamId, StreamInput, StreamRequest};
use futures_core::Stream as _;
use gloo_net::eventsource::futures::{EventSource, EventSourceSubscription};
use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::ReadableStreamDefaultReader;

use crate::driver::Driver;
use crate::host::Host;
use crate::http::{self, Abort, Outgoing};

/// An open stream, or one being opened; closed when dropped.
#[must_use]
#[expect(dead_code, reason = "held for what dropping them does")]
pub(crate) enum Stream {
    Fetch(Abort),
    Native(EventSource),
    /// Could not be made.
    Failed,
}

impl Stream {
    pub(crate) fn open(driver: &Weak<Driver>, host: &Host, request: StreamRequest) -> Self {
        if request.native { Self::open_native(driver, &request) } else { Self::open_fetch(driver.clone(), host, request) }
    }

    fn open_fetch(driver: Weak<Driver>, host: &Host, request: StreamRequest) -> Self {
        let abort = Abort::new();
        let signal = abort.signal();
        let outgoing = Outgoing { url: request.url, headers: request.headers, body: None, keepalive: false };
        let host = host.clone();
        spawn_local(async move {
            if let Ok(response) = http::fetch(&host, outgoing, signal).await {
                // Errors while reading are as good as an end.
                let _ = read(&driver, &host, request.id, response).await;
            }
            report(&driver, request.id, StreamInput::Closed);
        });
        Self::Fetch(abort)
    }

    fn open_native(driver: &Weak<Driver>, request: &StreamRequest) -> Self {
        let opened = EventSource::new(&request.url).and_then(|mut source| {
            let subscriptions = [source.subscribe(CHANGE_EVENT)?, source.subscribe(HEARTBEAT_EVENT)?];
            Ok((source, subscriptions))
        });
        match opened {
            Ok((source, subscriptions)) => {
                for subscription in subscriptions {
                    spawn_local(listen(driver.clone(), request.id, subscription));
                }
                Self::Native(source)
            }
            Err(_) => {
                let (driver, id) = (driver.clone(), request.id);
                spawn_local(async move { report(&driver, id, StreamInput::Closed) });
                Self::Failed
            }
        }
    }
}

async fn read(driver: &Weak<Driver>, host: &Host, id: StreamId, response: gloo_net::http::Response) -> Result<(), JsValue> {
    let event_stream = response.headers().get("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"));
    let retry_after = http::retry_after(host, &response);
    report(driver, id, StreamInput::Answered { status: response.status(), event_stream, retry_after });
    let Some(body) = response.body() else { return Ok(()) };
    let reader = ReadableStreamDefaultReader::new(&body)?;
    let mut bytes = Vec::new();
    loop {
        let chunk: Chunk = JsFuture::from(reader.read()).await?.unchecked_into();
        let Some(value) = chunk.value() else { return Ok(()) };
        bytes.resize(value.length() as usize, 0);
        value.copy_to(&mut bytes);
        report(driver, id, StreamInput::Bytes(&bytes));
    }
}

/// Passes one name's events on, until the stream is closed by either side.
async fn listen(driver: Weak<Driver>, id: StreamId, mut subscription: EventSourceSubscription) {
    while let Some(Ok((kind, message))) = poll_fn(|context| Pin::new(&mut subscription).poll_next(context)).await {
        let data = message.data().as_string().unwrap_or_default();
        report(&driver, id, StreamInput::Event { kind: &kind, data: &data });
    }
    report(&driver, id, StreamInput::Closed);
}

fn report(driver: &Weak<Driver>, id: StreamId, input: StreamInput<'_>) {
    if let Some(driver) = driver.upgrade() {
        driver.run(&mut |core, now| core.handle_stream(now, id, input));
    }
}

#[wasm_bindgen]
extern "C" {
    /// What a reader's `read` resolves to.
    type Chunk;

    /// Missing at the end.
    #[wasm_bindgen(method, getter)]
    fn value(this: &Chunk) -> Option<Uint8Array>;
}
