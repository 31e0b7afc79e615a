use setpiece_envelope::from_json;

use super::{Registration, is_email};

/// What is wrong with a registration in which one member is `json`.
fn reason(member: &str, json: &str) -> String {
    let mut registration = serde_json::json!({
        "customer_id": "cu-1", "name": "Ada Brook", "email": "ada@example.com",
        "model": "Aurora kettle", "serial_number": "AK-1", "price_cents": 5990,
    });
    match json {
        "" => _ = registration.as_object_mut().unwrap().remove(member),
        json => registration[member] = serde_json::from_str(json).unwrap(),
    }
    from_json::<Registration>(registration.to_string().as_bytes())
        .err()
        .map_or_else(|| "fine".to_owned(), |error| error.to_string())
}

#[test]
fn each_member_is_checked_and_no_value_is_quoted() {
    for (member, json, expected) in [
        ("customer_id", r#""cu-1""#, "fine"),
        ("name", r#""Åsa 陳""#, "fine"),
        ("a_new_member", r#"{"for": "later"}"#, "fine"),
        ("email", "", "`email` is missing"),
        ("email", "null", "`email` expected a string, found null"),
        ("name", "{}", "`name` expected a string, found an object"),
        ("price_cents", r#""59.90""#, "`price_cents` expected u32, found a string"),
        ("price_cents", "59.9", "`price_cents` expected u32, found a number"),
        ("price_cents", "-1", "`price_cents` expected u32, found a number that does not fit"),
        (
            "customer_id",
            r#""""#,
            "`customer_id` expected a value that its type takes, found a length of 0",
        ),
        (
            "serial_number",
            r#""\u001b[31m""#,
            "`serial_number` expected a value that its type takes, found a string that does not fit",
        ),
        (
            "name",
            r#"" ""#,
            "`name` expected a value that its type takes, found a string that does not fit",
        ),
        (
            "model",
            r#""a\nb""#,
            "`model` expected a value that its type takes, found a string that does not fit",
        ),
        (
            "email",
            r#""ada at example.com""#,
            "`email` expected a value that its type takes, found a string that does not fit",
        ),
    ] {
        assert_eq!(reason(member, json), expected, "{member}: {json}");
    }
}

#[test]
fn addresses_are_told_from_other_texts() {
    let long_local = format!("{}@example.com", "a".repeat(65));
    for good in ["ada@example.com", "ada.brook+kettle@mail.example.com", "a@b.co", "o'neil@x-y.org"]
    {
        assert!(is_email(good), "{good}");
    }
    for bad in [
        "",
        "@",
        "ada",
        "ada@",
        "@example.com",
        "ada@example",
        "ada@@example.com",
        "a b@example.com",
        ".ada@example.com",
        "ada.@example.com",
        "a..b@example.com",
        "ada@-example.com",
        "ada@example-.com",
        "ada@example..com",
        "ada@example.com\n",
        "åda@example.com",
        "ada@example.com, eve@example.com",
        &long_local,
    ] {
        assert!(!is_email(bad), "{bad}");
    }
}
