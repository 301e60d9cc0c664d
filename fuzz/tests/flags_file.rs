//! Any text as a flags file: it is read or its mistakes are placed; what is read can be evaluated and edited.

use flagwire_evaluation::model::{Configuration, FeatureConfig, State};
use flagwire_evaluation::{Snapshot, Target};
use flagwire_flags_file::{Edit, EditError, TargetEdit, edit, parse};
use flagwire_fuzz::text;

/// Of one flag that are chosen as its default and for a target.
const MAX_VARIATIONS: usize = 2;

/// Of one text that are edited.
const MAX_FLAGS: usize = 3;

#[test]
fn any_text_is_read_and_edited_or_refused_with_a_place() {
    flagwire_fuzz::fuzz("flags_file", 500, |input| check(&text(input)));
}

fn check(text: &str) {
    let configuration = match parse(text) {
        Ok(configuration) => configuration,
        Err(problems) => {
            assert!(!problems.is_empty());
            for problem in problems {
                let place = problem.place().expect("a mistake has a place");
                let lines = text.split(['\n', '\r']).count() as u64;
                assert!(
                    place.line <= lines + 1 && place.column > 0,
                    "{problem} in {lines} lines"
                );
                assert!(problem.reason().len() > 5, "{problem}");
            }
            return;
        }
    };
    let snapshot = Snapshot::compile(configuration.flags.clone(), configuration.segments.clone());
    let target = Target {
        identifier: "ada".to_owned(),
        ..Target::default()
    };
    for flag in &configuration.flags {
        drop(snapshot.evaluate(&flag.feature, Some(&target)));
        drop(snapshot.explain(&flag.feature, Some(&target)));
    }
    for flag in configuration.flags.iter().take(MAX_FLAGS) {
        edit(text, &configuration, flag);
    }
}

fn edit(text: &str, before: &Configuration, flag: &FeatureConfig) {
    let name = &flag.feature;
    for on in [true, false] {
        let change = Edit {
            state: Some(on),
            ..Edit::default()
        };
        let state = if on { State::On } else { State::Off };
        let after = after(text, before, name, &change);
        assert!(after.is_none_or(|after| after.state == state));
    }
    for variation in flag.variations.iter().take(MAX_VARIATIONS) {
        let variation = &variation.identifier;
        let change = Edit {
            default: Some(variation.clone()),
            ..Edit::default()
        };
        assert!(after(text, before, name, &change).is_none_or(|after| {
            let serve = after.default_serve;
            serve.variation.as_ref() == Some(variation) && serve.distribution.is_none()
        }));
        let change = Edit {
            target: Some(TargetEdit {
                identifier: "ada".to_owned(),
                variation: Some(variation.clone()),
            }),
            ..Edit::default()
        };
        assert!(after(text, before, name, &change).is_none_or(|after| {
            let mut named = after
                .variation_to_target_map
                .iter()
                .filter(|entry| entry.targets.iter().any(|one| one.identifier == "ada"))
                .map(|entry| &entry.variation);
            named.next() == Some(variation) && named.next().is_none()
        }));
    }
}

/// The flag after an edit, which must be the only one that differs; `None` where the edit is refused.
fn after(text: &str, before: &Configuration, name: &str, edit: &Edit) -> Option<FeatureConfig> {
    let new = match edit::apply(text, name, edit) {
        Ok(new) => new,
        Err(EditError::Refused(_)) => return None,
        Err(other) => panic!("{other} for {edit:?}"),
    };
    let mut after = parse(&new).expect("what is edited can be read");
    let at = after.flags.iter().position(|one| one.feature == name)?;
    let mut before = before.clone();
    before.flags.remove(at);
    let flag = after.flags.remove(at);
    assert_eq!(after, before, "{edit:?} of {name}");
    assert_eq!(comments(&new), comments(text), "{edit:?} of {name}");
    Some(flag)
}

/// Lines that are comments. Lines of texts look so, too, and stay as well; but for the last one of a quoted text, behind which
/// something may be written.
fn comments(text: &str) -> Vec<&str> {
    // YAML's lines end in a lone carriage return, too.
    let lines = text.split(['\n', '\r']).map(str::trim);
    let mut comments: Vec<&str> = lines
        .filter(|line| line.starts_with('#') && !line.contains(['"', '\'']))
        .collect();
    comments.sort_unstable();
    comments
}
