//! A stand-in for the old service: the endpoints for back ends as they are described and as its SDKs use them.

#![allow(dead_code, unreachable_pub, reason = "a module of a test")]

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::common::listening::{Listening, listen};

pub const SERVER_KEY: &str = "5e7f0a6c-server";
pub const OTHER_SERVER_KEY: &str = "77aa01d2-server-of-staging";
pub const CLIENT_KEY: &str = "91b4d3aa-client";

/// The last part of each token.
pub const TOKEN_END: &str = "c2lnbmVk";

/// What the service does once, instead of answering.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// 503, and to be asked again at once.
    Busy,
    /// 429, and to be asked again in three hours.
    BusyForHours,
    /// The first half of the answer.
    Half,
}

/// Flags and groups.
type Lists = (Vec<Value>, Vec<Value>);
type Faults = HashMap<&'static str, VecDeque<Fault>>;

struct Inner {
    environments: Mutex<HashMap<&'static str, Lists>>,
    faults: Mutex<Faults>,
}

pub struct StandIn {
    pub url: String,
    inner: Arc<Inner>,
    _listening: Listening,
}

impl StandIn {
    pub async fn start(flags: Vec<Value>, groups: Vec<Value>) -> Self {
        let inner = Arc::new(Inner {
            environments: Mutex::new(HashMap::from([("production", (flags, groups))])),
            faults: Mutex::default(),
        });
        let app = Router::new()
            .route("/api/1.0/client/auth", post(sign_in))
            .route("/api/1.0/client/env/{environment}/{list}", get(list))
            .with_state(Arc::clone(&inner));
        let listening = listen(app).await;
        let url = format!("http://{}/api/1.0", listening.address);
        Self {
            url,
            inner,
            _listening: listening,
        }
    }

    /// The next request for `what` meets this.
    pub fn fail(&self, what: &'static str, fault: Fault) {
        let mut faults = self.inner.faults.lock().unwrap();
        faults.entry(what).or_default().push_back(fault);
    }

    pub fn second_environment(&self, flags: Vec<Value>) {
        let mut environments = self.inner.environments.lock().unwrap();
        environments.insert("staging", (flags, Vec::new()));
    }
}

fn fault(inner: &Inner, what: &str) -> Option<Fault> {
    inner.faults.lock().unwrap().get_mut(what)?.pop_front()
}

fn answer(value: &Value, fault: Option<Fault>) -> Response<Body> {
    let text = value.to_string();
    let (status, retry_after, body) = match fault {
        None => (StatusCode::OK, None, text),
        Some(Fault::Half) => (StatusCode::OK, None, text[..text.len() / 2].to_owned()),
        Some(Fault::Busy) => (StatusCode::SERVICE_UNAVAILABLE, Some("0"), String::new()),
        Some(Fault::BusyForHours) => (StatusCode::TOO_MANY_REQUESTS, Some("10800"), String::new()),
    };
    let mut response = Response::builder()
        .status(status)
        .header("content-type", "application/json");
    if let Some(seconds) = retry_after {
        response = response.header("retry-after", seconds);
    }
    response.body(body.into()).unwrap()
}

async fn sign_in(State(inner): State<Arc<Inner>>, Json(body): Json<Value>) -> Response<Body> {
    let (environment, kind) = match body["apiKey"].as_str() {
        Some(SERVER_KEY) => ("production", "Server"),
        Some(OTHER_SERVER_KEY) => ("staging", "Server"),
        Some(CLIENT_KEY) => ("production", "Client"),
        _ => {
            let body = json!({ "code": "401", "message": "key not found" }).to_string();
            let response = Response::builder().status(StatusCode::UNAUTHORIZED);
            return response.body(body.into()).unwrap();
        }
    };
    let claims = json!({
        "environment": format!("uuid-of-{environment}"), "environmentIdentifier": environment, "project": "p",
        "accountID": "account", "organization": "o", "clusterIdentifier": "2", "key_type": kind,
    });
    let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = encode(json!({ "alg": "HS256", "typ": "JWT" }));
    let token = format!("{header}.{}.{TOKEN_END}", encode(claims));
    answer(&json!({ "authToken": token }), fault(&inner, "auth"))
}

async fn list(
    State(inner): State<Arc<Inner>>,
    Path((environment, list)): Path<(String, String)>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response<Body> {
    let bearer = headers
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default();
    let refused = |status| {
        Response::builder()
            .status(status)
            .body(Body::empty())
            .unwrap()
    };
    if !bearer.ends_with(TOKEN_END) || query.get("cluster").map(String::as_str) != Some("2") {
        return refused(StatusCode::UNAUTHORIZED);
    }
    let environments = inner.environments.lock().unwrap();
    let name = environment.strip_prefix("uuid-of-").unwrap_or_default();
    let (flags, groups) = environments.get(name).cloned().unwrap_or_default();
    drop(environments);
    let value = match list.as_str() {
        "feature-configs" => json!(flags),
        // Asked without `rules=v2`, it leaves the serving rules out.
        "target-segments" if query.get("rules").map(String::as_str) == Some("v2") => json!(groups),
        "target-segments" => {
            let mut groups = groups;
            for group in &mut groups {
                group.as_object_mut().unwrap().remove("servingRules");
            }
            json!(groups)
        }
        _ => return refused(StatusCode::NOT_FOUND),
    };
    answer(&value, fault(&inner, &list))
}
