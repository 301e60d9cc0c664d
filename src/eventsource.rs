//! Streams by the browser's own `EventSource`.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::rc::Rc;

use flagwire_core::protocol::{CHANGE_EVENT, HEARTBEAT_EVENT};
use flagwire_core::{StreamId, StreamInput};
use futures_core::Stream as _;
use gloo_net::eventsource::futures::{EventSource, EventSourceSubscription};
use wasm_bindgen::JsValue;

use crate::driver::Driver;
use crate::tasks;

/// Opens a stream, which is closed when dropped; `None` where that fails.
pub(crate) fn open(driver: &Rc<Driver>, id: StreamId, url: &JsValue) -> Option<EventSource> {
    let mut source = EventSource::new(&url.as_string()?).ok()?;
    // gloo-net keeps quiet about a lost connection that the browser opens again by itself. Listened to like any other event, the
    // error is heard at once; it has no data, which ends the stream here, so that the core decides when to try again.
    for &kind in &[CHANGE_EVENT, HEARTBEAT_EVENT, "error"] {
        let subscription = source.subscribe(kind).ok()?;
        let listening = Listening {
            driver: driver.clone(),
            id,
            kind,
            subscription,
        };
        tasks::spawn(driver, Box::pin(listening));
    }
    Some(source)
}

/// Passes one name's events on, until the stream is closed by either side.
struct Listening {
    driver: Rc<Driver>,
    id: StreamId,
    kind: &'static str,
    subscription: EventSourceSubscription,
}

impl Future for Listening {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let data = match ready!(Pin::new(&mut self.subscription).poll_next(context)) {
                Some(Ok((_, message))) => message.data().as_string(),
                _ => None,
            };
            let input = match &data {
                Some(data) => StreamInput::Event {
                    kind: self.kind,
                    data,
                },
                None => StreamInput::Closed,
            };
            let id = self.id;
            self.driver
                .run(&mut |core, now| core.handle_stream(now, id, input));
            if data.is_none() {
                return Poll::Ready(());
            }
        }
    }
}
