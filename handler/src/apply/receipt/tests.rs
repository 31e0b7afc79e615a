use super::*;

fn read(json: &str) -> Result<(usize, Option<String>), String> {
    let receipt: Result<Receipt, _> = serde_json::from_str(json);
    receipt.map(|it| (it.outbox, it.response)).map_err(|error| error.to_string())
}

#[test]
fn a_receipt_is_read_as_it_was_written() {
    for receipt in [
        Receipt::default(),
        Receipt { outbox: 3, response: None },
        Receipt { outbox: Receipt::MOST, response: Some(r#"{"a":"\u00e9"}"#.to_owned()) },
    ] {
        let json = serde_json::to_string(&receipt).unwrap();
        assert_eq!(read(&json), Ok((receipt.outbox, receipt.response)), "{json}");
    }
}

#[test]
fn results_of_others_have_no_events() {
    for json in [
        "null",
        "true",
        "7",
        "-7",
        "1.5",
        r#""text""#,
        "[]",
        r#"[{"outbox":7}]"#,
        "{}",
        r#"{"statusCode":200,"body":"{}"}"#,
        r#"{"response":{"outbox":7}}"#,
        r#"{"response":[1]}"#,
        r#"{"response":null}"#,
        r#"{"response":1}"#,
    ] {
        assert_eq!(read(json), Ok((0, None)), "{json}");
    }
}

#[test]
fn more_events_than_a_transaction_has_room_for_are_refused() {
    for outbox in ["101", "1000000", "100000000", "18446744073709551615", "-1", "1.5", r#""7""#] {
        let json = format!(r#"{{"outbox":{outbox}}}"#);
        assert!(read(&json).is_err(), "{json}");
    }
}
