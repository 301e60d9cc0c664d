//! Runs every file of `vectors/`.

use std::fs;
use std::path::{Path, PathBuf};

use flagwire_evaluation::model::{FeatureConfig, Segment};
use flagwire_evaluation::{
    EvaluationError, Outcome, Snapshot, Target, TypedValue, bucket, murmur3_x86_32,
};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "about")]
    _about: String,
    flags: Vec<FeatureConfig>,
    segments: Vec<Segment>,
    targets: Vec<Target>,
    tests: Vec<Test>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Test {
    flag: String,
    target: Option<String>,
    // Without a default, so that a test that lacks it is an error rather than "cannot be evaluated".
    #[serde(deserialize_with = "Value::deserialize")]
    expected: Value,
    variation: Option<String>,
    #[serde(rename = "note")]
    _note: Option<String>,
    #[serde(default, rename = "local")]
    _local: bool,
}

#[test]
fn every_vector_holds() {
    let (mut files, mut tests, mut failures) = (0, 0, Vec::new());
    for path in vector_files() {
        let file: File = serde_json::from_str(&fs::read_to_string(&path).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let snapshot = Snapshot::compile(file.flags, file.segments);
        files += 1;
        for test in &file.tests {
            tests += 1;
            let target = test.target.as_ref().map(|id| {
                let found = file.targets.iter().find(|target| target.identifier == *id);
                found.unwrap_or_else(|| panic!("{}: there is no target {id:?}", path.display()))
            });
            if let Err(why) = check(&snapshot, test, target) {
                failures.push(format!("{}: {test:?}: {why}", path.display()));
            }
        }
    }
    println!("{tests} tests in {files} files");
    assert!(
        failures.is_empty(),
        "{} of {tests}:\n{}",
        failures.len(),
        failures.join("\n")
    );
    assert!(
        files >= 9 && tests >= 500,
        "only {tests} tests in {files} files were found"
    );
}

/// All three ways to evaluate must agree with the vector.
fn check(snapshot: &Snapshot, test: &Test, target: Option<&Target>) -> Result<(), String> {
    let single = snapshot.evaluate(&test.flag, target);
    let of_all = snapshot
        .evaluate_all(target)
        .into_iter()
        .find(|all| all.flag == test.flag);
    if of_all.as_ref() != single.as_ref().ok() {
        return Err(format!("alone it is {single:?}, among all {of_all:?}"));
    }
    let explained = match snapshot.explain(&test.flag, target).result {
        Outcome::Served { evaluation, .. } => Ok(evaluation),
        Outcome::Failed(error) => Err(error),
    };
    if explained != single {
        return Err(format!("alone it is {single:?}, explained {explained:?}"));
    }
    let served = match single {
        Ok(served) => served,
        Err(_) if test.expected.is_null() => {
            let unknown = snapshot.flag(&test.flag).is_none();
            let error = if unknown {
                EvaluationError::UnknownFlag
            } else {
                EvaluationError::NoVariation
            };
            return if explained == Err(error) {
                Ok(())
            } else {
                Err(format!("{explained:?}"))
            };
        }
        Err(error) => return Err(error.to_string()),
    };
    let holds = match (
        TypedValue::read(&served.kind, &served.value),
        &test.expected,
    ) {
        (Some(TypedValue::Boolean(got)), Value::Bool(expected)) => got == *expected,
        (Some(TypedValue::Number(got)), Value::Number(expected)) => Some(got) == expected.as_f64(),
        (Some(TypedValue::Text(got)), Value::String(expected)) => got == *expected,
        (Some(TypedValue::Json(got)), Value::String(expected)) => {
            got == serde_json::from_str::<Value>(expected).map_err(|error| error.to_string())?
        }
        _ => false,
    };
    if !holds
        || test
            .variation
            .as_ref()
            .is_some_and(|expected| *expected != served.identifier)
    {
        return Err(format!("got {served:?}"));
    }
    Ok(())
}

#[derive(Deserialize)]
struct Hashes {
    hashes: Vec<Hash>,
}

#[derive(Deserialize)]
struct Hash {
    input: String,
    hash: u32,
    bucket: u8,
}

#[test]
fn the_hash_is_the_protocols() {
    let file = fs::read_to_string(vectors().join("hash/murmur3.json")).unwrap();
    let file: Hashes = serde_json::from_str(&file).unwrap();
    assert_eq!(file.hashes.len(), 19);
    for vector in file.hashes {
        assert_eq!(
            murmur3_x86_32(vector.input.as_bytes(), 0),
            vector.hash,
            "{}",
            vector.input
        );
        let (by, value) = vector.input.split_once(':').unwrap();
        assert_eq!(bucket(by, value), vector.bucket, "{}", vector.input);
    }
}

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

fn vector_files() -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(vectors())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect();
    files.sort();
    files
}
