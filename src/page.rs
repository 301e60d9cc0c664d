//! What happens to the page around the client.

use std::rc::{Rc, Weak};

use flagwire_core::PageEvent;
use gloo_events::EventListener;
use js_sys::Reflect;
use wasm_bindgen::JsCast as _;
use web_sys::EventTarget;

use super::driver::Driver;

/// Listens to the page for as long as the listeners live. There are none where there is nothing to listen to.
pub(super) fn listen(driver: &Rc<Driver>) -> Vec<EventListener> {
    // A worker has this event, too, and so hears of the network at least.
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
            // Every page is shown once; this one came back.
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
