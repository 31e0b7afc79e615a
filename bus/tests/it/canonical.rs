//! One form for all ways to write a pattern.

use setpiece_bus::EventPattern;

#[track_caller]
fn check(pattern: &str, canonical: &str) {
    let pattern = EventPattern::parse(pattern).unwrap();
    assert_eq!(pattern.to_json(), canonical);
    assert_eq!(pattern.to_string(), canonical);
    assert_eq!(canonical.parse::<EventPattern>().unwrap(), pattern);
}

#[test]
fn order_space_and_repetition_do_not_count() {
    check(r#" { "b" : [ 2, 1, 2 ], "a" : [ "y", "x" ] } "#, r#"{"a":["x","y"],"b":[1,2]}"#);
}

#[test]
fn dots_become_objects() {
    check(r#"{"a.b":[1],"a":{"c":[2]},"a-b":[3]}"#, r#"{"a-b":[3],"a":{"b":[1],"c":[2]}}"#);
}

#[test]
fn what_would_change_its_meaning_keeps_its_dots() {
    check(r#"{"a":[1],"a.b":[2]}"#, r#"{"a":[1],"a.b":[2]}"#);
    check(r#"{".a":[1],"b..c":[2]}"#, r#"{".a":[1],"b..c":[2]}"#);
    check(r#"{"a.$or":[1]}"#, r#"{"a.$or":[1]}"#);
    check(
        r#"{"$or":[{"a.prefix":[1]},{"b.c":[2]}]}"#,
        r#"{"$or":[{"a.prefix":[1]},{"b":{"c":[2]}}]}"#,
    );
}

#[test]
fn numbers_and_addresses_are_written_in_one_way() {
    check(
        r#"{"a":[3.0e2,-0.0,1e-7,-2.50,1e21,12345678901234567890]}"#,
        r#"{"a":[-2.5,0,0.0000001,300,1e21,12345678901234567890]}"#,
    );
    check(
        r#"{"a":["::ffff:a00:7",{"cidr":"10.0.0.9/24"},{"cidr":"2001:DB8:0::/32"},{"exactly":"::1"}]}"#,
        r#"{"a":[{"exactly":"::1"},{"cidr":"10.0.0.0/24"},"10.0.0.7",{"cidr":"2001:db8::/32"}]}"#,
    );
}

#[test]
fn every_operator_is_written_back() {
    check(
        r#"{"a":[
            {"exists":false},{"exists":true},null,true,{"prefix":"p"},{"suffix":"s"},
            {"prefix":{"equals-ignore-case":"p"}},{"suffix":{"equals-ignore-case":"s"}},
            {"equals-ignore-case":"e"},{"wildcard":"a*\\*\\\\"},{"numeric":["=",1]},
            {"numeric":[">",1]},{"numeric":[">=",1]},{"numeric":["<",1]},{"numeric":["<=",1]},
            {"numeric":[">",1,"<=",2]},{"anything-but":"x"},{"anything-but":["y","x"]},
            {"anything-but":1},{"anything-but":{"prefix":["p"]}},{"anything-but":{"suffix":"s"}},
            {"anything-but":{"equals-ignore-case":["f","e"]}},{"anything-but":{"wildcard":"*"}}
        ]}"#,
        concat!(
            r#"{"a":[1,true,null,{"prefix":"p"},{"prefix":{"equals-ignore-case":"p"}},"#,
            r#"{"suffix":"s"},{"suffix":{"equals-ignore-case":"s"}},{"equals-ignore-case":"e"},"#,
            r#"{"wildcard":"a*\\*\\\\"},{"numeric":["<",1]},{"numeric":["<=",1]},"#,
            r#"{"numeric":[">",1]},{"numeric":[">",1,"<=",2]},{"numeric":[">=",1]},"#,
            r#"{"anything-but":"x"},{"anything-but":["x","y"]},{"anything-but":1},"#,
            r#"{"anything-but":{"prefix":"p"}},{"anything-but":{"suffix":"s"}},"#,
            r#"{"anything-but":{"equals-ignore-case":["e","f"]}},{"anything-but":{"wildcard":"*"}},"#,
            r#"{"exists":true},{"exists":false}]}"#,
        ),
    );
}

#[test]
fn text_is_escaped_where_json_asks_for_it() {
    check(r#"{"\u00e9\"":["\u0001\n\\\u2028"]}"#, "{\"é\\\"\":[\"\\u0001\\n\\\\\u{2028}\"]}");
}

#[test]
fn fields_come_before_alternatives_unless_they_replace_them() {
    check(
        r#"{"$or":[{"a":[1]},{"b":[2]}],"c":[3],"b":[4]}"#,
        r#"{"c":[3],"$or":[{"a":[1]},{"b":[2]}],"b":[4]}"#,
    );
    check(r#"{"$or":["x"]}"#, r#"{"$or":["x"]}"#);
}

#[test]
fn patterns_are_equal_if_they_ask_for_the_same() {
    let equal = |left: &str, right: &str| {
        EventPattern::parse(left).unwrap() == EventPattern::parse(right).unwrap()
    };
    assert!(equal(r#"{"a":{"b":[1]}}"#, r#"{"a.b":[1.0]}"#));
    assert!(equal(r#"{"a":[5],"a":[1]}"#, r#"{"a":[{"numeric":["=",1]}]}"#));
    assert!(equal(
        r#"{"$or":[{"a":[1]},{"b":[2]}]}"#,
        r#"{"$or":[{"b":[2]},{"a":[1]},{"a":[1]}]}"#,
    ));
    assert!(equal(
        r#"{"c":[3],"$or":[{"a":[1]},{"b":[2]}]}"#,
        r#"{"$or":[{"a":[1],"c":[3]},{"b":[2],"c":[3]}]}"#,
    ));
    assert!(!equal(r#"{"a":[1]}"#, r#"{"a":["1"]}"#));
    assert!(!equal(r#"{"a":["10.0.0.7"]}"#, r#"{"a":[{"exactly":"10.0.0.7"}]}"#));
}
