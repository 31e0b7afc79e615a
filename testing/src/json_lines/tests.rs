use super::canonical;

fn same(a: &str, b: &str) -> bool {
    canonical(a.as_bytes()).unwrap() == canonical(b.as_bytes()).unwrap()
}

#[test]
fn the_way_of_writing_does_not_matter() {
    assert!(same(r#"{"a":1,"b":[true,null]}"#, "{ \"b\" : [true, null],\n \"a\" : 1 }"));
    assert!(same(r#"{"é":"\u00e9\n"}"#, r#"{"\u00e9":"é\u000a"}"#));
    assert!(same("[1.50, 2e1]", "[1.5, 20.0]"));
    assert!(same("{}", "{ }"));
}

#[test]
fn what_a_reader_can_tell_apart_matters() {
    assert!(!same("[1,2]", "[2,1]"));
    assert!(!same("1", "1.0"));
    assert!(!same("9007199254740993000001", "9007199254740993000002"));
    assert!(!same(r#"{"a":1}"#, r#"{"a":1,"a":1}"#));
    assert!(!same("null", r#""null""#));
    assert!(!same("{}", "[]"));
}

#[test]
fn what_is_no_document_is_an_error() {
    for json in ["", "{", "{} {}", "{a:1}", "nul"] {
        assert!(canonical(json.as_bytes()).is_err(), "{json}");
    }
    let deep = "[".repeat(100_000) + "1" + &"]".repeat(100_000);
    assert!(canonical(deep.as_bytes()).is_err());
}
