//! Tests how a file is handled that is read while it changes, and one on a disk that does not answer.

use std::fs;
use std::sync::mpsc::channel;

use tempfile::TempDir;

use super::settling::{QUIET_FOR_LOSS, Reading};
use super::signature::Signature;
use super::*;
use crate::environment::{Announce, Author, Document, Edit, EditError, FlagsChange, SourceState};
use crate::files::{Abandoned, FileWorker};

const WHOLE: Reading = Reading {
    quiet: Duration::ZERO,
    open: false,
    found: None,
};

fn flags(count: usize) -> String {
    let flags: String = (0..count).map(|n| format!("  flag-{n}: true\n")).collect();
    format!("flags:\n{flags}")
}

/// A file with 100 flags that are in force.
fn hundred() -> (TempDir, FlagsFile, Environment) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("flags.yaml");
    fs::write(&path, flags(100)).unwrap();
    let file = FlagsFile::new(&path);
    let environment = Environment::new("e");
    environment.apply(file.load().unwrap().0);
    environment.set_status(file.status(&environment, None));
    (directory, file, environment)
}

fn count(environment: &Environment) -> usize {
    environment.current().unwrap().snapshot.flags().len()
}

fn take(file: &FlagsFile, environment: &Environment, reading: Reading, accepted: bool) -> Look {
    file.take(environment, reading, accepted, &Abandoned::default())
}

#[test]
fn a_large_loss_waits_for_quiet_or_for_somebody_who_accepts_it() {
    let (_directory, file, environment) = hundred();
    fs::write(&file.path, flags(50)).unwrap();
    let look = take(&file, &environment, WHOLE, false);
    assert_eq!(
        (look, count(&environment)),
        (Look::Wait(QUIET_FOR_LOSS), 100)
    );
    let doubt = environment.doubt().unwrap();
    assert!(doubt.contains("has lost 50 of 100 flags"), "{doubt}");
    assert_eq!(environment.status().warning, Some(doubt));
    let quiet = Reading {
        quiet: QUIET_FOR_LOSS,
        ..WHOLE
    };
    assert_eq!(take(&file, &environment, quiet, false), Look::Read);
    assert_eq!((count(&environment), environment.doubt()), (50, None));
    assert_eq!(environment.status().warning, None);

    fs::write(&file.path, flags(10)).unwrap();
    assert_eq!(take(&file, &environment, WHOLE, true), Look::Read);
    assert_eq!(count(&environment), 10);
}

#[test]
fn the_loss_of_all_flags_waits_however_few_they_were() {
    let (_directory, file, environment) = hundred();
    environment.apply(flagwire_flags_file::parse(&flags(1)).unwrap());
    fs::write(&file.path, "flags:\n").unwrap();
    let look = take(&file, &environment, WHOLE, false);
    assert_eq!((look, count(&environment)), (Look::Wait(QUIET_FOR_LOSS), 1));
    let doubt = environment.doubt().unwrap();
    assert!(doubt.contains("has lost 1 of 1 flag"), "{doubt}");
    assert_eq!(take(&file, &environment, WHOLE, true), Look::Read);
    assert_eq!((count(&environment), environment.doubt()), (0, None));
}

#[test]
fn a_file_of_comments_alone_takes_nothing_away() {
    let (_directory, file, environment) = hundred();
    for nothing in ["# flags:\n#   a: true\n", "{}\n"] {
        fs::write(&file.path, nothing).unwrap();
        let quiet = Reading {
            quiet: QUIET_FOR_LOSS * 100,
            ..WHOLE
        };
        assert_eq!(take(&file, &environment, quiet, false), Look::Read);
        assert_eq!(count(&environment), 100, "{nothing:?}");
        let error = environment.status().error.unwrap_or_default();
        assert!(error.contains("write `flags:`"), "{error}");
    }
}

#[test]
fn a_loss_of_a_fifth_is_put_in_force_at_once() {
    let (_directory, file, environment) = hundred();
    fs::write(&file.path, flags(80)).unwrap();
    assert_eq!(take(&file, &environment, WHOLE, false), Look::Read);
    assert_eq!(count(&environment), 80);
}

#[test]
fn without_notifications_a_file_is_read_once_two_looks_find_the_same() {
    let (_directory, file, environment) = hundred();
    assert_eq!(file.poll(&environment), Look::Nothing);
    fs::write(&file.path, flags(90)).unwrap();
    let Look::Differs(found) = file.poll(&environment) else {
        panic!("the change was not found")
    };
    let reading = Reading {
        quiet: quiet_for(found.bytes),
        open: true,
        found: Some(found),
    };
    // Written to in between.
    fs::write(&file.path, flags(95)).unwrap();
    let Look::Differs(found) = take(&file, &environment, reading, false) else {
        panic!("it was read in the middle of being written")
    };
    assert_eq!(count(&environment), 100);
    let reading = Reading {
        found: Some(found),
        ..reading
    };
    assert_eq!(take(&file, &environment, reading, false), Look::Read);
    assert_eq!(count(&environment), 95);
}

#[test]
fn a_file_that_its_writer_has_open_is_not_read_before_it_is_quiet_for_its_size() {
    let (_directory, file, environment) = hundred();
    fs::write(&file.path, flags(90)).unwrap();
    let reading = Reading {
        open: true,
        ..WHOLE
    };
    let bytes = Signature::at(&file.path).unwrap().bytes;
    let look = take(&file, &environment, reading, false);
    assert_eq!(
        (look, count(&environment)),
        (Look::Wait(quiet_for(bytes)), 100)
    );
}

fn turned_off() -> FlagsChange {
    FlagsChange::Settings {
        flag: "flag-1".to_owned(),
        edit: Edit {
            state: Some(false),
            ..Edit::default()
        },
    }
}

#[test]
fn an_edit_of_a_file_that_is_being_written_is_refused() {
    let (_directory, file, environment) = hundred();
    fs::write(&file.path, flags(50)).unwrap();
    take(&file, &environment, WHOLE, false);
    let (file, environment) = (Arc::new(file), Arc::new(environment));
    let editor = FileEditor::new(&file, &environment);
    let change = turned_off();
    let error = editor.edit(&change, &Author::default()).unwrap_err();
    assert!(error.to_string().contains("is writing to"), "{error}");
    assert_eq!(fs::read_to_string(&file.path).unwrap(), flags(50));
}

#[tokio::test]
async fn a_disk_that_hangs_is_reported_while_the_last_good_flags_are_served() {
    let (_directory, mut file, environment) = hundred();
    file.worker = FileWorker::hurried();
    let (file, environment) = (Arc::new(file), Arc::new(environment));
    let following = {
        let (file, environment) = (Arc::clone(&file), Arc::clone(&environment));
        tokio::spawn(async move { follow(&file, &environment).await })
    };
    // Until the thread has nothing to wait for any more.
    let (release, hung) = channel::<()>();
    let error = file
        .worker
        .run("reading", move |_| hung.recv())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    let (other, hung) = channel::<()>();
    drop(file.worker.run("reading", move |_| hung.recv()).await);

    let mut status = environment.watch_status();
    let hangs = status
        .wait_for(|status| !status.healthy)
        .await
        .unwrap()
        .clone();
    assert_eq!(hangs.state, SourceState::Degraded);
    let error = hangs.error.unwrap();
    assert!(error.contains("has not come to an end"), "{error}");
    assert!(error.contains("flags.yaml"), "{error}");
    assert_eq!(count(&environment), 100);
    let change = turned_off();
    let editor = FileEditor::new(&file, &environment);
    let edited = tokio::task::spawn_blocking(move || editor.edit(&change, &Author::default()));
    assert!(edited.await.unwrap().is_err());

    // The mount is back, and what was saved there meanwhile is served.
    fs::write(&file.path, flags(90)).unwrap();
    drop((release, other));
    status.wait_for(|status| status.healthy).await.unwrap();
    let mut generation = environment.watch_generation();
    while count(&environment) != 90 {
        generation.changed().await.unwrap();
    }
    following.abort();
}

/// Stands for those who share the file: notes what is announced while the file has which text.
#[derive(Debug)]
struct Others {
    path: PathBuf,
    /// The announced text and the text of the file then.
    noted: Mutex<Vec<(String, String)>>,
    /// What one of them saves in the moment of the announcement.
    saves: Option<String>,
    refuse: bool,
}

impl Announce for Others {
    fn announce(&self, document: &Document) -> Result<(), EditError> {
        let announced = String::from_utf8(document.text.clone()).unwrap();
        let is = fs::read_to_string(&self.path).unwrap();
        self.noted.lock().push((announced, is));
        if let Some(text) = &self.saves {
            fs::write(&self.path, text).unwrap();
        }
        if self.refuse {
            return Err(EditError::Refused("not now".to_owned()));
        }
        Ok(())
    }
}

/// Edits the first flag, and returns the result, what was announced and the text of the file after that.
fn edit_beside(
    saves: Option<String>,
    refuse: bool,
) -> (Result<(), EditError>, Vec<(String, String)>, String) {
    let (_directory, file, environment) = hundred();
    let (file, environment) = (Arc::new(file), Arc::new(environment));
    let others = Arc::new(Others {
        path: file.path.clone(),
        noted: Mutex::default(),
        saves,
        refuse,
    });
    let editor = FileEditor::new(&file, &environment);
    editor.announce_by(Arc::clone(&others) as Arc<dyn Announce>);
    let change = FlagsChange::Settings {
        flag: "flag-1".to_owned(),
        edit: Edit {
            default: Some("false".to_owned()),
            ..Edit::default()
        },
    };
    let edited = editor.edit(&change, &Author::default());
    let noted = others.noted.lock().clone();
    (edited, noted, fs::read_to_string(&file.path).unwrap())
}

#[test]
fn an_edit_is_announced_before_it_is_written() {
    let (edited, noted, text) = edit_beside(None, false);
    edited.unwrap();
    assert_ne!(text, flags(100));
    assert_eq!(noted, [(text, flags(100))]);
}

#[test]
fn an_edit_that_cannot_be_announced_is_not_made() {
    let (edited, noted, text) = edit_beside(None, true);
    assert!(edited.is_err());
    assert_eq!((noted.len(), text), (1, flags(100)));
}

#[test]
fn what_somebody_saves_during_an_edit_is_not_overwritten() {
    let (edited, _, text) = edit_beside(Some(flags(99)), false);
    let error = edited.unwrap_err().to_string();
    assert!(error.contains("somebody else has written"), "{error}");
    assert_eq!(text, flags(99));
}
