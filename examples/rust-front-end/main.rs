//! A page written in Rust whose look and content follow the flags of a flagwire-server. How to run it: `docs/guides/rust.md`.

use std::cell::RefCell;
use std::rc::Rc;

use flagwire::{Change, Client, Error, Options, State, Subscription, Target};
use serde::Deserialize;
use wasm_bindgen::prelude::*;
use web_sys::{Document, Element, HtmlSelectElement};

/// What the flag `banner` holds.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Banner {
    text: String,
    tone: String,
}

/// What the flag `theme` says.
#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Theme {
    Classic,
    Ocean,
    Sunset,
}

impl Theme {
    fn class(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Ocean => "ocean",
            Self::Sunset => "sunset",
        }
    }
}

fn main() {
    if let Err(error) = App::start() {
        web_sys::console::error_1(&error.to_string().into());
    }
}

struct App {
    document: Document,
    client: Client,
    /// They end with the app.
    subscriptions: RefCell<Vec<Subscription>>,
}

impl App {
    fn start() -> Result<(), Error> {
        let Some(document) = web_sys::window().and_then(|window| window.document()) else {
            return Ok(()); // not in a page
        };
        let client = Client::new(
            "flagwire-dev-client-key",
            visitor("ada"),
            Options::at(server(&document)),
        )?;
        let app = Rc::new(Self {
            document,
            client,
            subscriptions: RefCell::default(),
        });
        app.show(); // the defaults, until the server has answered
        app.show_state(app.client.state());
        app.listen();
        Ok(())
    }

    /// Listeners hold the app weakly: it holds their subscriptions.
    fn listen(self: &Rc<Self>) {
        let app = Rc::downgrade(self);
        let changes = self.client.on_change(move |change| {
            if let Some(app) = app.upgrade() {
                app.show();
                app.note(change);
            }
        });
        let app = Rc::downgrade(self);
        let states = self.client.on_state(move |state| {
            if let Some(app) = app.upgrade() {
                app.show_state(state);
            }
        });
        self.subscriptions.replace(vec![changes, states]);

        let app = Rc::clone(self);
        let switch = Closure::<dyn Fn()>::new(move || app.switch());
        let select = self.element("visitor");
        let _ = select.add_event_listener_with_callback("change", switch.as_ref().unchecked_ref());
        switch.forget(); // the page's for as long as there is one
    }

    /// Somebody else looks at the page.
    fn switch(&self) {
        let select: HtmlSelectElement = self.element("visitor").unchecked_into();
        // What is returned could be awaited; here the changes say enough.
        if let Err(error) = self.client.identify(visitor(&select.value())) {
            web_sys::console::error_1(&error.to_string().into());
        }
    }

    fn show(&self) {
        let dark = self.client.variation("dark-mode", false);
        let theme = self.client.variation_as("theme", Theme::Classic);
        let banner = self.client.variation_as("banner", Banner::default());
        let size = self.client.variation("page-size", 4_u32);
        let shipping = self.client.variation("free-shipping", false);

        let body = self.element("page");
        let colours = if dark { "dark" } else { "light" };
        body.set_class_name(&format!("{} {colours}", theme.class()));
        let strip = self.element("banner");
        strip.set_text_content(Some(&banner.text));
        strip.set_class_name(&banner.tone);
        self.write("size", &format!("{size} coffees on a page"));
        let shipping = if shipping {
            "Free shipping"
        } else {
            "Shipping: 4.90"
        };
        self.write("shipping", shipping);
    }

    fn show_state(&self, state: State) {
        let reason = state.reason.map(|reason| format!(" ({reason:?})"));
        let text = format!("{:?}{}", state.status, reason.unwrap_or_default());
        self.write("state", &text);
    }

    fn note(&self, change: &Change) {
        let Ok(line) = self.document.create_element("li") else {
            return;
        };
        let text = match &change.value {
            Some(value) => format!("{} is now {value}", change.flag),
            None => format!("{} is gone", change.flag),
        };
        line.set_text_content(Some(&text));
        let list = self.element("changes");
        let _ = list.insert_before(&line, list.first_child().as_ref());
    }

    fn write(&self, id: &str, text: &str) {
        self.element(id).set_text_content(Some(text));
    }

    fn element(&self, id: &str) -> Element {
        self.document
            .get_element_by_id(id)
            .expect("index.html has all that is asked for")
    }
}

/// Maya is on the gold plan, for which the sample flags have a rule.
fn visitor(name: &str) -> Target {
    let plan = if name == "maya" { "gold" } else { "free" };
    Target::new(name).attribute("plan", plan)
}

/// Where the flags are: `?server=…`, else where flagwire-server listens by itself.
fn server(document: &Document) -> String {
    let location = document.location();
    let query = location.and_then(|location| location.search().ok());
    query
        .and_then(|query| web_sys::UrlSearchParams::new_with_str(&query).ok())
        .and_then(|query| query.get("server"))
        .unwrap_or_else(|| "http://127.0.0.1:7700".to_owned())
}
