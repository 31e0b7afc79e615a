use proptest::prelude::*;

use super::{check, plain_run};

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
