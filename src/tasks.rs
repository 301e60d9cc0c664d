//! Runs futures.
//!
//! `wasm_bindgen_futures::spawn_local` would do, with a queue of its own. Here JavaScript has the queue: a woken task is polled by
//! a call of the facade like any other, so that a trap in it is caught where all are, and a kilobyte stays away.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use crate::driver::Driver;

struct Task {
    driver: Rc<Driver>,
    waker: Waker,
    /// Polled from a microtask of its own, so never within itself.
    future: RefCell<Pin<Box<dyn Future<Output = ()>>>>,
}

thread_local! {
    /// The tasks of all clients; a task's place is its number.
    static TASKS: RefCell<Vec<Option<Rc<Task>>>> = const { RefCell::new(Vec::new()) };
}

/// A waker must be able to go to another thread, so it knows no more than the number. A number that another task has by now
/// makes for a poll too many, which futures have to stand.
struct Wakeup(usize);

impl Wake for Wakeup {
    fn wake(self: Arc<Self>) {
        if let Some(task) = get(self.0) {
            task.driver.host.wake(self.0 as u32);
        }
    }
}

fn get(number: usize) -> Option<Rc<Task>> {
    TASKS.with_borrow(|tasks| tasks.get(number).cloned().flatten())
}

/// Runs a future until it or the driver is done.
pub(crate) fn spawn(driver: &Rc<Driver>, future: Pin<Box<dyn Future<Output = ()>>>) {
    let number = TASKS.with_borrow_mut(|tasks| {
        let number = tasks.iter().position(Option::is_none).unwrap_or_else(|| {
            tasks.push(None);
            tasks.len() - 1
        });
        let task = Task {
            driver: driver.clone(),
            waker: Arc::new(Wakeup(number)).into(),
            future: RefCell::new(future),
        };
        if let Some(place) = tasks.get_mut(number) {
            *place = Some(Rc::new(task));
        }
        number
    });
    poll(number);
}

/// Goes on with a task that was woken.
pub(crate) fn poll(number: usize) {
    let Some(task) = get(number) else { return };
    let mut context = Context::from_waker(&task.waker);
    // A statement of its own: what is borrowed is given back before the task is dropped.
    let ready = task
        .future
        .borrow_mut()
        .as_mut()
        .poll(&mut context)
        .is_ready();
    if ready {
        drop(TASKS.with_borrow_mut(|tasks| tasks.get_mut(number).and_then(Option::take)));
    }
}

/// Drops what is left of a driver's tasks.
pub(crate) fn end_all(driver: &Rc<Driver>) {
    let count = TASKS.with_borrow(Vec::len);
    for number in 0..count {
        if get(number).is_some_and(|task| Rc::ptr_eq(&task.driver, driver)) {
            drop(TASKS.with_borrow_mut(|tasks| tasks.get_mut(number).and_then(Option::take)));
        }
    }
}
