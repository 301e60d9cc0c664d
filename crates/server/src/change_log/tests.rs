use std::fs;

use flagwire_flags_file::edit::{Entry, Written};

use super::*;

fn change(name: &str, text: &str) -> NewChange {
    NewChange {
        by: Author::file(),
        what: Entry::Flag(name.to_owned()),
        change: text.chars().take(20).collect(),
        from: None,
        to: Some(Written {
            text: text.to_owned(),
            after: None,
        }),
        undoes: None,
    }
}

fn log_in(directory: &Path) -> ChangeLog {
    let flags = directory.join("flags.yaml");
    ChangeLog::new("test", &flags, &directory.join("state/changes-test.jsonl"))
}

fn listed(log: &ChangeLog, query: &ChangeQuery) -> Vec<(String, bool)> {
    let page = log.list(query).unwrap().unwrap();
    let one = |one: ListedChange| (one.change.change, one.last);
    page.changes.into_iter().map(one).collect()
}

#[test]
fn changes_are_listed_newest_first_in_pages_and_by_flag() {
    let directory = tempfile::tempdir().unwrap();
    let log = log_in(directory.path());
    assert!(listed(&log, &ChangeQuery::default()).is_empty());
    log.append(vec![change("a", "1"), change("b", "2")])
        .unwrap();
    log.append(vec![change("a", "3")]).unwrap();
    let is = |list: &[(&str, bool)]| -> Vec<(String, bool)> {
        list.iter()
            .map(|(text, last)| ((*text).to_owned(), *last))
            .collect()
    };
    assert_eq!(
        listed(&log, &ChangeQuery::default()),
        is(&[("3", true), ("2", true), ("1", false)])
    );
    let of = |flag: &str| ChangeQuery {
        flag: Some(flag.to_owned()),
        ..ChangeQuery::default()
    };
    assert_eq!(listed(&log, &of("a")), is(&[("3", true), ("1", false)]));
    let two = ChangeQuery {
        limit: Some(2),
        ..ChangeQuery::default()
    };
    let page = log.list(&two).unwrap().unwrap();
    assert!(page.more && page.changes.len() == 2);
    let rest = ChangeQuery {
        before: Some(page.changes[1].change.id.clone()),
        ..two
    };
    assert_eq!(listed(&log, &rest), is(&[("1", false)]));
    let unknown = ChangeQuery {
        before: Some("none".to_owned()),
        ..rest
    };
    assert!(log.list(&unknown).unwrap().is_none());
    let (first, last) = log
        .find(&log.list(&of("a")).unwrap().unwrap().changes[1].change.id)
        .unwrap()
        .unwrap();
    assert_eq!(
        (first.change.as_str(), last.unwrap().change.as_str()),
        ("1", "3")
    );
}

#[test]
fn a_damaged_line_is_skipped_and_swallows_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let log = log_in(directory.path());
    log.append(vec![change("a", "1")]).unwrap();
    let path = directory.path().join("flags.changes.jsonl");
    let whole = fs::read_to_string(&path).unwrap();
    // A crash in the middle of a line.
    fs::write(&path, format!("{whole}{}", &whole[..40])).unwrap();
    log.append(vec![change("a", "2")]).unwrap();
    let page = log.list(&ChangeQuery::default()).unwrap().unwrap();
    assert_eq!((page.changes.len(), page.damaged), (2, 1));
    assert_eq!(log.warned.lock().len(), 1);
}

#[test]
fn the_log_stays_below_its_limit_and_loses_whole_lines_at_its_start() {
    let directory = tempfile::tempdir().unwrap();
    let log = log_in(directory.path());
    let path = directory.path().join("flags.changes.jsonl");
    let text = "x".repeat(MAX_TEXT_BYTES);
    for n in 0..100 {
        log.append(vec![change("a", &format!("{n} {}", &text[8..]))])
            .unwrap();
        assert!(fs::metadata(&path).unwrap().len() <= MAX_LOG_BYTES);
    }
    let page = log.list(&ChangeQuery::default()).unwrap().unwrap();
    assert_eq!(page.damaged, 0);
    assert!(page.changes[0].change.change.starts_with("99 "));
    assert!(page.changes.len() > 20);
    let shown = page.changes[0].change.to.as_ref().unwrap();
    assert_eq!(shown.chars().count(), MAX_LISTED_CHARS + 1);
    // What is too long to be kept is said to be.
    log.append(vec![change("b", &format!("{text}x"))]).unwrap();
    let page = log.list(&ChangeQuery::default()).unwrap().unwrap();
    let long = &page.changes[0];
    assert!(long.change.omitted && long.change.to.is_none() && !long.last);
}

#[test]
fn a_log_that_cannot_be_beside_the_flags_is_in_the_state_directory() {
    let directory = tempfile::tempdir().unwrap();
    let flags = directory.path().join("gone/flags.yaml");
    let state = directory.path().join("state/changes-test.jsonl");
    let log = ChangeLog::new("test", &flags, &state);
    log.append(vec![change("a", "1")]).unwrap();
    assert!(state.exists());
    // Once its place is there, it goes on beside the flags.
    fs::create_dir(directory.path().join("gone")).unwrap();
    log.append(vec![change("a", "2")]).unwrap();
    assert_eq!(listed(&log, &ChangeQuery::default()).len(), 2);
    assert!(directory.path().join("gone/flags.changes.jsonl").exists());
}
