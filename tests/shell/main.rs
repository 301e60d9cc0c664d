//! The shell in headless Chromium: real promises, responses and streams, a host that records. What it is told to do with them
//! is the core's business and tested there.
#![cfg(all(target_family = "wasm", not(feature = "rust-api")))]

use flagwire::Client;
use js_sys::Promise;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::{wasm_bindgen_test as test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

#[wasm_bindgen(module = "/tests/shell/host.js")]
extern "C" {
    type World;

    #[wasm_bindgen(constructor)]
    fn make() -> World;
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
    #[wasm_bindgen(method, js_name = setClient)]
    fn set_client(this: &World, client: Client);
    #[wasm_bindgen(method)]
    fn close(this: &World);
    #[wasm_bindgen(method, js_name = closeOn)]
    fn close_on(this: &World, event: u32);
    #[wasm_bindgen(method)]
    fn free(this: &World);
    #[wasm_bindgen(method)]
    fn until(this: &World, start: &str, times: u32) -> Promise;
    #[wasm_bindgen(method)]
    fn settled(this: &World) -> Promise;
    #[wasm_bindgen(method)]
    fn has(this: &World, text: &str) -> bool;
    #[wasm_bindgen(method)]
    fn all(this: &World) -> String;
    #[wasm_bindgen(method)]
    fn answer(this: &World, ask: u32, status: u16, body: &str, headers: &str);
    #[wasm_bindgen(method)]
    fn reject(this: &World, ask: u32, error: JsValue);
    #[wasm_bindgen(method)]
    fn stream(this: &World, ask: u32);
    #[wasm_bindgen(method)]
    fn push(this: &World, text: &str);
    #[wasm_bindgen(method)]
    fn end(this: &World);
    #[wasm_bindgen(method, js_name = breakOff)]
    fn break_off(this: &World);
}

const SIGN_IN: u32 = 0;
const ALL: u32 = 1;
const STREAM: u32 = 3;
const READY: u32 = 0;

fn start() -> World {
    let world = World::make();
    let client = Client::new(
        world.host().unchecked_into(),
        world.wire().unchecked_into(),
        world.values().unchecked_into(),
        world.numbers().unchecked_into(),
        0.5,
    );
    world.set_client(client);
    world
}

async fn until(world: &World, start: &str) {
    many(world, start, 1).await;
}

async fn many(world: &World, start: &str, times: u32) {
    JsFuture::from(world.until(start, times)).await.unwrap();
}

async fn settled(world: &World) {
    JsFuture::from(world.settled()).await.unwrap();
}

/// Signed in, and a list of nothing has come.
async fn ready() -> World {
    let world = start();
    world.answer(SIGN_IN, 200, r#"{"authToken":"a"}"#, "{}");
    until(&world, "ask 3").await;
    world.answer(ALL, 200, "[]", "{}");
    until(&world, "emit 0").await;
    world
}

#[test]
async fn asks_for_all_and_for_the_stream_at_once() {
    let world = start();
    assert_eq!(world.all(), "ask 0");
    world.answer(SIGN_IN, 200, r#"{"authToken":"a"}"#, "{}");
    until(&world, "ask 3").await;
    assert!(world.has("ask 1"), "{}", world.all());
}

#[test]
async fn what_a_fetch_rejects_with_may_be_anything() {
    for error in [
        JsValue::from("a text"),
        JsValue::UNDEFINED,
        JsValue::from(7),
    ] {
        let world = start();
        world.reject(SIGN_IN, error);
        until(&world, "fail").await;
        assert!(world.has("fail 0 network 0 false"), "{}", world.all());
    }
}

#[test]
async fn a_status_and_its_retry_after_reach_the_core() {
    let world = start();
    world.answer(SIGN_IN, 503, "{}", r#"{"retry-after":"7"}"#);
    until(&world, "fail").await;
    settled(&world).await;
    assert!(world.has("fail 0 server 503 false"), "{}", world.all());
    // How much of the seven seconds has passed already depends on the machine.
    assert!(world.delay() > 1_000.0, "{}", world.delay());
}

#[test]
async fn a_body_that_is_no_json_is_judged_by_its_status() {
    let world = start();
    world.answer(SIGN_IN, 200, "<html>", "{}");
    until(&world, "fail").await;
    assert!(world.has("fail 0 malformed 0 false"), "{}", world.all());
    let world = start();
    world.answer(SIGN_IN, 401, "<html>", "{}");
    until(&world, "fail").await;
    assert!(world.has("fail 0 unauthorized 401 true"), "{}", world.all());
}

#[test]
async fn bytes_of_the_stream_come_through_in_any_split() {
    let world = ready().await;
    world.stream(STREAM);
    until(&world, "emit 1").await;
    for part in ["event: *\nda", "ta: on", "e\n\nevent: *\n", "data: two\n\n"] {
        world.push(part);
        settled(&world).await;
    }
    many(&world, "event", 2).await;
    assert!(
        world.has("event one") && world.has("event two"),
        "{}",
        world.all()
    );
}

#[test]
async fn a_stream_that_ends_or_breaks_is_told() {
    for end in [World::end, World::break_off] {
        let world = ready().await;
        world.stream(STREAM);
        until(&world, "emit 1").await;
        end(&world);
        until(&world, "emit 2").await;
        assert!(world.has("fail 3 network 0 false"), "{}", world.all());
    }
}

#[test]
async fn a_client_may_be_closed_while_it_tells() {
    let world = start();
    world.close_on(READY);
    world.answer(SIGN_IN, 200, r#"{"authToken":"a"}"#, "{}");
    until(&world, "ask 3").await;
    world.answer(ALL, 200, "[]", "{}");
    until(&world, "emit 3").await;
    settled(&world).await;
    let all = world.all();
    assert_eq!(all.lines().last(), Some("emit 9 64"), "{all}"); // closed, and nothing after
    assert!(world.delay() < 0.0, "no timer is left");
    world.close();
    assert_eq!(world.all(), all);
}

#[test]
async fn replies_to_a_client_that_is_gone_do_nothing() {
    let world = ready().await;
    world.stream(STREAM);
    until(&world, "emit 1").await;
    world.close();
    world.free();
    let all = world.all();
    world.push("event: *\ndata: late\n\n");
    world.end();
    settled(&world).await;
    assert_eq!(world.all(), all);
}
