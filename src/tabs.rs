//! The lock and the channel of a group of tabs.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use flagwire_core::{TabInput, TabMessage};
use futures_channel::oneshot::{self, Sender};
use gloo_events::EventListener;
use js_sys::{Array, Function, Object, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, future_to_promise, spawn_local};
use web_sys::{AbortController, BroadcastChannel, MessageEvent};

use super::driver::Driver;

/// This tab's part in a group. Where the browser has no locks each tab is a group of its own.
pub(super) struct Group {
    name: String,
    driver: Weak<Driver>,
    locks: Option<Locks>,
    channel: RefCell<Option<Channel>>,
    /// Aborts the request for the lock.
    waiting: RefCell<Option<AbortController>>,
    /// Releases the lock when it is dropped.
    release: RefCell<Option<Sender<()>>>,
    left: Cell<bool>,
}

struct Channel {
    channel: BroadcastChannel,
    _listening: EventListener,
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.channel.close();
    }
}

impl Group {
    pub(super) fn join(name: String, driver: &Rc<Driver>) -> Rc<Self> {
        let group = Rc::new(Self {
            driver: Rc::downgrade(driver),
            locks: locks(),
            channel: RefCell::default(),
            waiting: RefCell::default(),
            release: RefCell::default(),
            left: Cell::new(false),
            name,
        });
        let channel = group.locks.is_some().then(|| group.open()).flatten();
        if channel.is_some() {
            group.channel.replace(channel);
            group.lead(false);
        } else {
            group.be_alone();
        }
        group
    }

    /// Requests the lock, or with `steal` takes it from the tab that holds it.
    pub(super) fn lead(self: &Rc<Self>, steal: bool) {
        let Some(locks) = &self.locks else { return };
        let Ok(waiting) = AbortController::new() else {
            return;
        };
        if let Some(before) = self.waiting.replace(Some(waiting.clone())) {
            before.abort();
        }
        let options = Object::new();
        // A request that steals does not wait, and the browser allows no signal for it.
        let (name, value) = if steal {
            ("steal", JsValue::TRUE)
        } else {
            ("signal", waiting.signal().into())
        };
        let set = Reflect::set(&options, &name.into(), &value);
        let group = Rc::downgrade(self);
        let hold = Closure::once(move |_lock: JsValue| hold(&group));
        let asked =
            set.and_then(|_| locks.request(&self.name, &options, hold.as_ref().unchecked_ref()));
        let group = Rc::downgrade(self);
        spawn_local(async move {
            let error = match asked {
                Ok(promise) => JsFuture::from(promise).await.err(),
                Err(error) => Some(error),
            };
            drop(hold); // not before: the browser may call it until then
            if let (Some(error), Some(group)) = (error, group.upgrade())
                && !waiting.signal().aborted()
            {
                group.lost(&error);
            }
        });
    }

    pub(super) fn post(&self, message: TabMessage, text: &[u8]) {
        if let Some(open) = &*self.channel.borrow() {
            let text = String::from_utf8_lossy(text).into_owned();
            let data = Array::of2(&(message as u8).into(), &text.into());
            // This fails on a closed channel only.
            let _ = open.channel.post_message(&data);
        }
    }

    pub(super) fn leave(&self) {
        self.left.set(true);
        if let Some(waiting) = self.waiting.take() {
            waiting.abort();
        }
        self.release.take();
        self.channel.take();
    }

    fn open(self: &Rc<Self>) -> Option<Channel> {
        let channel = BroadcastChannel::new(&self.name).ok()?;
        let group = Rc::downgrade(self);
        let listening = EventListener::new(&channel, "message", move |event| {
            let event: &MessageEvent = event.unchecked_ref();
            if let (Some(group), Ok(data)) = (group.upgrade(), event.data().dyn_into::<Array>()) {
                let number = data.get(0).as_f64().unwrap_or(f64::MAX) as u32;
                let text = data.get(1).as_string().unwrap_or_default();
                // A message of a later version is ignored.
                if let Some(message) = TabMessage::from_number(number) {
                    group.tell(TabInput::Message(message, text.as_bytes()));
                }
            }
        });
        Some(Channel {
            channel,
            _listening: listening,
        })
    }

    /// Reacts to a lock that was not granted, or was taken away.
    fn lost(self: &Rc<Self>, error: &JsValue) {
        if self.left.get() {
            return;
        }
        self.release.take();
        let name = Reflect::get(error, &"name".into()).ok();
        if name.and_then(|name| name.as_string()).as_deref() == Some("AbortError") {
            // The lock we held was stolen.
            self.tell(TabInput::Lost);
            self.lead(false);
        } else {
            // A sandboxed frame has locks that refuse.
            self.channel.take();
            self.be_alone();
        }
    }

    /// Makes this tab a group of its own. The core hears of it later, because the caller may be in the middle of something.
    fn be_alone(self: &Rc<Self>) {
        let group = Rc::downgrade(self);
        spawn_local(async move {
            if let Some(group) = group.upgrade() {
                group.tell(TabInput::Leading);
            }
        });
    }

    fn tell(&self, input: TabInput<'_>) {
        if let Some(driver) = self.driver.upgrade()
            && !self.left.get()
        {
            driver.run(|core, now| core.handle_tabs(now, input));
        }
    }
}

/// Holds the lock for as long as the promise is pending.
fn hold(group: &Weak<Group>) -> Promise {
    let (release, released) = oneshot::channel::<()>();
    if let Some(group) = group.upgrade()
        && !group.left.get()
    {
        group.release.replace(Some(release));
        group.tell(TabInput::Leading);
    }
    future_to_promise(async move {
        let _ = released.await;
        Ok(JsValue::UNDEFINED)
    })
}

/// Returns `navigator.locks`, which insecure pages and older browsers lack.
fn locks() -> Option<Locks> {
    let navigator = Reflect::get(&js_sys::global(), &"navigator".into()).ok()?;
    if navigator.is_undefined() {
        return None;
    }
    let locks = Reflect::get(&navigator, &"locks".into()).ok()?;
    (!locks.is_undefined()).then(|| locks.unchecked_into())
}

#[wasm_bindgen]
extern "C" {
    /// A `LockManager`, which web-sys counts among what is not stable yet.
    type Locks;

    #[wasm_bindgen(method, catch)]
    fn request(
        this: &Locks,
        name: &str,
        options: &Object,
        hold: &Function,
    ) -> Result<Promise, JsValue>;
}
