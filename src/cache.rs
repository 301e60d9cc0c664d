//! The cache, which keeps the values of the last visit. Keys and format are those of the npm package, unless attributes are a part
//! of the key.

use std::collections::BTreeMap;
use std::rc::Rc;

use flagwire_core::protocol::{Evaluation, Target};
use flagwire_core::{Saved, Service, fingerprint};
use wasm_bindgen::{JsCast as _, JsValue};

/// How values are kept from one visit to the next.
#[derive(Clone, Default)]
pub struct Cache {
    /// The milliseconds after which what was kept is thrown away. Default: never.
    pub ttl: Option<f64>,
    /// The storage in which they are kept. Default: local storage, else session storage, else nowhere.
    pub storage: Option<Rc<dyn CacheStorage>>,
    /// Whether values are kept apart for targets with other attributes. Default: no.
    pub derive_key_from_target_attributes: DeriveKey,
}

/// Which attributes of a target have values of their own in the cache.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DeriveKey {
    /// No attributes: all targets of one identifier share their values.
    #[default]
    No,
    /// All attributes count.
    All,
    /// The attributes of these names count.
    Named(Vec<String>),
}

/// A storage of texts by key. Its errors are sentences, which are reported to the application and have no other effect.
pub trait CacheStorage {
    /// Returns the text under `key`; `None` where there is none.
    ///
    /// # Errors
    /// Returns a sentence where the storage cannot be read.
    fn get(&self, key: &str) -> Result<Option<String>, String>;

    /// Keeps `text` under `key`.
    ///
    /// # Errors
    /// Returns a sentence where the storage is full or forbidden.
    fn set(&self, key: &str, text: &str) -> Result<(), String>;

    /// Forgets what is under `key`.
    ///
    /// # Errors
    /// Returns a sentence where the storage is forbidden.
    fn remove(&self, key: &str) -> Result<(), String>;
}

/// Keeps the texts in a storage of the browser. Workers have none, and a page may be forbidden to use it.
impl CacheStorage for web_sys::Storage {
    fn get(&self, key: &str) -> Result<Option<String>, String> {
        self.get_item(key).map_err(sentence)
    }

    fn set(&self, key: &str, text: &str) -> Result<(), String> {
        self.set_item(key, text).map_err(sentence)
    }

    fn remove(&self, key: &str) -> Result<(), String> {
        self.remove_item(key).map_err(sentence)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn sentence(error: JsValue) -> String {
    match error.dyn_ref::<js_sys::Error>() {
        Some(error) => error.message().into(),
        None => "the storage threw".to_owned(),
    }
}

/// The cache of one client.
pub(super) struct Place {
    base_url: String,
    api_key: String,
    derive: DeriveKey,
    ttl: Option<f64>,
    storage: Rc<dyn CacheStorage>,
}

impl Place {
    /// Makes the cache; returns `None` where there is no storage.
    pub(super) fn new(service: &Service, cache: &Cache) -> Option<Self> {
        Some(Self {
            base_url: service.base_url.clone(),
            api_key: service.api_key.clone(),
            derive: cache.derive_key_from_target_attributes.clone(),
            ttl: cache.ttl,
            storage: cache.storage.clone().or_else(browsers_own)?,
        })
    }

    /// Returns what was kept for a target, which is nothing where it is too old.
    pub(super) fn read(&self, target: &Target) -> Result<Vec<Evaluation>, String> {
        let key = self.key(target);
        let Some(text) = self.storage.get(&key)? else {
            return Ok(Vec::new());
        };
        let saved_at_key = format!("{key}.ts");
        if let Some(ttl) = self.ttl {
            let saved_at = self.storage.get(&saved_at_key)?;
            let saved_at: f64 = saved_at.and_then(|text| text.parse().ok()).unwrap_or(0.0);
            if js_sys::Date::now() - saved_at > ttl {
                self.storage.remove(&key)?;
                self.storage.remove(&saved_at_key)?;
                return Ok(Vec::new());
            }
        }
        let list: Vec<serde_json::Value> =
            serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let evaluations = list.into_iter().map(serde_json::from_value);
        Ok(evaluations.filter_map(Result::ok).collect())
    }

    pub(super) fn write(&self, saved: &Saved) -> Result<(), String> {
        let key = self.key(&saved.target);
        let text = serde_json::to_string(&saved.evaluations).map_err(|error| error.to_string())?;
        self.storage.set(&key, &text)?;
        let now = format!("{}", js_sys::Date::now());
        self.storage.set(&format!("{key}.ts"), &now)
    }

    fn key(&self, target: &Target) -> String {
        let chosen: Option<BTreeMap<_, _>> = match &self.derive {
            DeriveKey::No => None,
            derive => Some(
                target
                    .attributes
                    .iter()
                    .flatten()
                    .filter(|(name, _)| match derive {
                        DeriveKey::Named(names) => names.contains(name),
                        DeriveKey::All | DeriveKey::No => true,
                    })
                    .collect(),
            ),
        };
        let attributes = chosen.and_then(|chosen| serde_json::to_string(&chosen).ok());
        // The base URL is part of the key, because two servers may know the same API key and must not share values.
        let mut texts = vec![self.base_url.as_str(), &self.api_key, &target.identifier];
        texts.extend(attributes.as_deref());
        format!("flagwire-{}", fingerprint(&texts))
    }
}

fn browsers_own() -> Option<Rc<dyn CacheStorage>> {
    let window = web_sys::window()?;
    // Reading these properties fails where storage is forbidden.
    let storage = [window.local_storage(), window.session_storage()];
    let storage = storage.into_iter().find_map(|one| one.ok().flatten())?;
    Some(Rc::new(storage))
}
