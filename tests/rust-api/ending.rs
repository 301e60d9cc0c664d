//! Closing, by hand and by dropping.

use flagwire::{Event, Status, Target};
use serde_json::json;
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::heard::{changes, events};
use crate::service::Service;
use crate::{FLAGS, client, live, with_theme};

#[test]
async fn close_ends_the_stream_posts_counts_and_leaves_defaults() {
    let service = Service::start(FLAGS).await;
    let client = live(&service).await;
    let heard = events(&client);
    let _ = client.variation("theme", "none");
    client.close();
    client.close();
    assert_eq!(client.variation("theme", "none"), "none");
    assert_eq!(client.evaluations(), []);
    assert_eq!(client.state().status, Status::Closed);
    let told = heard.all();
    assert!(
        matches!(&told[..], [Event::Stopped, Event::State(state)] if state.status == Status::Closed),
        "{told:?}"
    );
    service.settled(0).await;
    let posted = &service.requests("/metrics/", 1).await[0];
    assert_eq!(posted["body"]["metricsData"][0]["count"], 1);
    let other = client.identify(Target::new("maya")).unwrap();
    assert_eq!(other.await.unwrap_err().code(), "closed");
}

#[test]
async fn who_waits_hears_that_nothing_will_come() {
    let service = Service::start(FLAGS).await;
    service
        .harm("/client/auth", 9, json!({ "refuse": "hang" }))
        .await;
    let client = client(&service);
    let waiting = client.ready();
    client.close();
    assert_eq!(waiting.await.unwrap_err().code(), "closed");
    assert_eq!(client.ready().await.unwrap_err().code(), "closed");
}

#[test]
async fn the_last_handle_closes_when_dropped() {
    let service = Service::start(FLAGS).await;
    let client = live(&service).await;
    let clone = client.clone();
    let mut heard = changes(&client);
    drop(client);
    service.edit(&with_theme("ocean")).await;
    heard.until(|change| change.flag == "theme").await;
    assert_eq!(clone.variation("theme", "none"), "ocean");
    drop(clone);
    service.settled(0).await;
}

#[test]
async fn dropping_it_early_ends_what_is_under_way() {
    let service = Service::start(FLAGS).await;
    service
        .harm("/client/auth", 1, json!({ "delayMs": 200 }))
        .await;
    let waiting = client(&service).ready();
    assert_eq!(waiting.await.unwrap_err().code(), "closed");
}
