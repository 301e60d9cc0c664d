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
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use flagwire_evaluation::{Snapshot, Target};
use serde_json::{Value, json};

use crate::common::listening::{Listening, listen};

pub const SERVER_KEY: &str = "5e7f0a6c-server";
pub const OTHER_SERVER_KEY: &str = "77aa01d2-server-of-staging";
pub const CLIENT_KEY: &str = "91b4d3aa-client";

/// The last part of each token.
pub const TOKEN_END: &str = "c2lnbmVk";

/// Tokens of the management API: one may read everything, the other nothing.
pub const MANAGEMENT_TOKEN: &str = "pat.account.7c1e44.management";
pub const TOKEN_WITHOUT_RIGHTS: &str = "pat.account.0f0f0f.nothing";

/// The most entries of a page of the management API, whatever is asked for.
const PAGE_SIZE: usize = 30;

/// What the service does once, instead of answering.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// 503, and to be asked again at once.
    Busy,
    /// 429, and to be asked again in three hours.
    BusyForHours,
    /// The first half of the answer.
    Half,
    /// A redirect to another origin.
    Elsewhere,
    /// A page that lacks an entry, though the reply counts it.
    OneMissing,
}

/// Flags and groups.
type Lists = (Vec<Value>, Vec<Value>);
type Faults = HashMap<&'static str, VecDeque<Fault>>;

/// What the management API lists.
#[derive(Default)]
pub struct Managed {
    pub features: Vec<Value>,
    pub segments: Vec<Value>,
    pub targets: Vec<Value>,
}

struct Inner {
    environments: Mutex<HashMap<&'static str, Lists>>,
    managed: Mutex<Managed>,
    /// The flag that clients are served another value of than the rules say.
    misread: Mutex<Option<&'static str>>,
    /// The targets that clients have signed in.
    signed_in: Mutex<Vec<String>>,
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
            managed: Mutex::default(),
            misread: Mutex::default(),
            signed_in: Mutex::default(),
        });
        let app = Router::new()
            .route("/api/1.0/client/auth", post(sign_in))
            .route("/api/1.0/client/env/{environment}/{list}", get(list))
            .route(
                "/api/1.0/client/env/{environment}/target/{target}/evaluations",
                get(evaluations),
            )
            .route("/cf/admin/{list}", get(management))
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

    /// The address of the management API.
    pub fn management(&self) -> &str {
        self.url.trim_end_matches("/api/1.0")
    }

    pub fn manage(&self, managed: Managed) {
        *self.inner.managed.lock().unwrap() = managed;
    }

    /// Clients are served another value of this flag than its rules say.
    pub fn misread(&self, flag: &'static str) {
        *self.inner.misread.lock().unwrap() = Some(flag);
    }

    /// The identifiers of the targets that clients have signed in.
    pub fn signed_in(&self) -> Vec<String> {
        self.inner.signed_in.lock().unwrap().clone()
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
        Some(Fault::Elsewhere) => {
            let response = Response::builder()
                .status(StatusCode::FOUND)
                .header("location", "http://elsewhere.example/");
            return response.body(Body::empty()).unwrap();
        }
        // Only pages count their entries.
        Some(Fault::OneMissing) => (StatusCode::OK, None, text),
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
    if let Some(target) = body["target"]["identifier"].as_str() {
        inner.signed_in.lock().unwrap().push(target.to_owned());
    }
    let claims = json!({
        "environment": format!("uuid-of-{environment}"), "environmentIdentifier": environment, "project": "p",
        "accountID": "account", "organization": "o", "organizationIdentifier": "default", "projectIdentifier": "shop", "clusterIdentifier": "2", "key_type": kind,
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

/// What a client is served for its target.
async fn evaluations(
    State(inner): State<Arc<Inner>>,
    Path((environment, target)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response<Body> {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let given = header("harness-target").unwrap_or_default();
    let given: Target = serde_json::from_slice(&STANDARD.decode(given).unwrap()).unwrap();
    assert_eq!(given.identifier, target);
    assert!(
        header("authorization")
            .unwrap_or_default()
            .ends_with(TOKEN_END)
    );
    let environments = inner.environments.lock().unwrap();
    let name = environment.strip_prefix("uuid-of-").unwrap_or_default();
    let (flags, groups) = environments.get(name).cloned().unwrap_or_default();
    drop(environments);
    let read = |list: Vec<Value>| serde_json::from_value(Value::Array(list));
    let snapshot = Snapshot::compile(
        read(flags).unwrap(),
        serde_json::from_value(Value::Array(groups)).unwrap(),
    );
    let mut served = snapshot.evaluate_all(Some(&given));
    let misread = *inner.misread.lock().unwrap();
    for evaluation in &mut served {
        if Some(evaluation.flag.as_str()) == misread {
            evaluation.value = "another".to_owned();
        }
    }
    answer(&json!(served), fault(&inner, "evaluations"))
}

/// A page of a list of the management API.
async fn management(
    State(inner): State<Arc<Inner>>,
    Path(list): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response<Body> {
    let token = headers
        .get("x-api-key")
        .and_then(|value| value.to_str().ok());
    let token = token.unwrap_or_default();
    // Some services repeat in a message what they were given.
    let refused = |status: StatusCode, message: &str| {
        let body = json!({ "code": status.as_str(), "message": message }).to_string();
        let response = Response::builder().status(status);
        response.body(Body::from(body)).unwrap()
    };
    match token {
        MANAGEMENT_TOKEN => {}
        TOKEN_WITHOUT_RIGHTS => {
            return refused(
                StatusCode::FORBIDDEN,
                "missing permission ff_featureflag_view",
            );
        }
        other => return refused(StatusCode::UNAUTHORIZED, &format!("no such token: {other}")),
    }
    let value = |name: &str| query.get(name).map_or("", String::as_str);
    let scope = ["accountIdentifier", "orgIdentifier", "projectIdentifier"].map(value);
    if scope != ["account", "default", "shop"] || value("environmentIdentifier") != "production" {
        return refused(StatusCode::NOT_FOUND, "no such project");
    }
    let page: usize = value("pageNumber").parse().unwrap();
    let size = value("pageSize").parse::<usize>().unwrap().min(PAGE_SIZE);
    let managed = inner.managed.lock().unwrap();
    let (key, all, what) = match list.as_str() {
        "features" => {
            let archived = value("archived") == "true";
            let of = managed.features.iter();
            let of = of.filter(|flag| flag["archived"].as_bool().unwrap_or_default() == archived);
            let what = if archived { "archived" } else { "features" };
            ("features", of.cloned().collect(), what)
        }
        "segments" => ("segments", managed.segments.clone(), "segments"),
        "targets" => ("targets", managed.targets.clone(), "targets"),
        _ => return refused(StatusCode::NOT_FOUND, "no such list"),
    };
    drop(managed);
    let all: Vec<Value> = all;
    let fault = fault(&inner, what);
    let mut entries: Vec<Value> = all.iter().skip(page * size).take(size).cloned().collect();
    if matches!(fault, Some(Fault::OneMissing)) {
        entries.pop();
    }
    let body = json!({
        "itemCount": all.len(), "pageCount": all.len().div_ceil(size), "pageIndex": page, "pageSize": size, key: entries,
    });
    answer(&body, fault)
}
