//! What listeners heard, in order.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;

use flagwire::{Change, Client, Event, State, Subscription};
use futures_channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures_core::Stream as _;

/// Collects what a listener gets.
pub(crate) struct Heard<T> {
    receiver: UnboundedReceiver<T>,
    all: Rc<RefCell<Vec<T>>>,
    subscription: Option<Subscription>,
}

impl<T: Clone + 'static> Heard<T> {
    pub(crate) fn new(subscribe: impl FnOnce(Box<dyn Fn(&T)>) -> Subscription) -> Self {
        let (sender, receiver): (UnboundedSender<T>, _) = unbounded();
        let all = Rc::new(RefCell::new(Vec::new()));
        let told = Rc::clone(&all);
        let subscription = subscribe(Box::new(move |item: &T| {
            told.borrow_mut().push(item.clone());
            let _ = sender.unbounded_send(item.clone());
        }));
        Self {
            receiver,
            all,
            subscription: Some(subscription),
        }
    }

    /// Waits for one that fulfils the condition; those before it are passed over.
    pub(crate) async fn until(&mut self, condition: impl Fn(&T) -> bool) -> T {
        loop {
            let next = poll_fn(|context| Pin::new(&mut self.receiver).poll_next(context)).await;
            let next = next.expect("the listener is gone");
            if condition(&next) {
                return next;
            }
        }
    }

    /// All there were.
    pub(crate) fn all(&self) -> Vec<T> {
        self.all.borrow().clone()
    }

    pub(crate) fn unsubscribe(&mut self) {
        drop(self.subscription.take());
    }
}

pub(crate) fn changes(client: &Client) -> Heard<Change> {
    Heard::new(|listener| client.on_change(listener))
}

pub(crate) fn changes_of(client: &Client, flag: &str) -> Heard<Change> {
    Heard::new(|listener| client.on_flag(flag, listener))
}

pub(crate) fn events(client: &Client) -> Heard<Event> {
    Heard::new(|listener| client.on_event(listener))
}

pub(crate) fn states(client: &Client) -> Heard<State> {
    Heard::new(|listener| client.on_state(move |state| listener(&state)))
}
