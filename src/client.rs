//! The client that applications hold.

use std::collections::BTreeMap;
use std::rc::Rc;

use flagwire_core::protocol::Evaluation;
use flagwire_core::{Client as Core, Codec as _, Held, Moment, SerdeCodec};
use gloo_timers::future::TimeoutFuture;
use serde::{Serialize as _, de::DeserializeOwned};
use serde_json::Value;
use serde_wasm_bindgen::Serializer;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;

use super::cache::Place;
use super::driver::{Driver, Equipment};
use super::listeners::Listener;
use super::value::{FlagDefault, Variation, VariationReason, convert, convert_evaluation, shared};
use super::waiting::Waiting;
use super::{Change, Error, Event, Options, State, Subscription, Target};

/// Holds the flags of one target and keeps them up to date.
///
/// Clones are handles of the same client. It is closed by [`close`](Self::close), or when its last handle is dropped.
#[derive(Clone)]
pub struct Client(Rc<Handle>);

/// The handle that all clones share; the driver itself is also held by what is under way.
struct Handle(Rc<Driver>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Client {
    /// Starts a client, which signs in at once. Trouble with the network is an event and a [state](Self::state), never an error
    /// here.
    ///
    /// # Errors
    /// Fails with [`Error::MissingKey`] or [`Error::MissingTarget`].
    pub fn new(
        api_key: impl Into<String>,
        target: Target,
        options: Options,
    ) -> Result<Self, Error> {
        let api_key = api_key.into();
        if api_key.is_empty() {
            return Err(Error::MissingKey);
        }
        let target = target.check()?;
        let service = options.service(api_key);
        let cache = options
            .cache
            .as_ref()
            .and_then(|cache| Place::new(&service, cache));
        let cached = cache.as_ref().map(|cache| cache.read(&target));
        let (cached, failed) = match cached {
            Some(Err(why)) => (Vec::new(), Some(Error::Cache(why))),
            Some(Ok(cached)) => (cached, None),
            None => (Vec::new(), None),
        };
        let mut codec = SerdeCodec::new(service, target, epoch_millis);
        for list in [cached, options.bootstrap.clone()] {
            codec.merge(list, Moment::default());
        }
        let config = options.config(codec.evaluations_held().next().is_some());
        let seed = js_sys::Math::random().to_bits();
        let equipment = Equipment {
            cache,
            logger: options.logger(),
            middleware: options.middleware,
            debug: options.debug,
        };
        let driver = Driver::start(Core::new(config, codec, seed), equipment);
        if let Some(error) = failed {
            // The event is reported later, when the application can have added listeners.
            let driver = Rc::downgrade(&driver);
            spawn_local(async move {
                if let Some(driver) = driver.upgrade() {
                    driver.tell(&Event::Error(error));
                }
            });
        }
        Ok(Self(Rc::new(Handle(driver))))
    }

    fn driver(&self) -> &Rc<Driver> {
        &self.0.0
    }

    // ---- reading -----------------------------------------------------------------------------------------------------

    /// Returns the value of a flag, or `default` where there is no such flag, none yet, or its value is of another type than the
    /// default has. Counts the read, and never fails.
    ///
    /// ```no_run
    /// # fn example(client: &flagwire::Client) {
    /// let dark: bool = client.variation("dark-mode", false);
    /// let size: u32 = client.variation("page-size", 10_u32);
    /// let theme: String = client.variation("theme", "classic");
    /// # }
    /// ```
    #[must_use]
    pub fn variation<D: FlagDefault>(&self, flag: &str, default: D) -> D::Value {
        self.variation_detail(flag, default).value
    }

    /// Does what [`variation`](Self::variation) does, and says where the value is from.
    #[must_use]
    pub fn variation_detail<D: FlagDefault>(&self, flag: &str, default: D) -> Variation<D::Value> {
        self.detail(flag, D::read, || default.into())
    }

    /// Returns the value of a flag as a type of yours: a struct for a `json` flag, an enum for one of text, and so on. `default` where
    /// there is no such flag, none yet, or its value is of another shape. Counts the read, and never fails.
    ///
    /// ```no_run
    /// #[derive(serde::Deserialize, Default)]
    /// struct Banner {
    ///     text: String,
    ///     #[serde(default)]
    ///     urgent: bool,
    /// }
    ///
    /// # fn example(client: &flagwire::Client) {
    /// let banner: Banner = client.variation_as("banner", Banner::default());
    /// # }
    /// ```
    #[must_use]
    pub fn variation_as<T: DeserializeOwned>(&self, flag: &str, default: T) -> T {
        self.variation_as_detail(flag, default).value
    }

    /// Does what [`variation_as`](Self::variation_as) does, and says where the value is from.
    #[must_use]
    pub fn variation_as_detail<T: DeserializeOwned>(&self, flag: &str, default: T) -> Variation<T> {
        // Deserializing runs the application's code, which may call the client, so nothing is borrowed meanwhile.
        let driver = self.driver();
        let found = self.held(flag, |held| {
            (shared(held), held.evaluation().identifier.clone())
        });
        let Some((value, variation)) = found else {
            driver.explain(flag);
            return Variation::fallback(default, VariationReason::NotFound);
        };
        let Ok(value) = T::deserialize(&*value) else {
            driver.explain(flag);
            return Variation::fallback(default, VariationReason::WrongType);
        };
        driver.look(|codec| codec.held(flag).map(Held::count));
        Variation::evaluated(value, variation)
    }

    /// Returns the value of a flag as JavaScript has it, for what is not written in Rust: a boolean, a number, a text, or a plain
    /// object.
    /// `default` where there is no such flag, or none yet. Counts the read.
    #[must_use]
    pub fn variation_js(&self, flag: &str, default: &JsValue) -> JsValue {
        let to_js = |held: &Held| {
            let value = convert(held);
            value.serialize(&Serializer::json_compatible()).ok()
        };
        self.detail(flag, to_js, || default.clone()).value
    }

    /// Returns all evaluations as they are now, sorted by flag, as [`Options::bootstrap`] takes them. Counts no reads.
    #[must_use]
    pub fn evaluations(&self) -> Vec<Evaluation> {
        if self.driver().is_closed() {
            return Vec::new();
        }
        let all = |codec: &SerdeCodec| codec.evaluations_held().cloned().collect();
        self.driver().look(all)
    }

    /// Returns the values of all flags as they are now. Counts no reads.
    #[must_use]
    pub fn flags(&self) -> BTreeMap<String, Value> {
        let evaluations = self.evaluations().into_iter();
        evaluations
            .map(|one| (one.flag.clone(), convert_evaluation(&one)))
            .collect()
    }

    /// Returns how far the values can be trusted, since when and why.
    #[must_use]
    pub fn state(&self) -> State {
        self.driver().state()
    }

    // ---- waiting and listening ---------------------------------------------------------------------------------------

    /// Waits until the server's evaluations are there.
    ///
    /// # Errors
    /// Fails where they will not come: the key was refused, or the client was closed. Trouble that may pass is no failure.
    pub fn ready(&self) -> Waiting {
        self.driver().waiters.wait(0)
    }

    /// Waits like [`ready`](Self::ready), but no longer than so many milliseconds.
    ///
    /// # Errors
    /// Fails as `ready` does, and with [`Error::Timeout`] where the time is over, while the client goes on trying.
    pub async fn ready_within(&self, millis: u32) -> Result<(), Error> {
        let mut ready = self.ready();
        let mut timeout = TimeoutFuture::new(millis);
        std::future::poll_fn(|context| {
            use std::future::Future as _;
            use std::pin::Pin;
            if let std::task::Poll::Ready(result) = Pin::new(&mut ready).poll(context) {
                return std::task::Poll::Ready(result);
            }
            let over = Pin::new(&mut timeout).poll(context);
            over.map(|()| Err(Error::Timeout(millis)))
        })
        .await
    }

    /// Calls `listener` at every change of a flag: a value or variation that differs from what it was, also for each flag of the
    /// first fetch, and for flags that are gone.
    pub fn on_change(&self, listener: impl Fn(&Change) + 'static) -> Subscription {
        self.listen(Listener::Changes(Rc::new(listener)))
    }

    /// Calls `listener` at each change of one flag.
    pub fn on_flag(&self, flag: &str, listener: impl Fn(&Change) + 'static) -> Subscription {
        self.listen(Listener::Flag(flag.into(), Rc::new(listener)))
    }

    /// Calls `listener` at each change of how far the values can be trusted.
    pub fn on_state(&self, listener: impl Fn(State) + 'static) -> Subscription {
        self.on_event(move |event| {
            if let Event::State(state) = event {
                listener(*state);
            }
        })
    }

    /// Calls `listener` at everything else that happens.
    pub fn on_event(&self, listener: impl Fn(&Event) + 'static) -> Subscription {
        self.listen(Listener::Events(Rc::new(listener)))
    }

    // ---- acting ------------------------------------------------------------------------------------------------------

    /// Switches to another target, at once. The old one's values stay until the new one's are there; what is returned waits for
    /// that, and fails like [`ready`](Self::ready).
    ///
    /// # Errors
    /// Fails with [`Error::MissingTarget`], and then nothing was switched.
    pub fn identify(&self, target: Target) -> Result<Waiting, Error> {
        let target = target.check()?;
        let driver = self.driver();
        if driver.is_closed() {
            return Ok(driver.waiters.wait(u32::MAX));
        }
        driver.waiters.retry();
        let switches = driver.run(|core, now| core.identify(now, target));
        Ok(driver.waiters.wait(switches))
    }

    /// Fetches all evaluations now, for pages that know of a change before the client does.
    pub fn refresh_evaluations(&self) {
        self.driver().run(Core::refresh);
    }

    /// Stores evaluations that the page has from elsewhere; newer ones of the server overwrite them.
    pub fn set_evaluations(&self, evaluations: Vec<Evaluation>) {
        if !evaluations.is_empty() {
            let driver = self.driver();
            driver.run(|core, now| core.set_evaluations(now, evaluations));
        }
    }

    /// Posts the counts and writes the cache now, without waiting for their timers.
    pub fn flush(&self) {
        self.driver().run(Core::flush);
    }

    /// Closes the client for all its handles: no socket, timer or listener is left. The counts are posted. From then on reads
    /// return defaults. It may be called more than once.
    pub fn close(&self) {
        self.driver().close();
    }

    // ---- within ------------------------------------------------------------------------------------------------------

    fn listen(&self, listener: Listener) -> Subscription {
        self.driver().listeners.add(listener)
    }

    /// Calls `look` with the evaluation that is held of a flag; `None` where there is none, or the client is closed.
    fn held<R>(&self, flag: &str, look: impl FnOnce(&Held) -> R) -> Option<R> {
        let driver = self.driver();
        if driver.is_closed() {
            return None;
        }
        driver.look(|codec| codec.held(flag).map(look))
    }

    /// Reads a flag. `read` runs while the core is borrowed.
    fn detail<T>(
        &self,
        flag: &str,
        read: impl FnOnce(&Held) -> Option<T>,
        default: impl FnOnce() -> T,
    ) -> Variation<T> {
        let found = self.held(flag, |held| {
            let value = read(held)?;
            held.count();
            Some(Variation::evaluated(
                value,
                held.evaluation().identifier.clone(),
            ))
        });
        if !matches!(found, Some(Some(_))) {
            self.driver().explain(flag);
        }
        match found {
            Some(Some(variation)) => variation,
            Some(None) => Variation::fallback(default(), VariationReason::WrongType),
            None => Variation::fallback(default(), VariationReason::NotFound),
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

fn epoch_millis() -> i64 {
    js_sys::Date::now() as i64
}
