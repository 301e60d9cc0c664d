//! An environment of 200 flags and 24 groups that uses everything the protocol has, as its endpoints for back ends answer.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

use serde_json::{Value, json};

pub const FLAGS: usize = 200;

/// What `feature-configs` answers.
pub fn flags() -> Vec<Value> {
    (0..FLAGS).map(flag).collect()
}

/// What `target-segments` answers.
pub fn groups() -> Vec<Value> {
    (0..24).map(group).collect()
}

/// A value of a list, by turns.
fn pick<T: Copy>(list: &[T], at: usize) -> T {
    list[at % list.len()]
}

fn variation(identifier: &str, value: &str) -> Value {
    json!({ "identifier": identifier, "value": value, "name": identifier })
}

fn variations(at: usize) -> (&'static str, Vec<Value>) {
    match at % 8 {
        0 | 1 => (
            "boolean",
            vec![
                json!({ "identifier": "true", "name": "True", "value": "true" }),
                json!({ "identifier": "false", "name": "False", "value": "false" }),
            ],
        ),
        2 => (
            "boolean",
            vec![
                json!({ "identifier": "on", "name": "Shown", "value": "true", "description": "Everything\nis shown" }),
                variation("off", "false"),
                variation("quiet", "false"),
            ],
        ),
        3 => (
            "string",
            vec![
                variation("classic", "classic"),
                variation("Ocean_2", "no"),
                variation("empty", ""),
                variation(
                    "long",
                    "a: b # c \"quoted\" 'too'\nand a second line\u{2028}é😀",
                ),
            ],
        ),
        4 => (
            "int",
            vec![
                variation("small", "4"),
                variation("8", "-8"),
                variation("half", "0.5"),
            ],
        ),
        5 => (
            "json",
            vec![
                variation(
                    "plain",
                    "{\"text\":\"Hi\",\"list\":[1,2.5,null,true],\"on\":\"off\"}",
                ),
                variation("pretty", "{\n  \"z\": 1,\n  \"a\": { \"b\": \"007\" }\n}"),
                variation("scalar", "\"text\""),
            ],
        ),
        6 => (
            "int",
            vec![
                variation("padded", "011"),
                variation("rounded", "1.50"),
                variation("large", "9007199254740993"),
            ],
        ),
        _ => (
            "string",
            vec![
                variation("a", "1"),
                variation("b", "true"),
                variation("c", "2026-01-02"),
                variation("d", "null"),
            ],
        ),
    }
}

fn flag(at: usize) -> Value {
    let (kind, variations) = variations(at);
    let id = |n: usize| variations[n % variations.len()]["identifier"].clone();
    let mut flag = json!({
        "project": "shop", "environment": "production", "feature": name(at), "kind": kind,
        "state": if at % 7 == 6 { "off" } else { "on" },
        "version": 12 + at,
        "offVariation": id(1),
        "defaultServe": serve(at, &id),
        "prerequisites": prerequisites(at),
        "variationToTargetMap": target_map(at, &id),
        "rules": rules(at, &id),
        "variations": variations,
    });
    match at % 5 {
        0 => flag["prerequisites"] = Value::Null,
        1 => {
            flag.as_object_mut().unwrap().remove("rules");
        }
        _ => {}
    }
    flag
}

pub fn name(at: usize) -> String {
    format!(
        "{}-{at}",
        pick(&["shop.flag", "Checkout_V2", "new$price", "banner"], at)
    )
}

fn serve(at: usize, id: &impl Fn(usize) -> Value) -> Value {
    let share = |n: usize, weight: i64| json!({ "variation": id(n), "weight": weight });
    let shares = |by: &str, shares: Vec<Value>| json!({ "distribution": { "bucketBy": by, "variations": shares } });
    match at % 9 {
        0..=3 => json!({ "variation": id(at / 9) }),
        4 => shares("identifier", vec![share(0, 30), share(1, 70)]),
        5 if at.is_multiple_of(2) => shares("email", vec![share(0, 0), share(1, 99), share(0, 1)]),
        5 => shares("email", vec![share(0, 1), share(1, 99)]),
        6 => shares("identifier", vec![share(1, 20), share(0, 25)]),
        7 => {
            json!({ "variation": null, "distribution": { "bucketBy": "plan", "variations": [share(0, 50), share(1, 50)] } })
        }
        _ => shares("identifier", vec![share(0, 60), share(1, 80)]),
    }
}

/// Chains of up to four, never in a circle.
fn prerequisites(at: usize) -> Value {
    let required = |other: usize, wanted: &[usize]| {
        let (_, variations) = variations(other);
        let ids: Vec<&Value> = wanted
            .iter()
            .map(|n| &variations[n % variations.len()]["identifier"])
            .collect();
        json!({ "feature": name(other), "variations": ids })
    };
    match at % 11 {
        1 if at > 4 => json!([required(at - 1, &[0])]),
        2 if at > 4 => json!([required(at - 1, &[0, 1]), required(at - 2, &[1])]),
        3 if at > 9 => {
            json!([required(at - 7, &[1]), { "feature": "gone", "variations": ["true"] }])
        }
        _ => json!([]),
    }
}

fn target_map(at: usize, id: &impl Fn(usize) -> Value) -> Value {
    let target = |n: usize| json!({ "identifier": format!("user-{n}"), "name": if n.is_multiple_of(2) { "Ada" } else { "" } });
    match at % 10 {
        1 => {
            json!([{ "variation": id(1), "targets": [target(at), target(at + 1)], "targetSegments": [] }])
        }
        2 => json!([
            { "variation": id(0), "targets": [target(1), target(2)] },
            { "variation": id(1), "targets": [target(2), { "identifier": "007", "name": "James" }, { "identifier": "true" }] },
        ]),
        3 => json!([
            { "variation": id(0), "targets": [target(3)], "targetSegments": [group_name(at)] },
            { "variation": id(1), "targets": null, "targetSegments": [group_name(at + 1), "nowhere"] },
        ]),
        4 => json!([
            { "variation": id(0), "targetSegments": [group_name(at), group_name(at + 2)] },
            { "variation": id(1), "targets": [target(4), target(5)] },
        ]),
        5 => Value::Null,
        _ => json!([]),
    }
}

fn clause(at: usize) -> Value {
    let one = |attribute: &str, op: &str, values: Value| json!({ "id": format!("c{at}"), "attribute": attribute, "op": op, "values": values, "negate": false });
    match at % 16 {
        0 => one("plan", "equal", json!(["Gold"])),
        1 => one("plan", "equal_sensitive", json!(["gold"])),
        2 => one("country", "in", json!(["DE", "no", "", "AT"])),
        3 => one("email", "ends_with", json!(["@example.com"])),
        4 => one("identifier", "starts_with", json!(["user-1"])),
        5 => one("name", "contains", json!(["Ad"])),
        6 => one("email", "match", json!(["^[a-c]+@(shop|store)\\.example$"])),
        7 => one("version", "gt", json!(["10"])),
        8 => one("", "segmentMatch", json!([group_name(at)])),
        9 => one(
            "",
            "segmentMatch",
            json!([group_name(at + 1), "nowhere", group_name(at + 3)]),
        ),
        10 => one("age", "equal", json!(["42", "43"])),
        11 => one("beta", "equal", json!(["true"])),
        12 => one("group", "in", json!(["admins"])),
        13 => one("weird: \"key\"", "starts_with", json!([""])),
        14 => one("identifier", "in", json!(["user-7", "007", "1e3"])),
        _ => one("note", "equal", json!([" leading, and\na line "])),
    }
}

fn rules(at: usize, id: &impl Fn(usize) -> Value) -> Value {
    let rule = |priority: usize, n: usize, clauses: Vec<Value>| {
        json!({
            "ruleId": format!("0f8fad5b-d9cb-469f-a165-70867728{:04}", at * 10 + n),
            "priority": priority, "clauses": clauses, "serve": serve(at + n, id),
        })
    };
    let mut rules = match at % 6 {
        0 => vec![],
        1 => vec![rule(1, 0, vec![clause(at / 6)])],
        2 => vec![
            rule(2, 0, vec![clause(at / 6)]),
            rule(1, 1, vec![clause(at / 6 + 5)]),
        ],
        3 => vec![
            rule(1, 3, vec![clause(at / 6 + 1), clause(at / 6 + 4)]),
            rule(1, 4, vec![clause(at / 6 + 2)]),
        ],
        4 => vec![
            rule(5, 5, vec![clause(at / 6 + 3)]),
            rule(
                0,
                6,
                vec![
                    clause(3),
                    json!({ "attribute": "email", "op": "starts_with", "values": ["a"] }),
                ],
            ),
            rule(3, 7, vec![clause(7), clause(8), clause(0)]),
        ],
        _ => vec![
            rule(
                2,
                8,
                vec![
                    json!({ "attribute": "plan", "op": "equal", "values": ["silver"], "negate": true }),
                ],
            ),
            rule(
                3,
                4,
                vec![
                    json!({ "attribute": "", "op": "segmentMatch", "values": ["nowhere"], "negate": false }),
                ],
            ),
            rule(
                4,
                2,
                vec![json!({ "attribute": "plan", "op": "in", "values": [], "negate": false })],
            ),
        ],
    };
    if at % 13 == 3
        && let Some(first) = rules.first_mut()
    {
        first["serve"] = json!({});
    }
    if at % 17 == 4
        && let Some(first) = rules.first_mut()
    {
        first["ruleId"] = json!("Early birds");
    }
    json!(rules)
}

fn group_name(at: usize) -> String {
    format!("{}-{}", pick(&["beta", "Staff"], at), at % 24)
}

fn group(at: usize) -> Value {
    let member = |n: usize| {
        json!({
            "identifier": format!("user-{n}"), "name": if n.is_multiple_of(3) { "Grace" } else { "" },
            "account": "", "org": "", "project": "", "environment": "",
        })
    };
    let mut group = json!({
        "identifier": group_name(at), "name": if at.is_multiple_of(3) { group_name(at) } else { format!("Group {at}") },
        "environment": "production", "version": 3, "createdAt": 1_700_000_000_000_i64, "modifiedAt": 1_700_000_001_000_i64,
        "tags": null, "included": [member(at), member(at + 3)], "excluded": [member(at + 40)], "rules": null,
    });
    // No group leads back to itself.
    let own = [0, 1, 2, 3, 5, 6, 7, 10, 11, 14];
    match at % 4 {
        0 => {
            group["servingRules"] = json!([
                { "ruleId": "s1", "priority": 2, "clauses": [clause(pick(&own, at)), clause(7)] },
                { "ruleId": "s2", "priority": 1, "clauses": [clause(pick(&own, at + 1))] },
            ]);
        }
        1 => group["rules"] = json!([clause(pick(&own, at)), clause(pick(&own, at + 2))]),
        2 => {
            group["servingRules"] = json!([
                { "priority": 1, "clauses": [{ "attribute": "", "op": "segmentMatch", "values": [group_name(at + 1)] }] },
            ]);
        }
        _ => {
            group["included"] = json!([]);
            group["tags"] = json!([{ "name": "team a", "identifier": "team_a" }]);
        }
    }
    if at == 4 {
        group["excluded"] = Value::Null;
    }
    group
}
