//! Tests every way in which a flags file changes under a running server.

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::*;
use flagwire_server::environment::{Author, Environment, FlagsChange};
use flagwire_server::source::Source as _;
use flagwire_server::source::file::FileSource;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::watch;

/// A server that watches a file, and a stream that reports the changes.
struct Followed {
    directory: TempDir,
    server: Server,
    stream: Stream,
    _stop: watch::Sender<bool>,
}

impl Followed {
    /// Starts a server for `flags.yaml`, which `prepare` creates in the directory, with `dark-mode` of the value 0.
    async fn new(prepare: impl FnOnce(&Path)) -> Self {
        let directory = TempDir::new().unwrap();
        prepare(directory.path());
        let server = server_with(settings(), None);
        let source = FileSource::open(&directory.path().join("flags.yaml")).unwrap();
        let (stop, stopping) = watch::channel(false);
        tokio::spawn(Box::new(source).run(Arc::clone(&server.environment), stopping));
        let token = server.token(CLIENT_KEY, ada()).await;
        let stream = server.stream(get("/stream", &token)).await;
        Self {
            directory,
            server,
            stream,
            _stop: stop,
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("flags.yaml")
    }

    /// Waits for the next change and asserts that it brings the number.
    async fn expect(&mut self, number: u32) {
        let event = self.stream.event().await;
        assert_eq!(
            event["evaluations"][0]["value"],
            Value::String(number.to_string()),
            "{event}"
        );
    }
}

fn flags(number: u32) -> String {
    format!("flags:\n  number: {number}\n")
}

async fn plain() -> Followed {
    Followed::new(|directory| fs::write(directory.join("flags.yaml"), flags(0)).unwrap()).await
}

#[tokio::test]
async fn truncated_and_written() {
    let mut followed = plain().await;
    for number in 1..4 {
        fs::write(followed.path(), flags(number)).unwrap();
        followed.expect(number).await;
    }
}

#[tokio::test]
async fn renamed_over_as_editors_do() {
    let mut followed = plain().await;
    for number in 1..4 {
        let beside = followed.directory.path().join(".flags.yaml.swp");
        fs::write(&beside, flags(number)).unwrap();
        fs::rename(&beside, followed.path()).unwrap();
        followed.expect(number).await;
    }
}

#[tokio::test]
async fn deleted_and_made_anew() {
    let mut followed = plain().await;
    for number in 1..3 {
        fs::remove_file(followed.path()).unwrap();
        followed
            .server
            .status(|status| status.error.is_some())
            .await;
        assert_eq!(
            followed
                .server
                .environment
                .current()
                .unwrap()
                .snapshot
                .flags()
                .len(),
            1,
            "the last good one stays"
        );
        fs::write(followed.path(), flags(number)).unwrap();
        followed.expect(number).await;
    }
}

#[tokio::test]
async fn moved_away_and_back() {
    let mut followed = plain().await;
    let away = followed.directory.path().join("away.yaml");
    fs::rename(followed.path(), &away).unwrap();
    fs::write(&away, flags(1)).unwrap();
    fs::rename(&away, followed.path()).unwrap();
    followed.expect(1).await;
}

/// Tests the way Kubernetes mounts a ConfigMap: `flags.yaml -> ..data/flags.yaml`, `..data -> ..2026_11`, where `..data` is replaced.
#[tokio::test]
async fn a_config_map_swap() {
    let mut followed = Followed::new(|directory| {
        fs::create_dir(directory.join("..0")).unwrap();
        fs::write(directory.join("..0/flags.yaml"), flags(0)).unwrap();
        symlink("..0", directory.join("..data")).unwrap();
        symlink("..data/flags.yaml", directory.join("flags.yaml")).unwrap();
    })
    .await;
    for number in 1..4 {
        let directory = followed.directory.path();
        let name = format!("..{number}");
        fs::create_dir(directory.join(&name)).unwrap();
        fs::write(directory.join(&name).join("flags.yaml"), flags(number)).unwrap();
        symlink(&name, directory.join("..data_tmp")).unwrap();
        fs::rename(directory.join("..data_tmp"), directory.join("..data")).unwrap();
        fs::remove_dir_all(directory.join(format!("..{}", number - 1))).unwrap();
        followed.expect(number).await;
    }
}

#[tokio::test]
async fn a_link_to_a_file_elsewhere_that_changes_there() {
    let elsewhere = TempDir::new().unwrap();
    let real = elsewhere.path().join("real.yaml");
    fs::write(&real, flags(0)).unwrap();
    let mut followed =
        Followed::new(|directory| symlink(&real, directory.join("flags.yaml")).unwrap()).await;
    for number in 1..3 {
        fs::write(&real, flags(number)).unwrap();
        followed.expect(number).await;
    }
}

#[tokio::test]
async fn half_written_and_broken_files_change_nothing_until_they_are_whole() {
    let mut followed = plain().await;
    for (broken, place) in [
        ("flags:\n  number: {", ""),
        ("", "empty"),
        ("flags:\n  number: 1\n  number: 2\n", ":3:3: "),
        ("flags:\n  numbr: [1]\n", ":2:10: "),
    ] {
        fs::write(followed.path(), broken).unwrap();
        followed
            .server
            .status(|status| {
                status
                    .error
                    .as_ref()
                    .is_some_and(|error| error.contains(place))
            })
            .await;
    }
    assert_eq!(followed.server.environment.current().unwrap().generation, 1);
    fs::write(followed.path(), flags(1)).unwrap();
    followed.expect(1).await;
    followed.server.status(|status| status.healthy).await;
}

#[tokio::test]
async fn an_edit_is_in_force_when_it_returns_and_keeps_rights_and_comments() {
    use flagwire_server::environment::Edit;
    use std::os::unix::fs::PermissionsExt as _;

    let text = "# mine\nflags:\n  dark-mode: false # careful\n";
    let mut followed = Followed::new(|directory| {
        let path = directory.join("flags.yaml");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    })
    .await;
    followed.server.status(|status| status.healthy).await;
    let environment = Arc::clone(&followed.server.environment);
    let editor = environment.editor().unwrap();
    tokio::task::spawn_blocking(move || {
        let edit = Edit {
            default: Some("true".to_owned()),
            ..Edit::default()
        };
        let change = FlagsChange::Settings {
            flag: "dark-mode".to_owned(),
            edit,
        };
        editor.edit(&change, &Author::default())
    })
    .await
    .unwrap()
    .unwrap();
    assert_eq!(environment.current().unwrap().generation, 2);
    assert_eq!(
        fs::read_to_string(followed.path()).unwrap(),
        text.replace("false", "true")
    );
    assert_eq!(
        fs::metadata(followed.path()).unwrap().permissions().mode() & 0o777,
        0o640
    );
    assert_eq!(
        fs::read_dir(followed.directory.path()).unwrap().count(),
        1,
        "nothing is left beside the file"
    );
    assert_eq!(
        followed.stream.event().await["evaluations"][0]["value"],
        "true"
    );
}

fn many(count: usize, number: u32) -> String {
    let flags: String = (0..count).map(|n| format!("  flag-{n}: true\n")).collect();
    format!("flags:\n  number: {number}\n{flags}")
}

fn count(followed: &Followed) -> usize {
    let current = followed.server.environment.current().unwrap();
    current.snapshot.flags().len()
}

/// Returns a file with a hundred flags and `number`, of the value 0.
async fn hundred() -> Followed {
    Followed::new(|directory| fs::write(directory.join("flags.yaml"), many(100, 0)).unwrap()).await
}

/// Writes a file in parts, and notes how long it paused in between. On a busy machine a writer may pause for so long that the server
/// rightly takes the file for whole; a test with such a writer shows nothing, and begins again.
struct SlowWriter {
    file: fs::File,
    last: Instant,
    longest_pause: Duration,
}

impl SlowWriter {
    fn of(path: &Path) -> Self {
        Self {
            file: fs::File::create(path).unwrap(),
            last: Instant::now(),
            longest_pause: Duration::ZERO,
        }
    }

    fn write(&mut self, text: impl AsRef<[u8]>) {
        std::io::Write::write_all(&mut self.file, text.as_ref()).unwrap();
        self.longest_pause = self.longest_pause.max(self.last.elapsed());
        self.last = Instant::now();
    }

    /// Whether it wrote without a pause that is nearly as long as `quiet`.
    fn went_on(&self, quiet: Duration) -> bool {
        self.longest_pause.max(self.last.elapsed()) < quiet.mul_f64(0.8)
    }
}

/// The pause between two writes of a program that writes slowly.
async fn slowly() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// How long a file that its writer has open must have been left alone, and one that is read at the start.
const QUIET: Duration = Duration::from_secs(1);
const FIRST_QUIET: Duration = Duration::from_millis(150);

#[tokio::test]
async fn what_is_written_slowly_is_read_once_its_writer_has_closed_it() {
    let text = many(100, 1);
    // The text is cut at line ends, where each part is a valid file.
    let (first, rest) = text.split_at(text.find("  flag-50:").unwrap());
    let (second, third) = rest.split_at(rest.find("  flag-96:").unwrap());
    let mut followed = loop {
        let followed = hundred().await;
        let mut writer = SlowWriter::of(&followed.path());
        for part in [first, second, third] {
            writer.write(part);
            slowly().await;
        }
        if writer.went_on(QUIET) {
            break followed;
        }
    };
    followed.expect(1).await;
    assert_eq!(count(&followed), 101);
    let generation = followed.server.environment.current().unwrap().generation;
    assert_eq!(generation, 2, "nothing was put in force in between");
}

#[tokio::test]
async fn what_its_writer_keeps_open_is_read_once_that_one_is_quiet() {
    let (mut followed, writer) = loop {
        let followed = hundred().await;
        let mut writer = SlowWriter::of(&followed.path());
        for line in many(100, 1).split_inclusive('\n') {
            writer.write(line);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        if writer.went_on(QUIET) {
            break (followed, writer);
        }
    };
    followed.expect(1).await;
    assert_eq!(count(&followed), 101);
    let generation = followed.server.environment.current().unwrap().generation;
    assert_eq!(generation, 2, "nothing was put in force in between");
    drop(writer);
}

#[tokio::test]
async fn a_file_that_is_being_written_at_the_start_is_awaited() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("flags.yaml");
    loop {
        let mut writer = SlowWriter::of(&path);
        writer.write("flags:\n");
        let writing = std::thread::spawn(move || {
            for line in many(100, 1).split_inclusive('\n').skip(1) {
                writer.write(line);
                std::thread::sleep(Duration::from_millis(5));
            }
            writer
        });
        let opened = FileSource::open_or_wait(&path).await;
        let went_on = writing.join().unwrap().went_on(FIRST_QUIET);
        let (_stop, stopping) = watch::channel(false);
        let environment = Arc::new(Environment::new("development"));
        if let Ok(source) = opened {
            drop(Box::new(source).run(Arc::clone(&environment), stopping));
        }
        let flags = environment.current().map(|now| now.snapshot.flags().len());
        if flags == Some(101) {
            return;
        }
        assert!(!went_on, "it was read in the middle: {flags:?}");
    }
}

#[tokio::test]
async fn half_a_file_whose_writer_comes_back_deletes_nothing_and_is_told_of() {
    let mut followed = hundred().await;
    let text = many(100, 1);
    let (first, second) = text.split_at(text.find("  flag-50:").unwrap());
    fs::write(followed.path(), first).unwrap();
    followed
        .server
        .status(|status| {
            let warning = status.warning.as_deref().unwrap_or_default();
            warning.contains("has lost 50 of 101 flags") && status.healthy
        })
        .await;
    let mut appending = fs::OpenOptions::new()
        .append(true)
        .open(followed.path())
        .unwrap();
    std::io::Write::write_all(&mut appending, second.as_bytes()).unwrap();
    drop(appending);
    followed.expect(1).await;
    assert_eq!(count(&followed), 101);
    let generation = followed.server.environment.current().unwrap().generation;
    assert_eq!(generation, 2, "nothing was put in force in between");
    followed
        .server
        .status(|status| status.warning.is_none())
        .await;
}

#[tokio::test]
async fn many_flags_that_are_taken_out_for_good_are_gone_in_the_end() {
    let mut followed = hundred().await;
    let beside = followed.directory.path().join("beside.yaml");
    fs::write(&beside, many(40, 1)).unwrap();
    fs::rename(&beside, followed.path()).unwrap();
    followed
        .server
        .status(|status| status.warning.is_some())
        .await;
    assert_eq!(count(&followed), 101);
    followed.expect(1).await;
    assert_eq!(count(&followed), 41);
}

#[tokio::test]
async fn truncated_to_nothing_and_cut_inside_a_character_change_nothing() {
    let text = "flags:\n  number: 1 # ä\n".as_bytes();
    let inside = text.iter().position(|byte| *byte > 127).unwrap() + 1;
    let (mut followed, writer, healthy) = loop {
        let followed = plain().await;
        let mut writer = SlowWriter::of(&followed.path());
        slowly().await;
        let mut healthy = Vec::new();
        for part in [&text[..inside], &text[inside..]] {
            writer.write(part);
            slowly().await;
            healthy.push(followed.server.environment.status().healthy);
        }
        if writer.went_on(QUIET) {
            break (followed, writer, healthy);
        }
    };
    assert_eq!(healthy, [true, true]);
    drop(writer);
    followed.expect(1).await;
    assert!(followed.server.environment.status().healthy);
}
