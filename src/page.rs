//! Reports what happens to the page: its network, its visibility, and the back/forward cache.

use std::rc::{Rc, Weak};

use flagwire_core::PageEvent;
use gloo_events::EventListener;
use js_sys::Reflect;
use wasm_bindgen::JsCast as _;
use web_sys::EventTarget;

use super::driver::Driver;

/// Listens to the page until the returned listeners are dropped. None are returned where the platform has no events.
pub(super) fn listen(driver: &Rc<Driver>) -> Vec<EventListener> {
    // A worker has at least the events of the network.
    let global: EventTarget = js_sys::global().unchecked_into();
    if !matches!(Reflect::has(&global, &"addEventListener".into()), Ok(true)) {
        return Vec::new();
    }
    let kinds = ["online", "visibilitychange", "pagehide", "pageshow"];
    kinds.map(|kind| on(driver, &global, kind)).into()
}

fn on(driver: &Rc<Driver>, target: &EventTarget, kind: &'static str) -> EventListener {
    let driver = Rc::downgrade(driver);
    EventListener::new(target, kind, move |event| {
        let input = match kind {
            "online" => PageEvent::Online,
            "pagehide" => PageEvent::Left,
            "visibilitychange" if is_hidden() => PageEvent::Hidden,
            "visibilitychange" => PageEvent::Visible,
            // This event also comes when the page is shown for the first time. A persisted one was restored.
            _ if is_persisted(event) => PageEvent::Restored,
            _ => return,
        };
        tell(&driver, input);
    })
}

fn tell(driver: &Weak<Driver>, input: PageEvent) {
    if let Some(driver) = driver.upgrade() {
        driver.run(|core, now| core.handle_page(now, input));
    }
}

fn is_hidden() -> bool {
    let document = web_sys::window().and_then(|window| window.document());
    document.is_some_and(|document| document.hidden())
}

fn is_persisted(event: &web_sys::Event) -> bool {
    let event: &web_sys::PageTransitionEvent = event.unchecked_ref();
    event.persisted()
}
