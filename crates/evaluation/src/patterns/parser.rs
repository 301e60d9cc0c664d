//! Reads a pattern and writes its instructions at once, without a tree between them: a part of a pattern is a block of instructions
//! with relative jumps, which can be copied and put into another. Nothing recurses, however deep the groups are nested.
//!
//! Source: <https://github.com/google/re2/wiki/Syntax>. `\d`, `\s`, `\w`, `\b` and their opposites know all of Unicode.

use std::str::Chars;

use super::reason::{self, Reason};
use super::set::Set;

/// The most instructions of one pattern: eight times what the largest repetition of one character makes.
const MAX_INSTRUCTIONS: usize = 8_192;
/// The most ranges of all classes of one pattern together, which is some twenty times `\w`.
const MAX_RANGES: usize = 16_384;
/// The largest number of a repetition, as in RE2.
const MAX_REPEAT: u32 = 1_000;
const MAX_DEPTH: usize = 1_000;
/// The most look-ups in classes that compiling one pattern may take: a few milliseconds.
const MAX_TESTS: usize = 1 << 18;
/// The most searches of Unicode's tables for one pattern, and what each costs, in ranges.
const MAX_SEARCHES: usize = 200;
const SEARCH_COST: usize = 100;

/// A step of a parsed pattern. Places are relative to the instruction's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Instruction {
    /// Takes this character.
    Character(char),
    /// Takes a character of the class at this position.
    Class(usize),
    /// Goes on here and with the next instruction.
    Fork(i32),
    /// Goes on here.
    Jump(i32),
    /// Goes on with the next instruction if this holds between two characters.
    Look(Look),
}

/// What can be asked of a place between two characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    TextStart,
    TextEnd,
    LineStart,
    LineEnd,
    WordEdge,
    NoWordEdge,
}

/// A pattern that was read. It matches where the end of the instructions is reached.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) instructions: Vec<Instruction>,
    pub(super) classes: Vec<Set>,
}

#[derive(Clone, Copy, Default)]
struct Flags {
    ignore_case: bool,
    multi_line: bool,
    dot_all: bool,
}

/// A group that is being read, or the whole pattern.
#[derive(Default)]
struct Group {
    /// The flags that hold again behind it.
    flags: Flags,
    alternatives: Vec<Vec<Instruction>>,
    current: Vec<Instruction>,
    /// Where the part begins that a repetition would repeat, unless there is none.
    last: Option<usize>,
    /// Whether that part is a repetition already.
    repeated: bool,
}

/// Reads a pattern, and adds to `cost` what that and the rest of its compilation cost, also where it is refused.
///
/// # Errors
/// What is wrong with it.
pub(super) fn parse(pattern: &str, cost: &mut u64) -> Result<Parsed, Reason> {
    let mut parser = Parser {
        rest: pattern.chars(),
        flags: Flags::default(),
        outer: Vec::new(),
        group: Group::default(),
        names: Vec::new(),
        parsed: Parsed::default(),
        size: 0,
        ranges: 0,
        searches: 0,
    };
    let parsed = parser.whole();
    let work = [
        parser.size,
        parser.ranges,
        parser.searches.saturating_mul(SEARCH_COST),
        parser.tests(),
    ];
    let work = work.into_iter().fold(1, usize::saturating_add);
    *cost = cost.saturating_add(u64::try_from(work).unwrap_or(u64::MAX));
    parsed.map(|()| parser.parsed)
}

struct Parser<'p> {
    rest: Chars<'p>,
    flags: Flags,
    outer: Vec<Group>,
    group: Group,
    names: Vec<&'p str>,
    parsed: Parsed,
    /// How many instructions all open groups have together.
    size: usize,
    /// How many ranges all classes have together.
    ranges: usize,
    /// How often Unicode's tables were searched.
    searches: usize,
}

impl<'p> Parser<'p> {
    fn whole(&mut self) -> Result<(), Reason> {
        while let Some(character) = self.rest.next() {
            self.part(character)?;
        }
        if !self.outer.is_empty() {
            return Err(reason::UNCLOSED_GROUP);
        }
        self.parsed.instructions = joined(std::mem::take(&mut self.group))?;
        if self.parsed.instructions.len() > MAX_INSTRUCTIONS || self.tests() > MAX_TESTS {
            return Err(reason::TOO_LARGE);
        }
        Ok(())
    }

    /// Returns how often it is asked about a range whether a class has it, at most, when the pattern is compiled. The classes of characters
    /// that the pattern tells apart begin and end where ranges do, and characters.
    fn tests(&self) -> usize {
        let edges = self.ranges.saturating_add(self.parsed.instructions.len());
        self.parsed.classes.len().saturating_mul(edges)
    }

    fn search(&mut self) -> Result<(), Reason> {
        self.searches = self.searches.saturating_add(1);
        if self.searches > MAX_SEARCHES {
            return Err(reason::TOO_LARGE);
        }
        Ok(())
    }

    fn with_cases(&mut self, set: Set) -> Result<Set, Reason> {
        if !self.flags.ignore_case {
            return Ok(set);
        }
        if !set.is_ascii() {
            self.search()?;
        }
        Ok(set.with_cases())
    }

    fn part(&mut self, character: char) -> Result<(), Reason> {
        match character {
            '(' => self.open(),
            ')' => self.close(),
            '|' => {
                let current = std::mem::take(&mut self.group.current);
                self.group.alternatives.push(current);
                self.group.last = None;
                self.grow(2)
            }
            '*' => self.repeat(0, None),
            '+' => self.repeat(1, None),
            '?' => self.repeat(0, Some(1)),
            '{' => match counts(self.rest.as_str()) {
                Some((least, most, rest)) => {
                    self.rest = rest.chars();
                    self.repeat(least, most)
                }
                None => self.literal('{'),
            },
            '[' => {
                let set = self.bracket()?;
                self.class(set)
            }
            '.' if self.flags.dot_all => self.class(Set::default().negated()),
            '.' => self.class(Set::of(&[(10, 10)]).negated()),
            '^' if self.flags.multi_line => self.atom(Instruction::Look(Look::LineStart)),
            '^' => self.atom(Instruction::Look(Look::TextStart)),
            '$' if self.flags.multi_line => self.atom(Instruction::Look(Look::LineEnd)),
            '$' => self.atom(Instruction::Look(Look::TextEnd)),
            '\\' => self.escape(),
            other => self.literal(other),
        }
    }

    fn grow(&mut self, by: usize) -> Result<(), Reason> {
        self.size = self.size.saturating_add(by);
        if self.size > MAX_INSTRUCTIONS {
            return Err(reason::TOO_LARGE);
        }
        Ok(())
    }

    fn atom(&mut self, instruction: Instruction) -> Result<(), Reason> {
        self.grow(1)?;
        self.group.last = Some(self.group.current.len());
        self.group.repeated = false;
        self.group.current.push(instruction);
        Ok(())
    }

    fn literal(&mut self, character: char) -> Result<(), Reason> {
        if self.flags.ignore_case {
            let set = Set::of_cases(character);
            if set.ranges() != [(character.into(), character.into())] {
                return self.class(set);
            }
        }
        self.atom(Instruction::Character(character))
    }

    fn class(&mut self, set: Set) -> Result<(), Reason> {
        let known = self.parsed.classes.iter().position(|known| *known == set);
        let at = known.unwrap_or(self.parsed.classes.len());
        if known.is_none() {
            self.ranges = self.ranges.saturating_add(set.ranges().len());
            if self.ranges > MAX_RANGES {
                return Err(reason::TOO_LARGE);
            }
            self.parsed.classes.push(set);
        }
        self.atom(Instruction::Class(at))
    }

    fn open(&mut self) -> Result<(), Reason> {
        let outside = self.flags;
        if let Some(rest) = self.rest.as_str().strip_prefix('?') {
            self.rest = rest.chars();
            if let Some(rest) = rest.strip_prefix("P<").or_else(|| rest.strip_prefix('<')) {
                let (name, rest) = rest.split_once('>').ok_or(reason::BAD_GROUP)?;
                let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
                if name.is_empty() || !name.chars().all(plain) {
                    return Err(reason::BAD_GROUP);
                }
                if self.names.contains(&name) {
                    return Err(reason::SAME_NAME);
                }
                self.names.push(name);
                self.rest = rest.chars();
            } else if self.set_flags()? {
                return Ok(());
            }
        }
        if self.outer.len() >= MAX_DEPTH {
            return Err(reason::TOO_DEEP);
        }
        let group = Group {
            flags: outside,
            ..Group::default()
        };
        self.outer.push(std::mem::replace(&mut self.group, group));
        Ok(())
    }

    /// Reads flags behind `(?`, and returns whether they hold for the rest of this group rather than for one of their own.
    fn set_flags(&mut self) -> Result<bool, Reason> {
        let (mut on, mut any) = (true, false);
        loop {
            let flag = match self.rest.next() {
                Some('-') if on => {
                    (on, any) = (false, false);
                    continue;
                }
                Some(end @ (':' | ')')) if on || any => {
                    if end == ')' {
                        // Nothing is there to be repeated.
                        self.group.last = None;
                    }
                    return Ok(end == ')');
                }
                Some('i') => &mut self.flags.ignore_case,
                Some('m') => &mut self.flags.multi_line,
                Some('s') => &mut self.flags.dot_all,
                // It changes which text is found, not whether one is.
                Some('U') => {
                    any = true;
                    continue;
                }
                Some('=' | '!' | '<') => return Err(reason::LOOK_AROUND),
                _ => return Err(reason::BAD_GROUP),
            };
            *flag = on;
            any = true;
        }
    }

    fn close(&mut self) -> Result<(), Reason> {
        let mut outer = self.outer.pop().ok_or(reason::UNOPENED_GROUP)?;
        std::mem::swap(&mut outer, &mut self.group);
        self.flags = outer.flags;
        let inside = joined(outer)?;
        self.group.last = Some(self.group.current.len());
        self.group.repeated = false;
        self.group.current.extend(inside);
        Ok(())
    }

    fn repeat(&mut self, least: u32, most: Option<u32>) -> Result<(), Reason> {
        let Some(last) = self.group.last else {
            return Err(reason::NOTHING_TO_REPEAT);
        };
        if self.group.repeated {
            return Err(reason::REPEATED_TWICE);
        }
        // How greedy it is changes which text is found, not whether one is.
        if let Some(rest) = self.rest.as_str().strip_prefix('?') {
            self.rest = rest.chars();
        }
        if least > MAX_REPEAT || most.is_some_and(|most| most > MAX_REPEAT) {
            return Err(reason::REPEATED_TOO_OFTEN);
        }
        if most.is_some_and(|most| most < least) {
            return Err(reason::BAD_COUNTS);
        }
        let part = self.group.current.split_off(last);
        let copies = most.unwrap_or(least).max(1);
        let copies = usize::try_from(copies).unwrap_or(usize::MAX);
        // Its own instructions are counted already.
        self.grow(
            part.len()
                .saturating_add(2)
                .saturating_mul(copies)
                .saturating_sub(part.len()),
        )?;
        let length = distance(part.len())?;
        let code = &mut self.group.current;
        for _ in 0..least {
            code.extend_from_slice(&part);
        }
        match most {
            None if least == 0 => {
                code.push(Instruction::Fork(length.saturating_add(2)));
                code.extend_from_slice(&part);
                code.push(Instruction::Jump(length.saturating_add(1).wrapping_neg()));
            }
            None => code.push(Instruction::Fork(length.wrapping_neg())),
            Some(most) => {
                for _ in least..most {
                    code.push(Instruction::Fork(length.saturating_add(1)));
                    code.extend_from_slice(&part);
                }
            }
        }
        self.group.repeated = true;
        Ok(())
    }

    fn escape(&mut self) -> Result<(), Reason> {
        let look = match self.rest.clone().next() {
            Some('A') => Look::TextStart,
            Some('z') => Look::TextEnd,
            Some('b') => Look::WordEdge,
            Some('B') => Look::NoWordEdge,
            Some('Q') => {
                let rest = self.rest.as_str().get(1..).unwrap_or_default();
                let (text, rest) = rest.split_once("\\E").unwrap_or((rest, ""));
                for character in text.chars() {
                    self.literal(character)?;
                }
                self.rest = rest.chars();
                return Ok(());
            }
            // The end of a quotation that was not begun.
            Some('E') => return Err(reason::UNKNOWN_ESCAPE),
            _ => {
                return match self.class_escape()? {
                    Some(set) => self.class(set),
                    None => {
                        let character = self.character_escape()?;
                        self.literal(character)
                    }
                };
            }
        };
        self.rest.next();
        self.atom(Instruction::Look(look))
    }

    /// Reads an escape that stands for a class, if there is one behind the backslash.
    fn class_escape(&mut self) -> Result<Option<Set>, Reason> {
        let mut rest = self.rest.clone();
        let Some(letter) = rest.next() else {
            return Err(reason::BACKSLASH_AT_END);
        };
        let set = match letter.to_ascii_lowercase() {
            'd' => Set::digits(),
            's' => Set::spaces(),
            'w' => Set::words(),
            'p' => {
                let mut text = rest.as_str();
                let name;
                if let Some(braced) = text.strip_prefix('{') {
                    (name, text) = braced.split_once('}').ok_or(reason::UNKNOWN_CLASS)?;
                } else {
                    let end = rest.next().map_or(0, char::len_utf8);
                    (name, text) = text.split_at_checked(end).unwrap_or_default();
                }
                rest = text.chars();
                let (opposite, name) = match name.strip_prefix('^') {
                    Some(name) => (true, name),
                    None => (false, name),
                };
                self.search()?;
                let set = Set::named(name).ok_or(reason::UNKNOWN_CLASS)?;
                let set = self.with_cases(set)?;
                if opposite { set.negated() } else { set }
            }
            _ => return Ok(None),
        };
        self.rest = rest;
        Ok(Some(if letter.is_ascii_uppercase() {
            set.negated()
        } else {
            set
        }))
    }

    /// Reads an escape that stands for one character, behind the backslash.
    fn character_escape(&mut self) -> Result<char, Reason> {
        let letter = self.rest.next().ok_or(reason::BACKSLASH_AT_END)?;
        Ok(match letter {
            'a' => '\u{7}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            'x' => {
                let text = self.rest.as_str();
                let (digits, rest) = match text.strip_prefix('{') {
                    Some(braced) => braced.split_once('}').ok_or(reason::BAD_CODE)?,
                    None => text.split_at_checked(2).ok_or(reason::BAD_CODE)?,
                };
                self.rest = rest.chars();
                if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                    return Err(reason::BAD_CODE);
                }
                let code = u32::from_str_radix(digits, 16).ok();
                code.and_then(char::from_u32).ok_or(reason::BAD_CODE)?
            }
            '0'..='7' => {
                let octal = |rest: &Chars<'_>| rest.clone().next()?.to_digit(8);
                if letter != '0' && octal(&self.rest).is_none() {
                    return Err(reason::BACK_REFERENCE);
                }
                let mut code = letter.to_digit(8).unwrap_or_default();
                for _ in 0..2 {
                    if let Some(digit) = octal(&self.rest) {
                        self.rest.next();
                        code = code.wrapping_mul(8).wrapping_add(digit);
                    }
                }
                char::from_u32(code).ok_or(reason::BAD_CODE)?
            }
            '8' | '9' => return Err(reason::BACK_REFERENCE),
            other if other.is_ascii() && !other.is_ascii_alphanumeric() => other,
            _ => return Err(reason::UNKNOWN_ESCAPE),
        })
    }

    /// Reads a class in brackets, behind the first.
    fn bracket(&mut self) -> Result<Set, Reason> {
        let mut set = Set::default();
        let negated = self.rest.as_str().strip_prefix('^');
        if let Some(rest) = negated {
            self.rest = rest.chars();
        }
        let mut first = true;
        loop {
            let text = self.rest.as_str();
            let next = self.rest.next().ok_or(reason::UNCLOSED_CLASS)?;
            if next == ']' && !first {
                break;
            }
            first = false;
            if next == '['
                && let Some((name, rest)) = text
                    .get(1..)
                    .unwrap_or_default()
                    .strip_prefix(':')
                    .and_then(|text| text.split_once(":]"))
            {
                set.add_all(&posix(name)?);
                self.rest = rest.chars();
                continue;
            }
            if next == '\\'
                && let Some(class) = self.class_escape()?
            {
                set.add_all(&class);
                continue;
            }
            let low = self.class_character(next)?;
            let mut high = low;
            let text = self.rest.as_str();
            if text.starts_with('-') && !text.starts_with("-]") && text.len() > 1 {
                self.rest.next();
                let end = self.rest.next().ok_or(reason::UNCLOSED_CLASS)?;
                high = self.class_character(end)?;
                if high < low {
                    return Err(reason::BAD_RANGE);
                }
            }
            set.add(low.into(), high.into());
        }
        let set = self.with_cases(set.sorted())?;
        Ok(if negated.is_some() {
            set.negated()
        } else {
            set
        })
    }

    fn class_character(&mut self, character: char) -> Result<char, Reason> {
        if character != '\\' {
            return Ok(character);
        }
        let next = self.rest.clone().next();
        if next.is_some_and(|letter| "dDsSwWpP".contains(letter)) {
            return Err(reason::BAD_RANGE);
        }
        self.character_escape()
    }
}

/// Joins the alternatives of a group.
fn joined(mut group: Group) -> Result<Vec<Instruction>, Reason> {
    if group.alternatives.is_empty() {
        return Ok(group.current);
    }
    let last = group.current;
    let lengths = group
        .alternatives
        .iter()
        .map(|one| one.len().saturating_add(2));
    let mut left = lengths.sum::<usize>().saturating_add(last.len());
    let mut code = Vec::with_capacity(left);
    for alternative in group.alternatives.drain(..) {
        let length = alternative.len().saturating_add(2);
        code.push(Instruction::Fork(distance(length)?));
        code.extend(alternative);
        left = left.saturating_sub(length);
        code.push(Instruction::Jump(distance(left)?.saturating_add(1)));
    }
    code.extend(last);
    Ok(code)
}

fn distance(length: usize) -> Result<i32, Reason> {
    i32::try_from(length).map_err(|_| reason::TOO_LARGE)
}

/// Reads the numbers of a repetition behind its brace. `None` where the brace stands for itself, as in RE2.
fn counts(text: &str) -> Option<(u32, Option<u32>, &str)> {
    let (inside, rest) = text.split_once('}')?;
    let number = |digits: &str| {
        let plain = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
        plain.then(|| digits.parse().unwrap_or(u32::MAX))
    };
    let (least, most) = match inside.split_once(',') {
        None => (number(inside)?, Some(number(inside)?)),
        Some((least, "")) => (number(least)?, None),
        Some((least, most)) => (number(least)?, Some(number(most)?)),
    };
    Some((least, most, rest))
}

/// Returns a class by its name between `[:` and `:]`.
fn posix(name: &str) -> Result<Set, Reason> {
    let (opposite, name) = match name.strip_prefix('^') {
        Some(name) => (true, name),
        None => (false, name),
    };
    let holds: fn(char) -> bool = match name {
        "alnum" => |c| c.is_ascii_alphanumeric(),
        "alpha" => |c| c.is_ascii_alphabetic(),
        "ascii" => |c| c.is_ascii(),
        "blank" => |c| c == ' ' || c == '\t',
        "cntrl" => |c| c.is_ascii_control(),
        "digit" => |c| c.is_ascii_digit(),
        "graph" => |c| c.is_ascii_graphic(),
        "lower" => |c| c.is_ascii_lowercase(),
        "print" => |c| c.is_ascii_graphic() || c == ' ',
        "punct" => |c| c.is_ascii_punctuation(),
        "space" => |c| c.is_ascii_whitespace() || c == '\u{b}',
        "upper" => |c| c.is_ascii_uppercase(),
        "word" => |c| c.is_ascii_alphanumeric() || c == '_',
        "xdigit" => |c| c.is_ascii_hexdigit(),
        _ => return Err(reason::UNKNOWN_CLASS),
    };
    let members = ('\0'..='\u{7f}').filter(|character| holds(*character));
    let ranges: Vec<(u32, u32)> = members.map(|c| (c.into(), c.into())).collect();
    let set = Set::of(&ranges);
    Ok(if opposite { set.negated() } else { set })
}
