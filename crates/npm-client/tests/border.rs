//! The numbers of the border, as TypeScript has them.
#![cfg(not(target_family = "wasm"))]

use std::path::Path;

use flagwire_npm_client::border::{Ask, ChangeCode, Emitted, Input, OptionPlace, typescript};

/// Set to write the file in place of comparing it.
const WRITE: &str = "FLAGWIRE_WRITE";

#[test]
fn typescript_has_the_numbers_of_rust() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pkg-template/src/border.ts");
    let expected = typescript();
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "pkg-template/src/border.ts is not what crates/npm-client/src/border.rs says; write it with \
         {WRITE}=1 cargo test -p flagwire-npm-client --test border"
    );
}

#[test]
fn a_number_leads_back_to_its_variant() {
    fn check<T: Copy + PartialEq + std::fmt::Debug>(
        all: &[(T, &str, &str)],
        from_number: fn(u32) -> Option<T>,
    ) {
        for (number, (variant, name, _)) in all.iter().enumerate() {
            assert_eq!(from_number(number as u32), Some(*variant));
            assert_eq!(format!("{variant:?}"), *name);
        }
        assert_eq!(from_number(all.len() as u32), None);
    }

    check(Input::ALL, Input::from_number);
    check(Emitted::ALL, Emitted::from_number);
    check(Ask::ALL, Ask::from_number);
    check(ChangeCode::ALL, ChangeCode::from_number);
    check(OptionPlace::ALL, OptionPlace::from_number);
}
