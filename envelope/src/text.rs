//! The rules for short texts that end up in logs, keys and headers.

use crate::Reason;

/// Checks that `text` has 1 to `limit` characters, all of which can be printed.
pub(crate) fn check(text: &str, limit: usize) -> Result<(), Reason> {
    if text.is_empty() {
        return Err(Reason::Empty);
    }
    // A character has at most four bytes, so most texts need no counting.
    if text.len() > limit && text.chars().count() > limit {
        return Err(Reason::TooLong { limit });
    }
    if !is_printable(text) {
        return Err(Reason::NotPrintable);
    }
    Ok(())
}

fn is_printable(text: &str) -> bool {
    // Without an early exit, because the compiler then checks many bytes at once.
    if text.bytes().fold(true, |all, byte| all & matches!(byte, b' '..=b'~')) {
        return true;
    }
    if text.is_ascii() {
        return false;
    }
    // The standard library knows the characters that cannot be printed as those that it escapes.
    let quoted = text.chars().filter(|c| matches!(c, '"' | '\'' | '\\')).count();
    text.escape_debug().count() == text.chars().count() + quoted
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::Reason;

    #[test]
    fn texts_are_short_and_printable() {
        for (text, expected) in [
            ("a", Ok(())),
            ("abcd-123 efg'\"\\", Ok(())),
            ("größe-価格", Ok(())),
            ("e\u{301}\"", Ok(())),
            ("", Err(Reason::Empty)),
            ("ééééé", Ok(())),
            ("a\nb", Err(Reason::NotPrintable)),
            ("a\u{7f}", Err(Reason::NotPrintable)),
            ("é\u{202e}", Err(Reason::NotPrintable)),
            ("é\u{200b}", Err(Reason::NotPrintable)),
        ] {
            assert_eq!(check(text, 16), expected, "{text:?}");
        }
        assert_eq!(check("aaaaa", 4), Err(Reason::TooLong { limit: 4 }));
        assert_eq!(check("éééé", 4), Ok(()));
    }
}
