//! What is found out about a pattern before there is an event.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use setpiece_bus::{EventPattern, Filter, Finding, Findings, Mismatch};
use setpiece_envelope::DomainEvent;

use crate::events::{
    CounterSet, CustomerMoved, LabelsSet, NoteTaken, OrderSubmitted, OrderView, ParcelMoved,
    PaymentSettled, StockChanged, TreeGrown,
};

fn found<E: DomainEvent + DeserializeOwned + JsonSchema + 'static>(
    field: &str,
    tests: &str,
) -> Result<(), Findings> {
    let pattern = EventPattern::of::<E>().build().unwrap().to_json();
    let (head, _) = pattern.rsplit_once('}').unwrap();
    EventPattern::parse(format!(r#"{head},"detail.{field}":{tests}}}"#)).unwrap().check::<E>()
}

/// Checks what is found if a field is asked for this. Paths are from `detail` on; `-` is nothing.
#[track_caller]
fn check<E: DomainEvent + DeserializeOwned + JsonSchema + 'static>(
    field: &str,
    tests: &str,
    expected: &str,
) {
    let found = found::<E>(field, tests);
    let text = found.as_ref().err().map_or("-".to_owned(), ToString::to_string);
    assert_eq!(text.replace("`detail.", "`"), expected, "{field}: {tests}");
    assert_eq!(
        found.is_err_and(|found| found.never_matches()),
        expected.starts_with("never matches"),
    );
}

#[test]
fn fields_that_are_never_written() {
    let check = check::<OrderSubmitted>;
    check("data.order_number", r#"["x"]"#, "-");
    check(
        "data.orderNumber",
        r#"["x"]"#,
        "never matches: no event has `data.orderNumber`, but there is `data.order_number`",
    );
    check("data.totl", "[1]", "never matches: no event has `data.totl`, but there is `data.total`");
    check("data.colour", r#"["x"]"#, "never matches: no event has `data.colour`");
    check("total", "[1]", "never matches: no event has `total`, but there is `data.total`");
    check(
        "tenant",
        r#"["x"]"#,
        "never matches: no event has `tenant`, but there is `metadata.tenant`",
    );
    check("data.total.cents", "[1]", "never matches: no event has `data.total.cents`");
    check(
        "data.lines.skul",
        r#"["x"]"#,
        "never matches: no event has `data.lines.skul`, but there is `data.lines.sku`",
    );
    check("data.address", r#"[{"exists":true}]"#, "-");
    check(
        "metadata",
        r#"["x"]"#,
        "never matches: `metadata` is an object, and only its members have values",
    );
    check(
        "data.lines",
        r#"["x"]"#,
        "never matches: `data.lines` is an object, and only its members have values",
    );
    check(
        "data",
        r#"[{"exists":true}]"#,
        "never matches: `data` is an object, and only its members have values",
    );
    check(
        "data.colour",
        r#"[{"exists":false}]"#,
        "matches every `order_submitted`: what is asked of `data.colour` is always so",
    );
    check(
        "data.colour",
        r#"["x",{"exists":false}]"#,
        "matches every `order_submitted`: what is asked of `data.colour` is always so",
    );
    check("data.address", r#"[{"exists":false}]"#, "-");
    check("metadata.tennant", r#"["x"]"#, "-");
}

#[test]
fn values_of_other_kinds() {
    let check = check::<OrderSubmitted>;
    check(
        "data.order_number",
        "[7]",
        "never matches: `data.order_number` is a string of 1 to 12 characters",
    );
    check(
        "data.order_number",
        r#"[{"numeric":[">",1]}]"#,
        "never matches: `data.order_number` is a string of 1 to 12 characters",
    );
    check(
        "data.quantity",
        r#"["7"]"#,
        "never matches: `data.quantity` is a whole number from 0 up to 255",
    );
    check("data.views", r#"["7",null]"#, "never matches: `data.views` is a whole number");
    check("data.gift", r#"["true"]"#, "never matches: `data.gift` is a boolean");
    check("data.gift", "[true]", "-");
    check("data.note", "[7]", "never matches: `data.note` is a string or null");
    check("data.note", "[null]", "-");
    check("data.nothing", r#"["x"]"#, "never matches: `data.nothing` is null");
    check("data.tags", "[7]", "never matches: `data.tags` is a string");
    check(
        "data.grid",
        r#"["x"]"#,
        "never matches: `data.grid` is a whole number from -128 up to 127",
    );
    check(
        "data.dotted.name",
        r#"["x"]"#,
        "never matches: `data.dotted.name` is a whole number from -32768 up to 32767",
    );
    check("data.anything", r#"["x"]"#, "-");
    check("data.anything.deeper", r#"["x"]"#, "-");
    // Numbers are compared with networks by their digits.
    check("data.quantity", r#"[{"cidr":"10.0.0.0/8"}]"#, "-");
    check(
        "data.quantity",
        r#"[{"anything-but":"x"}]"#,
        "matches every `order_submitted`: what is asked of `data.quantity` is always so",
    );
    check(
        "metadata.depth",
        r#"["1"]"#,
        "never matches: `metadata.depth` is a whole number from 1 up to 2147483647",
    );
    check(
        "metadata.category",
        "[null]",
        "never matches: `metadata.category` is a string of 1 to 128 characters",
    );
}

#[test]
fn values_that_the_field_never_has() {
    let check = check::<OrderSubmitted>;
    check("data.currency", r#"["GBP"]"#, r#"never matches: `data.currency` is "EUR" or "USD""#);
    check("data.currency", r#"["EUR"]"#, "-");
    check("data.currency", r#"[{"prefix":"U"}]"#, "-");
    check(
        "data.currency",
        r#"[{"prefix":"eur"}]"#,
        r#"never matches: `data.currency` is "EUR" or "USD""#,
    );
    check(
        "data.currency",
        r#"[{"anything-but":["EUR","USD"]}]"#,
        r#"never matches: `data.currency` is "EUR" or "USD""#,
    );
    check("data.state", r#"["Old"]"#, r#"never matches: `data.state` is "New" or "Paid""#);
    check(
        "data.quantity",
        "[256]",
        "never matches: `data.quantity` is a whole number from 0 up to 255",
    );
    check(
        "data.quantity",
        "[7.5]",
        "never matches: `data.quantity` is a whole number from 0 up to 255",
    );
    check(
        "data.quantity",
        r#"[{"numeric":[">",255]}]"#,
        "never matches: `data.quantity` is a whole number from 0 up to 255",
    );
    check("data.quantity", r#"[{"numeric":[">=",255]}]"#, "-");
    check(
        "data.quantity",
        r#"[{"numeric":[">",7,"<",8]}]"#,
        "never matches: `data.quantity` is a whole number from 0 up to 255",
    );
    check(
        "data.total",
        r#"[{"numeric":["<",0]}]"#,
        "never matches: `data.total` is a number from 0 up to 5000.5",
    );
    check("data.total", r#"[{"numeric":["<=",0]}]"#, "-");
    check("data.total", r#"[{"numeric":[">",7,"<",8]}]"#, "-");
    check("data.views", "[9223372036854775807]", "-");
    check(
        "data.order_number",
        r#"["1234567890abc"]"#,
        "never matches: `data.order_number` is a string of 1 to 12 characters",
    );
    check(
        "data.order_number",
        r#"[""]"#,
        "never matches: `data.order_number` is a string of 1 to 12 characters",
    );
    check(
        "data.order_number",
        r#"[{"prefix":"1234567890abc"}]"#,
        "never matches: `data.order_number` is a string of 1 to 12 characters",
    );
    // A prefix may reach to the quote after the text.
    check("data.order_number", r#"[{"prefix":"1234567890ab\""}]"#, "-");
    check(
        "data.order_number",
        r#"[{"wildcard":"1234567*890abc"}]"#,
        "never matches: `data.order_number` is a string of 1 to 12 characters",
    );
    check(
        "data.order_number",
        r#"[{"equals-ignore-case":"1234567890abc"}]"#,
        "never matches: `data.order_number` is a string of 1 to 12 characters",
    );
    check("data.initial", r#"["xy"]"#, "never matches: `data.initial` is a string of length 1");
    check(
        "data.sizes",
        "[false]",
        "never matches: `data.sizes` is a whole number from 0 up to 255 or a string",
    );
    check("data.by_number.7", r#"["x"]"#, "never matches: `data.by_number.7` is a boolean");
    check(
        "data.order_number",
        r#"[{"exists":false}]"#,
        "never matches: `data.order_number` is never absent",
    );
    check("data.tags", r#"[{"exists":false}]"#, "-");
    check("data.lines.sku", r#"[{"exists":false}]"#, "-");
    check("data.address.country", r#"[{"exists":false}]"#, "-");
    check("metadata.version", r#"["1"]"#, r#"never matches: `metadata.version` is "2""#);
    check("metadata.version", r#"["2.0",2]"#, r#"never matches: `metadata.version` is "2""#);
    check("metadata.version", r#"["2"]"#, "-");
    check(
        "metadata.name",
        r#"["order_cancelled"]"#,
        r#"never matches: `metadata.name` is "order_submitted""#,
    );
}

#[test]
fn enums_in_all_their_forms() {
    check_enum::<PaymentSettled>("data.kind", r#""Card", "Transfer" or "Nothing""#);
    check_enum::<ParcelMoved>("data.kind", r#""Sent", "Back", "Lost" or "Weighed""#);
    check_enum::<CustomerMoved>("data.way", r#""Letter" or "Mail""#);
    check::<PaymentSettled>("data.country", "[1]", "never matches: `data.country` is a string");
    check::<PaymentSettled>(
        "data.line.count",
        r#"["1"]"#,
        "never matches: `data.line.count` is a whole number from 0 up to 65535",
    );
    check::<PaymentSettled>("data.sku", r#"["1"]"#, "never matches: no event has `data.sku`");
    check::<ParcelMoved>("data.content", r#"["1"]"#, "never matches: `data.content` is a number");
    check::<ParcelMoved>(
        "data.content.days",
        "[256]",
        "never matches: `data.content.days` is a whole number from 0 up to 255",
    );
    check::<StockChanged>("data", r#"["Full"]"#, r#"never matches: `data` is "Cleared""#);
    check::<StockChanged>(
        "data.Removed.by",
        r#"["1"]"#,
        "never matches: `data.Removed.by` is a whole number from -2147483648 up to 2147483647 or null",
    );
    check::<StockChanged>(
        "data.Counted",
        r#"["1"]"#,
        "never matches: `data.Counted` is a boolean or a whole number from 0 up to 255",
    );
    check::<CustomerMoved>("data.mail", "[1]", "never matches: `data.mail` is a string");
    check::<CustomerMoved>("data.sku", "[1]", "never matches: `data.sku` is a string");
    check::<CustomerMoved>(
        "data.maul",
        r#"["x"]"#,
        "never matches: no event has `data.maul`, but there is `data.mail`",
    );
}

#[track_caller]
fn check_enum<E: DomainEvent + DeserializeOwned + JsonSchema + 'static>(field: &str, is: &str) {
    check::<E>(field, r#"["Other"]"#, &format!("never matches: `{field}` is {is}"));
}

#[test]
fn maps_and_recursion() {
    check::<OrderSubmitted>(
        "data.by_colour.red.sku",
        "[1]",
        "never matches: `data.by_colour.red.sku` is a string",
    );
    check::<OrderSubmitted>(
        "data.by_colour.red.skul",
        "[1]",
        "never matches: no event has `data.by_colour.red.skul`",
    );
    // The name of a member may have dots.
    check::<OrderSubmitted>("data.by_colour.red.and.blue.sku", r#"["x"]"#, "-");
    check::<LabelsSet>("data.any", "[1]", "never matches: `data.any` is a string");
    check::<LabelsSet>("data.any", r#"["x"]"#, "-");
    check::<LabelsSet>("data.id.any", r#"["x"]"#, "-");
    check::<TreeGrown>(
        "data.next.next.children.next.name",
        "[1]",
        "never matches: `data.next.next.children.next.name` is a string",
    );
    check::<TreeGrown>(
        "data.next.next.children.next.named",
        "[1]",
        "never matches: no event has `data.next.next.children.next.named`, but there is `data.next.next.children.next.name`",
    );
    check::<TreeGrown>("data.next", r#"["x"]"#, "never matches: `data.next` is null");
    check::<CounterSet>("data", r#"["x"]"#, "never matches: `data` is a whole number");
    check::<CounterSet>(
        "data",
        r#"[{"exists":true}]"#,
        "matches every `counter_set`: what is asked of `data` is always so",
    );
    check::<NoteTaken>("data.note", r#"["x"]"#, "-");
}

#[test]
fn of_a_view_only_what_it_reads_is_known() {
    let check = check::<OrderView>;
    check("data.orderNumber", r#"["x"]"#, "-");
    check("data.order_number", "[7]", "never matches: `data.order_number` is a string");
    check(
        "data.quantity",
        "[256]",
        "never matches: `data.quantity` is a whole number from 0 up to 255",
    );
    check("data.quantity", r#"[{"exists":false}]"#, "-");
    check("data.state", r#"["Unheard"]"#, "-");
    check("data.lines.sku", "[7]", "never matches: `data.lines.sku` is a string");
    check("metadata.version", "[2]", "-");
    check("metadata.version", r#"["1"]"#, "-");
    check("metadata.category", "[null]", "-");
    check(
        "metadata.sampled",
        r#"["yes"]"#,
        "never matches: `metadata.sampled` is a boolean or null",
    );
    check(
        "metadata.event_id",
        r#"[{"exists":false}]"#,
        "never matches: `metadata.event_id` is never absent",
    );
}

#[test]
fn filters_that_filter_nothing() {
    let check = check::<OrderSubmitted>;
    let always = |fields: &str| {
        format!("matches every `order_submitted`: what is asked of {fields} is always so")
    };
    for (field, tests) in [
        ("data.order_number", r#"[{"exists":true}]"#),
        ("data.note", r#"[{"exists":true}]"#),
        ("data.order_number", r#"[{"prefix":""}]"#),
        ("data.order_number", r#"[{"wildcard":"*"}]"#),
        ("data.quantity", r#"[{"numeric":[">=",0]}]"#),
        ("data.quantity", r#"[{"numeric":["<",256]}]"#),
        ("data.quantity", r#"[{"anything-but":256}]"#),
        ("data.gift", "[true,false]"),
        ("data.currency", r#"["EUR","USD"]"#),
        ("metadata.depth", r#"[{"exists":true},{"exists":false}]"#),
        ("metadata.event_id", r#"[{"exists":true}]"#),
    ] {
        check(field, tests, &always(&format!("`{field}`")));
    }
    for (field, tests) in [
        ("data.tags", r#"[{"exists":true}]"#),
        ("data.lines.sku", r#"[{"exists":true}]"#),
        ("data.address.country", r#"[{"exists":true}]"#),
        ("data.quantity", r#"[{"numeric":[">",0]}]"#),
        // Not each number is one that AWS compares by value.
        ("data.views", r#"[{"numeric":[">=",-9.3e18]}]"#),
        ("data.total", r#"[{"numeric":[">=",0]}]"#),
        ("metadata.depth", r#"[{"exists":true}]"#),
    ] {
        check(field, tests, "-");
    }
}

#[track_caller]
fn check_whole(pattern: &str, expected: &str) {
    let found = EventPattern::parse(pattern).unwrap().check::<OrderSubmitted>();
    assert_eq!(
        found.err().map_or("-".to_owned(), |found| found.to_string()),
        expected,
        "{pattern}"
    );
}

#[test]
fn other_events_and_all_events() {
    check_whole(r#"{"source":["retail.checkout.orders"],"detail-type":["order_submitted"]}"#, "-");
    check_whole(r#"{"source":[{"prefix":"retail."}],"detail-type":[{"prefix":"order_"}]}"#, "-");
    check_whole(
        r#"{"source":["retail.orders"],"detail-type":["order_submitted"]}"#,
        r#"never matches: `source` is "retail.checkout.orders""#,
    );
    check_whole(
        r#"{"source":["retail.checkout.orders"],"detail-type":["OrderSubmitted"]}"#,
        r#"never matches: `detail-type` is "order_submitted""#,
    );
    let all = "matches every event of `retail.checkout.orders`, whatever its type";
    for pattern in [
        r#"{"source":["retail.checkout.orders"]}"#,
        r#"{"source":[{"prefix":"retail."}],"detail-type":[{"exists":true}]}"#,
        r#"{"source":[{"prefix":"retail."}],"detail-type":[{"wildcard":"*"}]}"#,
        r#"{"source":["retail.checkout.orders"],"detail":{"metadata":{"event_id":[{"exists":true}]}}}"#,
        r#"{"source":["retail.checkout.orders"],"$or":[{"detail-type":["x"]},{"id":[{"exists":true},{"exists":false}]}]}"#,
    ] {
        check_whole(pattern, all);
    }
    check_whole(
        r#"{"source":["retail.checkout.orders"],"detail":{"data":{"quantity":[7]}}}"#,
        "asks nothing of `detail-type`, so that events of other types may match",
    );
    check_whole(
        r#"{"detail-type":["order_submitted"]}"#,
        "asks nothing of `source`, so that events of other types may match",
    );
    check_whole(
        r#"{"source":["retail.checkout.orders"],"detail":{"metadata":{"name":["order_submitted"]}}}"#,
        "-",
    );
}

#[test]
fn alternatives_are_looked_at_one_by_one() {
    const HEAD: &str = r#""source":["retail.checkout.orders"],"detail-type":["order_submitted"]"#;
    check_whole(
        &format!(
            r#"{{{HEAD},"detail":{{"data":{{"$or":[{{"quantity":[7]}},{{"quantity":[700]}}]}}}}}}"#
        ),
        "`detail.data.$or[1]` never matches: `detail.data.quantity` is a whole number from 0 up to 255",
    );
    let all = format!(
        r#"{{{HEAD},"$or":[{{"detail":{{"data":{{"x":[7]}}}}}},{{"detail":{{"data":{{"$or":[{{"note":[1]}},{{"gift":[1]}}]}}}}}}]}}"#
    );
    check_whole(
        &all,
        "`$or[0]` never matches: no event has `detail.data.x`; \
         `$or[1].detail.data.$or[0]` never matches: `detail.data.note` is a string or null; \
         `$or[1].detail.data.$or[1]` never matches: `detail.data.gift` is a boolean",
    );
    assert!(
        EventPattern::parse(&all).unwrap().check::<OrderSubmitted>().unwrap_err().never_matches()
    );
    // An alternative for another event is none for this one.
    check_whole(
        &format!(
            r#"{{"$or":[{{{HEAD}}},{{"source":["retail.x"],"detail-type":["order_submitted"]}}]}}"#
        ),
        "-",
    );
    check_whole(
        &format!(r#"{{"$or":[{{{HEAD}}},{{{HEAD},"detail.data.quantity":[7]}}]}}"#),
        "matches every `order_submitted`: one alternative has no filter",
    );
    // What a later list replaces is not asked for.
    check_whole(
        &format!(
            r#"{{{HEAD},"detail.data.quantity":[700],"$or":[{{"detail.data.quantity":[7]}},{{"detail.data.gift":[true],"detail.data.quantity":[8]}}]}}"#
        ),
        "-",
    );
}

#[test]
fn findings_are_data() {
    let pattern = EventPattern::of::<OrderSubmitted>().field("totl", Filter::exists()).build();
    let findings = pattern.unwrap().check::<OrderSubmitted>().unwrap_err();
    let nearest = Some("detail.data.total".to_owned());
    let expected = Finding::NeverMatches {
        alternative: None,
        field: "detail.data.totl".to_owned(),
        mismatch: Mismatch::NoSuchField { nearest },
    };
    assert_eq!(findings.iter().collect::<Vec<_>>(), [&expected]);
}
