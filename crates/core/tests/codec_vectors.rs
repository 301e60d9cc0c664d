//! The rules of the wire, `vectors/codec.json`, against [`SerdeCodec`].

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use flagwire_core::protocol::{Change, Domain, Evaluation, Target};
use flagwire_core::{Ask, Codec, Millis, Moment, Parsed, SerdeCodec, Service, retry_after};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const BASE: &str = "https://flags.test/api/1.0";

/// The vectors of one section, of which there must be at least so many.
fn section<T: DeserializeOwned>(name: &str, at_least: usize) -> Vec<T> {
    let mut file: Map<String, Value> =
        serde_json::from_str(include_str!("../vectors/codec.json")).unwrap();
    let list: Vec<T> = serde_json::from_value(file.remove(name).unwrap()).unwrap();
    assert!(list.len() >= at_least, "vectors of {name} are missing");
    list
}

fn codec(target: Target) -> SerdeCodec {
    let service = Service {
        api_key: "key".into(),
        base_url: BASE.into(),
        event_url: BASE.into(),
        sdk_info: "Test 0 Client",
    };
    SerdeCodec::new(service, target, || 0)
}

fn somebody() -> Target {
    Target {
        identifier: "t".into(),
        ..Target::default()
    }
}

fn token(claims: &Value) -> String {
    let payload = URL_SAFE_NO_PAD.encode(claims.to_string());
    ["e30.", &payload, ".sig"].concat()
}

/// An evaluation as the vectors write it: flag, identifier, value, kind.
type Fields = [String; 4];

fn fields(evaluation: &Evaluation) -> Fields {
    let Evaluation {
        flag,
        identifier,
        value,
        kind,
    } = evaluation.clone();
    [flag, identifier, value, kind]
}

fn all_fields(list: &[Evaluation]) -> Vec<Fields> {
    list.iter().map(fields).collect()
}

#[test]
fn sign_in() {
    #[derive(Deserialize)]
    struct Vector {
        name: String,
        token: Option<String>,
        claims: Option<Value>,
        #[serde(default)]
        reply: Value,
        expect: Option<Expected>,
    }
    #[derive(Deserialize)]
    struct Expected {
        environment: String,
        cluster: String,
        environment_identifier: Option<String>,
        account: Option<String>,
        stream: Option<String>,
    }

    for vector in section::<Vector>("sign_in", 25) {
        let mut codec = codec(somebody());
        let token = vector.token.or_else(|| vector.claims.as_ref().map(token));
        let mut reply = vector.reply;
        if let Some(token) = &token {
            if reply.is_null() {
                reply = json!({});
            }
            reply["authToken"] = json!(token);
        }
        let signed_in = codec.sign_in(reply);
        let name = vector.name;
        let Some(expected) = vector.expect else {
            assert_eq!(signed_in, None, "{name}");
            continue;
        };
        let signed_in = signed_in.unwrap_or_else(|| panic!("{name}: cannot be read"));
        assert_eq!(signed_in.offers_native, expected.stream.is_some(), "{name}");
        let request = codec.request(Ask::All(None));
        let Expected {
            environment,
            cluster,
            ..
        } = &expected;
        assert_eq!(
            request.url,
            format!("{BASE}/client/env/{environment}/target/t/evaluations?cluster={cluster}"),
            "{name}"
        );
        let header = |name: &str| {
            let found = request.headers.iter().find(|(header, _)| *header == name);
            found.map(|(_, value)| value.clone())
        };
        let environment_identifier = header("Harness-EnvironmentID");
        assert_eq!(
            environment_identifier, expected.environment_identifier,
            "{name}"
        );
        assert_eq!(header("Harness-AccountID"), expected.account, "{name}");
        let bearer = token.map(|token| format!("Bearer {token}"));
        assert_eq!(header("Authorization"), bearer, "{name}");
        if let Some(stream) = expected.stream {
            assert_eq!(codec.request(Ask::NativeStream).url, stream, "{name}");
        }
    }
}

#[test]
fn lists() {
    #[derive(Deserialize)]
    struct Vector {
        name: String,
        reply: Value,
        expect: Option<Vec<Fields>>,
    }

    for Vector {
        name,
        reply,
        expect,
    } in section("list", 10)
    {
        let mut codec = codec(somebody());
        let held = codec.evaluations(reply, false).map(|list| {
            codec.replace(list, Moment::default());
            codec.evaluations_held().map(fields).collect::<Vec<_>>()
        });
        assert_eq!(held, expect, "{name}");
    }
}

#[test]
fn single_evaluations() {
    #[derive(Deserialize)]
    struct Vector {
        name: String,
        reply: Value,
        expect: Option<Fields>,
    }

    for Vector {
        name,
        reply,
        expect,
    } in section("single", 6)
    {
        let list = codec(somebody()).evaluations(reply, true);
        let list = list.as_deref().map(all_fields);
        assert_eq!(list, expect.map(|one| vec![one]), "{name}");
    }
}

#[test]
fn events() {
    #[derive(Deserialize)]
    struct Vector {
        name: String,
        data: Option<String>,
        data_base64: Option<String>,
        expect: Expected,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(untagged)]
    enum Expected {
        Not(String),
        Read {
            change: Change,
            domain: Domain,
            identifier: String,
            carried: Option<Vec<Fields>>,
        },
    }

    for vector in section::<Vector>("event", 25) {
        let data = match vector.data_base64 {
            Some(data) => STANDARD.decode(data).unwrap(),
            None => vector.data.unwrap().into_bytes(),
        };
        let read = match codec(somebody()).change_event(&data) {
            Parsed::Malformed => Expected::Not("malformed".into()),
            Parsed::Unknown => Expected::Not("unknown".into()),
            Parsed::Change(event) => Expected::Read {
                change: event.change,
                domain: event.domain,
                identifier: event.identifier,
                carried: event.evaluations.as_deref().map(all_fields),
            },
        };
        assert_eq!(read, vector.expect, "{}", vector.name);
    }
}

#[test]
fn what_counts_as_a_change() {
    #[derive(Deserialize)]
    struct Vector {
        name: String,
        kind: [String; 2],
        value: [String; 2],
        identifier: Option<[String; 2]>,
        changed: bool,
    }

    for vector in section::<Vector>("change", 25) {
        let name = vector.name;
        let [from, to] = vector
            .identifier
            .unwrap_or_else(|| ["x".into(), "x".into()]);
        let evaluation = |identifier: String, value: &String, kind: &String| Evaluation {
            flag: "a".into(),
            identifier,
            value: value.clone(),
            kind: kind.clone(),
        };
        let before = evaluation(from, &vector.value[0], &vector.kind[0]);
        let after = evaluation(to, &vector.value[1], &vector.kind[1]);
        let mut codec = codec(somebody());
        assert!(
            codec.merge(vec![before], Moment::default()).is_some(),
            "{name}"
        );
        let changes = codec.merge(vec![after.clone()], Moment::default());
        assert_eq!(changes.is_some(), vector.changed, "{name}");
        if vector.changed {
            assert_eq!(codec.evaluations_held().next(), Some(&after), "{name}");
        }
    }
}

#[test]
fn retry_after_headers() {
    #[derive(Deserialize)]
    struct Vector {
        name: String,
        header: Option<String>,
        /// Every vector with a date has the same.
        now: Option<String>,
        ms: Option<u32>,
    }

    for vector in section::<Vector>("retry_after", 8) {
        // The platform reads dates; what is done with them is common.
        let date = |text: &str| match text {
            "Sat, 28 Nov 2026 12:00:10 GMT" => Some(10_000.0),
            "Sat, 28 Nov 2026 11:00:00 GMT" => Some(-3_600_000.0),
            _ => None,
        };
        assert!(
            vector.now.is_none_or(|now| now == "2026-11-28T12:00:00Z"),
            "the dates of this test are told from that time"
        );
        let read = vector.header.and_then(|header| retry_after(&header, date));
        assert_eq!(read, vector.ms.map(Millis), "{}", vector.name);
    }
}

#[test]
fn requests() {
    #[derive(Deserialize)]
    struct Vector {
        name: String,
        target: Target,
        flag: String,
        path: String,
    }

    for vector in section::<Vector>("request", 2) {
        let mut codec = codec(vector.target);
        codec.sign_in(json!({ "authToken": token(&json!({ "environment": "e-1" })) }));
        let url = codec.request(Ask::Flag(&vector.flag)).url;
        assert_eq!(url, format!("{BASE}{}", vector.path), "{}", vector.name);
    }
}

#[test]
fn target_headers() {
    #[derive(Deserialize)]
    struct Vector {
        name: String,
        target: Target,
        header: String,
    }

    for vector in section::<Vector>("target_header", 3) {
        let mut codec = codec(vector.target);
        codec.sign_in(json!({ "authToken": token(&json!({ "environment": "e-1" })) }));
        let request = codec.request(Ask::All(None));
        let header = ("Harness-Target", vector.header);
        assert!(request.headers.contains(&header), "{}", vector.name);
    }
}
