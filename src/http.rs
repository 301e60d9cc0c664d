//! What becomes of requests, and streams that are read from one.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::rc::Rc;

use flagwire_core::{Millis, RequestId, Response, StreamId, StreamInput};
use gloo_net::http;
use js_sys::{Promise, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::ReadableStreamDefaultReader;

use crate::driver::Driver;
use crate::tasks;

#[derive(Clone, Copy)]
pub(crate) enum Id {
    Request(RequestId),
    Stream(StreamId),
}

/// Reports what becomes of a request that was sent.
///
/// gloo-net's own `send` is not used: it panics where `fetch` rejects with something that is not an `Error`, and any script on
/// the page may have put its own `fetch` in place of the browser's.
pub(crate) fn exchange(driver: &Rc<Driver>, id: Id, fetched: Promise) {
    let exchange = Exchange {
        driver: driver.clone(),
        id,
        stage: Stage::Head,
        waiting: JsFuture::from(fetched),
    };
    tasks::spawn(driver, Box::pin(exchange));
}

enum Stage {
    /// Waits for the response's head.
    Head,
    /// Waits for the whole body; the response lacks nothing else.
    Body(Response<JsValue>),
    /// Waits for the next part of the body.
    Chunk(ReadableStreamDefaultReader),
}

/// A future, written out: an `async` block would take half a kilobyte more for each `await`.
struct Exchange {
    driver: Rc<Driver>,
    id: Id,
    stage: Stage,
    waiting: JsFuture,
}

impl Future for Exchange {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let result = ready!(Pin::new(&mut self.waiting).poll(context));
            let Some(promise) = self.step(result) else {
                self.finish();
                return Poll::Ready(());
            };
            self.waiting = JsFuture::from(promise);
        }
    }
}

impl Exchange {
    /// Goes on with what was waited for; says what to wait for next.
    fn step(&mut self, result: Result<JsValue, JsValue>) -> Option<Promise> {
        match &mut self.stage {
            Stage::Head => self.head(http::Response::from(
                result.ok()?.unchecked_into::<web_sys::Response>(),
            )),
            Stage::Body(response) => {
                // A body that is no JSON is the core's to judge by its status.
                response.body = result.ok();
                None
            }
            Stage::Chunk(reader) => {
                let bytes = result.ok()?.unchecked_into::<Chunk>().value()?;
                let next = reader.read();
                self.report(StreamInput::Bytes(&bytes.to_vec()));
                Some(next)
            }
        }
    }

    fn head(&mut self, response: http::Response) -> Option<Promise> {
        let headers = response.headers();
        let status = response.status();
        let retry_after = headers
            .get("retry-after")
            .map(|header| self.driver.wire.retry_after(&header))
            .filter(|millis| !millis.is_nan())
            .map(|millis| Millis(millis as u32));
        match self.id {
            Id::Request(_) => {
                self.stage = Stage::Body(Response {
                    status,
                    retry_after,
                    etag: headers.get("etag").unwrap_or_default(),
                    body: None,
                });
                web_sys::Response::from(response).json().ok()
            }
            Id::Stream(_) => {
                let event_stream = headers
                    .get("content-type")
                    .is_some_and(|kind| kind.starts_with("text/event-stream"));
                self.report(StreamInput::Answered {
                    status,
                    event_stream,
                    retry_after,
                });
                let reader = ReadableStreamDefaultReader::new(&response.body()?).ok()?;
                let next = reader.read();
                self.stage = Stage::Chunk(reader);
                Some(next)
            }
        }
    }

    /// It is over: with a reply, or without one.
    fn finish(&mut self) {
        let Id::Request(id) = self.id else {
            return self.report(StreamInput::Closed);
        };
        self.driver.wire.end(id.0);
        let mut stage = core::mem::replace(&mut self.stage, Stage::Head);
        self.driver.run(
            &mut |core, now| match core::mem::replace(&mut stage, Stage::Head) {
                Stage::Body(response) => core.handle_response(now, id, response),
                Stage::Head | Stage::Chunk(_) => core.handle_failure(now, id),
            },
        );
    }

    fn report(&self, input: StreamInput<'_>) {
        if let Id::Stream(id) = self.id {
            self.driver
                .run(&mut |core, now| core.handle_stream(now, id, input));
        }
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
