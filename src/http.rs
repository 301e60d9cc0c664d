//! Requests.

use std::rc::Weak;

use flagwire_core::{Millis, Request, Response};
use gloo_net::http;
use js_sys::{Array, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{AbortController, AbortSignal};

use crate::driver::Driver;
use crate::host::Host;

/// A request or a stream under way; aborted when dropped, which does nothing to one that is over.
#[must_use]
pub(crate) struct Abort(AbortController);

impl Abort {
    pub(crate) fn new() -> Self {
        // The constructor takes no arguments and throws nothing.
        Self(AbortController::new().unwrap_or_else(|_| unreachable!()))
    }

    pub(crate) fn signal(&self) -> AbortSignal {
        self.0.signal()
    }
}

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sends `request` and reports what becomes of it.
pub(crate) fn send(driver: Weak<Driver>, host: &Host, request: Request<JsValue>) -> Abort {
    let abort = Abort::new();
    let signal = abort.signal();
    let host = host.clone();
    let id = request.id;
    let outgoing =
        Outgoing { url: request.url, headers: request.headers, body: request.body, keepalive: request.keepalive };
    spawn_local(async move {
        let mut response = match fetch(&host, outgoing, signal).await {
            Ok(response) => Some(read(&host, response).await),
            Err(_) => None,
        };
        if let Some(driver) = driver.upgrade() {
            driver.forget(id);
            driver.run(&mut |core, now| match response.take() {
                Some(response) => core.handle_response(now, id, response),
                None => core.handle_failure(now, id),
            });
        }
    });
    abort
}

/// What [`fetch`] sends.
pub(crate) struct Outgoing {
    pub(crate) url: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Option<JsValue>,
    pub(crate) keepalive: bool,
}

/// Sends one request to the end of its response's head.
///
/// gloo-net's own `send` is not used: it panics where `fetch` rejects with something that is not an `Error`, and any script on
/// the page may have put its own `fetch` in place of the browser's.
pub(crate) async fn fetch(host: &Host, outgoing: Outgoing, signal: AbortSignal) -> Result<http::Response, JsValue> {
    let headers = Array::new();
    for (name, value) in outgoing.headers {
        headers.push(&name.into());
        headers.push(&value.into());
    }
    let request = host.prepare(&outgoing.url, headers, outgoing.body, signal, outgoing.keepalive)?;
    let response = JsFuture::from(global_fetch(&http::Request::from(request).into())?).await?;
    Ok(http::Response::from(response.unchecked_into::<web_sys::Response>()))
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = fetch, catch)]
    fn global_fetch(request: &web_sys::Request) -> Result<Promise, JsValue>;
}

/// What the header `Retry-After` asks for: seconds, or a date.
pub(crate) fn retry_after(host: &Host, response: &http::Response) -> Option<Millis> {
    // Reading numbers and dates is JavaScript's: Rust's parsers would take a kilobyte here.
    let millis = host.retry_after(&response.headers().get("retry-after")?);
    (!millis.is_nan()).then_some(Millis(millis as u32)) // saturates: a date gone by asks for nothing
}

/// Reads the response to its end, so that its connection is free again.
async fn read(host: &Host, response: http::Response) -> Response<JsValue> {
    let status = response.status();
    let etag = response.headers().get("etag");
    let retry_after = retry_after(host, &response);
    let body = match web_sys::Response::from(response).json() {
        Ok(promise) => JsFuture::from(promise).await.ok(),
        Err(_) => None,
    };
    Response { status, retry_after, etag, body }
}
