use proptest::prelude::*;

use super::{Scanner, check, plain_run};

proptest! {
    #[test]
    fn a_plain_run_ends_where_a_slow_search_says(bytes in prop::collection::vec(
        prop_oneof![8 => 0x20_u8..=0xff, 1 => 0_u8..0x20, 1 => Just(b'"'), 1 => Just(b'\\')], 0..64
    )) {
        let slow = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
        prop_assert_eq!(plain_run(&bytes), slow.unwrap_or(bytes.len()));
    }
}

#[test]
fn json_is_told_from_what_only_looks_like_it() {
    for (text, expected) in [
        ("null", true),
        (" [ 1 , -0.5e+3 , \"\\u00e9\\n\" , true , false , { } , [ ] ] ", true),
        ("nul", false),
        ("nulll", false),
        ("01", false),
        ("-", false),
        ("1.", false),
        (".5", false),
        ("1e", false),
        ("+1", false),
        ("\"\\x\"", false),
        ("\"\\u12g4\"", false),
        ("\"\\ud83d\\ude00\"", true),
        ("\"\\ud83d\"", false),
        ("\"\\ud83d\\n\"", false),
        ("\"\\ud83d\\u0041\"", false),
        ("\"\\ude00\"", false),
        ("\"tab\there\"", false),
        ("\"open", false),
        ("[1,]", false),
        ("[1 2]", false),
        ("{\"a\":1,}", false),
        ("{\"a\" 1}", false),
        ("{a:1}", false),
        ("[1}", false),
        ("'a'", false),
        ("NaN", false),
    ] {
        assert_eq!(check(text, 0).is_ok(), expected, "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(text).is_ok(), expected, "{text}");
    }
}

proptest! {
    #[test]
    fn a_text_is_what_serde_reads(text in any::<String>(), escaped in any::<bool>()) {
        let json = if escaped {
            let units = text.encode_utf16().map(|unit| format!("\\u{unit:04X}"));
            format!("\"{}\"", units.collect::<String>())
        } else {
            serde_json::to_string(&text).unwrap()
        };
        let mut scanner = Scanner::new(&json);
        prop_assert_eq!(scanner.string().unwrap(), &*text);
        scanner.end().unwrap();
        let mut scanner = Scanner::new(&json);
        prop_assert_eq!(scanner.skip().unwrap(), &*json);
        scanner.end().unwrap();
    }
}

#[test]
fn what_is_skipped_is_not_looked_at_but_has_an_end() {
    for text in [
        "7",
        "123456789012345678901234567890",
        "1e999",
        "null",
        r#""a\"b\\""#,
        r#""\ud800""#,
        "\"a\tb\"",
        r#""\é""#,
        r#"{"a":1,"a":2}"#,
        r#"[{"a":"]}"},"}"]"#,
        "{[}]",
    ] {
        let document = format!(" {text} , ");
        let mut scanner = Scanner::new(&document);
        assert_eq!(scanner.skip(), Ok(text), "{text}");
    }
    for text in ["", "x", "]", "{", "[1", "\"", "\"a\\", "\"a\\\"", "{\"a}"] {
        assert!(Scanner::new(text).skip().is_err(), "{text}");
    }
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    assert_eq!(Scanner::new(&deep).skip(), Ok(&*deep));
}

#[test]
fn what_was_tried_in_vain_is_passed_over_and_forgotten() {
    let mut scanner = Scanner::new(r#"{ "a": { "b": 1, "c": [7] }, "b": 2 }"#);
    let mut tried = None;
    let walked = scanner.object(|scanner, member| {
        if member == "a" {
            let (text, read) = scanner.attempt(|scanner| {
                scanner.object(|scanner, member| match member {
                    "c" => scanner.array(|scanner| scanner.string().map(drop)),
                    _ => scanner.value().map(drop),
                })
            })?;
            tried = Some((text, read.unwrap_err().path().to_owned()));
        } else {
            scanner.value()?;
        }
        Ok(())
    });
    assert_eq!(walked, Ok(()));
    assert_eq!(tried, Some((r#"{ "b": 1, "c": [7] }"#, "c[0]".to_owned())));
    assert_eq!(scanner.end(), Ok(()));
}
