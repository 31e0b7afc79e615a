use super::{Facts, Input};

const EVENT: &str = r#"{"version":"0","id":"e-1","detail-type":"order_submitted","source":"retail.orders","account":"123456789012","time":"2026-01-01T00:00:00Z","region":"us-east-1","resources":["arn:a","arn:b"],"detail":{"total": 29.90,"name":"a \"b\" \u00e9","big":12345678901234567890,"items":[{"sku":"x"},{"sku":"y"}],"a/b":null,"dup":1,"dup":2}}"#;

fn facts() -> Facts<'static> {
    Facts {
        event: EVENT,
        rule_name: "totals",
        rule_arn: "arn:aws:events:us-east-1:123456789012:rule/orders/totals",
        ingestion_time: "2026-01-01T00:00:01Z",
    }
}

/// Checks what a target with this input gets, which must be one that a target can have.
fn check(input: &Input, expected: &str) {
    assert_eq!(input.check("t-1"), Ok(()), "{input:?}");
    assert_eq!(input.render(facts()).as_deref(), Ok(expected), "{input:?}");
}

fn check_path(path: &str, expected: &str) {
    check(&Input::path(path), expected);
}

/// Checks a template in which `<it>` is what `path` leads to.
fn check_template(path: &str, template: &str, expected: &str) {
    check(&Input::template([("it", path)], template), expected);
}

fn error(input: &Input) -> String {
    input.check("t-1").unwrap_err().to_string()
}

#[test]
fn an_input_path_delivers_a_part_byte_for_byte() {
    check_path("$", EVENT);
    check_path("$.detail-type", r#""order_submitted""#);
    check_path("$.detail.total", "29.90");
    check_path("$.detail.name", r#""a \"b\" \u00e9""#);
    check_path("$.detail.big", "12345678901234567890");
    check_path("$.detail.items", r#"[{"sku":"x"},{"sku":"y"}]"#);
    check_path("$.detail.items[1].sku", r#""y""#);
    check_path("$.detail.a/b", "null");
    check_path("$.detail.dup", "2");
    check_path("$.detail.items[*].sku", r#"["x","y"]"#);
    check_path("$.detail.items[0].*", r#"["x"]"#);
    check_path("$.resources[0]", r#""arn:a""#);
}

#[test]
fn an_input_path_that_leads_nowhere_delivers_null() {
    for path in ["$.detail.nothing", "$.detail.items[2]", "$.detail.total.x", "$.detail.none[*]"] {
        check_path(path, "null");
    }
}

#[test]
fn other_paths_are_refused() {
    for path in
        ["", "detail", "$detail", "$.", "$..a", "$.a b", "$.a[", "$.a[x]", "$.a[-1]", "$['a']"]
    {
        assert_eq!(
            error(&Input::path(path)),
            "ValidationException: Invalid InputPath for target t-1."
        );
        let input = Input::template([("it", path)], "<it>");
        assert!(error(&input).contains("Invalid InputPathsMap value it"), "{path}");
    }
}

#[test]
fn a_constant_is_delivered_whatever_the_event_is() {
    check(&Input::Constant(r#"{ "a": "<b>" }"#.to_owned()), r#"{ "a": "<b>" }"#);
    assert!(error(&Input::Constant("{".to_owned())).contains("JSON syntax error"));
}

/// As AWS's answers were recorded, with names of ours.
#[test]
fn templates_are_filled_as_recorded() {
    let paths = [("type", "$.detail-type"), ("time", "$.time"), ("name", "$.detail.nothing")];
    let check = |template: &str, expected: &str| check(&Input::template(paths, template), expected);
    // A text keeps its quotes, and a placeholder without a value leaves nothing.
    check(
        r#""Event of <type> type, at time <time>, info <name>""#,
        r#""Event of order_submitted type, at time 2026-01-01T00:00:00Z, info ""#,
    );
    check(r#""{[/special <type>""#, r#""{[/special order_submitted""#);
    // In an object it leaves an empty text.
    check(
        r#"{"detailType": <type>,  "time": <time>, "name": <name>}"#,
        r#"{"detailType": "order_submitted",  "time": "2026-01-01T00:00:00Z", "name": ""}"#,
    );
    check(
        r#""<aws.events.rule-arn> <aws.events.rule-name> <aws.events.event.ingestion-time>""#,
        r#""arn:aws:events:us-east-1:123456789012:rule/orders/totals totals 2026-01-01T00:00:01Z""#,
    );
    let without_detail = r#"{"id":"e-1","account":"123456789012","detailType":"order_submitted","time":"2026-01-01T00:00:00Z","source":"retail.orders","region":"us-east-1","resources":["arn:a","arn:b"],"version":"0"}"#;
    check(
        r#"{"event": <aws.events.event>, "json": <aws.events.event.json>}"#,
        &format!(r#"{{"event": {without_detail}, "json": {EVENT}}}"#),
    );
    let undefined = Input::template(paths, r#""<type> and <notdefined>""#);
    let expected = "ValidationException: InputTemplate for target t-1 contains invalid placeholder \
                    notdefined.";
    assert_eq!(error(&undefined), expected);
}

#[test]
fn values_stand_in_objects_as_json_and_in_texts_without_quotes() {
    check_template(
        "$.detail.total",
        r#"{"a": <it>, "b": "<it> EUR"}"#,
        r#"{"a": 29.90, "b": "29.90 EUR"}"#,
    );
    let (name, items) = (r#"a \"b\" \u00e9"#, r#"[{"sku":"x"},{"sku":"y"}]"#);
    check_template(
        "$.detail.name",
        r#"{"a":<it>,"b":"<it>!"}"#,
        &format!(r#"{{"a":"{name}","b":"{name}!"}}"#),
    );
    check_template("$.detail.items", r#"{"a":<it>}"#, &format!(r#"{{"a":{items}}}"#));
    check_template("$.detail.items", r#""<it>!""#, r#""[{sku:x},{sku:y}]!""#);
    check_template("$.resources", r#""<it>!""#, r#""[arn:a,arn:b]!""#);
    // Quotes that are escaped do not end a text.
    check_template(
        "$.source",
        r#"{"a":"\"<it>\"", "b":<it>}"#,
        r#"{"a":"\"retail.orders\"", "b":"retail.orders"}"#,
    );
    // Not all that has angle brackets is a placeholder.
    check_template("$.source", r#""<it> < 7""#, r#""retail.orders < 7""#);
}

/// Checks that a target with a valid template gets nothing.
fn check_nothing(path: &str, template: &str) {
    let input = Input::template([("it", path)], template);
    assert_eq!(input.check("t-1"), Ok(()), "{input:?}");
    let error = input.render(facts()).unwrap_err();
    assert_eq!(error, "The input template gave no JSON for the event.", "{input:?}");
}

#[test]
fn objects_and_lists_in_a_text_of_an_object_deliver_nothing() {
    for path in ["$.detail.items", "$.detail.items[0]", "$.resources", "$", "$.detail"] {
        check_nothing(path, r#"{"x": "<it>"}"#);
        check_nothing(path, r#"{"x": "at/<it>", "y": <it>}"#);
        check_nothing(path, r#" {"x": {"y": ["<it>"]}}"#);
    }
    check_nothing("$.id", r#"{"x": "<aws.events.event.json>"}"#);
    check_nothing("$.id", r#"{"x": "<aws.events.event>"}"#);
    // A number is as good in a text as by itself.
    check_template("$.detail.total", r#"{"x": "<it>"}"#, r#"{"x": "29.90"}"#);
    check_template("$.detail.a/b", r#"{"x": "<it>"}"#, r#"{"x": "null"}"#);
}

#[test]
fn a_template_can_be_several_lines_of_texts() {
    check_template("$.id", "\"<it> one\"\n\"<it> two\"", "\"e-1 one\"\n\"e-1 two\"");
    check_template(
        "$.resources",
        "\"<it>\"\r\n\n\"<it>\"",
        "\"[arn:a,arn:b]\"\r\n\n\"[arn:a,arn:b]\"",
    );
    check_template("$.detail.nothing", "\"<it> a\"\n  \"<it>\"\n", "\" a\"\n  \"\"\n");
    let broken = Input::template([("it", "$.id")], "\"<it> one\"\n\"<it> two");
    let expected = "ValidationException: Invalid InputTemplate for target t-1: not JSON.";
    assert_eq!(error(&broken), expected);
    let on_one_line = Input::template([("it", "$.id")], "\"<it> one\" \"<it> two\"");
    assert_eq!(error(&on_one_line), expected);
}

#[test]
fn templates_that_cannot_be_are_refused() {
    let template = |template: &str| Input::template([("it", "$.source")], template);
    for broken in [r#"{"a": <it>"#, r#"{<it>: 1}"#, r#""<it>"#] {
        assert!(
            error(&template(broken)).contains("Invalid InputTemplate for target t-1"),
            "{broken}"
        );
    }
    assert!(error(&template("")).contains("1 to 8192 characters"));
    assert!(error(&template(&"x".repeat(8193))).contains("1 to 8192 characters"));
    check(&template(&"x".repeat(8192)), &"x".repeat(8192));
    let reserved = Input::template([("aws.mine", "$.source")], "<aws.mine>");
    assert!(error(&reserved).contains("Invalid InputPathsMap key aws.mine"));
    let names: Vec<String> = (0..101).map(|n| format!("n{n}")).collect();
    let many = Input::template(names.iter().map(|name| (name.as_str(), "$.id")), "<n1>");
    assert!(error(&many).contains("more than 100"));
}
