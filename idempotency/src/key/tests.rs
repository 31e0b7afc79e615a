use serde_json::{Value, json};

use super::{Key, KeyError, KeySecret};

fn stored(key: &Key) -> String {
    key.in_scope("shop#pay#").as_str().to_owned()
}

#[test]
fn short_key_is_stored_as_it_is() {
    assert_eq!(stored(&Key::of("order-17").unwrap()), "shop#pay#8:order-17");
    let key = Key::from_parts(&[&"order", &17, &Some('x')]).unwrap();
    assert_eq!(stored(&key), "shop#pay#5:order2:171:x");
    assert_eq!(stored(&key.for_tenant("acme").unwrap()), "shop#pay#t4:acme5:order2:171:x");
}

#[test]
fn parts_and_tenants_are_kept_apart() {
    let keys = [
        Key::from_parts(&[&"ab", &"c"]),
        Key::from_parts(&[&"a", &"bc"]),
        Key::of("abc"),
        Key::of("2:ab1:c"),
        Key::of("bc").and_then(|key| key.for_tenant("a")),
        Key::of("c").and_then(|key| key.for_tenant("ab")),
        Key::of("t1:a2:bc"),
        Key::json("abc"),
        Key::of("abc").and_then(Key::sensitive),
    ];
    let mut texts: Vec<_> = keys.into_iter().map(|key| stored(&key.unwrap())).collect();
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(texts.len(), 9);
}

#[test]
fn what_is_missing_is_no_key() {
    let none: Option<&str> = None;
    assert_eq!(Key::of(&none), Err(KeyError::Missing));
    assert_eq!(Key::from_parts(&[&"order", &none]), Err(KeyError::Missing));
    assert_eq!(Key::from_parts(&[]), Err(KeyError::Missing));
    assert_eq!(Key::of(""), Err(KeyError::Empty));
    assert_eq!(Key::of(" \n"), Err(KeyError::Empty));
    assert_eq!(Key::from_parts(&[&"order", &""]), Err(KeyError::Empty));
    assert_eq!(Key::of("a").unwrap().for_tenant(""), Err(KeyError::Empty));
    for void in
        [json!(null), json!([]), json!({}), json!(""), json!([null, null]), json!({"a": null})]
    {
        assert_eq!(Key::json(&void), Err(KeyError::Empty), "{void}");
        assert_eq!(Key::powertools("f", &void), Err(KeyError::Empty), "{void}");
    }
    assert_eq!(Key::powertools("", &1), Err(KeyError::Empty));
    assert_eq!(Key::json(&std::collections::BTreeMap::from([((), 1)])), Err(KeyError::NotJson));
}

#[test]
fn small_values_are_keys() {
    for value in
        [json!(true), json!(false), json!(0), json!(0.0), json!("False"), json!([null, "v"])]
    {
        Key::json(&value).unwrap();
    }
    Key::of(&0).unwrap();
    Key::of(&false).unwrap();
}

#[test]
fn order_of_members_makes_no_difference_and_order_of_elements_does() {
    let key = |text: &str| Key::json(&serde_json::from_str::<Value>(text).unwrap()).unwrap();
    let one = key(r#"{"a": {"x": 1, "y": [1, 2]}, "b": 2}"#);
    assert_eq!(one, key(r#"{"b":2,"a":{"y":[1,2],"x":1}}"#));
    assert_ne!(one, key(r#"{"b":2,"a":{"y":[2,1],"x":1}}"#));
    assert_ne!(one, key(r#"{"b":2,"a":{"y":[1,2],"x":"1"}}"#));
    let fingerprint = |text: &str| {
        let payload: Value = serde_json::from_str(text).unwrap();
        Key::of("k").unwrap().with_fingerprint(&payload).unwrap()
    };
    assert_eq!(
        fingerprint(r#"{"a":1,"b":{"d":4,"c":3}}"#),
        fingerprint(r#"{"b":{"c":3,"d":4},"a":1}"#)
    );
    assert_ne!(fingerprint(r#"{"a":1}"#), fingerprint(r#"{"a":2}"#));
}

#[test]
fn numbers_are_what_they_are_worth() {
    let digest = |text: &str| {
        let value: Value = serde_json::from_str(text).unwrap();
        let key = Key::json(&value).unwrap();
        let print = Key::of("k").unwrap().with_fingerprint(&value).unwrap();
        (stored(&key), print.fingerprint().cloned())
    };
    for same in [
        ["1", "1.0"],
        ["1", "1e0"],
        ["0", "-0.0"],
        ["-17", "-17.0"],
        ["1e2", "100"],
        ["18446744073709549568", "18446744073709549568.0"],
        [r#"{"a":[2]}"#, r#"{"a":[2.0]}"#],
    ] {
        assert_eq!(digest(same[0]), digest(same[1]), "{same:?}");
    }
    // Neighbours stay apart, also where not every integer is a float.
    for other in [
        ["1", "1.5"],
        ["1", "\"1\""],
        ["9007199254740993", "9007199254740992.0"],
        ["1e300", "1.0000000000000002e300"],
        ["0", "5e-324"],
    ] {
        assert_ne!(digest(other[0]), digest(other[1]), "{other:?}");
    }
}

#[test]
fn what_json_has_no_number_for_is_null() {
    assert_eq!(Key::json(&f64::NAN), Err(KeyError::Empty));
    assert_eq!(Key::json(&[f64::INFINITY]), Err(KeyError::Empty));
    let print = |payload: Option<f64>| Key::of("k").unwrap().with_fingerprint(&payload).unwrap();
    assert_eq!(print(Some(f64::NAN)), print(None));
}

#[test]
fn keys_are_of_what_the_work_is_given() {
    // Whoever is called twice with the same content, in another envelope, is to do it once.
    let delivery =
        |message: &str, order: &str| json!({ "messageId": message, "body": { "order": order } });
    let key = |delivery: &Value| Key::json(&delivery["body"]).unwrap();
    assert_eq!(key(&delivery("m-1", "17")), key(&delivery("m-2", "17")));
    assert_ne!(key(&delivery("m-1", "17")), key(&delivery("m-1", "18")));
}

#[test]
fn keys_are_the_same_in_every_process_and_every_version() {
    // Other keys would be as if nothing had been done yet, so these are written down.
    let secret = KeySecret::new(*b"secret").unwrap();
    let value = json!({"b": [1, 2.5, null, true], "a": "é"});
    for _ in 0..2 {
        for (key, expected) in [
            (Key::of("order-17"), "shop#pay#8:order-17"),
            (
                Key::json(&value),
                "shop#pay#json:0c187fb652afca8017b5ef38178eeef09a9dfef844316f80ba4207cdf1995ee5",
            ),
            (
                Key::of("order-17").and_then(Key::sensitive),
                "shop#pay#sha256:151fbd4d726b13a7722d35aa29900889e3993e932ba6ce318a33a37dc1176f1d",
            ),
            (
                Key::of("order-17").and_then(|key| key.keyed(&secret)),
                "shop#pay#hmac:95d2b5713b9a51d029473530ba73bbc372b50c8d253e48da10b3a0b5c98b6905",
            ),
            (
                Key::of("x".repeat(200).as_str()),
                "shop#pay#sha256:dbb06b65ac611c7432c0d0441a8a0a16dfa4c6d5ed6bdb484fe7449763c8ca27",
            ),
        ] {
            assert_eq!(stored(&key.unwrap()), expected);
        }
    }
}

#[test]
fn an_empty_secret_is_none() {
    assert_eq!(KeySecret::new(Vec::new()), Err(KeyError::Secret));
    assert_eq!(KeySecret::new(*b""), Err(KeyError::Secret));
}

#[test]
fn whatever_can_be_written_as_json_is_a_key() {
    #[derive(serde::Serialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        Refund,
        Charge { cents: u64 },
    }

    let id = setpiece_envelope::EventId::parse("01890a5d-ac96-774b-bcce-b302099a8057").unwrap();
    assert_eq!(Key::json(&Kind::Refund), Key::json("refund"));
    assert_eq!(
        Key::json(&Kind::Charge { cents: 29 }),
        Key::json(&json!({"charge": {"cents": 29}}))
    );
    assert_eq!(Key::json(std::path::Path::new("a/b")), Key::json("a/b"));
    assert_eq!(
        Key::json(&setpiece_envelope::Timestamp::UNIX_EPOCH),
        Key::json("1970-01-01T00:00:00.000Z")
    );
    assert_eq!(Key::of(&id), Key::of("01890a5d-ac96-774b-bcce-b302099a8057"));
    assert_eq!(Key::json(&id), Key::json("01890a5d-ac96-774b-bcce-b302099a8057"));
    assert_eq!(Key::of(&u128::MAX), Key::of("340282366920938463463374607431768211455"));
    assert_eq!(Key::json(&[0xC0_u8]), Key::json(&[192]));
}

#[test]
fn long_and_sensitive_keys_are_stored_as_digests() {
    let long = stored(&Key::of("x".repeat(125).as_str()).unwrap());
    assert_eq!(long.len(), "shop#pay#sha256:".len() + 64);
    assert_eq!(stored(&Key::of("x".repeat(124).as_str()).unwrap()).len(), 9 + 128);
    let key = Key::of("ada@example.org").unwrap();
    let hashed = stored(&key.clone().sensitive().unwrap());
    assert!(hashed.starts_with("shop#pay#sha256:") && !hashed.contains("ada"));
    let keyed =
        |secret: &[u8]| stored(&key.clone().keyed(&KeySecret::new(secret).unwrap()).unwrap());
    assert!(keyed(b"one").starts_with("shop#pay#hmac:"));
    assert_eq!(keyed(b"one"), keyed(b"one"));
    assert_ne!(keyed(b"one"), keyed(b"two"));
}

#[test]
fn hmac_is_the_one_of_the_standard() {
    // RFC 4231, test case 2.
    let signed = KeySecret::new(*b"Jefe").unwrap().sign(b"what do ya want for nothing?");
    let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    assert_eq!(crate::digest::hex(&signed), expected);
}

#[test]
fn keys_are_shown_as_digests() {
    let key = Key::of("ada@example.org").unwrap();
    for text in [format!("{key}"), format!("{key:?}"), format!("{:?}", key.in_scope("a#b#"))] {
        assert!(!text.contains("ada"), "{text}");
    }
    assert_eq!(format!("{:?}", KeySecret::new(*b"secret").unwrap()), "KeySecret(…)");
}

#[test]
fn powertools_for_python_has_the_same_keys() {
    let nested = json!({"b": [1, 2.5, null, true], "a": {"z": "é\u{2028}😀\n\"\\", "y": ""}});
    for (value, md5) in [
        (nested, "51c3adf2f93449f1dafaebc2b2170a31"),
        (json!("order-17"), "307f2c7570f91850a9ad3456ef9ad74f"),
        (json!(17), "70efdf2ec9b086079795c442636b55fb"),
        (json!(0), "cfcd208495d565ef66e7dff9f98764da"),
        (json!(false), "68934a3e9455fa72420237eb05902327"),
        (json!(1e16), "17ad58a7ab5201decb18b0996a327592"),
        (json!(1e-5), "0e6c77caff4e0ac45fc1951e85bbff6a"),
        (json!(123_456_789.125), "10549462475c217e26b32b00785f76b8"),
        (json!(1.0), "e4c2e8edac362acab7123654b9e73432"),
        (json!(0.0001), "ac382d58b1125bb9aeaf1a83ebf5e9c6"),
        (json!(5e-324), "62704aaf46a899ad1563b7f0ced1d768"),
        (json!(["x"]), "4559c071008d3779d3efd0caa5135728"),
    ] {
        let key = Key::powertools("orders.app.handler", &value).unwrap();
        // Without namespace and operation, which Powertools does not know.
        assert_eq!(stored(&key), format!("orders.app.handler#{md5}"), "{value}");
        assert_eq!(key.for_tenant("acme"), Err(KeyError::Foreign));
    }
}

#[test]
fn powertools_for_typescript_has_the_same_keys() {
    let nested =
        json!({"B": [1, 2.5, null, true], "a": {"z": "é\u{2028}😀\n\"\\\u{1}\u{7f}", "y": ""}});
    for (value, md5) in [
        (nested, "4zbf/c0D14SDuf2dfPOnuQ=="),
        (json!("order-17"), "MH8sdXD5GFCprTRW75rXTw=="),
        (json!(17), "cO/fLsmwhgeXlcRCY2tV+w=="),
        (json!(1e16), "7mLz4kg/Gyxn+aXfHc8CCg=="),
        (json!(1e-5), "TTSaPW252slDV+/4pCc9fg=="),
        (json!(1e21), "OKkjo8sn5USSUjdjCUBynw=="),
        (json!(1e22), "/1M39apiH0rE4rbY1ERbag=="),
        (json!(1e-7), "0/370SVjSqHxw3+AHdGUMQ=="),
        (json!(123_456_789.125), "EFSUYkdcIX4msysAeF92uA=="),
        (json!(1.0), "xMpCOKC5I4INzFCab3WEmw=="),
        (json!(1.5e300), "ITnuO81DiT7BF8qMLdAIJA=="),
        (json!(5e-324), "YnBKr0aoma0VY7fwztHXaA=="),
    ] {
        let key = Key::powertools_typescript("orders", &value).unwrap();
        assert_eq!(stored(&key), format!("orders#{md5}"), "{value}");
    }
}

#[test]
fn a_key_within_a_scope_meets_no_key_of_another_scope() {
    let key = || Key::of("k").unwrap();
    let keys = [
        key(),
        key().within(&[&"a"]).unwrap(),
        key().within(&[&"b"]).unwrap(),
        key().within(&[&"a", &"b"]).unwrap(),
        key().within(&[&"b"]).unwrap().within(&[&"a"]).unwrap(),
        key().within(&[&"a1:b"]).unwrap(),
        Key::from_parts(&[&"a", &"k"]).unwrap(),
        Key::from_parts(&[&"b", &"k"]).unwrap().within(&[&"a"]).unwrap(),
        key().for_tenant("a").unwrap(),
    ];
    let stored: std::collections::HashSet<_> =
        keys.iter().map(|key| key.in_scope("s#").as_str().to_owned()).collect();
    assert_eq!(stored.len(), keys.len());
    assert_eq!(key().within(&[&"a"]), key().within(&[&"a"]));
}

#[test]
fn a_scope_has_parts_and_leaves_keys_of_powertools_alone() {
    let key = || Key::of("k").unwrap();
    assert_eq!(key().within(&[]), Err(KeyError::Missing));
    assert_eq!(key().within(&[&""]), Err(KeyError::Empty));
    assert_eq!(key().within(&[&None::<&str>]), Err(KeyError::Missing));
    let foreign = Key::powertools("f", &"x").unwrap();
    assert_eq!(foreign.within(&[&"a"]), Err(KeyError::Foreign));
}

#[test]
fn a_float_is_the_number_of_its_text() {
    #[derive(serde::Serialize)]
    struct Charge {
        amount: f32,
        parts: Vec<Option<f32>>,
    }
    for amount in [0.5_f32, 0.1, 19.99, 1e-7, 16_777_216.0, f32::MAX, f32::MIN_POSITIVE] {
        let charge = Charge { amount, parts: vec![Some(amount), None] };
        let text = serde_json::to_string(&charge).unwrap();
        let passed_on: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(Key::json(&charge), Key::json(&passed_on), "{text}");
        assert_eq!(
            Key::powertools_typescript("p", &charge),
            Key::powertools_typescript("p", &passed_on)
        );
        assert_eq!(Key::powertools("p", &charge), Key::powertools("p", &passed_on), "{text}");
        let key = || Key::of("k").unwrap();
        assert_eq!(key().with_fingerprint(&charge), key().with_fingerprint(&passed_on), "{text}");
    }
}

#[test]
fn integers_beyond_64_bits_are_no_key() {
    let large = u128::from(u64::MAX) + 1;
    let small = i128::from(i64::MIN) - 1;
    for error in [
        Key::json(&large).unwrap_err(),
        Key::json(&[small]).unwrap_err(),
        Key::json(&std::collections::BTreeMap::from([("\"", large)])).unwrap_err(),
        Key::of("k").unwrap().with_fingerprint(&large).unwrap_err(),
        Key::powertools("p", &large).unwrap_err(),
        // Python would write these with all digits, if they were integers.
        Key::powertools("p", &json!({ "id": 18_446_744_073_709_551_616.0 })).unwrap_err(),
        Key::powertools("p", &json!([-1e19])).unwrap_err(),
        // Read from -9223372036854775809, which is one less.
        Key::powertools("p", &json!(-9_223_372_036_854_775_808.0)).unwrap_err(),
        Key::powertools("p", &json!(-0.0)).unwrap_err(),
    ] {
        assert_eq!(error, KeyError::Inexpressible);
    }
    for text in [r#""18446744073709551616""#, "18446744073709551615", "1e30", r#"["\\", 1]"#] {
        Key::json(&serde_json::from_str::<Value>(text).unwrap()).unwrap();
    }
}

#[test]
fn objects_of_javascript_have_an_order_of_their_own() {
    let key = |value: &Value| Key::powertools_typescript("p", value).map(|key| stored(&key));
    // The right sides are those of Powertools.
    for (payload, theirs) in [
        (json!({"lines": {"1": "a", "2": "b", "10": "c"}}), "p#LyC8vB4VdZNos1yvasTsyw=="),
        (json!({"id": 9_007_199_254_740_993_u64}), "p#hyyPUTMPZHw9pI2MYqzKNw=="),
    ] {
        assert_eq!(key(&payload).unwrap(), theirs);
    }
    assert_eq!(key(&json!({"a": 1, "__proto__": {"b": 2}})), key(&json!({"a": 1})));
    assert_eq!(
        key(&json!({"id": 9_007_199_254_740_993_u64})),
        key(&json!({"id": 9_007_199_254_740_992_u64}))
    );
    assert_eq!(key(&json!({"Order": 1, "order": 2})), Err(KeyError::Inexpressible));
}
