use std::collections::VecDeque;

use crate::scope::Kept;

/// The latest lines that fit in so many bytes.
#[derive(Debug)]
pub(crate) struct Ring {
    /// Whole lines, each with its end.
    bytes: VecDeque<u8>,
    max_bytes: usize,
    lost: u64,
}

impl Ring {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self { bytes: VecDeque::new(), max_bytes, lost: 0 }
    }

    /// Keeps a line with its end, and loses the oldest ones where there is no room.
    pub(crate) fn push(&mut self, line: &str) -> Kept {
        if line.len() > self.max_bytes {
            return Kept::TooLong;
        }
        while self.bytes.len() + line.len() > self.max_bytes {
            let end = self.bytes.iter().position(|byte| *byte == b'\n');
            self.bytes.drain(..=end.unwrap_or(self.bytes.len() - 1));
            self.lost += 1;
        }
        self.bytes.extend(line.as_bytes());
        Kept::Yes
    }

    /// Lines that had to go.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }

    /// The lines, each with its end.
    pub(crate) fn into_lines(self) -> String {
        // Only whole lines have been put in and taken out.
        String::from_utf8(self.bytes.into()).unwrap_or_default()
    }
}
