//! The engine of patterns, which takes time in proportion to the text: it follows all ways through a pattern at once.
//!
//! Characters that no pattern's class tells apart are one class here, so that a class is a set of bits. A short text is
//! matched by following the set of places that were reached; in a long one each such set becomes a state, with the states that
//! follow it, so that what comes again costs one look-up. Both take their steps by the same function.

use std::collections::HashMap;
use std::sync::Arc;

use super::parser::{Instruction, Look, parse};
use super::set::Set;

/// A text from this length on is matched with states.
const LONG_TEXT: usize = 128;
/// How much room states may take during one match, in numbers of 32 bits; then they begin again.
const MAX_STATES: usize = 1 << 18;
/// After so many times that states began again they are of no use.
const MAX_RESTARTS: u32 = 3;

/// What is on one side of a place between two characters, as bits.
type Side = u8;
const EDGE: Side = 1;
const LINE_BREAK: Side = 2;
const WORD: Side = 4;

/// A compiled pattern. Copies share what it is made of.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(Arc<Compiled>);

#[derive(Debug)]
struct Compiled {
    steps: Vec<Step>,
    /// The classes of the pattern, as bits of classes of characters.
    sets: Vec<Vec<u32>>,
    /// The first character of each class of characters but the first, sorted.
    starts: Vec<u32>,
    /// The class of each ASCII character.
    ascii: Vec<u16>,
    /// What each class of characters is to a look; empty if there is none.
    sides: Vec<Side>,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    One(u16),
    Any(usize),
    Fork(i32),
    Jump(i32),
    Look(Look),
}

impl Pattern {
    /// Compiles a pattern, and adds what it costs to `cost`, also where it is refused.
    ///
    /// # Errors
    /// What is wrong with it, as the start of a sentence.
    pub(crate) fn compile(pattern: &str, cost: &mut u64) -> Result<Self, &'static str> {
        let parsed = parse(pattern, cost).map_err(|reason| reason.long)?;
        let words_matter = parsed
            .instructions
            .iter()
            .any(|one| matches!(one, Instruction::Look(Look::WordEdge | Look::NoWordEdge)));
        let looks = parsed
            .instructions
            .iter()
            .any(|one| matches!(one, Instruction::Look(_)));
        let words = if words_matter {
            Set::words()
        } else {
            Set::default()
        };
        let mut starts = Vec::new();
        let mut edge = |first: u32, last: u32| starts.extend([first, last.saturating_add(1)]);
        for (first, last) in parsed
            .classes
            .iter()
            .flat_map(Set::ranges)
            .chain(words.ranges())
        {
            edge(*first, *last);
        }
        for instruction in &parsed.instructions {
            if let Instruction::Character(character) = instruction {
                edge(u32::from(*character), u32::from(*character));
            }
        }
        if looks {
            edge(10, 10);
        }
        starts.retain(|start| *start != 0);
        starts.sort_unstable();
        starts.dedup();
        let mut compiled = Compiled {
            steps: Vec::new(),
            sets: Vec::new(),
            ascii: Vec::new(),
            sides: Vec::new(),
            starts,
        };
        // The first character of each class stands for it.
        let firsts = || std::iter::once(0).chain(compiled.starts.iter().copied());
        let bits = |set: &Set| {
            let mut bits = vec![0_u32; (compiled.starts.len() / 32).saturating_add(1)];
            for (at, first) in firsts().enumerate() {
                if set.contains(first)
                    && let Some(word) = bits.get_mut(at / 32)
                {
                    *word |= 1 << (at % 32);
                }
            }
            bits
        };
        let sets = parsed.classes.iter().map(bits).collect();
        let sides = if looks {
            firsts()
                .map(|first| match first {
                    10 => LINE_BREAK,
                    first if words.contains(first) => WORD,
                    _ => 0,
                })
                .collect()
        } else {
            Vec::new()
        };
        (compiled.sets, compiled.sides) = (sets, sides);
        compiled.ascii = ('\0'..='\u{7f}')
            .map(|character| compiled.class_beyond_ascii(character))
            .collect();
        let steps = parsed
            .instructions
            .into_iter()
            .map(|instruction| match instruction {
                Instruction::Character(character) => Step::One(compiled.class_of(character)),
                Instruction::Class(at) => Step::Any(at),
                Instruction::Fork(to) => Step::Fork(to),
                Instruction::Jump(to) => Step::Jump(to),
                Instruction::Look(look) => Step::Look(look),
            });
        compiled.steps = steps.collect();
        Ok(Self(Arc::new(compiled)))
    }

    /// Returns whether the pattern matches anywhere in `text`.
    pub(crate) fn is_match(&self, text: &str) -> bool {
        let pattern = &*self.0;
        if text.len() < LONG_TEXT {
            let places = Places {
                reached: Vec::new(),
                before: EDGE,
            };
            return pattern.follow(text.chars(), places, &mut Scratch::default());
        }
        pattern.run(text)
    }
}

/// Checks the syntax of one pattern, for an error message to its author.
///
/// # Errors
/// What is wrong with its syntax, in one line without the pattern.
pub fn check(pattern: &str) -> Result<(), String> {
    parse(pattern, &mut 0)
        .map(drop)
        .map_err(|reason| reason.short.to_owned())
}

/// The places that were reached behind a character, sorted, and what that character is to a look.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Places {
    reached: Vec<u32>,
    before: Side,
}

/// What a step needs, to be used again.
#[derive(Default)]
struct Scratch {
    visited: Vec<u32>,
    round: u32,
    stack: Vec<usize>,
}

impl Compiled {
    fn class_of(&self, character: char) -> u16 {
        match usize::try_from(u32::from(character))
            .ok()
            .and_then(|code| self.ascii.get(code))
        {
            Some(class) => *class,
            None => self.class_beyond_ascii(character),
        }
    }

    fn class_beyond_ascii(&self, character: char) -> u16 {
        let code = u32::from(character);
        // The parser allows so few ranges that this fits.
        self.starts.partition_point(|start| *start <= code) as u16
    }

    /// Matches by following the places that were reached.
    fn follow(&self, text: std::str::Chars<'_>, mut places: Places, scratch: &mut Scratch) -> bool {
        let mut next = Vec::new();
        for character in text {
            let class = self.class_of(character);
            if self.step(&places, Some(class), &mut next, scratch) {
                return true;
            }
            std::mem::swap(&mut places.reached, &mut next);
            places.before = self.side(Some(class));
        }
        self.step(&places, None, &mut next, scratch)
    }

    /// Matches with a state for each set of places.
    fn run(&self, text: &str) -> bool {
        const UNKNOWN: u32 = u32::MAX;
        const MATCHED: u32 = u32::MAX - 1;
        let width = self.starts.len().saturating_add(1);
        let mut scratch = Scratch::default();
        let mut numbers: HashMap<Places, u32> = HashMap::new();
        let (mut states, mut rows): (Vec<Places>, Vec<u32>) = (Vec::new(), Vec::new());
        let (mut room, mut restarts) = (0_usize, 0_u32);
        let mut current = Places {
            reached: Vec::new(),
            before: EDGE,
        };
        let mut state = UNKNOWN;
        let mut rest = text.chars();
        while let Some(character) = rest.next() {
            let class = self.class_of(character);
            if state == UNKNOWN {
                // The first, or the first after the states began again.
                state = 0;
                numbers.insert(current.clone(), 0);
                states.push(current.clone());
                rows.resize(width, UNKNOWN);
            }
            let index = |state: u32| {
                usize::try_from(state)
                    .unwrap_or_default()
                    .saturating_mul(width)
                    .saturating_add(class.into())
            };
            let known = rows.get(index(state)).copied().unwrap_or(UNKNOWN);
            if known == MATCHED {
                return true;
            }
            if known != UNKNOWN {
                state = known;
                continue;
            }
            let mut next = Vec::new();
            let from = usize::try_from(state)
                .ok()
                .and_then(|state| states.get(state));
            if from.is_none_or(|from| self.step(from, Some(class), &mut next, &mut scratch)) {
                return true;
            }
            next.sort_unstable();
            let places = Places {
                reached: next,
                before: self.side(Some(class)),
            };
            if let Some(known) = numbers.get(&places) {
                if let Some(slot) = rows.get_mut(index(state)) {
                    *slot = *known;
                }
                state = *known;
                continue;
            }
            room = room
                .saturating_add(width)
                .saturating_add(places.reached.len().saturating_mul(2));
            if room > MAX_STATES {
                restarts = restarts.saturating_add(1);
                if restarts > MAX_RESTARTS {
                    return self.follow(rest, places, &mut scratch);
                }
                numbers.clear();
                states.clear();
                rows.clear();
                room = 0;
                (current, state) = (places, UNKNOWN);
                continue;
            }
            let new = u32::try_from(states.len()).unwrap_or(UNKNOWN);
            if let Some(slot) = rows.get_mut(index(state)) {
                *slot = new;
            }
            numbers.insert(places.clone(), new);
            states.push(places);
            rows.resize(rows.len().saturating_add(width), UNKNOWN);
            state = new;
        }
        let last = usize::try_from(state)
            .ok()
            .and_then(|state| states.get(state))
            .unwrap_or(&current);
        self.step(last, None, &mut Vec::new(), &mut scratch)
    }

    /// Returns whether the pattern matches up to here; otherwise writes to `next` which places the next character leads to. `class`
    /// is that of the next character, or `None` at the end.
    fn step(
        &self,
        places: &Places,
        class: Option<u16>,
        next: &mut Vec<u32>,
        scratch: &mut Scratch,
    ) -> bool {
        next.clear();
        let Scratch {
            visited,
            round,
            stack,
        } = scratch;
        visited.resize(self.steps.len(), 0);
        *round = round.wrapping_add(1);
        if *round == 0 {
            visited.fill(0);
            *round = 1;
        }
        let after = self.side(class);
        stack.clear();
        // A match may begin at every character.
        stack.push(0);
        stack.extend(
            places
                .reached
                .iter()
                .filter_map(|place| usize::try_from(*place).ok()),
        );
        while let Some(at) = stack.pop() {
            let Some(step) = self.steps.get(at) else {
                return true;
            };
            match visited.get_mut(at) {
                Some(seen) if *seen != *round => *seen = *round,
                _ => continue,
            }
            let behind = at.saturating_add(1);
            let to = |distance: i32| {
                at.saturating_add_signed(isize::try_from(distance).unwrap_or_default())
            };
            let takes = match *step {
                Step::One(one) => class == Some(one),
                Step::Any(set) => class.is_some_and(|class| {
                    let set = self.sets.get(set).map_or(&[][..], |set| &set[..]);
                    let word = set
                        .get(usize::from(class) / 32)
                        .copied()
                        .unwrap_or_default();
                    word >> (class % 32) & 1 == 1
                }),
                Step::Fork(distance) => {
                    stack.push(to(distance));
                    stack.push(behind);
                    false
                }
                Step::Jump(distance) => {
                    stack.push(to(distance));
                    false
                }
                Step::Look(look) => {
                    if holds(look, places.before, after) {
                        stack.push(behind);
                    }
                    false
                }
            };
            if takes && let Ok(behind) = u32::try_from(behind) {
                next.push(behind);
            }
        }
        false
    }

    fn side(&self, class: Option<u16>) -> Side {
        match class {
            None => EDGE,
            Some(class) => self
                .sides
                .get(usize::from(class))
                .copied()
                .unwrap_or_default(),
        }
    }
}

fn holds(look: Look, before: Side, after: Side) -> bool {
    match look {
        Look::TextStart => before & EDGE != 0,
        Look::TextEnd => after & EDGE != 0,
        Look::LineStart => before & (EDGE | LINE_BREAK) != 0,
        Look::LineEnd => after & (EDGE | LINE_BREAK) != 0,
        Look::WordEdge => (before ^ after) & WORD != 0,
        Look::NoWordEdge => (before ^ after) & WORD == 0,
    }
}
