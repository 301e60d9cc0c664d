//! A flagwire-server of a test's own, with a proxy in front of it, by way of `control.mjs`.

use gloo_net::http::Request;
use serde_json::{Value, json};

/// The key that the server accepts when it was given none.
pub(crate) const KEY: &str = "flagwire-dev-client-key";

/// A server for one test.
pub(crate) struct Service {
    id: Value,
    pub(crate) url: String,
}

impl Service {
    /// Starts a server of these flags.
    pub(crate) async fn start(flags: &str) -> Self {
        let started = ask("start", json!({ "flags": flags })).await;
        Self {
            id: started["id"].clone(),
            url: started["url"].as_str().unwrap().into(),
        }
    }

    /// Saves other flags, and waits until the server serves them.
    pub(crate) async fn edit(&self, flags: &str) {
        self.ask("edit", json!({ "flags": flags })).await;
    }

    /// Waits until so many streams are open, and what was missed before they were has been fetched.
    pub(crate) async fn settled(&self, streams: u32) {
        self.ask("settled", json!({ "streams": streams })).await;
    }

    /// Cuts all connections.
    pub(crate) async fn cut(&self) {
        self.ask("cut", json!({})).await;
    }

    /// Lets the next requests to a path suffer so many times.
    pub(crate) async fn harm(&self, path: &str, times: u32, fault: Value) {
        let harm = json!({ "path": path, "times": times, "fault": fault });
        self.ask("harm", harm).await;
    }

    /// Waits until so many requests to a path were answered by the server.
    pub(crate) async fn requests(&self, path: &str, count: usize) -> Vec<Value> {
        let found = self.ask("requests", json!({ "path": path, "count": count }));
        found.await.as_array().unwrap().clone()
    }

    async fn ask(&self, what: &str, mut detail: Value) -> Value {
        detail["id"] = self.id.clone();
        ask(what, detail).await
    }
}

async fn ask(what: &str, detail: Value) -> Value {
    let request = Request::post(&format!("http://control.test/{what}")).body(detail.to_string());
    let reply = request.unwrap().send().await.unwrap();
    let text = reply.text().await.unwrap();
    assert!(reply.ok(), "{what}: {text}");
    serde_json::from_str(&text).unwrap()
}
