//! A service that refuses, fails or is silent.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use flagwire::{Client, Error, Evaluation, Event, Level, Options, Reason, Request, Status, Target};
use serde_json::json;
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::heard::{Heard, events};
use crate::service::{KEY, Service};
use crate::{FLAGS, client, client_with};

fn errors_of(heard: &Heard<Event>) -> Vec<Error> {
    let error = |event| match event {
        Event::Error(error) => Some(error),
        _ => None,
    };
    heard.all().into_iter().filter_map(error).collect()
}

#[test]
async fn a_refused_key_is_said_once_and_ends_the_waiting() {
    let service = Service::start(FLAGS).await;
    let logged = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&logged);
    let options = Options {
        logger: Some(Rc::new(move |level, text: &str| {
            log.borrow_mut().push((level, text.to_owned()));
        })),
        ..Options::at(&service.url)
    };
    let client = Client::new("wrong", Target::new("ada"), options).unwrap();
    let heard = events(&client);
    let error = client.ready().await.unwrap_err();
    assert_eq!((error.code(), error.status()), ("unauthorized", Some(401)));
    assert!(error.is_final());
    assert_eq!(errors_of(&heard), [error.clone()]);
    let logged = logged.take();
    assert_eq!(logged.len(), 1, "{logged:?}");
    assert_eq!(logged[0], (Level::Error, error.to_string()));
    assert_eq!(client.ready().await.unwrap_err(), error);
}

#[test]
async fn a_server_that_cannot_be_reached_is_warned_of_once_with_its_address() {
    let logged = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&logged);
    let options = Options {
        logger: Some(Rc::new(move |level, text: &str| {
            log.borrow_mut().push((level, text.to_owned()));
        })),
        ..Options::at("http://127.0.0.1:1")
    };
    let client = Client::new(KEY, Target::new("ada"), options).unwrap();
    for _ in 0..2 {
        let mut heard = events(&client);
        let unreachable = |event: &Event| matches!(event, Event::State(state) if state.reason == Some(Reason::Unreachable));
        heard.until(unreachable).await;
        drop(client.identify(Target::new("grace")).unwrap());
    }
    assert_eq!(client.state().status, Status::Initializing);
    let logged = logged.take();
    assert_eq!(logged.len(), 1, "{logged:?}");
    let (level, text) = &logged[0];
    assert_eq!(*level, Level::Warning);
    assert!(
        text.contains("http://127.0.0.1:1") && text.contains("CORS"),
        "{text}"
    );
}

#[test]
async fn reads_that_give_the_default_are_explained_in_debug_once_for_each_cause() {
    let service = Service::start(FLAGS).await;
    let logged = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&logged);
    let client = client_with(&service, |options| {
        options.debug = true;
        options.logger = Some(Rc::new(move |level, text: &str| {
            if level == Level::Warning {
                log.borrow_mut().push(text.to_owned());
            }
        }));
    });
    let read = || {
        let _ = client.variation("thmee", "none");
        let _ = client.variation("nothing-like-it", false);
        let _ = client.variation("theme", 7);
        let _ = client.variation_as("size", Vec::<String>::new());
        let _ = client.variation("theme", "none");
        let _ = client.variation("broken", 1);
    };
    read();
    assert_eq!(
        *logged.borrow(),
        Vec::<String>::new(),
        "there is no flag yet"
    );
    client.ready().await.unwrap();
    client.set_evaluations(vec![Evaluation {
        flag: "broken".into(),
        identifier: "x".into(),
        value: "12px".into(),
        kind: "int".into(),
    }]);
    read();
    read();
    let said: Vec<String> = logged.take();
    let said: Vec<&str> = said
        .iter()
        .filter_map(|text| text.split(". See ").next())
        .collect();
    assert_eq!(
        said,
        [
            "Flagwire: there is no flag thmee; its default was returned. Do you mean theme?",
            "Flagwire: there is no flag nothing-like-it; its default was returned",
            "Flagwire: the flag theme is a text and was read as another type; its default was returned",
            "Flagwire: the flag size is a number and was read as another type; its default was returned",
            "Flagwire: the flag broken is of kind int, and its value \"12px\" is none; its default was returned",
        ]
    );
}

#[test]
async fn trouble_that_passes_is_waited_for() {
    let service = Service::start(FLAGS).await;
    service
        .harm("/client/auth", 2, json!({ "answer": { "status": 503 } }))
        .await;
    let client = client(&service);
    let heard = events(&client);
    client.ready().await.unwrap();
    let errors = errors_of(&heard);
    let error = errors.first().unwrap();
    assert_eq!((error.code(), error.status()), ("server", Some(503)));
    assert!(!error.is_final());
}

#[test]
async fn waiting_may_be_limited() {
    let service = Service::start(FLAGS).await;
    service
        .harm("/client/auth", 1, json!({ "refuse": "hang" }))
        .await;
    let client = client_with(&service, |options| options.auth_request_read_timeout = 50);
    assert_eq!(client.ready_within(1).await.unwrap_err().code(), "timeout");
    client.ready_within(600_000).await.unwrap();
}

#[test]
async fn a_reply_that_is_cut_is_asked_for_again() {
    let service = Service::start(FLAGS).await;
    service
        .harm("/evaluations", 1, json!({ "cutAfter": 30 }))
        .await;
    let client = client(&service);
    client.ready().await.unwrap();
    assert_eq!(client.variation("size", 0), 10);
}

#[test]
async fn middleware_sees_every_request() {
    let service = Service::start(FLAGS).await;
    let seen = Rc::new(Cell::new(0));
    let count = Rc::clone(&seen);
    let base = service.url.clone();
    let client = client_with(&service, |options| {
        options.middleware = Some(Rc::new(move |request: &mut Request| {
            count.set(count.get() + 1);
            request.url = request.url.replacen(&base, &format!("{base}/api/1.0"), 1);
        }));
    });
    client.ready().await.unwrap();
    service.settled(1).await;
    let all = service.requests("/", 4).await;
    assert_eq!(seen.get(), all.len(), "{all:?}");
    for request in &all {
        let path = request["path"].as_str().unwrap();
        assert!(path.starts_with("/api/1.0/"), "{path}");
    }
    // A native stream would go past it.
    let stream = &service.requests("/stream", 1).await[0];
    assert_eq!(stream["headers"]["api-key"], KEY);
}
