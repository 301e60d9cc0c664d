//! Reads.

use std::cell::Cell;

use flagwire::{Client, Error, Evaluation, Options, Target, Value, VariationReason};
use serde::{Deserialize, Deserializer};
use serde_json::json;
use wasm_bindgen::JsValue;
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::service::{KEY, Service};
use crate::{FLAGS, client, client_with, live};

#[derive(Debug, Default, PartialEq, Deserialize)]
struct Banner {
    text: String,
    lines: Vec<String>,
    #[serde(default)]
    urgent: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Theme {
    Classic,
    Ocean,
}

#[test]
async fn reads_by_the_type_of_the_default() {
    let service = Service::start(FLAGS).await;
    let client = client(&service);
    assert!(client.variation("dark", true), "not there yet");
    client.ready().await.unwrap();
    assert!(!client.variation("dark", true));
    assert_eq!(client.variation("theme", "none"), "classic");
    assert_eq!(client.variation("theme", String::from("none")), "classic");
    assert_eq!(client.variation("size", 0_u8), 10);
    assert_eq!(client.variation("size", 0_i64), 10);
    assert_eq!(client.variation("size", 0.0), 10.0);
    assert_eq!(client.variation("ratio", 0.0), 0.5);
    assert_eq!(client.variation("theme", Value::Null), json!("classic"));
    assert_eq!(client.variation("banner", Value::Null)["lines"][1], "two");
}

#[test]
async fn gives_the_default_where_the_type_is_another() {
    let service = Service::start(FLAGS).await;
    let client = client(&service);
    client.ready().await.unwrap();
    assert!(client.variation("theme", true));
    assert_eq!(client.variation("dark", "none"), "none");
    assert_eq!(client.variation("banner", 7), 7);
    assert_eq!(client.variation("ratio", 7), 7, "no whole number");
    assert_eq!(client.variation("missing", 7), 7);
    assert_eq!(client.variation("__proto__", "none"), "none");
    assert_eq!(client.variation("", "none"), "none");
    let fallback = Banner::default();
    assert_eq!(client.variation_as("theme", fallback), Banner::default());
}

#[test]
async fn says_where_a_value_is_from() {
    let service = Service::start(FLAGS).await;
    let client = client(&service);
    let early = client.variation_detail("theme", "none");
    assert_eq!(early.reason, VariationReason::NotFound);
    client.ready().await.unwrap();
    let found = client.variation_detail("theme", "none");
    assert_eq!(found.variation.as_deref(), Some("classic"));
    assert_eq!(found.reason, VariationReason::Evaluated);
    assert!(!found.is_default_value());
    let wrong = client.variation_detail("theme", 1.0);
    assert_eq!((wrong.value, wrong.variation), (1.0, None));
    assert_eq!(wrong.reason, VariationReason::WrongType);
    let wrong = client.variation_as_detail("theme", Banner::default());
    assert_eq!(wrong.reason, VariationReason::WrongType);
    let found = client.variation_as_detail("banner", Banner::default());
    assert_eq!(found.variation.as_deref(), Some("sale"));
}

#[test]
async fn reads_types_of_the_application() {
    let service = Service::start(FLAGS).await;
    let client = client(&service);
    client.ready().await.unwrap();
    let banner = client.variation_as("banner", Banner::default());
    let lines = vec!["one".into(), "two".into()];
    let sale = Banner {
        text: "Sale".into(),
        lines,
        urgent: true,
    };
    assert_eq!(banner, sale);
    assert_eq!(client.variation_as("theme", Theme::Ocean), Theme::Classic);
    assert_eq!(client.variation_as("size", None::<u32>), Some(10));
}

thread_local! {
    static CALLED: Cell<Option<bool>> = const { Cell::new(None) };
    static CLIENT: Cell<Option<Client>> = const { Cell::new(None) };
}

/// Closes the client while it is being read.
struct Reentrant;

impl<'de> Deserialize<'de> for Reentrant {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        let client = CLIENT.take().unwrap();
        client.close();
        CALLED.set(Some(client.variation("dark", true)));
        Ok(Self)
    }
}

#[test]
async fn reading_may_call_the_client() {
    let service = Service::start(FLAGS).await;
    let client = client(&service);
    client.ready().await.unwrap();
    CLIENT.set(Some(client.clone()));
    let _ = client.variation_as("banner", Reentrant);
    assert_eq!(CALLED.get(), Some(true), "the default of a closed client");
}

#[test]
async fn hands_values_to_javascript() {
    let service = Service::start(FLAGS).await;
    let client = client(&service);
    client.ready().await.unwrap();
    let banner = client.variation_js("banner", &JsValue::NULL);
    let text = js_sys::Reflect::get(&banner, &"text".into()).unwrap();
    assert_eq!(text.as_string().as_deref(), Some("Sale"));
    assert_eq!(
        client.variation_js("size", &JsValue::NULL).as_f64(),
        Some(10.0)
    );
    assert!(client.variation_js("missing", &JsValue::NULL).is_null());
}

#[test]
async fn lists_what_there_is() {
    let service = Service::start(FLAGS).await;
    let client = live(&service).await;
    let flags: Vec<_> = client
        .evaluations()
        .into_iter()
        .map(|one| one.flag)
        .collect();
    assert_eq!(flags, ["banner", "dark", "gold", "ratio", "size", "theme"]);
    assert_eq!(client.flags()["ratio"], json!(0.5));
}

#[test]
async fn rules_see_the_attributes_of_the_target() {
    #[derive(serde::Serialize)]
    struct Account {
        plan: &'static str,
    }
    let service = Service::start(FLAGS).await;
    let target = Target::new("maya").name("Maya").attribute("seats", 12);
    let target = target.attributes(&Account { plan: "gold" }).unwrap();
    let client = Client::new(KEY, target, Options::at(&service.url)).unwrap();
    client.ready().await.unwrap();
    assert!(client.variation("gold", false));
    let sent = &service.requests("/client/auth", 1).await[0]["body"]["target"];
    let attributes = json!({ "plan": "gold", "seats": 12 });
    assert_eq!(
        *sent,
        json!({ "identifier": "maya", "name": "Maya", "attributes": attributes })
    );
}

#[test]
fn mistakes_are_said_at_once() {
    let options = || Options::at("http://127.0.0.1:9");
    let code = |result: Result<Client, Error>| result.unwrap_err().code();
    assert_eq!(
        code(Client::new("", Target::new("ada"), options())),
        "missing-key"
    );
    assert_eq!(
        code(Client::new(KEY, Target::new(""), options())),
        "missing-target"
    );
    let wrong = Target::new("ada").attributes(&"gold").unwrap_err();
    assert_eq!(wrong.code(), "invalid-target");
    assert!(
        wrong.to_string().contains("must be a struct or a map"),
        "{wrong}"
    );
    let Err(wrong) = options().bootstrap_from(&JsValue::from(7)) else {
        panic!("7 is no list");
    };
    assert_eq!(wrong.code(), "evaluations");
}

#[test]
async fn starts_with_what_the_page_brought() {
    let service = Service::start(FLAGS).await;
    let page =
        "[{\"flag\":\"theme\",\"identifier\":\"ocean\",\"value\":\"ocean\",\"kind\":\"string\"}]";
    let page = js_sys::JSON::parse(page).unwrap();
    let client = client_with(&service, |options| {
        *options = options.clone().bootstrap_from(&page).unwrap();
    });
    assert_eq!(client.variation("theme", "none"), "ocean");
    assert_eq!(client.state().status, flagwire::Status::Cached);
    client.ready().await.unwrap();
    assert_eq!(client.variation("theme", "none"), "classic");
}

#[test]
async fn takes_evaluations_from_elsewhere_until_the_server_says_otherwise() {
    let service = Service::start(FLAGS).await;
    let client = live(&service).await;
    client.set_evaluations(vec![Evaluation {
        flag: "theme".into(),
        identifier: "night".into(),
        value: "night".into(),
        kind: "string".into(),
    }]);
    assert_eq!(client.variation("theme", "none"), "night");
    let mut heard = crate::heard::changes_of(&client, "theme");
    client.refresh_evaluations();
    heard
        .until(|change| change.value == Some("classic".into()))
        .await;
}

#[test]
async fn counts_reads_that_gave_a_value() {
    let service = Service::start(FLAGS).await;
    let client = live(&service).await;
    for _ in 0..3 {
        let _ = client.variation("theme", "none");
    }
    let _ = client.variation_as("theme", Theme::Ocean);
    let _ = client.variation("theme", 7);
    let _ = client.variation_as("theme", Banner::default());
    let _ = client.variation("missing", 7);
    client.flush();
    let posted = &service.requests("/metrics/", 1).await[0]["body"]["metricsData"];
    let counters = posted.as_array().unwrap();
    assert_eq!(counters.len(), 1, "{posted}");
    assert_eq!(counters[0]["count"], 4);
}
