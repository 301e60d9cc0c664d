//! Puts the entries of a map, or the items of a list, into a new order, with entries left out, replaced or added.
//!
//! Everything that stays keeps its text. A comment belongs to the entry below it if it stands directly above with the same
//! indentation, and to the entry above it if it is indented further; it goes where its entry goes. Other comments stay where
//! they are.

use std::ops::Range;

use super::super::node::{Node, Value};
use super::Change;
use super::text::{Style, comment_column, comments_above, dash_of, extent, is_flow, line_start};

/// An entry or item of the new order.
pub(super) struct Piece {
    /// Its position in the old order; `None` where it is new.
    pub(super) old: Option<usize>,
    /// Its text, without the blanks before its first line. Ends before the line end.
    pub(super) text: String,
}

/// A map or list as it is laid out in the text.
pub(super) struct Layout<'a> {
    text: &'a str,
    line_end: &'static str,
    pub(super) flow: bool,
    /// The range of each entry or item: for a list in a block, from its dash on.
    pub(super) items: Vec<Range<usize>>,
    /// The range of what a change of the order may replace.
    whole: Range<usize>,
    /// How far the entries are indented.
    pub(super) column: usize,
}

impl<'a> Layout<'a> {
    /// Looks at a map or list that is not empty; `None` where its layout is not understood.
    pub(super) fn of(text: &'a str, style: &Style, node: &Node) -> Option<Self> {
        let flow = is_flow(text, node)?;
        let whole = extent(text, node)?;
        let mut items = Vec::new();
        match &node.value {
            Value::Map(entries) => {
                for (key, value) in entries {
                    let start = key.at.bytes?.0;
                    let end = end_of(text, after_key(text, key)?, value)?;
                    items.push(start..end);
                }
            }
            Value::List(nodes) => {
                for node in nodes {
                    let start = if flow {
                        node.at.bytes?.0
                    } else {
                        dash_of(text, node)?.at
                    };
                    items.push(start..end_of(text, start + 1, node)?);
                }
            }
            _ => return None,
        }
        let first = items.first()?;
        let column = first.start - line_start(text, first.start)?;
        // Entries are written one behind the other.
        let ordered = items
            .windows(2)
            .all(|pair| matches!(pair, [one, next] if one.end <= next.start));
        let inside = items.iter().all(|item| item.start < item.end);
        (ordered && inside).then_some(Self {
            text,
            line_end: style.line_end(),
            flow,
            items,
            whole,
            column,
        })
    }

    /// Returns all entries or items in their order, as they are.
    pub(super) fn pieces(&self) -> Option<Vec<Piece>> {
        let pieces = (0..self.items.len()).map(|at| {
            Some(Piece {
                old: Some(at),
                text: self.item_text(at, Vec::new())?,
            })
        });
        pieces.collect()
    }

    /// Returns the text of an entry or item with these changes made in it. For a block, it goes on to the end of the line, so
    /// that a comment there is part of it.
    pub(super) fn item_text(&self, at: usize, changes: Vec<Change>) -> Option<String> {
        let range = if self.flow {
            self.items.get(at)?.clone()
        } else {
            self.lines(at)?
        };
        apply_within(self.text, range, changes)
    }

    /// The range of an entry in a block: to the end of its last line, with comments below it that are indented further.
    pub(super) fn lines(&self, at: usize) -> Option<Range<usize>> {
        let item = self.items.get(at)?;
        let limit = match self.items.get(at + 1) {
            Some(next) => line_start(self.text, next.start)?,
            None => self.text.len(),
        };
        let mut end = line_end(self.text, item.end)?;
        while end < limit {
            let next = after_line_end(self.text, end)?;
            if next >= limit {
                break;
            }
            let line = self.text.get(next..line_end(self.text, next)?)?;
            match comment_column(line) {
                Some(column) if column > self.column => end = next + line.len(),
                _ => break,
            }
        }
        Some(item.start..end)
    }

    /// Returns the change that gives the map or list this order; `None` where the layout does not allow it.
    pub(super) fn arrange(&self, pieces: &[Piece]) -> Option<Change> {
        if self.flow {
            self.arrange_flow(pieces)
        } else {
            self.arrange_block(pieces)
        }
    }

    fn arrange_block(&self, pieces: &[Piece]) -> Option<Change> {
        let lines = (0..self.items.len())
            .map(|at| self.lines(at))
            .collect::<Option<Vec<_>>>()?;
        let first = lines.first()?;
        let before = self
            .text
            .get(line_start(self.text, first.start)?..first.start)?;
        // The first entry of an item of a list stands behind the dash.
        let inline = !before.chars().all(|c| c == ' ');
        let above = if inline {
            first.start
        } else {
            self.comments_above(first.start)?
        };
        let region = above..lines.last()?.end;
        let blanks = " ".repeat(self.column);

        // The lines before each entry: those that stay where they are, then the comments that go with the entry.
        let mut gaps: Vec<(&str, &str)> = Vec::with_capacity(lines.len());
        gaps.push((
            "",
            self.text
                .get(above..line_start(self.text, first.start)?.max(above))?,
        ));
        for pair in lines.windows(2) {
            let [one, next] = pair else { return None };
            let start = after_line_end(self.text, one.end)?;
            let end = line_start(self.text, next.start)?;
            let comments = self.comments_above(next.start)?.max(start);
            gaps.push((
                self.text.get(start..comments)?,
                self.text.get(comments..end)?,
            ));
        }
        let apart = gaps.len() > 1
            && gaps
                .iter()
                .skip(1)
                .all(|(loose, _)| loose.lines().any(|line| line.trim().is_empty()));

        let mut kept = vec![false; lines.len()];
        let mut highest = None;
        for piece in pieces {
            if let Some(old) = piece.old
                && highest.is_none_or(|highest| highest < old)
            {
                *kept.get_mut(old)? = true;
                highest = Some(old);
            }
        }
        let mut out = String::new();
        let mut left = 0;
        for (position, piece) in pieces.iter().enumerate() {
            let mut above = String::new();
            match piece.old {
                Some(old) if *kept.get(old)? => {
                    for gone in left..old {
                        above.push_str(with_comments(gaps.get(gone)?.0));
                    }
                    let (loose, comments) = gaps.get(old)?;
                    above.push_str(if position == 0 {
                        with_comments(loose)
                    } else {
                        loose
                    });
                    above.push_str(comments);
                    left = old + 1;
                }
                Some(old) => {
                    if apart && position > 0 {
                        above.push_str(self.line_end);
                    }
                    above.push_str(gaps.get(old)?.1);
                }
                None if apart && position > 0 => above.push_str(self.line_end),
                None => {}
            }
            if position == 0 && inline {
                // Nothing can stand between the dash and the entry, so comments come below it.
                out.push_str(&piece.text);
                if !above.is_empty() {
                    out.push_str(self.line_end);
                    out.push_str(above.strip_suffix(self.line_end).unwrap_or(&above));
                }
                continue;
            }
            if position > 0 {
                out.push_str(self.line_end);
            }
            out.push_str(&above);
            out.push_str(&blanks);
            out.push_str(&piece.text);
        }
        for gone in left..lines.len() {
            let loose = with_comments(gaps.get(gone)?.0);
            if !loose.is_empty() {
                if !out.is_empty() {
                    out.push_str(self.line_end);
                }
                out.push_str(loose.strip_suffix(self.line_end).unwrap_or(loose));
            }
        }
        if out.is_empty() {
            // Nothing is left, so the line goes, too.
            let end = after_line_end(self.text, region.end).unwrap_or(self.text.len());
            return Some((region.start..end, out));
        }
        Some((region, out))
    }

    /// Returns where the comments directly above an entry begin that have its indentation, or else its own line.
    fn comments_above(&self, entry: usize) -> Option<usize> {
        comments_above(self.text, line_start(self.text, entry)?, self.column)
    }

    fn arrange_flow(&self, pieces: &[Piece]) -> Option<Change> {
        let inner = self.whole.start + 1..self.whole.end - 1;
        if pieces.is_empty() {
            return None;
        }
        // What stands before each entry, and behind the last one.
        let mut gaps = Vec::with_capacity(self.items.len() + 1);
        let mut end = inner.start;
        for item in &self.items {
            gaps.push(self.text.get(end..item.start)?);
            end = item.end;
        }
        gaps.push(self.text.get(end..inner.end)?);
        let lines = gaps.first()?.contains('\n')
            && gaps
                .get(1..self.items.len())?
                .iter()
                .all(|gap| gap.contains('\n'));
        let between = if lines {
            let blanks = " ".repeat(self.column);
            format!(",{}{blanks}", self.line_end)
        } else {
            ", ".to_owned()
        };
        let mut used = vec![false; gaps.len()];
        let mut out = String::new();
        let mut take = |at: usize, out: &mut String| {
            if let (Some(gap), Some(used)) = (gaps.get(at), used.get_mut(at)) {
                *used = true;
                out.push_str(gap);
            }
        };
        take(0, &mut out);
        let mut highest = None;
        for (position, piece) in pieces.iter().enumerate() {
            out.push_str(&piece.text);
            let in_place = piece
                .old
                .filter(|old| highest.is_none_or(|highest| highest < *old));
            highest = in_place.or(highest);
            if position + 1 < pieces.len() {
                match in_place {
                    Some(old) if old + 1 < self.items.len() => take(old + 1, &mut out),
                    _ => out.push_str(&between),
                }
            }
        }
        let rest = gaps.get(1..self.items.len())?.iter().zip(used.get(1..)?);
        for (gap, _) in rest.filter(|(_, used)| !**used) {
            let comments = gap
                .lines()
                .filter_map(|line| Some(line.split_at(line.find('#')?).1));
            for comment in comments {
                out.push_str(&format!(" {comment}{}", self.line_end));
                out.push_str(&" ".repeat(self.column));
            }
        }
        out.push_str(gaps.last()?);
        Some((inner, out))
    }
}

/// Returns lines if a comment is among them, and else nothing: blank lines go with the entry that they set apart.
fn with_comments(lines: &str) -> &str {
    if lines.contains('#') { lines } else { "" }
}

/// Returns where the text behind a key and its colon begins.
pub(super) fn after_key(text: &str, key: &super::super::node::Key) -> Option<usize> {
    let (start, len) = key.at.bytes?;
    let end = start.checked_add(len)?;
    let rest = text.get(end..)?;
    let colon = rest.find(':')?;
    rest.get(..colon)?
        .chars()
        .all(|c| c == ' ')
        .then_some(end + colon + 1)
}

/// Returns where an entry ends whose value begins behind `from`. A value that is left out ends there.
fn end_of(text: &str, from: usize, value: &Node) -> Option<usize> {
    let range = extent(text, value)?;
    if range.is_empty() || range.end < from {
        return matches!(value.value, Value::Null).then_some(from);
    }
    Some(range.end)
}

/// Returns the end of the line that `at` is in, before its line end.
pub(super) fn line_end(text: &str, at: usize) -> Option<usize> {
    let line = text.get(at..)?.split('\n').next()?;
    Some(at + line.trim_end_matches('\r').len())
}

/// Returns the start of the line behind a line end; `None` at the end of the text.
fn after_line_end(text: &str, end: usize) -> Option<usize> {
    Some(end + text.get(end..)?.find('\n')? + 1)
}

/// Returns a part of the text with changes made in it; `None` where a change is not within that part, or two overlap.
pub(super) fn apply_within(
    text: &str,
    part: Range<usize>,
    mut changes: Vec<Change>,
) -> Option<String> {
    changes.sort_by_key(|(range, _)| range.start);
    let mut out = String::new();
    let mut from = part.start;
    for (range, new) in changes {
        if range.start < from || range.end > part.end {
            return None;
        }
        out.push_str(text.get(from..range.start)?);
        out.push_str(&new);
        from = range.end;
    }
    out.push_str(text.get(from..part.end)?);
    Some(out)
}
