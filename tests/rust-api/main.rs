//! The Rust API in headless Chromium, against flagwire-server. `npm test -- rust-api` starts what it needs.
#![cfg(target_family = "wasm")]

mod ending;
mod heard;
mod listening;
mod reading;
mod service;
mod trouble;
mod visits;

use flagwire::{Client, Options, Target};
use wasm_bindgen_test::wasm_bindgen_test_configure;

use crate::service::{KEY, Service};

wasm_bindgen_test_configure!(run_in_browser);

const FLAGS: &str = "\
flags:
  dark: false
  theme:
    variations: { classic: classic, ocean: ocean }
    default: classic
  size: 10
  ratio: 0.5
  banner:
    variations:
      none: { text: '', lines: [] }
      sale: { text: Sale, lines: [one, two], urgent: true }
    default: sale
  gold:
    default: false
    rules:
      - when: { plan: gold }
        serve: true
";

/// The flags with another default for the theme.
fn with_theme(theme: &str) -> String {
    FLAGS.replace("default: classic", &format!("default: {theme}"))
}

/// A client of the service for `ada`, with a stream of its own.
fn client(service: &Service) -> Client {
    client_with(service, |_| {})
}

fn client_with(service: &Service, change: impl FnOnce(&mut Options)) -> Client {
    let mut options = Options {
        share_stream: false,
        ..Options::at(&service.url)
    };
    change(&mut options);
    Client::new(KEY, Target::new("ada"), options).unwrap()
}

/// A client that is ready and misses nothing any more.
async fn live(service: &Service) -> Client {
    let client = client(service);
    client.ready().await.unwrap();
    service.settled(1).await;
    client
}
