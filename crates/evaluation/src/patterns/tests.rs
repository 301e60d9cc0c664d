//! Compares the engine with the `regex` crate where both read a pattern, and says what each of them alone reads.

use proptest::prelude::*;
use regex::Regex;

use super::{Pattern, check_pattern};

fn matches(pattern: &str, text: &str) -> bool {
    let pattern =
        Pattern::compile(pattern, &mut 0).unwrap_or_else(|why| panic!("{pattern}: {why}"));
    pattern.is_match(text)
}

const PATTERNS: &[&str] = &[
    "",
    "a",
    "^a",
    "a$",
    "^a$",
    "^$",
    "a|b",
    "a|",
    "(a|b)*c",
    "(?:a|b)+$",
    "a{2}",
    "a{2,}",
    "a{1,3}b",
    "^a{0}b",
    "a??b",
    "(a*)*",
    "(a+)+$",
    "(|a)+b",
    "^(?:a?){20}a{20}$",
    "[abc]",
    "[^abc]",
    "[a-c0-9]+",
    "[]a]",
    "[^]a]",
    "[a\\-c]",
    "[\\]a]",
    "[-a]",
    "[a-]",
    "\\d",
    "\\D",
    "\\s",
    "\\S",
    "\\w+",
    "\\W",
    "[\\d.]+$",
    "[^\\s]",
    "\\bfoo\\b",
    "\\Bo",
    "o\\B",
    "(?i)ADA@",
    "(?i)[a-c]+$",
    "(?i)[^a-y]",
    "(?i)straße",
    "(?i)ΣΊΣΥΦΟΣ",
    "(?i)k",
    "(?i)[k]",
    "(?i)ſ",
    "a(?i)b",
    "a(?i:b)c",
    "(?i)a(?-i)b",
    "(?s).",
    ".",
    "^.$",
    "(?s)a.b",
    "a.b",
    "(?m)^b$",
    "(?m)^$",
    "^b",
    "b$",
    "\\Aa",
    "a\\z",
    "(?P<name>a)b",
    "(?<name>a)",
    "\\x41",
    "\\x{1F600}",
    "\\n",
    "\\t",
    "\\.",
    "\\/",
    "\\$",
    "^\\p{L}+$",
    "\\pN",
    "\\P{Lu}",
    "[\\p{Greek}x]",
    "[[:alpha:]]",
    "[[:^digit:]]",
    "[[:word:]]+@",
    "(?i)\\p{Lu}",
    "[\\w-]+@[\\w.]+",
    "^(beta|gold)-[0-9]+$",
    "^.*@example\\.com$",
    "日本",
    "[日-語]",
    "é|ß|a",
    "(?i)É",
    "(?i)(é|ß|a){3}!",
    "x*",
    "(?U)a+?b",
    "^\\w{3,5}$",
    "\\w{2}\\d{2}",
    "(a|ab)(c|bcd)(d*)$",
    "^(a(b(c)?)?)?$",
    "[^\\n]",
    "[\\x00-\\x7f]",
    "\\d+\\.\\d+",
    "(?:^|,)b(?:,|$)",
    "(?m)(?:^|b)a",
    "\\ba",
    "[[:punct:]]",
    "[[:space:]]",
    "\\p{Han}",
    "\\p{Nd}+$",
];

const TEXTS: &[&str] = &[
    "",
    "a",
    "b",
    "ab",
    "aab",
    "aaab",
    "abc",
    "abcd",
    "c",
    "A",
    "B",
    "aB",
    "Ab",
    "ABC",
    "foo",
    "a foo b",
    "foobar",
    "ada@example.com",
    "ADA@",
    "é",
    "É",
    "ß",
    "STRASSE",
    "straße",
    "STRAßE",
    "σίσυφος",
    "ΣΊΣΥΦΟΣ",
    "k",
    "K",
    "\u{212a}",
    "s",
    "ſ",
    "S",
    "\n",
    "a\nb",
    "b\n",
    "\nb",
    "a\n\nb",
    "\r\n",
    "]",
    "-",
    "a-c",
    "1",
    "42",
    "٣",
    "1.5",
    "1\u{a0}",
    "\u{3000}",
    "日本語",
    "日",
    "gold-7",
    "beta-x",
    "aaaaaaaaaaaaaaaaaaaa",
    "\u{1f600}",
    "\u{0}",
    "_",
    "@",
    "x@y.z",
    "éßa!",
    "ÉßA!",
    "\t",
    ".",
    "/",
    "$",
    "a,b",
    "b,a",
    "ab12",
    "\u{200d}",
    "ⓐ",
    "ǅ",
    "Å",
    "\u{301}",
    "zzz",
];

#[test]
fn a_pattern_matches_as_the_regex_crate_has_it() {
    for pattern in PATTERNS {
        let expected = Regex::new(pattern).unwrap();
        let ours =
            Pattern::compile(pattern, &mut 0).unwrap_or_else(|why| panic!("{pattern}: {why}"));
        for text in TEXTS {
            // Long texts are matched by states.
            for text in [
                (*text).to_owned(),
                format!("{text}{}", "z ".repeat(80)),
                format!("{}{text}", "é\n".repeat(80)),
            ] {
                assert_eq!(
                    ours.is_match(&text),
                    expected.is_match(&text),
                    "{pattern:?} in {text:?}"
                );
            }
        }
    }
}

#[test]
fn what_re2_reads_is_read_and_what_it_refuses_is_named() {
    // Both read these, and RE2 otherwise than the `regex` crate: brackets and `&&` in a class stand for themselves, as does a brace.
    for (pattern, text, expected) in [
        ("^[a&&b]+$", "&a", true),
        ("^[[a]+$", "[a", true),
        ("^a{$", "a{", true),
        ("^a{,2}$", "a{,2}", true),
        ("^\\Qa.b\\E$", "a.b", true),
        ("^\\Qa.b", "axb", false),
        ("^\\012$", "\n", true),
        ("^\\07$", "\u{7}", true),
        ("^[a~~b]+$", "~b", true),
        ("^\\p{^L}$", "1", true),
        ("^\\p{^L}$", "a", false),
    ] {
        assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
    }
    for (pattern, reason) in [
        ("(", "unclosed group"),
        (")", "unopened group"),
        ("[a", "unclosed bracket"),
        ("[", "unclosed bracket"),
        ("*a", "a repetition has nothing to repeat"),
        ("a|*", "a repetition has nothing to repeat"),
        (
            "a**",
            "a repetition is repeated; put a group around the first",
        ),
        (
            "a{2}{3}",
            "a repetition is repeated; put a group around the first",
        ),
        ("a{1001}", "a repetition has a count over 1000"),
        (
            "a{3,2}",
            "the counts of a repetition are the wrong way round",
        ),
        ("((a{1000}){1000}){1000}", "it is too large"),
        ("(?=a)", "look-around such as (?=…) is not supported"),
        ("(?<!a)", "unknown syntax behind (?"),
        ("(?x)a", "unknown syntax behind (?"),
        ("(?P<a>.)(?P<a>.)", "two groups have the same name"),
        ("(a)\\1", "back-references such as \\1 are not supported"),
        ("\\", "it ends with a backslash"),
        ("\\y", "unknown escape"),
        ("\\p{Klingon}", "unknown class of characters"),
        ("[[:foo:]]", "unknown class of characters"),
        ("[z-a]", "a range in brackets is not valid"),
        ("[a-\\d]", "a range in brackets is not valid"),
        (
            "\\x{110000}",
            "a code of a character is not valid; write \\x41 or \\x{1F600}",
        ),
        (
            "\\xé",
            "a code of a character is not valid; write \\x41 or \\x{1F600}",
        ),
    ] {
        assert_eq!(check_pattern(pattern), Err(reason.to_owned()), "{pattern}");
    }
    let deep = format!("{}a{}", "(".repeat(900), ")".repeat(900));
    assert!(matches(&deep, "a"));
    let deeper = "(".repeat(100_000);
    assert_eq!(
        check_pattern(&deeper),
        Err("groups are nested too deep".to_owned())
    );
}

/// Each of these takes exponential time where the ways through a pattern are tried one after the other, and the last two need
/// more states than are kept.
#[test]
fn hostile_patterns_take_time_in_proportion_to_the_text() {
    let text = "a".repeat(65_536);
    for pattern in [
        "(a+)+!",
        "(a|a)*!",
        "(a*)*!",
        "(a|aa)+!",
        "(?i)(é|ß|a){50}!",
        "a.{200}!",
        "(?:a?){500}!",
    ] {
        assert!(!matches(pattern, &text), "{pattern}");
        assert!(
            matches(pattern, &format!("{text}{}!", "a".repeat(300))),
            "{pattern}"
        );
    }
    let mixed: String = (0..20_000_u32)
        .map(|n| {
            if n.wrapping_mul(n).wrapping_mul(2_654_435_761) >> 30 & 1 == 1 {
                'a'
            } else {
                'b'
            }
        })
        .collect();
    assert!(!matches("a[ab]{100}!", &mixed));
    assert!(matches(
        "a[ab]{100}!",
        &format!("a{}!{mixed}", "b".repeat(100))
    ));
}

proptest! {
    #[test]
    fn any_text_is_a_pattern_or_is_refused(pattern in "[ab()|*+?{}0-9,\\[\\]^$.\\\\dwpLQEPi:<>&-]{0,16}", text in "[ab0-9 \n-]{0,6}") {
        let ours = Pattern::compile(&pattern, &mut 0);
        // Where the `regex` crate reads more or otherwise, the test above says so.
        let otherwise = ["&&", "--", "[[", "\\<", "\\>", "\\b{", "(?<", "(?P", "\\p", "\\P", "x"];
        if let Ok(expected) = Regex::new(&pattern)
            && let Ok(ours) = ours
            && !otherwise.iter().any(|part| pattern.contains(part))
            && !pattern.contains("[^[") && pattern.matches('[').count() < 2
            && !pattern.contains("{,")
        {
            prop_assert_eq!(ours.is_match(&text), expected.is_match(&text), "{:?} in {:?}", pattern, text);
        }
    }
}
