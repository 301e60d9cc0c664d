//! Runs a fuzz target: first every input of its saved corpus, then random ones, for as many rounds as asked.
//!
//! A plain driver, because it runs with `cargo test` on the stable compiler, where libFuzzer's instrumentation is not to be
//! had. Inputs are mutations of the corpus or new ones. What fails is made smaller, written to a file and named together
//! with its seed; once the bug is fixed the file belongs into the corpus, where every run plays it.
//!
//! - `FLAGWIRE_FUZZ_ROUNDS`: how many random inputs; some hundreds by default, seconds of work.
//! - `FLAGWIRE_FUZZ_SEED`: where the random inputs start. By default always at the same place, so that a change is not refused
//!   for what it did not bring in; at the time of day where rounds were asked for, which is how new bugs are looked for.

use std::fmt::Write as _;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use flagwire_core::Random;

/// The longest random input. Mutations of longer ones from the corpus may be longer.
const MAX_LENGTH: u32 = 300;

const USUAL_SEED: u64 = 1;

/// Runs `target` on the inputs in `fuzz/corpus/<name>`, then on `rounds` random ones.
///
/// # Panics
/// Where the target does, with what is needed to see that again.
pub fn fuzz(name: &str, rounds: u32, target: fn(&[u8])) {
    let corpus = corpus(name);
    assert!(!corpus.is_empty(), "the corpus of {name} is missing");
    for (path, input) in &corpus {
        let outcome = catch_unwind(AssertUnwindSafe(|| target(input)));
        assert!(outcome.is_ok(), "{} fails", path.display());
    }
    let asked = number("FLAGWIRE_FUZZ_ROUNDS");
    let seed = number("FLAGWIRE_FUZZ_SEED").unwrap_or_else(|| match asked {
        Some(_) => time_of_day(),
        None => USUAL_SEED,
    });
    let rounds = asked.unwrap_or_else(|| rounds.into());
    let mut random = Random::new(seed);
    println!(
        "{name}: {} of the corpus, {rounds} random from seed {seed}",
        corpus.len()
    );
    for round in 0..rounds {
        let input = input(&corpus, &mut random);
        if fails(target, &input) {
            let small = smaller(target, input);
            let path = save(name, &small);
            panic!(
                "{name} fails in round {round} of seed {seed}, on {} bytes saved as {}; once fixed they belong into fuzz/corpus/{name}",
                small.len(),
                path.display()
            );
        }
    }
}

/// An input as text, for targets that take text: bytes that are none count as characters of Latin-1.
#[must_use]
pub fn text(input: &[u8]) -> String {
    match std::str::from_utf8(input) {
        Ok(text) => text.to_owned(),
        Err(_) => input.iter().map(|byte| char::from(*byte)).collect(),
    }
}

fn time_of_day() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(USUAL_SEED, |since| since.as_nanos() as u64)
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(name);
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .map(|entries| {
            entries
                .filter_map(|entry| Some(entry.ok()?.path()))
                .collect()
        })
        .unwrap_or_default();
    paths.sort();
    let read = |path: PathBuf| fs::read(&path).ok().map(|input| (path, input));
    paths.into_iter().filter_map(read).collect()
}

/// A new input, or one of the corpus with some changes.
fn input(corpus: &[(PathBuf, Vec<u8>)], random: &mut Random) -> Vec<u8> {
    let byte = |random: &mut Random| random.below(255) as u8;
    if random.below(3) == 0 {
        let length = random.below(MAX_LENGTH);
        return (0..length).map(|_| byte(random)).collect();
    }
    let place = |length: usize, random: &mut Random| random.below(length as u32) as usize;
    let some = |random: &mut Random| corpus[place(corpus.len() - 1, random)].1.clone();
    let mut input = some(random);
    for _ in 0..=random.below(6) {
        let at = place(input.len(), random);
        let to = (at + place(8, random)).min(input.len());
        match random.below(4) {
            0 => drop(input.drain(at..to)),
            1 => input.insert(at, byte(random)),
            2 => input[at..to]
                .iter_mut()
                .for_each(|changed| *changed = byte(random)),
            _ => {
                let other = some(random);
                let from = place(other.len(), random);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
        }
    }
    input
}

fn fails(target: fn(&[u8]), input: &[u8]) -> bool {
    catch_unwind(AssertUnwindSafe(|| target(input))).is_err()
}

/// Leaves out what is not needed to fail, in ever smaller pieces.
fn smaller(target: fn(&[u8]), mut input: Vec<u8>) -> Vec<u8> {
    let mut size = input.len() / 2;
    while size > 0 {
        let mut at = 0;
        while at < input.len() {
            let mut without = input.clone();
            without.drain(at..(at + size).min(input.len()));
            if fails(target, &without) {
                input = without;
            } else {
                at += size;
            }
        }
        size /= 2;
    }
    input
}

fn save(name: &str, input: &[u8]) -> PathBuf {
    let mut file = format!("flagwire-{name}-");
    for byte in input.iter().take(8) {
        let _ = write!(file, "{byte:02x}");
    }
    let path = std::env::temp_dir().join(file);
    if let Err(error) = fs::write(&path, input) {
        println!("the input could not be saved ({error}): {input:?}");
    }
    path
}
