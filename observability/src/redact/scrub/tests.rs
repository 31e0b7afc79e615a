use std::borrow::Cow;

use proptest::prelude::*;
use tracing::{error, info, info_span};

use super::scrub;
use crate::{Config, Invocation, captured::Captured};

const S: &str = "hunter2/Xyz";

#[test]
fn secrets_are_found_wherever_they_stand() {
    for text in [
        "Authorization: Bearer hunter2/Xyz",
        "authorization: hunter2/Xyz and more hunter2/Xyz\nHost: here",
        "Cookie: a=hunter2/Xyz; b=hunter2/Xyz",
        "set-cookie=hunter2/Xyz; Path=/",
        r#"{"Authorization":"hunter2/Xyz"}"#,
        r#"{"headers":{"X-Api-Key":"hunter2/Xyz","Host":"here"}}"#,
        r#"{"multiValueHeaders":{"Cookie":["a=hunter2/Xyz","b=hunter2/Xyz"]}}"#,
        r#"{"cookies":["a=hunter2/Xyz"]}"#,
        r#"{"body":"{\"password\":\"hunter2/Xyz\"}"}"#,
        r#"{"Message":"{\"body\":\"{\\\"password\\\":\\\"hunter2/Xyz\\\"}\"}"}"#,
        r#"{"pass\u0077ord":"hunter2/Xyz"}"#,
        r#"{"body":"{\"pass\\u0077ord\":\"hunter2/Xyz\"}"}"#,
        r#"{"password":"with \" quote hunter2/Xyz"}"#,
        r#"{"password":{"S":"hunter2/Xyz"}}"#,
        r#"{"name":"Authorization","value":"hunter2/Xyz"}"#,
        r#"[["authorization","hunter2/Xyz"]]"#,
        r#"("authorization", "Bearer hunter2/Xyz")"#,
        r#"{"authorization": "Bearer hunter2/Xyz"}"#,
        r#"User { name: "a", password: "hunter2/Xyz" }"#,
        r#"User { password: Some("hunter2/Xyz"), name: "a" }"#,
        "User { clientSecret: hunter2/Xyz, name: a }",
        "https://host/path?access_token=hunter2/Xyz&page=1",
        "https://bucket/key?X-Amz-Signature=hunter2/Xyz",
        "--db-password=hunter2/Xyz",
        "PASSWORD = 'hunter2/Xyz'",
        "sent Basic hunter2/Xyz to it",
        "{'idToken': 'hunter2/Xyz'}",
        "token=>hunter2/Xyz",
    ] {
        let scrubbed = scrub(text);
        assert!(!scrubbed.contains("hunter2") && !scrubbed.contains("Xyz"), "{scrubbed}");
        assert!(scrubbed.contains("[redacted]"), "{scrubbed}");
        assert_eq!(scrub(&scrubbed), scrubbed, "once is enough");
    }
    // What stands around it is still there.
    for (text, expected) in [
        (r#"{"a":1,"password":"x","b":2}"#, r#"{"a":1,"password":"[redacted]","b":2}"#),
        ("?token=x&page=1", "?token=[redacted]&page=1"),
        ("U { password: Some(\"x\"), b: 1 }", "U { password: Some(\"[redacted]\"), b: 1 }"),
        ("Cookie: x; y\nHost: z", "Cookie: [redacted]\nHost: z"),
    ] {
        assert_eq!(scrub(text), expected);
    }
}

#[test]
fn what_looks_personal_is_found() {
    for (text, expected) in [
        ("no user bo@example.com!", "no user [redacted]!"),
        ("<Bo.O'Neil+tag@mail.example.co.uk>", "<[redacted]>"),
        ("größe@exämple.de", "[redacted]"),
        ("?email=bo%40example.com&x", "?email=[redacted]&x"),
        ("a@b.co,c@d.co", "[redacted],[redacted]"),
        ("card 4111 1111 1111 1111.", "card [redacted]."),
        ("card 5500-0000-0000-0004", "card [redacted]"),
        ("\"378282246310005\"", "\"[redacted]\""),
        ("key AKIAIOSFODNN7EXAMPLE used", "key [redacted] used"),
        ("got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "got [redacted]"),
        ("https://user:pass@host.example", "https://user:[redacted]"),
    ] {
        assert_eq!(scrub(text), expected);
    }
}

#[test]
fn other_text_stays_as_it_is() {
    for text in [
        "",
        "an order is late",
        "the password is wrong",
        "token",
        "user@localhost",
        "@handle a@ @b.c",
        "at 1764590400123 it took 1764590400123456 ns",
        "4111 1111 1111 1112",
        "order 12345678-1234-1234-1234-123456789012",
        "01JD4QZ3V5X8Y2N7K9M4T6W1R0",
        "arn:aws:lambda:eu-west-1:123456789012:function:f",
        "tokenizer: fast, authorizations: 3",
        "größe 価格 😀",
        "User { password: [redacted], name: \"a\" }",
        "basic words stay",
        "\\u0061\\u00e9\\",
    ] {
        assert!(matches!(scrub(text), Cow::Borrowed(_)), "{text}: {}", scrub(text));
    }
}

#[test]
fn lines_and_panics_are_scrubbed() {
    let (captured, telemetry, _default) = Captured::telemetry(Config::new("orders"));
    telemetry.invocation(Invocation::new("1")).enter(|| {
        let _span = info_span!("span", header = "Authorization: Bearer hunter2/Xyz").entered();
        info!(password = S, api_key = 7, ?S, "sent password={S}");
        error!(error = %format!("no bo@example.com, token: {S}"));
    });
    let text = captured.take();
    assert_eq!(text.lines().count(), 2);
    for hidden in ["bo@example.com", "Bearer", "7,", "password=h", "token: h"] {
        assert!(!text.contains(hidden), "{hidden}: {text}");
    }
    Captured::catch(&telemetry, || panic!("no bo@example.com, token: {S}"));
    assert_eq!(captured.line()["message"], "no [redacted], token: [redacted]");
}

#[test]
fn hostile_text_takes_no_time() {
    for piece in [
        "@",
        "a@",
        "eyJ=",
        "eyJ.",
        "\\",
        "\\u00",
        "password",
        "password:",
        "token\"",
        "4",
        "4 ",
        "[",
        "secret:[",
        "bearer ",
        "%40",
        "a.@a.",
        "cookie,",
        "\"cookie\",",
    ] {
        let text = piece.repeat(200_000 / piece.len());
        let before = allocation_counter::measure(|| drop(scrub(&text)));
        assert!(before.bytes_total < 20_000_000, "{piece}");
    }
}

proptest! {
    #[test]
    fn any_text_can_be_scrubbed(text in any::<String>()) {
        let once = scrub(&text).into_owned();
        prop_assert_eq!(scrub(&once), once.as_str());
    }

    #[test]
    fn any_mix_of_pieces_can_be_scrubbed(pieces in proptest::collection::vec(prop_oneof![
        Just("password"), Just("\""), Just("\\"), Just(":"), Just("="), Just("["), Just("]"), Just(","),
        Just("@"), Just("a.b"), Just("é"), Just("Bearer "), Just("\\u0061"), Just("4111111111111111"),
        Just("[redacted]"), Just(" "), Just("Some("), Just("eyJhbGciOiJIUzI1NiJ9."), Just("%40"),
    ], 0..20)) {
        let text = pieces.concat();
        let scrubbed = scrub(&text);
        prop_assert!(scrubbed.len() <= text.len() + 10 * (pieces.len() + 1));
    }
}
