//! What JavaScript brings: the values, the listeners, and JSON. `pkg-template/src/host.ts` is the other half.

use js_sys::{Array, Promise};
use wasm_bindgen::prelude::*;
use web_sys::AbortSignal;

#[wasm_bindgen]
extern "C" {
    /// Keeps the values and tells the application. None of its methods runs user code but `emit`, `fail`, `store` and
    /// `fetch`, and those are called with nothing borrowed.
    #[derive(Clone)]
    pub type Host;

    // ---- reading and writing JSON ----

    #[wasm_bindgen(method, js_name = setTarget)]
    pub(crate) fn set_target(this: &Host, target: JsValue);

    #[wasm_bindgen(method, js_name = targetPath)]
    pub(crate) fn target_path(this: &Host) -> String;

    #[wasm_bindgen(method, js_name = targetHeader)]
    pub(crate) fn target_header(this: &Host) -> String;

    #[wasm_bindgen(method, js_name = signInRequest)]
    pub(crate) fn sign_in_request(this: &Host) -> JsValue;

    /// Token, environment, cluster, environment identifier, account, stream URL.
    #[wasm_bindgen(method, js_name = signIn)]
    pub(crate) fn sign_in(this: &Host, reply: &JsValue) -> Option<Texts>;

    #[wasm_bindgen(method, js_name = changeEvent)]
    pub(crate) fn change_event(this: &Host, data: &str) -> ChangeEvent;

    #[wasm_bindgen(method)]
    pub(crate) fn evaluations(this: &Host, reply: JsValue, single: bool) -> Option<Evaluations>;

    #[wasm_bindgen(method)]
    pub(crate) fn flags(this: &Host, evaluations: &Evaluations) -> Texts;

    // ---- the values ----

    #[wasm_bindgen(method)]
    pub(crate) fn replace(this: &Host, evaluations: Evaluations, keep: Array) -> Option<Changes>;

    #[wasm_bindgen(method)]
    pub(crate) fn merge(this: &Host, evaluations: Evaluations) -> Option<Changes>;

    #[wasm_bindgen(method)]
    pub(crate) fn remove(this: &Host, flag: &str) -> Option<Changes>;

    #[wasm_bindgen(method)]
    pub(crate) fn save(this: &Host) -> JsValue;

    #[wasm_bindgen(method, js_name = takeCounts)]
    pub(crate) fn take_counts(this: &Host) -> JsValue;

    #[wasm_bindgen(method, js_name = settleCounts)]
    pub(crate) fn settle_counts(this: &Host, keep: bool);

    /// Milliseconds from now that the header `Retry-After` asks for: seconds or a date; NaN for neither.
    #[wasm_bindgen(method, js_name = retryAfter)]
    pub(crate) fn retry_after(this: &Host, header: &str) -> f64;

    // ---- what may run user code ----

    /// `event` is an index into the facade's list of event names.
    #[wasm_bindgen(method)]
    pub(crate) fn emit(this: &Host, event: u32, detail: &JsValue);

    #[wasm_bindgen(method)]
    pub(crate) fn fail(
        this: &Host,
        kind: u32,
        code: &str,
        message: &str,
        status: u32,
        is_final: bool,
    );

    #[wasm_bindgen(method)]
    pub(crate) fn store(this: &Host, saved: &JsValue);

    /// Sends a request, with what the application's options and middleware have to say; rejects where those throw. `headers`
    /// are names and values in turn; with a body it is a `POST`.
    #[wasm_bindgen(method)]
    pub(crate) fn fetch(
        this: &Host,
        url: &str,
        headers: Array,
        body: Option<JsValue>,
        signal: AbortSignal,
        keepalive: bool,
    ) -> Promise;

    // ---- the other tabs ----

    /// 0 join the group of that name, 1 leave it, 2 steal its lock, 3 say something to the others.
    #[wasm_bindgen(method)]
    pub(crate) fn tabs(this: &Host, action: u32, message: u32, text: &str);

    // ---- time ----

    /// Calls the client's `tick` once, after so many milliseconds; replaces what was asked for before. Less than 0 is never.
    #[wasm_bindgen(method)]
    pub(crate) fn arm(this: &Host, delay_ms: f64);

    // ---- what travels through the core unopened ----

    /// A list of evaluations, not stored yet.
    #[derive(Clone)]
    pub type Evaluations;

    /// What storing altered.
    pub(crate) type Changes;

    /// A list of texts.
    pub type Texts;

    #[wasm_bindgen(method, getter)]
    pub(crate) fn length(this: &Texts) -> u32;

    #[wasm_bindgen(method, indexing_getter)]
    pub(crate) fn at(this: &Texts, index: u32) -> String;

    /// The data of a stream event, read.
    pub(crate) type ChangeEvent;

    /// 0 malformed, 1 unknown, 2 to 4 create, patch and delete of a flag, 5 to 7 of a target group.
    #[wasm_bindgen(method, getter)]
    pub(crate) fn code(this: &ChangeEvent) -> u32;

    #[wasm_bindgen(method, getter)]
    pub(crate) fn identifier(this: &ChangeEvent) -> String;

    #[wasm_bindgen(method, getter, js_name = evaluations)]
    pub(crate) fn carried(this: &ChangeEvent) -> Option<Evaluations>;
}
