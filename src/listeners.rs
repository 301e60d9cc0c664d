//! The listeners of a client, and calling them with events.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use flagwire_core::Changed;
use flagwire_core::protocol::Evaluation;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::value::convert_evaluation;
use super::{Error, State};

/// A flag's value or variation differs from what it was.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The identifier of the flag.
    pub flag: String,
    /// The new value; `None` where the flag is gone.
    pub value: Option<Value>,
    /// The identifier of the variation; `None` where the flag is gone.
    pub variation: Option<String>,
    /// The kind of the flag: `boolean`, `int`, `string` or `json`; `None` where the flag is gone.
    pub kind: Option<String>,
}

impl Change {
    /// Returns the new value as a type of yours; `None` where the flag is gone, or its value of another shape.
    #[must_use]
    pub fn value_as<T: DeserializeOwned>(&self) -> Option<T> {
        T::deserialize(self.value.as_ref()?).ok()
    }

    fn new((flag, evaluation): &Changed) -> Self {
        let one = evaluation.as_ref();
        let text = |of: fn(&Evaluation) -> &String| one.map(of).cloned();
        Self {
            flag: flag.clone(),
            value: one.map(convert_evaluation),
            variation: text(|one| &one.identifier),
            kind: text(|one| &one.kind),
        }
    }
}

/// An event of the client other than [changes of flags](crate::Client::on_change).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The server's evaluations are there. It happens once.
    Ready,
    /// The stream is open.
    Connected,
    /// The stream is lost. It is reported once for each outage.
    Disconnected,
    /// The client was closed. Only the event of the last state comes after this.
    Stopped,
    /// Polling has started.
    Polling,
    /// Polling has stopped.
    PollingStopped,
    /// All evaluations were fetched.
    FlagsLoaded,
    /// How far the values can be trusted has changed.
    State(State),
    /// Something failed. Network trouble is tried again by itself.
    Error(Error),
}

/// Keeps a listener registered. Dropping it removes the listener at once; it may be dropped at any moment.
#[must_use = "a listener is called for as long as its subscription lives; call `forget` for the client's lifetime"]
pub struct Subscription {
    listeners: Weak<Listeners>,
    id: u32,
}

impl Subscription {
    /// Keeps the listener registered for as long as there is a client. A listener that holds a clone of its client then keeps
    /// that open until [`close`](crate::Client::close).
    pub fn forget(mut self) {
        self.listeners = Weak::new();
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(listeners) = self.listeners.upgrade() {
            listeners.remove(self.id);
        }
    }
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}

#[derive(Clone)]
pub(super) enum Listener {
    Changes(Rc<dyn Fn(&Change)>),
    Flag(Rc<str>, Rc<dyn Fn(&Change)>),
    Events(Rc<dyn Fn(&Event)>),
}

/// The listeners of one client.
#[derive(Default)]
pub(super) struct Listeners {
    last: Cell<u32>,
    list: RefCell<Vec<(u32, Listener)>>,
}

impl Listeners {
    pub(super) fn add(self: &Rc<Self>, listener: Listener) -> Subscription {
        let id = self.last.get().wrapping_add(1);
        self.last.set(id);
        self.list.borrow_mut().push((id, listener));
        Subscription {
            listeners: Rc::downgrade(self),
            id,
        }
    }

    /// Removes a listener. It may own subscriptions, or the last handle of the client, so it is dropped with nothing borrowed.
    fn remove(&self, id: u32) {
        let mut list = self.list.borrow_mut();
        let place = list.iter().position(|(other, _)| *other == id);
        let removed = place.map(|place| list.remove(place));
        drop(list);
        drop(removed);
    }

    pub(super) fn clear(&self) {
        drop(self.list.take());
    }

    pub(super) fn tell(&self, event: &Event) {
        for (id, listener) in self.those(|listener| matches!(listener, Listener::Events(_))) {
            if let Listener::Events(call) = listener
                && self.is_there(id)
            {
                call(event);
            }
        }
    }

    pub(super) fn tell_changed(&self, changes: &[Changed]) {
        let listening = self.those(|listener| !matches!(listener, Listener::Events(_)));
        for changed in changes {
            let mut change = None; // ten thousand flags arrive at once at the start
            for (id, listener) in &listening {
                let call = match listener {
                    Listener::Changes(call) => call,
                    Listener::Flag(flag, call) if **flag == *changed.0 => call,
                    Listener::Flag(..) | Listener::Events(_) => continue,
                };
                if self.is_there(*id) {
                    call(change.get_or_insert_with(|| Change::new(changed)));
                }
            }
        }
    }

    /// Returns the listeners that are registered now, so that one that is added during the calls is not called.
    fn those(&self, wanted: fn(&Listener) -> bool) -> Vec<(u32, Listener)> {
        let list = self.list.borrow();
        list.iter()
            .filter(|(_, listener)| wanted(listener))
            .cloned()
            .collect()
    }

    /// Whether a listener is still registered: one that was called before may have dropped its subscription.
    fn is_there(&self, id: u32) -> bool {
        self.list.borrow().iter().any(|(other, _)| *other == id)
    }
}
