//! The module in headless Chromium, with a host that records and a wire whose other end is the test. What it has to do is
//! the core's business, and how requests and streams are read the facade's; both are tested there.
#![cfg(target_family = "wasm")]

use flagwire_core::ErrorKind;
use flagwire_npm_client::border::{
    Ask, ChangeCode, Emitted, Input, OptionPlace, SignIn, StreamTransport,
};
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::{wasm_bindgen_test as test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

#[wasm_bindgen(module = "/tests/shell/host.js")]
extern "C" {
    type World;

    #[wasm_bindgen(constructor)]
    fn make(border: &JsValue) -> World;
    #[wasm_bindgen(method, getter)]
    fn host(this: &World) -> JsValue;
    #[wasm_bindgen(method, getter)]
    fn wire(this: &World) -> JsValue;
    #[wasm_bindgen(method, getter)]
    fn values(this: &World) -> JsValue;
    #[wasm_bindgen(method, getter)]
    fn delay(this: &World) -> f64;
    #[wasm_bindgen(method)]
    fn numbers(this: &World) -> JsValue;
    #[wasm_bindgen(method)]
    fn start(this: &World, call: JsValue);
    #[wasm_bindgen(method)]
    fn close(this: &World);
    #[wasm_bindgen(method, js_name = closeOn)]
    fn close_on(this: &World, event: &str);
    #[wasm_bindgen(method)]
    fn has(this: &World, text: &str) -> bool;
    #[wasm_bindgen(method)]
    fn all(this: &World) -> String;
    #[wasm_bindgen(method)]
    fn answer(
        this: &World,
        ask: &str,
        status: u16,
        body: JsValue,
        retry_after_ms: f64,
        etag: JsValue,
    );
    #[wasm_bindgen(method)]
    fn fail(this: &World, ask: &str);
    #[wasm_bindgen(method)]
    fn stream(this: &World, ask: &str);
    #[wasm_bindgen(method)]
    fn push(this: &World, data: &str);
    #[wasm_bindgen(method)]
    fn retry(this: &World, delay_ms: f64);
    #[wasm_bindgen(method)]
    fn end(this: &World);
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = JSON)]
    fn parse(text: &str) -> JsValue;
}

type Call = dyn Fn(u32, Option<JsValue>, u32, u32, f64, Option<JsValue>);

const SIGN_IN: &str = "SignIn";
const ALL: &str = "All";
const STREAM: &str = "Stream";
const READY: &str = "Ready";

/// The names of the border's enums, by number.
fn border() -> JsValue {
    fn names<T>(all: &[(T, &str, &str)]) -> JsValue {
        let names = all.iter().map(|(_, name, _)| JsValue::from(*name));
        names.collect::<js_sys::Array>().into()
    }

    let border = js_sys::Object::new();
    for (name, names) in [
        ("Input", names(Input::ALL)),
        ("Emitted", names(Emitted::ALL)),
        ("ErrorKind", names(ErrorKind::ALL)),
        ("Ask", names(Ask::ALL)),
        ("SignIn", names(SignIn::ALL)),
        ("ChangeCode", names(ChangeCode::ALL)),
        ("OptionPlace", names(OptionPlace::ALL)),
        ("StreamTransport", names(StreamTransport::ALL)),
    ] {
        js_sys::Reflect::set(&border, &name.into(), &names).unwrap();
    }
    border.into()
}

fn start() -> World {
    started().0
}

/// And its number.
fn started() -> (World, u32) {
    let world = World::make(&border());
    let client = flagwire_npm_client::start(
        world.host().unchecked_into(),
        world.wire().unchecked_into(),
        world.values().unchecked_into(),
        world.numbers().unchecked_into(),
        0.5,
    );
    let call: Closure<Call> = Closure::new(move |input, detail, id, status, retry_after, etag| {
        flagwire_npm_client::call(client, input, detail, id, status, retry_after, etag);
    });
    world.start(call.into_js_value());
    (world, client)
}

fn answer(world: &World, ask: &str, body: &str) {
    world.answer(ask, 200, parse(body), f64::NAN, JsValue::NULL);
}

/// Signed in, and a list of nothing has come.
fn ready() -> World {
    let world = start();
    answer(&world, SIGN_IN, r#"{"authToken":"a"}"#);
    answer(&world, ALL, "[]");
    assert!(world.has("emit Ready 0"), "{}", world.all());
    world
}

#[test]
fn asks_for_all_and_for_the_stream_at_once() {
    let world = start();
    assert_eq!(world.all(), "ask SignIn");
    answer(&world, SIGN_IN, r#"{"authToken":"a"}"#);
    assert_eq!(world.all(), "ask SignIn\nask All\nask Stream");
}

#[test]
fn a_request_without_a_reply_is_a_failure() {
    let world = start();
    world.fail(SIGN_IN);
    assert!(world.has("fail Auth 0 false"), "{}", world.all());
}

#[test]
fn a_status_and_its_retry_after_reach_the_core() {
    let world = start();
    world.answer(SIGN_IN, 503, parse("{}"), 7_000.0, JsValue::NULL);
    assert!(world.has("fail Auth 503 false"), "{}", world.all());
    // How much of the seven seconds has passed already depends on the machine.
    assert!(world.delay() > 1_000.0, "{}", world.delay());
}

#[test]
fn a_body_that_is_no_json_is_judged_by_its_status() {
    for (status, told) in [(200, "fail Auth 2 false"), (401, "fail Auth 401 true")] {
        let world = start();
        world.answer(SIGN_IN, status, JsValue::UNDEFINED, f64::NAN, JsValue::NULL);
        assert!(world.has(told), "{}", world.all());
    }
}

#[test]
fn a_tag_comes_back_with_the_next_request_of_all() {
    let world = start();
    answer(&world, SIGN_IN, r#"{"authToken":"a"}"#);
    world.answer(ALL, 200, parse("[]"), f64::NAN, JsValue::from("\"one\""));
    world.stream(STREAM);
    assert!(world.has("name \"one\""), "{}", world.all());
}

#[test]
fn events_of_the_stream_come_through() {
    let world = ready();
    world.stream(STREAM);
    for data in ["one", "zwei: für"] {
        world.push(data);
        assert!(world.has(&format!("event {data}")), "{}", world.all());
    }
}

#[test]
fn the_delay_that_a_stream_asks_for_is_kept() {
    let world = ready();
    world.stream(STREAM);
    answer(&world, ALL, "[]");
    world.retry(45_000.0);
    world.end();
    assert!(world.delay() >= 44_000.0, "{}", world.delay());
}

#[test]
fn a_stream_that_ends_is_told() {
    let world = ready();
    world.stream(STREAM);
    assert!(world.has("emit Connected 0"), "{}", world.all());
    world.end();
    assert!(world.has("emit Disconnected 0"), "{}", world.all());
    assert!(world.has("fail Stream 0 false"), "{}", world.all());
}

#[test]
fn a_client_may_be_closed_while_it_tells() {
    let world = start();
    world.close_on(READY);
    answer(&world, SIGN_IN, r#"{"authToken":"a"}"#);
    answer(&world, ALL, "[]");
    let all = world.all();
    assert_eq!(all.lines().last(), Some("emit State 64"), "{all}"); // closed, and nothing after
    assert!(world.delay() < 0.0, "no timer is left");
    world.close();
    assert_eq!(world.all(), all);
}

#[test]
fn what_comes_after_the_end_does_nothing() {
    let world = start();
    answer(&world, SIGN_IN, r#"{"authToken":"a"}"#);
    world.stream(STREAM);
    world.close();
    let all = world.all();
    for _ in 0..2 {
        world.push("late");
        world.end();
        assert_eq!(world.all(), all);
    }
}

#[test]
fn a_client_that_is_closed_leaves_its_place_to_another() {
    let (first, client) = started();
    first.close();
    let (second, other) = started();
    assert_eq!(other, client);
    answer(&second, SIGN_IN, r#"{"authToken":"a"}"#);
    assert!(second.has("ask All"), "{}", second.all());
}
