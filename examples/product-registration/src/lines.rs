//! Lines of a bounded length, however long those of the input are.

use std::io::{self, BufRead, Read as _};

use crate::RunError;

/// The longest line that is read, its end not counted: 64 KiB.
pub const MAX_LINE_BYTES: usize = 64 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads one line after the other into the same memory.
pub(crate) struct Lines<R> {
    input: R,
    number: u64,
    buffer: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// A line that is not blank, without its end.
    Whole(&'a [u8]),
    /// A line of more than [`MAX_LINE_BYTES`]; it has been skipped.
    TooLong,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(input: R) -> Self {
        // Room for the longest line and its end, `\r\n`.
        Self { input, number: 0, buffer: Vec::with_capacity(MAX_LINE_BYTES + 2) }
    }

    /// The next line that is not blank, with its number from 1; blank ones are counted.
    pub(crate) fn next_line(&mut self) -> Result<Option<(u64, Line<'_>)>, RunError> {
        while self.fill().map_err(|source| RunError::Read { line: self.number + 1, source })? {
            self.number += 1;
            let len = self.line().len();
            if len > MAX_LINE_BYTES {
                return Ok(Some((self.number, Line::TooLong)));
            }
            if !self.line().trim_ascii().is_empty() {
                return Ok(Some((self.number, Line::Whole(self.line()))));
            }
        }
        Ok(None)
    }

    /// Takes in the next line, or as much of it as shows that it is too long. `false` is the end.
    fn fill(&mut self) -> io::Result<bool> {
        self.buffer.clear();
        let bound = u64::try_from(MAX_LINE_BYTES + 2).unwrap_or(u64::MAX);
        self.input.by_ref().take(bound).read_until(b'\n', &mut self.buffer)?;
        if self.buffer.len() == MAX_LINE_BYTES + 2 && !self.buffer.ends_with(b"\n") {
            self.input.skip_until(b'\n')?;
        }
        Ok(!self.buffer.is_empty())
    }

    /// Returns the bytes that [`fill`](Self::fill) took in, without those that do not belong to the
    /// line.
    fn line(&self) -> &[u8] {
        let line = self.buffer.as_slice();
        let line =
            line.strip_suffix(b"\n").map_or(line, |line| line.strip_suffix(b"\r").unwrap_or(line));
        match self.number {
            // Windows programs begin a text file with it.
            1 => line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line),
            _ => line,
        }
    }
}

#[cfg(test)]
mod tests;
