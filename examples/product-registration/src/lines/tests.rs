use std::io::BufReader;

use super::{Line, Lines, MAX_LINE_BYTES};

/// The lines of `input`, read through buffers of different sizes; `None` is one that is too long.
fn check(input: &[u8], expected: &[(u64, Option<&[u8]>)]) {
    for buffer in [1, 7, 64 * 1024] {
        let mut lines = Lines::new(BufReader::with_capacity(buffer, input));
        let mut found = Vec::new();
        while let Some((number, line)) = lines.next_line().unwrap() {
            found.push((
                number,
                match line {
                    Line::Whole(line) => Some(line.to_vec()),
                    Line::TooLong => None,
                },
            ));
        }
        let expected: Vec<_> =
            expected.iter().map(|(number, line)| (*number, line.map(<[u8]>::to_vec))).collect();
        assert!(found == expected, "{} lines with a buffer of {buffer}", found.len());
    }
}

#[test]
fn lines_are_counted_from_one_and_blank_ones_are_passed_over() {
    check(b"", &[]);
    check(b"a", &[(1, Some(b"a"))]);
    check(b"\n \t\r\na\n\nb\n", &[(3, Some(b"a")), (5, Some(b"b"))]);
}

#[test]
fn windows_files_are_read_as_well() {
    check(b"\xef\xbb\xbfa\r\nb\r\n", &[(1, Some(b"a")), (2, Some(b"b"))]);
    // Only what belongs to the end of the line goes.
    check(b"a\r\r\n\xef\xbb\xbfb\r", &[(1, Some(b"a\r")), (2, Some(b"\xef\xbb\xbfb\r"))]);
}

#[test]
fn a_line_that_is_too_long_is_skipped() {
    let longest = vec![b'x'; MAX_LINE_BYTES];
    for end in ["\n", "\r\n", ""] {
        let input = [&longest, end.as_bytes()].concat();
        check(&input, &[(1, Some(&longest))]);
    }
    for excess in [1, 2, 3, 200_000] {
        for end in ["\na\n", "\r\na\n"] {
            let input = [&longest[..], &vec![b'x'; excess], end.as_bytes()].concat();
            check(&input, &[(1, None), (2, Some(b"a"))]);
        }
        let input = [&longest[..], &vec![b'x'; excess]].concat();
        check(&input, &[(1, None)]);
    }
}
