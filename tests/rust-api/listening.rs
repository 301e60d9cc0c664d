//! Live changes, and who hears of them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use flagwire::{Event, Reason, Status, Subscription, Target, Transport};
use serde_json::json;
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::heard::{changes, changes_of, events, states};
use crate::service::Service;
use crate::{FLAGS, client, client_with, live, with_theme};

#[test]
async fn a_change_calls_its_listeners_once() {
    let service = Service::start(FLAGS).await;
    let client = live(&service).await;
    let (mut theme, all) = (changes_of(&client, "theme"), changes(&client));
    let dark = changes_of(&client, "dark");
    service.edit(&with_theme("ocean")).await;
    let change = theme.until(|_| true).await;
    assert_eq!(change.value, Some(json!("ocean")));
    assert_eq!(change.value_as::<String>().as_deref(), Some("ocean"));
    assert_eq!(change.variation.as_deref(), Some("ocean"));
    assert_eq!(client.variation("theme", "none"), "ocean");
    // A second change, so that anything superfluous of the first has had its time.
    service.edit(FLAGS).await;
    theme.until(|_| true).await;
    assert_eq!(theme.all().len(), 2);
    assert_eq!(all.all(), theme.all());
    assert_eq!(dark.all().len(), 0);
}

#[test]
async fn the_first_fetch_is_a_change_of_each_flag() {
    let service = Service::start(FLAGS).await;
    let client = client(&service);
    let all = changes(&client);
    client.ready().await.unwrap();
    assert_eq!(all.all().len(), 6);
}

#[test]
async fn a_flag_that_goes_is_told_without_a_value() {
    let service = Service::start(FLAGS).await;
    let client = live(&service).await;
    let mut size = changes_of(&client, "size");
    service.edit(&FLAGS.replace("  size: 10\n", "")).await;
    let change = size.until(|_| true).await;
    assert_eq!((change.value, change.variation), (None, None));
    assert_eq!(client.variation("size", 7), 7);
}

#[test]
async fn a_dropped_subscription_hears_no_more() {
    let service = Service::start(FLAGS).await;
    let client = live(&service).await;
    let (mut gone, mut stays) = (changes_of(&client, "theme"), changes_of(&client, "theme"));
    service.edit(&with_theme("ocean")).await;
    stays.until(|_| true).await;
    gone.unsubscribe();
    service.edit(FLAGS).await;
    stays.until(|_| true).await;
    assert_eq!((gone.all().len(), stays.all().len()), (1, 2));
}

#[test]
async fn a_listener_may_drop_another_that_is_then_not_called() {
    let service = Service::start(FLAGS).await;
    let client = live(&service).await;
    let other: Rc<RefCell<Option<Subscription>>> = Rc::default();
    let theirs = Rc::clone(&other);
    let _first = client.on_flag("theme", move |_| drop(theirs.take()));
    let called = Rc::new(Cell::new(0));
    let count = Rc::clone(&called);
    other.replace(Some(
        client.on_flag("theme", move |_| count.set(count.get() + 1)),
    ));
    let mut last = changes_of(&client, "theme");
    service.edit(&with_theme("ocean")).await;
    last.until(|_| true).await;
    assert_eq!(called.get(), 0);
}

#[test]
async fn a_listener_may_drop_itself_with_all_that_it_holds() {
    let service = Service::start(FLAGS).await;
    let client = live(&service).await;
    let own: Rc<RefCell<Option<Subscription>>> = Rc::default();
    let (mine, nested) = (Rc::clone(&own), client.on_change(|_| {}));
    let nested = RefCell::new(Some(nested));
    own.replace(Some(client.on_flag("theme", move |_| {
        drop(nested.take());
        drop(mine.take());
    })));
    let mut last = changes_of(&client, "theme");
    service.edit(&with_theme("ocean")).await;
    last.until(|_| true).await;
    assert!(own.borrow().is_none());
}

#[test]
async fn a_listener_may_read_identify_and_close() {
    let service = Service::start(FLAGS).await;
    let client = live(&service).await;
    let read = Rc::new(RefCell::new(Vec::new()));
    let (seen, theirs) = (Rc::clone(&read), client.clone());
    client
        .on_flag("theme", move |_| {
            seen.borrow_mut().push(theirs.variation("theme", "none"));
            let _ = theirs.identify(Target::new("maya")).unwrap();
            theirs.close();
            seen.borrow_mut().push(theirs.variation("theme", "closed"));
        })
        .forget();
    service.edit(&with_theme("ocean")).await;
    service.settled(0).await;
    assert_eq!(*read.borrow(), ["ocean", "closed"]);
    assert_eq!(client.state().status, Status::Closed);
}

#[test]
async fn events_say_what_is_going_on() {
    let service = Service::start(FLAGS).await;
    let client = client(&service);
    let mut heard = events(&client);
    assert_eq!(client.state().status, Status::Initializing);
    heard.until(|event| *event == Event::Connected).await;
    client.ready().await.unwrap();
    let all = heard.all();
    for event in [Event::Ready, Event::FlagsLoaded] {
        assert!(all.contains(&event), "{all:?}");
    }
    let ready = all.iter().find_map(|event| match event {
        Event::State(state) => Some(*state),
        _ => None,
    });
    let ready = ready.unwrap();
    assert_eq!((ready.status, ready.reason), (Status::Ready, None));
    assert_eq!(client.state(), ready);
}

#[test]
async fn a_lost_stream_is_told_opened_again_and_nothing_missed() {
    let service = Service::start(FLAGS).await;
    let client = live(&service).await;
    let mut heard = states(&client);
    service
        .harm("/stream", 1, json!({ "answer": { "status": 503 } }))
        .await;
    service.cut().await;
    let lost = heard.until(|state| state.status == Status::Stale).await;
    assert_eq!(lost.reason, Some(Reason::Stream));
    assert_eq!(client.variation("theme", "none"), "classic");
    service.edit(&with_theme("ocean")).await;
    heard.until(|state| state.status == Status::Ready).await;
    assert_eq!(client.variation("theme", "none"), "ocean");
}

#[test]
async fn streams_by_fetch_and_by_the_browsers_own() {
    for (transport, has_key) in [(Transport::Fetch, true), (Transport::EventSource, false)] {
        let service = Service::start(FLAGS).await;
        let client = client_with(&service, |options| options.stream_transport = transport);
        client.ready().await.unwrap();
        service.settled(1).await;
        let stream = &service.requests("/stream", 1).await[0];
        assert_eq!(
            stream["headers"]["api-key"].is_string(),
            has_key,
            "{stream}"
        );
        let mut theme = changes_of(&client, "theme");
        service.edit(&with_theme("ocean")).await;
        theme
            .until(|change| change.value == Some("ocean".into()))
            .await;
        client.close();
        service.settled(0).await;
    }
}

#[test]
async fn switches_to_another_target() {
    let service = Service::start(FLAGS).await;
    let client = live(&service).await;
    let all = changes(&client);
    assert!(!client.variation("gold", true));
    let maya = Target::new("maya").attribute("plan", "gold");
    let switched = client.identify(maya).unwrap();
    assert_eq!(client.state().reason, Some(Reason::Target));
    assert_eq!(
        client.variation("theme", "none"),
        "classic",
        "until the new ones are there"
    );
    switched.await.unwrap();
    assert!(client.variation("gold", false));
    let changed: Vec<_> = all.all().into_iter().map(|change| change.flag).collect();
    assert_eq!(changed, ["gold"], "real differences alone");
    let error = client.identify(Target::new("")).unwrap_err();
    assert_eq!(error.code(), "missing-target");
}

#[test]
async fn clients_of_one_target_share_a_stream() {
    let service = Service::start(FLAGS).await;
    let share = || client_with(&service, |options| options.share_stream = true);
    let first = share();
    first.ready().await.unwrap();
    service.settled(1).await;
    let second = share();
    let mut connected = events(&second);
    connected.until(|event| *event == Event::Connected).await;
    let mut themes = [changes_of(&first, "theme"), changes_of(&second, "theme")];
    service.edit(&with_theme("ocean")).await;
    for theme in &mut themes {
        theme
            .until(|change| change.value == Some("ocean".into()))
            .await;
    }
    assert_eq!(service.requests("/stream", 1).await.len(), 1);
    // The second takes over.
    first.close();
    service.requests("/stream", 2).await;
    service.settled(1).await;
    service.edit(FLAGS).await;
    let [_, theme] = &mut themes;
    theme
        .until(|change| change.value == Some("classic".into()))
        .await;
}
