//! Documents in which languages differ: what they take for a number, how they write one, and the
//! order in which they have the members of an object.

use std::collections::BTreeSet;

/// Makes the texts of documents, the same ones for each seed.
pub(crate) struct Corpus(u64);

/// Names: of whole numbers, before digits, with other cases, and such as mean something there.
const NAMES: &[&str] = &[
    "a",
    "b",
    "B",
    "order",
    "Order",
    "0",
    "1",
    "2",
    "10",
    "01",
    "-1",
    "1.5",
    "4294967294",
    "4294967295",
    "99999999999",
    "$",
    "!x",
    " ",
    "",
    "_",
    "~",
    "__proto__",
    "constructor",
    "toJSON",
    "length",
    "é",
    "É",
    "ß",
    "Σ",
    "ς",
    "\u{212a}",
    "k",
    "\u{130}",
    "\u{ffff}",
    "😀",
    "𝒜",
    "\u{e000}",
];

const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "-0.0",
    "0.0",
    "1.0",
    "1e0",
    "-1",
    "9007199254740991",
    "9007199254740992",
    "9007199254740993",
    "-9007199254740993",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775809",
    "123456789012345678901234567890",
    "1e15",
    "1e16",
    "1e17",
    "1e20",
    "1e21",
    "1e22",
    "1.5e300",
    "5e-324",
    "1e-4",
    "1e-5",
    "1e-6",
    "1e-7",
    "0.1",
    "19.99",
    "123456789.125",
    "0.30000000000000004",
    "1E+2",
    "2.5E-3",
    "1.7976931348623157e308",
];

const TEXTS: &[&str] = &[
    "", "x", "é", "😀", "\u{2028}", "\u{2029}", "\u{7f}", "\u{80}", "\u{1}", "\n", "\"", "\\", "/",
    "<", "\u{fffd}", "\u{e000}", "𝒜", "\u{feff}",
];

impl Corpus {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.max(1))
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound).unwrap()).unwrap()
    }

    /// A document that is an object with something in it.
    pub(crate) fn document(&mut self) -> String {
        let value = self.value(4);
        format!(r#"{{"document":"it","value":{value}}}"#)
    }

    fn value(&mut self, depth: usize) -> String {
        match self.below(if depth == 0 { 5 } else { 9 }) {
            0 => ["null", "true", "false"][self.below(3)].to_owned(),
            1 | 2 => self.number(),
            3 | 4 => self.text(),
            5 => {
                let elements = (0..self.below(4)).map(|_| self.value(depth - 1));
                format!("[{}]", elements.collect::<Vec<_>>().join(","))
            }
            _ => {
                let names: BTreeSet<&str> =
                    (0..self.below(6)).map(|_| NAMES[self.below(NAMES.len())]).collect();
                let members = names.into_iter().map(|name| {
                    let name = serde_json::to_string(name).unwrap();
                    format!("{name}:{}", self.value(depth - 1))
                });
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            }
        }
    }

    fn number(&mut self) -> String {
        let (whole, fraction) = (self.below(100_000), self.below(1_000_000));
        let exponent = i64::try_from(self.below(60)).unwrap() - 30;
        match self.below(6) {
            0 => whole.to_string(),
            1 => format!("-{whole}.{fraction:06}"),
            2 => format!("{whole}.{fraction}e{exponent}"),
            _ => NUMBERS[self.below(NUMBERS.len())].to_owned(),
        }
    }

    fn text(&mut self) -> String {
        let parts = (0..self.below(4)).map(|_| TEXTS[self.below(TEXTS.len())]);
        serde_json::to_string(&parts.collect::<String>()).unwrap()
    }
}
