//! What JavaScript brings. Names that end in `_` are used between the two alone, and shortened by the build.

use js_sys::Promise;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    // ---- requests and replies: `pkg-template/src/wire.ts` ----

    /// Writes requests, sends them, and reads what comes back. No user code runs in it but in `fetch`, which is called with
    /// nothing borrowed.
    #[derive(Clone)]
    pub type Wire;

    #[wasm_bindgen(method, js_name = group_)]
    pub(crate) fn group(this: &Wire) -> String;

    /// 0 sign-in, 1 all evaluations, 2 one flag, 3 the stream: what `fetch` takes; 4 the URL for a native stream. `text` is
    /// the tag of the values held, or the flag.
    #[wasm_bindgen(method, js_name = request_)]
    pub(crate) fn request(this: &Wire, ask: u32, text: &str) -> JsValue;

    /// 0 unreadable, 1 signed in, 2 with a URL for a native stream.
    #[wasm_bindgen(method, js_name = signIn_)]
    pub(crate) fn sign_in(this: &Wire, reply: JsValue) -> u32;

    #[wasm_bindgen(method, js_name = changeEvent_)]
    pub(crate) fn change_event(this: &Wire, data: &[u8]) -> ChangeEvent;

    #[wasm_bindgen(method, js_name = evaluations_)]
    pub(crate) fn evaluations(this: &Wire, reply: JsValue, single: bool) -> Option<Evaluations>;

    #[wasm_bindgen(method, js_name = save_)]
    pub(crate) fn save(this: &Wire) -> JsValue;

    #[wasm_bindgen(method, js_name = takeCounts_)]
    pub(crate) fn take_counts(this: &Wire) -> Option<JsValue>;

    /// Milliseconds from now that the header `Retry-After` asks for: seconds or a date; NaN for neither.
    #[wasm_bindgen(method, js_name = retryAfter_)]
    pub(crate) fn retry_after(this: &Wire, header: &str) -> f64;

    /// Sends a request, with what the application's options and middleware have to say; rejects where those throw. A
    /// detached one cannot be ended.
    #[wasm_bindgen(method, js_name = fetch_)]
    pub(crate) fn fetch(
        this: &Wire,
        id: u32,
        request: JsValue,
        keepalive: bool,
        detached: bool,
    ) -> Promise;

    /// Lets go of a request; one that is still under way is aborted.
    #[wasm_bindgen(method, js_name = end_)]
    pub(crate) fn end(this: &Wire, id: u32);

    // ---- the values: `pkg-template/src/values.ts` ----

    /// Keeps the values and their counts, and since when each is known.
    pub type Values;

    #[wasm_bindgen(method, js_name = setTarget_)]
    pub(crate) fn set_target(this: &Values, target: JsValue);

    #[wasm_bindgen(method, js_name = replace_)]
    pub(crate) fn replace(this: &Values, evaluations: Evaluations, as_of: u32) -> Option<Changes>;

    #[wasm_bindgen(method, js_name = merge_)]
    pub(crate) fn merge(this: &Values, evaluations: Evaluations, as_of: u32) -> Option<Changes>;

    #[wasm_bindgen(method, js_name = remove_)]
    pub(crate) fn remove(this: &Values, flag: &str, as_of: u32) -> Option<Changes>;

    #[wasm_bindgen(method, js_name = settle_)]
    pub(crate) fn settle(this: &Values);

    #[wasm_bindgen(method, js_name = settleCounts_)]
    pub(crate) fn settle_counts(this: &Values, keep: bool);

    // ---- the application and the page: `pkg-template/src/client.ts` ----

    /// Runs user code, and is called with nothing borrowed.
    pub type Host;

    /// `event` is a place in the facade's list of events; what the others are depends on it.
    #[wasm_bindgen(method, js_name = emit_)]
    pub(crate) fn emit(this: &Host, event: u32, number: u32, detail: JsValue);

    #[wasm_bindgen(method, js_name = fail_)]
    pub(crate) fn fail(
        this: &Host,
        kind: u32,
        code: &str,
        message: &str,
        status: u32,
        is_final: bool,
    );

    /// 0 join the group of that name, 1 leave it, 2 steal its lock, 3 and more say the message `action` − 3 to the others.
    #[wasm_bindgen(method, js_name = tabs_)]
    pub(crate) fn tabs(this: &Host, action: u32, text: &[u8]);

    /// Calls with the input "time has passed" once, after so many milliseconds; replaces what was asked for before. Less than
    /// 0 is never.
    #[wasm_bindgen(method, js_name = arm_)]
    pub(crate) fn arm(this: &Host, delay_ms: f64);

    /// Calls with the input "a task was woken" and its number, soon and with nothing else on the stack.
    #[wasm_bindgen(method, js_name = wake_)]
    pub(crate) fn wake(this: &Host, task: u32);

    // ---- what travels through the core unopened ----

    /// A list of evaluations, not stored yet.
    pub(crate) type Evaluations;

    /// What storing altered.
    pub(crate) type Changes;

    /// The data of a stream event, read.
    pub(crate) type ChangeEvent;

    /// 0 malformed, 1 unknown, 2 to 4 create, patch and delete of a flag, 5 to 7 of a target group.
    #[wasm_bindgen(method, getter, js_name = code_)]
    pub(crate) fn code(this: &ChangeEvent) -> u32;

    #[wasm_bindgen(method, getter, js_name = identifier_)]
    pub(crate) fn identifier(this: &ChangeEvent) -> String;

    #[wasm_bindgen(method, getter, js_name = carried_)]
    pub(crate) fn carried(this: &ChangeEvent) -> Option<Evaluations>;
}
