//! Waiting for evaluations.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_channel::oneshot::{self, Receiver, Sender};

use super::Error;

/// A future that waits for the server's evaluations. Fetching them does not depend on it: it may be dropped, or awaited later.
pub struct Waiting(Receiver<Result<(), Error>>);

impl Future for Waiting {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(context)
            .map(|result| result.unwrap_or(Err(Error::Closed)))
    }
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Waiting").finish_non_exhaustive()
    }
}

/// The number of the switch of target that is waited for, and the sender of its result.
type Waiter = (u32, Sender<Result<(), Error>>);

/// All futures of one client that wait for evaluations.
#[derive(Default)]
pub(super) struct Waiters {
    /// The last switch of target that is complete, counted from 1; 0 for the start.
    complete: Cell<Option<u32>>,
    /// The error after which no evaluations will come.
    failed: RefCell<Option<Error>>,
    waiting: RefCell<Vec<Waiter>>,
}

impl Waiters {
    /// Waits for a switch of target to be complete.
    pub(super) fn wait(&self, switches: u32) -> Waiting {
        let (sender, receiver) = oneshot::channel();
        if self
            .complete
            .get()
            .is_some_and(|complete| complete >= switches)
        {
            let _ = sender.send(Ok(()));
        } else if let Some(error) = &*self.failed.borrow() {
            let _ = sender.send(Err(error.clone()));
        } else {
            self.waiting.borrow_mut().push((switches, sender));
        }
        Waiting(receiver)
    }

    /// Returns whether there were evaluations of any target.
    pub(super) fn is_any_complete(&self) -> bool {
        self.complete.get().is_some()
    }

    pub(super) fn complete(&self, switches: u32) {
        self.complete.set(Some(switches));
        let waiting = self.waiting.take();
        let (done, waiting) = waiting
            .into_iter()
            .partition(|(wanted, _)| *wanted <= switches);
        self.waiting.replace(waiting);
        settle(done, &Ok(()));
    }

    /// Fails everything that waits: nothing will come, for now.
    pub(super) fn fail(&self, error: Error) {
        self.failed.replace(Some(error.clone()));
        settle(self.waiting.take(), &Err(error));
    }

    /// Lets what waits from now on wait again: something may come.
    pub(super) fn retry(&self) {
        self.failed.take();
    }
}

fn settle(done: Vec<Waiter>, result: &Result<(), Error>) {
    for (_, sender) in done {
        // Who waited may be gone.
        let _ = sender.send(result.clone());
    }
}
