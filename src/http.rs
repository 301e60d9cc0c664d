//! Sends requests, and reads streams from their responses.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use flagwire_core::{HttpRequest, Millis, Response, StreamId, StreamInput};
use gloo_net::http::{self, Headers};
use js_sys::{Promise, Reflect, Uint8Array};
use serde_json::Value;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{
    AbortController, ReadableStreamDefaultReader, RequestCache, RequestCredentials, RequestInit,
};

use super::driver::Driver;

/// A request, for a [`Middleware`] to change.
#[derive(Clone, Debug)]
pub struct Request {
    /// The URL to which it goes.
    pub url: String,
    /// The names and values of its headers.
    pub headers: Vec<(String, String)>,
    /// The body as JSON, where the request is a `POST`.
    pub body: Option<String>,
    /// The cookies that go along. Default: the browser's, `same-origin`.
    pub credentials: Option<RequestCredentials>,
    pub(super) past_cache: bool,
}

/// Changes a request before it is sent.
pub type Middleware = Rc<dyn Fn(&mut Request)>;

/// Sends requests, and ends those under way.
#[derive(Default)]
pub(super) struct Requests {
    under_way: RefCell<BTreeMap<u32, AbortController>>,
}

impl Requests {
    /// Drops a request; one that is still under way is aborted.
    pub(super) fn end(&self, id: u32) {
        let ended = self.under_way.borrow_mut().remove(&id);
        if let Some(controller) = ended {
            controller.abort();
        }
    }

    /// Sends a request. It can be ended by its id, unless it is detached.
    fn send(
        &self,
        id: u32,
        request: &Request,
        keepalive: bool,
        detached: bool,
    ) -> Result<Promise, JsValue> {
        let headers = web_sys::Headers::new()?;
        for (name, value) in &request.headers {
            headers.set(name, value)?; // gloo-net would panic where middleware has made a name that is none
        }
        let mut builder = match &request.body {
            Some(_) => http::Request::post(&request.url),
            None => http::Request::get(&request.url),
        };
        if request.past_cache {
            builder = builder.cache(RequestCache::NoStore);
        }
        if let Some(credentials) = request.credentials {
            builder = builder.credentials(credentials);
        }
        if !detached {
            let controller = AbortController::new()?;
            builder = builder.abort_signal(Some(&controller.signal()));
            self.under_way.borrow_mut().insert(id, controller);
        }
        if request.body.is_some() {
            headers.set("Content-Type", "application/json")?;
        }
        let builder = builder.headers(Headers::from_raw(headers));
        let built = match &request.body {
            Some(body) => builder.body(body),
            None => builder.build(),
        };
        let built = built.map_err(|error| JsValue::from(error.to_string()))?;
        // gloo-net's `send` panics where `fetch` rejects with something that is not an `Error`, and web-sys does not know
        // `keepalive`.
        let init = RequestInit::new();
        Reflect::set(&init, &"keepalive".into(), &keepalive.into())?;
        fetch(&built.into(), &init)
    }
}

/// Sends a request and reports its reply, or that there was none.
pub(super) fn send(driver: &Rc<Driver>, request: flagwire_core::Request<HttpRequest>) {
    let (id, keepalive, detached) = (request.id, request.keepalive, request.detached);
    let request = driver.prepare(request.request);
    let sent = driver.requests.send(id.0, &request, keepalive, detached);
    let driver = Rc::clone(driver);
    spawn_local(async move {
        let reply = reply(sent).await;
        driver.requests.end(id.0);
        driver.run(|core, now| match reply {
            Some(reply) => core.handle_response(now, id, reply),
            None => core.handle_failure(now, id),
        });
    });
}

/// Opens a stream and reports what happens to it.
pub(super) fn open_stream(driver: &Rc<Driver>, id: StreamId, request: HttpRequest) {
    let request = driver.prepare(request);
    let sent = driver.requests.send(id.0, &request, false, false);
    let driver = Rc::clone(driver);
    spawn_local(async move {
        read_stream(&driver, id, sent).await;
        driver.stream(id, StreamInput::Closed);
    });
}

/// Waits for the reply to a request; returns `None` where none comes.
async fn reply(sent: Result<Promise, JsValue>) -> Option<Response<Value, String>> {
    let response = head(sent).await?;
    let (headers, status) = (response.headers(), response.status());
    let text = match web_sys::Response::from(response).text() {
        Ok(text) => JsFuture::from(text).await.ok(),
        Err(_) => None,
    };
    // Where the body is no JSON, the core decides by the status.
    let body = text
        .and_then(|text| text.as_string())
        .and_then(|text| serde_json::from_str(&text).ok());
    Some(Response {
        status,
        retry_after: retry_after(&headers),
        etag: headers.get("etag"),
        body,
    })
}

/// Reads the next part of a body; returns `None` at its end.
async fn read_stream(
    driver: &Rc<Driver>,
    id: StreamId,
    sent: Result<Promise, JsValue>,
) -> Option<()> {
    let response = head(sent).await?;
    let headers = response.headers();
    let input = StreamInput::Answered {
        status: response.status(),
        event_stream: headers
            .get("content-type")
            .is_some_and(|kind| is_event_stream(&kind)),
        retry_after: retry_after(&headers),
    };
    driver.stream(id, input);
    let reader = ReadableStreamDefaultReader::new(&response.body()?).ok()?;
    loop {
        let chunk = JsFuture::from(reader.read()).await.ok()?;
        let bytes = chunk.unchecked_into::<Chunk>().value()?;
        driver.stream(id, StreamInput::Bytes(&bytes.to_vec()));
    }
}

/// Returns whether a content type is that of event streams. Its case does not matter, and parameters may follow.
fn is_event_stream(content_type: &str) -> bool {
    const EVENT_STREAM: &str = "text/event-stream";
    content_type
        .get(..EVENT_STREAM.len())
        .is_some_and(|name| name.eq_ignore_ascii_case(EVENT_STREAM))
}

async fn head(sent: Result<Promise, JsValue>) -> Option<http::Response> {
    let response = JsFuture::from(sent.ok()?).await.ok()?;
    Some(response.unchecked_into::<web_sys::Response>().into())
}

fn retry_after(headers: &Headers) -> Option<Millis> {
    flagwire_core::retry_after(&headers.get("retry-after")?, |date| {
        Some(js_sys::Date::parse(date) - js_sys::Date::now())
    })
}

#[wasm_bindgen]
extern "C" {
    /// Calls the global function `fetch`, because workers have no `window`.
    #[wasm_bindgen(catch)]
    fn fetch(request: &web_sys::Request, init: &RequestInit) -> Result<Promise, JsValue>;

    /// What the `read` of a reader resolves to.
    type Chunk;

    /// The bytes, which are missing at the end.
    #[wasm_bindgen(method, getter)]
    fn value(this: &Chunk) -> Option<Uint8Array>;
}
