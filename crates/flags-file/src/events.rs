//! Reads YAML into [`Node`]s, from the events of `granit-parser`.
//!
//! A node with an anchor is recorded while it is read, each of its events once, and an alias reads the recorded events again. What
//! lets a small file take much memory is counted: values, those that aliases repeat, and the text of scalars.
//!
//! The key `<<` merges maps into the map that it is written in. The map's own entries come first and win, then those of the merged
//! maps in their order.

use std::borrow::Cow;
use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, Span, StrInput};

use super::node::{Key, Node, Position, Value};
use super::resolve::{Tag, resolve};
use super::{MAX_FILE_BYTES, Problem, syntax};

/// How deep lists and maps may be nested. The reader calls itself for each level, and an overflow of the stack ends the process.
const MAX_DEPTH: usize = 32;

/// How many values a file may have, counting all that its aliases repeat. A thousand groups of a thousand members are one
/// million, and ten thousand flags with a rule each are a third of that.
const MAX_NODES: usize = 2_000_000;

/// How many of those values may come from aliases, which can repeat much in a small file.
const MAX_REPEATED: usize = 250_000;

/// Reads a document.
///
/// # Errors
/// What is wrong with the text, with its place: bad syntax, a second document, too deep, or too many aliases.
pub(crate) fn parse(text: &str) -> Result<Node, Problem> {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        recorded: Vec::new(),
        anchors: Vec::new(),
        open: 0,
        replay: None,
        alias: None,
        depth: 0,
        nodes: 0,
        repeated: 0,
        text_bytes: 0,
    };
    let Some(first) = reader.next()? else {
        return Ok(Node {
            value: Value::Null,
            at: START,
            plain: None,
        });
    };
    let document = reader.node(first)?;
    match reader.next()? {
        None => Ok(document),
        Some(Part { at, .. }) => Err(Problem::new(
            at,
            "a second document starts here; a file holds one, so remove the line `---`",
        )),
    }
}

const START: Position = Position {
    line: 1,
    column: 1,
    bytes: None,
};

/// An event of the parser, as far as values are made of it.
#[derive(Clone, Debug)]
struct Part<'t> {
    what: What<'t>,
    at: Position,
    /// The parser's number of the anchor that the node has; 0 for none.
    anchor: usize,
}

#[derive(Clone, Debug)]
enum What<'t> {
    Scalar(Scalar<'t>),
    List,
    Map,
    /// The end of a list or map.
    End,
    /// An alias, with the number of its anchor.
    Alias(usize),
}

#[derive(Clone, Debug)]
struct Scalar<'t> {
    text: Cow<'t, str>,
    tag: Tag,
    /// Whether it is written without quotes and is no block.
    plain: bool,
}

/// Where the node of an anchor is among the recorded parts.
#[derive(Clone, Copy, Debug)]
enum Anchor {
    /// The node is still being read, so an alias to it would have no end.
    Open,
    /// The index of its first part.
    At(usize),
}

struct Reader<'t> {
    parser: Parser<'t, StrInput<'t>>,
    /// The parts of all nodes with anchors, each once.
    recorded: Vec<Part<'t>>,
    /// The anchors by the parser's numbers.
    anchors: Vec<Option<Anchor>>,
    /// How many nodes with anchors are being read.
    open: usize,
    /// The index of the next recorded part while an alias is replaced.
    replay: Option<usize>,
    /// Where the outermost alias is that is being replaced.
    alias: Option<Position>,
    depth: usize,
    nodes: usize,
    repeated: usize,
    text_bytes: u64,
}

impl<'t> Reader<'t> {
    /// Returns the next part; `None` at the end of the text.
    fn next(&mut self) -> Result<Option<Part<'t>>, Problem> {
        if let Some(index) = self.replay {
            self.replay = Some(index.saturating_add(1));
            let part = self.recorded.get(index);
            // An anchor that is repeated names the same node as before.
            return Ok(part.map(|part| Part {
                anchor: 0,
                ..part.clone()
            }));
        }
        while let Some(event) = self.parser.next_event() {
            let (event, span) = event.map_err(|error| syntax::problem(&error))?;
            let at = position(&span);
            let (what, anchor) = match event {
                Event::Scalar(text, style, anchor, tag) => {
                    let tag = Tag::of(tag.as_deref());
                    let plain = style == ScalarStyle::Plain;
                    // The parser's text of an empty value is `~`, which covers nothing.
                    let empty = plain && at.bytes.is_some_and(|(_, len)| len == 0);
                    let text = if empty { Cow::Borrowed("") } else { text };
                    (What::Scalar(Scalar { text, tag, plain }), anchor)
                }
                Event::SequenceStart(_, anchor, tag) => {
                    Tag::of(tag.as_deref()).allows(Tag::List, at)?;
                    (What::List, anchor)
                }
                Event::MappingStart(_, anchor, tag) => {
                    Tag::of(tag.as_deref()).allows(Tag::Map, at)?;
                    (What::Map, anchor)
                }
                Event::SequenceEnd | Event::MappingEnd => (What::End, 0),
                Event::Alias(anchor) => (What::Alias(anchor), 0),
                _ => continue,
            };
            let part = Part { what, at, anchor };
            if self.open > 0 || anchor != 0 {
                self.recorded.push(part.clone());
            }
            return Ok(Some(part));
        }
        Ok(None)
    }

    /// Returns the next part of a list or map; `None` at its end.
    fn inner(&mut self) -> Result<Option<Part<'t>>, Problem> {
        let part = self.next()?;
        Ok(part.filter(|part| !matches!(part.what, What::End)))
    }

    /// Reads the node that starts with `part`, which must be the part that was returned last.
    fn node(&mut self, part: Part<'t>) -> Result<Node, Problem> {
        let Part { what, at, anchor } = part;
        if let What::Alias(anchor) = what {
            return self.repeat(anchor, at, Self::node);
        }
        let at = self.alias.unwrap_or(at);
        let first = self.recorded.len().saturating_sub(1);
        self.define(anchor, Anchor::Open);
        let node = match what {
            What::Scalar(scalar) => {
                self.count(scalar.text.len(), at)?;
                let (value, plain) = resolve(scalar.text, scalar.tag, scalar.plain, at)?;
                Node { value, at, plain }
            }
            What::Map => self.nested(at, Self::map)?,
            // The parser ends nothing that has not started, and aliases are replaced above.
            What::List | What::End | What::Alias(_) => self.nested(at, Self::list)?,
        };
        self.define(anchor, Anchor::At(first));
        Ok(node)
    }

    /// Notes what is known of an anchor's node.
    fn define(&mut self, anchor: usize, known: Anchor) {
        if anchor == 0 {
            return;
        }
        self.open = match known {
            Anchor::Open => self.open.saturating_add(1),
            Anchor::At(_) => self.open.saturating_sub(1),
        };
        if self.anchors.len() <= anchor {
            self.anchors.resize(anchor.saturating_add(1), None);
        }
        if let Some(slot) = self.anchors.get_mut(anchor) {
            *slot = Some(known);
        }
    }

    /// Reads the node of an anchor once more, for an alias.
    fn repeat<T>(
        &mut self,
        anchor: usize,
        at: Position,
        read: impl FnOnce(&mut Self, Part<'t>) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let Some(Some(Anchor::At(first))) = self.anchors.get(anchor).copied() else {
            return Err(Problem::new(
                at,
                "an alias (`*name`) stands inside of what it repeats",
            ));
        };
        let before = (self.replay, self.alias);
        self.replay = Some(first);
        self.alias = Some(self.alias.unwrap_or(at));
        let part = self.next()?.unwrap_or(Part {
            what: What::End,
            at,
            anchor: 0,
        });
        let read = read(self, part)?;
        (self.replay, self.alias) = before;
        Ok(read)
    }

    fn nested(
        &mut self,
        at: Position,
        read: fn(&mut Self) -> Result<Value, Problem>,
    ) -> Result<Node, Problem> {
        self.count(0, at)?;
        self.depth = self.depth.saturating_add(1);
        if self.depth > MAX_DEPTH {
            return Err(too_much(at));
        }
        let value = read(self)?;
        self.depth = self.depth.saturating_sub(1);
        Ok(Node {
            value,
            at,
            plain: None,
        })
    }

    fn list(&mut self) -> Result<Value, Problem> {
        let mut nodes = Vec::new();
        while let Some(part) = self.inner()? {
            nodes.push(self.node(part)?);
        }
        Ok(Value::List(nodes))
    }

    fn map(&mut self) -> Result<Value, Problem> {
        let mut entries = Vec::new();
        let mut merged = Vec::new();
        while let Some(part) = self.inner()? {
            let key = self.key(part)?;
            let Some(part) = self.inner()? else { break };
            let node = self.node(part)?;
            match key {
                Some(key) => entries.push((key, node)),
                None => merge(node, &mut merged)?,
            }
        }
        if !merged.is_empty() {
            let own = entries.iter().map(|(key, _)| (key.text.as_str(), key.at));
            let mut seen: HashMap<&str, Position> = own.collect();
            let added: Vec<bool> = merged
                .iter()
                .map(|(key, _)| seen.insert(&key.text, key.at).is_none())
                .collect();
            let merged = merged.into_iter().zip(added);
            entries.extend(merged.filter_map(|(entry, added)| added.then_some(entry)));
        }
        Ok(Value::Map(entries))
    }

    /// Reads a key; `None` for the key that merges maps.
    fn key(&mut self, part: Part<'t>) -> Result<Option<Key>, Problem> {
        let Part { what, at, anchor } = part;
        if let What::Alias(anchor) = what {
            return self.repeat(anchor, at, Self::key);
        }
        let at = self.alias.unwrap_or(at);
        let What::Scalar(Scalar { text, tag, plain }) = what else {
            return Err(Problem::new(
                at,
                "a key is a text, and no list or map; put it in quotes",
            ));
        };
        self.count(text.len(), at)?;
        let first = self.recorded.len().saturating_sub(1);
        self.define(anchor, Anchor::Open);
        self.define(anchor, Anchor::At(first));
        if text == "<<" && (tag == Tag::Merge || plain && tag == Tag::None) {
            return Ok(None);
        }
        tag.allows_key(at)?;
        Ok(Some(Key::of(text.into_owned(), at)))
    }

    /// Counts a value with so many bytes of text.
    fn count(&mut self, bytes: usize, at: Position) -> Result<(), Problem> {
        self.nodes = self.nodes.saturating_add(1);
        self.repeated = self
            .repeated
            .saturating_add(usize::from(self.replay.is_some()));
        self.text_bytes = self.text_bytes.saturating_add(bytes as u64);
        let fits = self.nodes <= MAX_NODES
            && self.repeated <= MAX_REPEATED
            && self.text_bytes <= MAX_FILE_BYTES;
        if fits { Ok(()) } else { Err(too_much(at)) }
    }
}

/// Adds the entries of a merged map, or of the maps of a list.
fn merge(node: Node, merged: &mut Vec<(Key, Node)>) -> Result<(), Problem> {
    match node.value {
        Value::Null => Ok(()),
        Value::Map(mut entries) => {
            merged.append(&mut entries);
            Ok(())
        }
        Value::List(nodes) => nodes.into_iter().try_for_each(|node| merge(node, merged)),
        _ => Err(Problem::new(
            node.at,
            "`<<` merges a map, or a list of maps, into the one that it is a key of; put `<<` in quotes if it is a name",
        )),
    }
}

/// The mistake of a file that is larger, once its aliases are replaced, than any that is meant.
pub(crate) fn too_much(at: Position) -> Problem {
    Problem::new(
        at,
        format!(
            "the file is too deep or too large from here; it may have {MAX_DEPTH} lists and maps in each other and {MAX_NODES} values, {MAX_REPEATED} of them by aliases, counted each time"
        ),
    )
}

fn position(span: &Span) -> Position {
    let (start, end) = (&span.start, &span.end);
    let bytes = start
        .byte_offset()
        .zip(end.byte_offset())
        .map(|(start, end)| (start, end.saturating_sub(start)));
    Position {
        line: start.line() as u64,
        column: (start.col() as u64).saturating_add(1),
        bytes,
    }
}
