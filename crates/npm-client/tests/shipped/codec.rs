//! The codec that npm ships, in the place of `crates/core/tests/stories/codec.rs`.

use flagwire_core::protocol::{Evaluation, Target};
use flagwire_core::{
    Ask, ChangeEvent, Changed, Codec, HttpRequest, Moment, Parsed, Saved, Service, SignedIn,
};
use flagwire_npm_client::border::{self, ChangeCode};
use serde::Deserialize;
use serde_json::{Map, Value};
use wasm_bindgen::prelude::*;

// scripts/lib/wasm-tests.mjs makes it of wire.ts.
#[wasm_bindgen(module = "/target/shipped/wire.js")]
extern "C" {
    type Shipped;

    #[wasm_bindgen(constructor)]
    fn make(api_key: &str, base: &str, events: &str, target: &str) -> Shipped;
    #[wasm_bindgen(method, js_name = setTarget)]
    fn set_target(this: &Shipped, target: &str);
    #[wasm_bindgen(method)]
    fn group(this: &Shipped) -> Option<String>;
    #[wasm_bindgen(method)]
    fn request(this: &Shipped, ask: u32, text: Option<&str>) -> String;
    #[wasm_bindgen(method, js_name = signIn)]
    fn sign_in(this: &Shipped, reply: &str) -> u32;
    #[wasm_bindgen(method, js_name = changeEvent)]
    fn change_event(this: &Shipped, data: &[u8]) -> js_sys::Array;
    #[wasm_bindgen(method)]
    fn evaluations(this: &Shipped, reply: &str, single: bool) -> JsValue;
    #[wasm_bindgen(method)]
    fn replace(this: &Shipped, list: JsValue, as_of: u32) -> Option<String>;
    #[wasm_bindgen(method)]
    fn merge(this: &Shipped, list: JsValue, as_of: u32) -> Option<String>;
    #[wasm_bindgen(method)]
    fn remove(this: &Shipped, flag: &str, as_of: u32) -> Option<String>;
    #[wasm_bindgen(method)]
    fn settle(this: &Shipped);
    #[wasm_bindgen(method)]
    fn save(this: &Shipped) -> String;
    #[wasm_bindgen(method, js_name = takeCounts)]
    fn take_counts(this: &Shipped) -> Option<String>;
    #[wasm_bindgen(method, js_name = settleCounts)]
    fn settle_counts(this: &Shipped, keep: bool);
    #[wasm_bindgen(method)]
    fn held(this: &Shipped) -> String;
    #[wasm_bindgen(method)]
    fn read(this: &Shipped, flag: &str) -> Option<String>;
}

/// The package's `Wire` and `Values`, with the types of the stories' world.
pub(crate) struct TestCodec(Shipped);

/// A codec of a client without values.
pub(crate) fn codec(service: Service, target: Target) -> TestCodec {
    let Service {
        api_key,
        base_url,
        event_url,
        ..
    } = service;
    let target = json(&target);
    TestCodec(Shipped::make(&api_key, &base_url, &event_url, &target))
}

impl TestCodec {
    /// The evaluation of `flag`, counted as a read.
    pub(crate) fn read(&self, flag: &str) -> Option<Evaluation> {
        self.0.read(flag).map(|text| parsed(&text))
    }

    /// All evaluations. Not counted.
    pub(crate) fn evaluations_held(&self) -> impl Iterator<Item = Evaluation> {
        let list: Vec<Evaluation> = parsed(&self.0.held());
        list.into_iter()
    }
}

impl Codec for TestCodec {
    type Json = Value;
    type Text = String;
    type Request = HttpRequest;
    /// A list of the package's own.
    type Evaluations = JsValue;
    type Changes = Vec<Changed>;
    type Saved = Saved;
    type Target = Target;

    fn set_target(&mut self, target: Target) {
        self.0.set_target(&json(&target));
    }

    fn group(&self) -> Option<String> {
        self.0.group()
    }

    fn request(&self, ask: Ask<'_, String>) -> HttpRequest {
        let (number, text) = border::ask(&ask);
        request(&self.0.request(number as u32, text.map(String::as_str)))
    }

    fn sign_in(&mut self, reply: Value) -> Option<SignedIn> {
        border::signed_in(self.0.sign_in(&reply.to_string()))
    }

    fn change_event(&self, data: &[u8]) -> Parsed<JsValue, String> {
        let event = self.0.change_event(data);
        let code = ChangeCode::from_number(event.get(0).as_f64().unwrap() as u32).unwrap();
        let Some((domain, change)) = code.change() else {
            return match code {
                ChangeCode::Unknown => Parsed::Unknown,
                _ => Parsed::Malformed,
            };
        };
        Parsed::Change(ChangeEvent {
            change,
            domain,
            identifier: event.get(1).as_string().unwrap(),
            evaluations: given(event.get(2)),
        })
    }

    fn evaluations(&self, reply: Value, single: bool) -> Option<JsValue> {
        given(self.0.evaluations(&reply.to_string(), single))
    }

    fn replace(&mut self, list: JsValue, as_of: Moment) -> Option<Vec<Changed>> {
        let mut changes: Vec<Changed> = parsed(&self.0.replace(list, as_of.number())?);
        // The package names what is gone last; the stories expect the order of flags.
        changes.sort_by(|(one, _), (other, _)| one.cmp(other));
        Some(changes)
    }

    fn merge(&mut self, list: JsValue, as_of: Moment) -> Option<Vec<Changed>> {
        Some(parsed(&self.0.merge(list, as_of.number())?))
    }

    fn remove(&mut self, flag: &String, as_of: Moment) -> Option<Vec<Changed>> {
        Some(parsed(&self.0.remove(flag, as_of.number())?))
    }

    fn settle(&mut self) {
        self.0.settle();
    }

    fn save(&self) -> Saved {
        let (target, mut evaluations): (Target, Vec<Evaluation>) = parsed(&self.0.save());
        evaluations.sort_by(|one, other| one.flag.cmp(&other.flag));
        Saved {
            target,
            evaluations,
        }
    }

    fn take_counts(&mut self) -> Option<HttpRequest> {
        self.0.take_counts().map(|text| request(&text))
    }

    fn settle_counts(&mut self, keep: bool) {
        self.0.settle_counts(keep);
    }
}

fn json(target: &Target) -> String {
    serde_json::to_string(target).unwrap()
}

fn parsed<'a, T: Deserialize<'a>>(text: &'a str) -> T {
    serde_json::from_str(text).unwrap()
}

fn given(value: JsValue) -> Option<JsValue> {
    (!value.is_undefined()).then_some(value)
}

/// What `fetch` takes, or the URL for a native stream.
fn request(text: &str) -> HttpRequest {
    #[derive(Default, Deserialize)]
    struct Init {
        #[serde(default)]
        headers: Map<String, Value>,
        body: Option<String>,
        cache: Option<String>,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Prepared {
        Url(String),
        Fetch(String, Init),
    }

    let (url, init) = match parsed(text) {
        Prepared::Url(url) => (url, Init::default()),
        Prepared::Fetch(url, init) => (url, init),
    };
    // The names are a dozen, and the world wants them for good.
    let header = |(name, value): (String, Value)| {
        let value = value.as_str().unwrap().to_owned();
        (&*name.leak(), value)
    };
    HttpRequest {
        url,
        headers: init.headers.into_iter().map(header).collect(),
        body: init.body,
        past_cache: init.cache.as_deref() == Some("no-store"),
    }
}
