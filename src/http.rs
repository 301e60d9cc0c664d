//! Requests, and streams that are read from one.

use std::rc::Weak;

use flagwire_core::{Millis, Request, RequestId, Response, StreamId, StreamInput, StreamRequest};
use gloo_net::http;
use js_sys::{Array, Promise, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{AbortController, ReadableStreamDefaultReader};

use crate::driver::Driver;
use crate::host::Host;

/// An exchange under way; aborted when dropped, which does nothing to one that is over.
#[must_use]
pub(crate) struct Abort(AbortController);

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sends `request` and reports what becomes of it.
pub(crate) fn send(driver: &Weak<Driver>, host: &Host, request: Request<JsValue>) -> Abort {
    begin(
        driver,
        host,
        Purpose::Reply(request.id),
        &request.url,
        request.headers,
        request.body,
        request.keepalive,
    )
}

/// Opens a stream and reports what comes.
pub(crate) fn stream(driver: &Weak<Driver>, host: &Host, request: StreamRequest) -> Abort {
    begin(
        driver,
        host,
        Purpose::Stream(request.id),
        &request.url,
        request.headers,
        None,
        false,
    )
}

fn begin(
    driver: &Weak<Driver>,
    host: &Host,
    purpose: Purpose,
    url: &str,
    headers: Vec<(&'static str, String)>,
    body: Option<JsValue>,
    keepalive: bool,
) -> Abort {
    let list = Array::new();
    for (name, value) in headers {
        list.push(&name.into());
        list.push(&value.into());
    }
    // The constructor takes nothing and throws nothing.
    let abort = Abort(AbortController::new().unwrap_throw());
    // gloo-net's own `send` is not used: it panics where `fetch` rejects with something that is not an `Error`, and any
    // script on the page may have put its own `fetch` in place of the browser's.
    let fetched = host.fetch(url, list, body, abort.0.signal(), keepalive);
    let mut exchange = Exchange {
        driver: driver.clone(),
        host: host.clone(),
        purpose,
        stage: Stage::Head,
    };
    spawn_local(async move {
        // One place to wait for all the stages: each further `await` would be half a kilobyte of its own.
        let mut promise = Some(fetched);
        while let Some(waiting) = promise {
            let result = JsFuture::from(waiting).await;
            promise = exchange.step(result);
        }
    });
    abort
}

#[derive(Clone, Copy)]
enum Purpose {
    Reply(RequestId),
    Stream(StreamId),
}

enum Stage {
    /// Waits for the response's head.
    Head,
    /// Waits for the whole body; the response lacks nothing else.
    Body(Response<JsValue>),
    /// Waits for the next part of the body.
    Chunk(ReadableStreamDefaultReader),
}

struct Exchange {
    driver: Weak<Driver>,
    host: Host,
    purpose: Purpose,
    stage: Stage,
}

impl Exchange {
    /// Goes on with what was waited for; says what to wait for next.
    fn step(&mut self, result: Result<JsValue, JsValue>) -> Option<Promise> {
        match (std::mem::replace(&mut self.stage, Stage::Head), result) {
            (Stage::Head, Ok(value)) => self.head(http::Response::from(
                value.unchecked_into::<web_sys::Response>(),
            )),
            // A body that is no JSON is the core's to judge by its status.
            (Stage::Body(response), body) => self.finish(Some(Response {
                body: body.ok(),
                ..response
            })),
            (Stage::Chunk(reader), Ok(value)) => self.chunk(reader, &value.unchecked_into()),
            (Stage::Head | Stage::Chunk(_), Err(_)) => self.finish(None),
        }
    }

    fn head(&mut self, response: http::Response) -> Option<Promise> {
        let headers = response.headers();
        let status = response.status();
        let retry_after = headers
            .get("retry-after")
            .map(|header| self.host.retry_after(&header));
        let retry_after = retry_after
            .filter(|millis| !millis.is_nan())
            .map(|millis| Millis(millis as u32));
        match self.purpose {
            Purpose::Reply(_) => {
                self.stage = Stage::Body(Response {
                    status,
                    retry_after,
                    etag: headers.get("etag"),
                    body: None,
                });
                web_sys::Response::from(response).json().ok()
            }
            Purpose::Stream(_) => {
                let event_stream = headers
                    .get("content-type")
                    .is_some_and(|kind| kind.starts_with("text/event-stream"));
                self.report(StreamInput::Answered {
                    status,
                    event_stream,
                    retry_after,
                });
                match response
                    .body()
                    .and_then(|body| ReadableStreamDefaultReader::new(&body).ok())
                {
                    Some(reader) => self.read(reader),
                    None => self.finish(None),
                }
            }
        }
    }

    fn read(&mut self, reader: ReadableStreamDefaultReader) -> Option<Promise> {
        let promise = reader.read();
        self.stage = Stage::Chunk(reader);
        Some(promise)
    }

    fn chunk(&mut self, reader: ReadableStreamDefaultReader, chunk: &Chunk) -> Option<Promise> {
        let Some(bytes) = chunk.value() else {
            return self.finish(None);
        };
        self.report(StreamInput::Bytes(&bytes.to_vec()));
        self.read(reader)
    }

    /// It is over: with a reply, or without one.
    fn finish(&self, mut reply: Option<Response<JsValue>>) -> Option<Promise> {
        match self.purpose {
            Purpose::Stream(_) => self.report(StreamInput::Closed),
            Purpose::Reply(id) => {
                if let Some(driver) = self.driver.upgrade() {
                    driver.forget(id);
                    driver.run(&mut |core, now| match reply.take() {
                        Some(response) => core.handle_response(now, id, response),
                        None => core.handle_failure(now, id),
                    });
                }
            }
        }
        None
    }

    fn report(&self, input: StreamInput<'_>) {
        if let Purpose::Stream(id) = self.purpose {
            report(&self.driver, id, input);
        }
    }
}

/// Tells the core of a stream.
pub(crate) fn report(driver: &Weak<Driver>, id: StreamId, input: StreamInput<'_>) {
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
