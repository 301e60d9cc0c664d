//! Tests the layout of the server: which module may use which.
//!
//! Two rules that no compiler checks: the top-level modules do not use each other in a circle, and the state in force knows
//! nothing of the modules that fill it, serve it or copy it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The modules that `environment/` must not use, directly or through other modules.
const ABOVE_ENVIRONMENT: [&str; 5] = ["replicas", "routes", "serve", "source", "stream"];

/// For each top-level module, the modules that it uses, each with the file and line that does.
type Uses = BTreeMap<String, BTreeMap<String, String>>;

/// Reads the text of all files under `directory` whose names end in `.rs`.
fn sources(directory: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path.display().to_string(), text));
        }
    }
}

/// Leaves out comments, and the tests at the end of a file, which may use anything.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| *line != "#[cfg(test)]")
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(number, line)| (number + 1, line))
}

/// The names that follow `crate::` in a line: one, or several in braces.
fn names(line: &str) -> impl Iterator<Item = &str> {
    line.split("crate::").skip(1).flat_map(|rest| {
        let list = match rest.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap_or_default(),
            None => rest,
        };
        let items: Vec<&str> = match rest.starts_with('{') {
            true => list.split(',').collect(),
            false => vec![list],
        };
        items.into_iter().map(|item| {
            let item = item.trim();
            let end = item.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
            &item[..end.unwrap_or(item.len())]
        })
    })
}

fn uses() -> Uses {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    sources(&root, &mut found);
    let module = |path: &str| {
        let path = Path::new(path).strip_prefix(&root).unwrap();
        let first = path.iter().next().unwrap().to_str().unwrap();
        first.trim_end_matches(".rs").to_owned()
    };
    let modules: BTreeSet<String> = found.iter().map(|(path, _)| module(path)).collect();
    let mut uses = Uses::new();
    for (path, text) in &found {
        let user = module(path);
        if Path::new(path)
            .file_stem()
            .is_some_and(|name| name == "tests")
        {
            continue;
        }
        let used = uses.entry(user.clone()).or_default();
        for (number, line) in code(text) {
            for name in names(line) {
                if user == "lib" || name == user {
                    continue;
                }
                // A name that is not a module is an item of `lib.rs`.
                let name = if modules.contains(name) { name } else { "lib" };
                let place = format!("{path}:{number}");
                used.entry(name.to_owned()).or_insert(place);
            }
        }
        if user == "lib" {
            for (number, line) in code(text) {
                let reexported = line.trim_start_matches("pub use ");
                if reexported != line {
                    let name = reexported.split("::").next().unwrap_or_default();
                    used.insert(name.to_owned(), format!("{path}:{number}"));
                }
            }
        }
    }
    uses
}

/// Returns a path of uses from `from` to `to`, if there is one, as files and lines.
fn way(uses: &Uses, from: &str, to: &str) -> Option<Vec<String>> {
    let mut ways = vec![(from, Vec::new())];
    let mut seen = BTreeSet::from([from]);
    while let Some((module, way)) = ways.pop() {
        for (used, place) in uses.get(module).into_iter().flatten() {
            let mut way = way.clone();
            way.push(format!("{place} uses {used}"));
            if used == to {
                return Some(way);
            }
            if seen.insert(used) {
                ways.push((used, way));
            }
        }
    }
    None
}

#[test]
fn modules_do_not_use_each_other_in_a_circle() {
    let uses = uses();
    assert!(uses.len() > 20, "the sources were not read: {uses:?}");
    for module in uses.keys() {
        let circle = way(&uses, module, module);
        assert_eq!(circle, None, "`{module}` is used by what it uses");
    }
}

#[test]
fn the_state_in_force_knows_nothing_of_what_fills_serves_or_copies_it() {
    let uses = uses();
    for above in ABOVE_ENVIRONMENT {
        assert!(uses.contains_key(above), "there is no module `{above}`");
        let way = way(&uses, "environment", above);
        assert_eq!(way, None, "`environment` uses `{above}`");
    }
}

#[test]
fn the_names_of_used_modules_are_read_from_each_kind_of_path() {
    let read = |line: &str| names(line).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(read("use crate::source::{Origin, Source};"), ["source"]);
    assert_eq!(read("use crate::{json, target};"), ["json", "target"]);
    assert_eq!(
        read("    crate::auth::hex(&crate::time::now())"),
        ["auth", "time"]
    );
}

#[test]
fn the_table_of_modules_names_each_of_them() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs");
    let text = fs::read_to_string(path).unwrap();
    let table: String = text
        .lines()
        .filter(|line| line.starts_with("//! | "))
        .collect();
    for module in uses()
        .keys()
        .filter(|name| *name != "lib" && *name != "main")
    {
        assert!(table.contains(&format!("`{module}`")), "{module}");
    }
}
