//! Values that are kept from one visit to the next.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use flagwire::{Cache, CacheStorage, Client, DeriveKey, Event, Options, Status, Target};
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::heard::events;
use crate::service::{KEY, Service};
use crate::{FLAGS, client_with};

/// A place in memory.
#[derive(Default)]
struct Memory(RefCell<BTreeMap<String, String>>);

impl CacheStorage for Memory {
    fn get(&self, key: &str) -> Result<Option<String>, String> {
        Ok(self.0.borrow().get(key).cloned())
    }

    fn set(&self, key: &str, text: &str) -> Result<(), String> {
        self.0.borrow_mut().insert(key.into(), text.into());
        Ok(())
    }

    fn remove(&self, key: &str) -> Result<(), String> {
        self.0.borrow_mut().remove(key);
        Ok(())
    }
}

/// A place that nobody may use.
struct Forbidden;

impl CacheStorage for Forbidden {
    fn get(&self, _: &str) -> Result<Option<String>, String> {
        Err("no entry".into())
    }

    fn set(&self, _: &str, _: &str) -> Result<(), String> {
        Err("no entry".into())
    }

    fn remove(&self, _: &str) -> Result<(), String> {
        Err("no entry".into())
    }
}

fn local() -> web_sys::Storage {
    web_sys::window().unwrap().local_storage().unwrap().unwrap()
}

/// What `pkg-template/src/cache.ts` makes of a server at port 1, the development key and the target `ada`.
const PLACE: &str = "flagwire-12feff1a2b8f58e8";

#[test]
async fn the_next_visit_starts_with_the_values_of_the_last() {
    local().clear().unwrap();
    let service = Service::start(FLAGS).await;
    let cached = || client_with(&service, |options| options.cache = Some(Cache::default()));
    let first = cached();
    first.ready().await.unwrap();
    first.flush();
    first.close();
    let second = cached();
    assert_eq!(second.state().status, Status::Cached);
    assert_eq!(second.variation("theme", "none"), "classic");
    second.ready().await.unwrap();
    assert_eq!(second.state().status, Status::Ready);
}

#[test]
fn values_that_the_npm_package_left_are_found() {
    let kept = r#"[{"flag":"dark","identifier":"on","value":"true","kind":"boolean"}]"#;
    let memory = Memory::default();
    memory.set(PLACE, kept).unwrap();
    let options = Options {
        cache: Some(Cache {
            storage: Some(Rc::new(memory)),
            ..Cache::default()
        }),
        ..Options::at("http://127.0.0.1:1/")
    };
    let client = Client::new(KEY, Target::new("ada"), options).unwrap();
    assert_eq!(client.state().status, Status::Cached);
    assert!(client.variation("dark", false));
}

#[test]
async fn values_of_one_server_are_not_served_for_another() {
    let memory = Rc::new(Memory::default());
    let at = |service: &Service| {
        let storage: Rc<dyn CacheStorage> = memory.clone();
        client_with(service, |options| {
            options.cache = Some(Cache {
                storage: Some(storage),
                ..Cache::default()
            });
        })
    };
    let one = Service::start(FLAGS).await;
    let first = at(&one);
    first.ready().await.unwrap();
    first.close();
    assert_eq!(at(&one).state().status, Status::Cached);
    let other = Service::start(FLAGS).await;
    assert_eq!(at(&other).state().status, Status::Initializing);
}

#[test]
async fn what_is_too_old_is_thrown_away() {
    let service = Service::start(FLAGS).await;
    let memory = Rc::new(Memory::default());
    let with_ttl = |ttl| {
        let storage: Rc<dyn CacheStorage> = memory.clone();
        client_with(&service, |options| {
            options.cache = Some(Cache {
                ttl: Some(ttl),
                storage: Some(storage),
                ..Cache::default()
            });
        })
    };
    let first = with_ttl(1e9);
    first.ready().await.unwrap();
    first.close();
    assert_eq!(with_ttl(1e9).state().status, Status::Cached);
    assert_eq!(with_ttl(-1.0).state().status, Status::Initializing);
    assert_eq!(memory.0.borrow().len(), 0);
}

#[test]
async fn targets_of_other_attributes_may_have_places_of_their_own() {
    let service = Service::start(FLAGS).await;
    let memory = Rc::new(Memory::default());
    for plan in ["free", "gold"] {
        let storage: Rc<dyn CacheStorage> = memory.clone();
        let client = client_with(&service, |options| {
            options.cache = Some(Cache {
                storage: Some(storage),
                derive_key_from_target_attributes: DeriveKey::Named(vec!["plan".into()]),
                ..Cache::default()
            });
        });
        let target = Target::new("ada").attribute("plan", plan);
        client.identify(target).unwrap().await.unwrap();
        client.close();
    }
    // Two texts and when they were written.
    assert_eq!(memory.0.borrow().len(), 4);
}

#[test]
async fn a_storage_that_fails_is_told_and_changes_nothing_else() {
    let service = Service::start(FLAGS).await;
    let client = client_with(&service, |options| {
        options.cache = Some(Cache {
            storage: Some(Rc::new(Forbidden)),
            ..Cache::default()
        });
    });
    let mut heard = events(&client);
    let told = heard.until(|event| matches!(event, Event::Error(_))).await;
    let Event::Error(error) = told else {
        unreachable!()
    };
    assert_eq!(error.code(), "cache");
    client.ready().await.unwrap();
    assert_eq!(client.variation("size", 0), 10);
}
