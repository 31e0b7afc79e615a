use std::{borrow::Cow, fmt, ops::Range};

use similar::{Algorithm, DiffOp, DiffTag, capture_diff_slices, group_diff_ops};

use crate::json_lines::Line;

/// Number of lines that are shown around a change.
const CONTEXT: usize = 3;

/// Changes that make one document another: `-` goes, `+` comes.
pub(super) struct Diff<'a> {
    old: &'a [Line],
    new: &'a [Line],
    ops: Vec<DiffOp>,
}

impl<'a> Diff<'a> {
    /// The difference, if there is one.
    pub(super) fn between(old: &'a [Line], new: &'a [Line]) -> Option<Self> {
        let (old_texts, new_texts) = (texts(old), texts(new));
        if old_texts == new_texts {
            return None;
        }
        let ops = capture_diff_slices(Algorithm::Myers, &old_texts, &new_texts);
        Some(Self { old, new, ops })
    }
}

fn texts(lines: &[Line]) -> Vec<Cow<'_, str>> {
    lines.iter().map(|line| Cow::Borrowed(line.text.as_str())).collect()
}

impl fmt::Display for Diff<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown_to = 0;
        for group in group_diff_ops(self.ops.clone(), CONTEXT) {
            let begin = group.first().map_or(shown_to, |op| op.new_range().start);
            omission(f, shown_to..begin)?;
            for op in &group {
                let (tag, old, new) = op.as_tag_tuple();
                match tag {
                    DiffTag::Equal => put(f, ' ', &self.new[new])?,
                    DiffTag::Delete => put(f, '-', &self.old[old])?,
                    DiffTag::Insert => put(f, '+', &self.new[new])?,
                    DiffTag::Replace => {
                        put(f, '-', &self.old[old])?;
                        put(f, '+', &self.new[new])?;
                    }
                }
            }
            shown_to = group.last().map_or(shown_to, |op| op.new_range().end);
        }
        omission(f, shown_to..self.new.len())
    }
}

fn put(f: &mut fmt::Formatter<'_>, sign: char, lines: &[Line]) -> fmt::Result {
    lines.iter().try_for_each(|line| writeln!(f, "{sign} {line}"))
}

/// Says how much is left out because it is the same.
fn omission(f: &mut fmt::Formatter<'_>, lines: Range<usize>) -> fmt::Result {
    match lines.len() {
        0 => Ok(()),
        1 => writeln!(f, "  … 1 line more that is the same"),
        count => writeln!(f, "  … {count} lines more that are the same"),
    }
}
