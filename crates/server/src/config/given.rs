//! Reads the values of options, in the same way from the command line, from environment variables and from the
//! configuration file.
//!
//! Variables come from files and templates with blanks and line ends around them, and lists are written `a, b`. Such
//! values would never match anything, so all are trimmed, and a value that could never match is refused with a
//! sentence.

use std::ffi::{OsStr, OsString};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;

use clap::builder::{
    BoolishValueParser, OsStringValueParser, PossibleValue, StringValueParser, TypedValueParser,
};
use clap::error::ErrorKind;
use clap::{Arg, Command};
use reqwest::Url;
use secrecy::SecretString;

use crate::auth::{BadSecret, Hashed};

/// Reads a value without the blanks and line ends around it.
#[derive(Clone)]
pub(super) struct Trimmed<P>(pub(super) P);

impl<P: TypedValueParser> TypedValueParser for Trimmed<P> {
    type Value = P::Value;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<P::Value, clap::Error> {
        let trimmed = value.to_str().map(|text| OsStr::new(text.trim()));
        self.0.parse_ref(command, arg, trimmed.unwrap_or(value))
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        self.0.possible_values()
    }
}

pub(super) fn text() -> impl TypedValueParser<Value = String> {
    Trimmed(StringValueParser::new())
}

pub(super) fn secret() -> impl TypedValueParser<Value = SecretString> {
    Trimmed(StringValueParser::new().map(SecretString::from))
}

pub(super) fn path() -> impl TypedValueParser<Value = PathBuf> {
    Trimmed(OsStringValueParser::new().map(|path: OsString| PathBuf::from(path)))
}

pub(super) fn boolean() -> impl TypedValueParser<Value = bool> {
    Trimmed(Boolean)
}

/// Reads `true` or `false`. Other spellings in variables, such as `yes`, `on` and `1`, are accepted, but the help does
/// not list them.
#[derive(Clone)]
struct Boolean;

impl TypedValueParser for Boolean {
    type Value = bool;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<bool, clap::Error> {
        BoolishValueParser::new().parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(
            ["true", "false"].into_iter().map(PossibleValue::new),
        ))
    }
}

pub(super) fn number() -> impl TypedValueParser<Value = usize> {
    Trimmed(|text: &str| text.parse::<usize>())
}

pub(super) fn key() -> impl TypedValueParser<Value = Hashed> {
    Key
}

/// Reads a key, or its hash. Other parsers repeat a value that they refuse in their message. This one does not, as the
/// value may be a secret.
#[derive(Clone)]
struct Key;

impl TypedValueParser for Key {
    type Value = Hashed;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<Hashed, clap::Error> {
        let text = value
            .to_str()
            .ok_or_else(|| clap::Error::new(ErrorKind::InvalidUtf8).with_cmd(command))?;
        text.parse().map_err(|error: BadSecret| {
            let option = arg.map(|arg| format!("'{arg}': ")).unwrap_or_default();
            let reason = format!("invalid value for {option}{error}\n");
            clap::Error::raw(ErrorKind::ValueValidation, reason).with_cmd(command)
        })
    }
}

/// Reads an address to listen on. A name is resolved once, to its first IPv4 address or, if it has none, to its first
/// address.
pub(super) fn listen(text: &str) -> Result<SocketAddr, String> {
    let text = text.trim();
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
    if host.is_empty() || host == "*" {
        return Err(format!(
            "it names no address; write 0.0.0.0:{port} to listen on all of this machine's, or 127.0.0.1:{port} for this machine alone"
        ));
    }
    if port.parse::<u16>().is_err() {
        return Err("it needs an address and a port, as in 127.0.0.1:7700".to_owned());
    }
    let found: Vec<SocketAddr> = text
        .to_socket_addrs()
        .map_err(|error| format!("the name `{host}` cannot be resolved: {error}"))?
        .collect();
    found
        .iter()
        .find(|address| address.is_ipv4())
        .or_else(|| found.first())
        .copied()
        .ok_or_else(|| format!("the name `{host}` has no address"))
}

/// Reads an origin and returns it as browsers send it: scheme and host in lower case, no default port, no slash at the
/// end.
pub(super) fn origin(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text == "*" {
        return Ok(text.to_owned());
    }
    let like = "write it like https://shop.example.com";
    if text.is_empty() {
        return Err(format!("an origin is empty; {like}, or `*` for all"));
    }
    if text.contains('*') {
        return Err(
            "an origin cannot have a wildcard in it; name each one, or write `*` alone for all"
                .to_owned(),
        );
    }
    let Ok(url) = Url::parse(text) else {
        return Err(format!("that is not an origin; {like}"));
    };
    let Some(host) = url.host_str().filter(|_| text.contains("://")) else {
        return Err(format!("an origin needs a scheme; {like}"));
    };
    let bare = matches!(url.path(), "" | "/")
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if !bare {
        return Err(format!(
            "an origin is scheme, host and port alone, and a browser sends no more; {like}"
        ));
    }
    // The parser's own origin would be opaque for other schemes, such as those of apps in web views.
    let port = url.port().map_or(String::new(), |port| format!(":{port}"));
    Ok(format!(
        "{}://{}{port}",
        url.scheme(),
        host.to_ascii_lowercase()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_as_browsers_send_them() {
        for (text, expected) in [
            ("*", "*"),
            ("https://shop.example.com", "https://shop.example.com"),
            (" http://localhost:5173\n", "http://localhost:5173"),
            ("https://Shop.Example.com/", "https://shop.example.com"),
            ("HTTPS://a.example:443", "https://a.example"),
            ("http://a.example:80/", "http://a.example"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("capacitor://Localhost", "capacitor://localhost"),
        ] {
            assert_eq!(origin(text).as_deref(), Ok(expected), "{text}");
        }
        for (text, expected) in [
            ("", "is empty"),
            ("  ", "is empty"),
            ("https://*.example.com", "wildcard"),
            ("https://*", "wildcard"),
            ("shop.example.com", "like https://"),
            ("localhost:3000", "needs a scheme"),
            ("https://a.example/shop", "host and port alone"),
            ("https://a.example?x", "host and port alone"),
            ("https://me:pw@a.example", "host and port alone"),
            ("https://a b.example", "not an origin"),
            ("null", "like https://"),
        ] {
            let error = origin(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(!error.contains("pw"), "{error}");
        }
    }

    #[test]
    fn addresses_may_be_names() {
        assert_eq!(listen(" 127.0.0.1:0\n"), Ok(([127, 0, 0, 1], 0).into()));
        assert!(listen("[::1]:7700").unwrap().is_ipv6());
        let local = listen("localhost:0").unwrap();
        assert!(local.ip().is_loopback() && local.port() == 0);
        for (text, expected) in [
            (":7700", "0.0.0.0:7700"),
            ("*:7700", "0.0.0.0:7700"),
            ("7700", "an address and a port"),
            ("here", "an address and a port"),
            ("localhost:http", "an address and a port"),
            ("localhost:70000", "an address and a port"),
            (
                "no-such-host.invalid:1",
                "`no-such-host.invalid` cannot be resolved",
            ),
        ] {
            let error = listen(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
