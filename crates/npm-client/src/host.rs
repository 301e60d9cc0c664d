//! The functions that JavaScript provides. Names that end in `_` are used on the border only, and the build shortens them.

use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    // ---- requests and replies: `pkg-template/src/wire.ts` ----

    /// Writes requests, sends them, and reads replies. User code runs only in `send` and `open`, which are called with nothing
    /// borrowed.
    #[derive(Clone)]
    pub type Wire;

    /// Returns the name of the group of tabs that share a stream; none where the target is too large to compare.
    #[wasm_bindgen(method, js_name = group_)]
    pub(crate) fn group(this: &Wire) -> Option<JsValue>;

    /// Writes the request for an [`Ask`](crate::border::Ask): what `fetch` takes, or the URL for a native stream.
    #[wasm_bindgen(method, js_name = request_)]
    pub(crate) fn request(this: &Wire, ask: u32, text: &JsValue) -> JsValue;

    /// Reads the reply to signing in. Returns a [`SignIn`](crate::border::SignIn).
    #[wasm_bindgen(method, js_name = signIn_)]
    pub(crate) fn sign_in(this: &Wire, reply: JsValue) -> u32;

    /// Reads the data of a stream's event, which is UTF-8.
    #[wasm_bindgen(method, js_name = changeEvent_)]
    pub(crate) fn change_event(this: &Wire, data: &[u8]) -> ChangeEvent;

    /// Reads a reply that is one evaluation (`single`) or a list of them; returns none where it is of another shape.
    #[wasm_bindgen(method, js_name = evaluations_)]
    pub(crate) fn evaluations(this: &Wire, reply: JsValue, single: bool) -> Option<Evaluations>;

    /// Returns what the cache should hold now.
    #[wasm_bindgen(method, js_name = save_)]
    pub(crate) fn save(this: &Wire) -> JsValue;

    /// Takes counts as the request that posts them; returns none where nothing was counted.
    #[wasm_bindgen(method, js_name = takeCounts_)]
    pub(crate) fn take_counts(this: &Wire) -> Option<JsValue>;

    /// Sends a request, and reports its reply as an input. A detached one cannot be ended.
    #[wasm_bindgen(method, js_name = send_)]
    pub(crate) fn send(this: &Wire, id: u32, request: JsValue, keepalive: bool, detached: bool);

    /// Opens a stream, and reports what happens to it as inputs. A `native` one is the browser's own `EventSource`.
    #[wasm_bindgen(method, js_name = open_)]
    pub(crate) fn open(this: &Wire, id: u32, request: JsValue, native: bool);

    /// Drops a request or a stream; one that is still under way is ended.
    #[wasm_bindgen(method, js_name = end_)]
    pub(crate) fn end(this: &Wire, id: u32);

    // ---- the values: `pkg-template/src/values.ts` ----

    /// Keeps the values, the counts of their reads, and the moment as of which each is known.
    pub type Values;

    /// Makes another target the current one.
    #[wasm_bindgen(method, js_name = setTarget_)]
    pub(crate) fn set_target(this: &Values, target: JsValue);

    /// Stores evaluations as a complete list. Returns what changed, if anything did, as the next two functions do.
    #[wasm_bindgen(method, js_name = replace_)]
    pub(crate) fn replace(this: &Values, evaluations: Evaluations, as_of: u32) -> Option<Changes>;

    /// Stores evaluations, and leaves the other flags alone.
    #[wasm_bindgen(method, js_name = merge_)]
    pub(crate) fn merge(this: &Values, evaluations: Evaluations, as_of: u32) -> Option<Changes>;

    /// Removes a flag.
    #[wasm_bindgen(method, js_name = remove_)]
    pub(crate) fn remove(this: &Values, flag: &JsValue, as_of: u32) -> Option<Changes>;

    /// Forgets when flags were removed, because nothing older than what is known now will come any more.
    #[wasm_bindgen(method, js_name = settle_)]
    pub(crate) fn settle(this: &Values);

    /// Drops the counts that were taken last, or with `keep` counts them again.
    #[wasm_bindgen(method, js_name = settleCounts_)]
    pub(crate) fn settle_counts(this: &Values, keep: bool);

    // ---- the application and the page: `pkg-template/src/client.ts` ----

    /// Runs user code, and is called with nothing borrowed.
    pub type Host;

    /// Reports an [`Emitted`](crate::border::Emitted) to the facade, which defines the other arguments.
    #[wasm_bindgen(method, js_name = emit_)]
    pub(crate) fn emit(this: &Host, event: u32, number: u32, detail: JsValue);

    /// Reports an error: the number of its `ErrorKind`, and that of its `Cause`. The facade has the texts, because in the module
    /// every page would load them, and few show one.
    #[wasm_bindgen(method, js_name = fail_)]
    pub(crate) fn fail(this: &Host, kind: u32, cause: u32, is_final: bool);

    /// Joins the group of that name.
    #[wasm_bindgen(method, js_name = join_)]
    pub(crate) fn join(this: &Host, group: JsValue);

    /// Does a [`TabAction`](crate::border::TabAction) in the group.
    #[wasm_bindgen(method, js_name = tabs_)]
    pub(crate) fn tabs(this: &Host, action: u32, text: &[u8]);

    /// Sets the timer, which calls once with the input `Tick`, after so many milliseconds. It replaces an earlier setting. Less
    /// than 0 means never.
    #[wasm_bindgen(method, js_name = arm_)]
    pub(crate) fn arm(this: &Host, delay_ms: f64);

    // ---- the platform ----

    /// Reads the wall clock, in milliseconds since the Unix epoch. `js_sys` has the same function, but with it descriptions of
    /// others stay in the module's table of functions.
    #[wasm_bindgen(js_namespace = Date, js_name = now)]
    pub(crate) fn wall_ms() -> f64;

    /// Copies a `Uint8Array` into a slice of the same length. Bytes as an argument of an exported function would need an
    /// allocation for each call, and three functions more.
    #[wasm_bindgen(js_namespace = ["Uint8Array", "prototype", "set"], js_name = call)]
    pub(crate) fn copy(into: &mut [u8], bytes: JsValue);

    // ---- objects that the core passes on without reading them ----

    /// A list of evaluations that are not stored yet.
    pub(crate) type Evaluations;

    /// The differences that storing has made.
    pub(crate) type Changes;

    /// The content of an event of the stream.
    pub(crate) type ChangeEvent;

    /// Returns a [`ChangeCode`](crate::border::ChangeCode).
    #[wasm_bindgen(method, getter, js_name = code_)]
    pub(crate) fn code(this: &ChangeEvent) -> u32;

    /// Returns the identifier of the flag or target group.
    #[wasm_bindgen(method, getter, js_name = identifier_)]
    pub(crate) fn identifier(this: &ChangeEvent) -> JsValue;

    /// Returns the new evaluations, where the event has any and all of them are complete.
    #[wasm_bindgen(method, getter, js_name = carried_)]
    pub(crate) fn carried(this: &ChangeEvent) -> Option<Evaluations>;
}
