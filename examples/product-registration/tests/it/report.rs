//! What is reported, run within the test.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, BufReader, Read},
};

use expect_test::{Expect, expect};
use product_registration::{Format, MAX_LINE_BYTES, Options, RunError, SAMPLE, Summary, run};
use serde_json::Value;

use crate::registration;

/// What a run wrote to its output and to its errors.
fn report(format: Format, input: &[u8]) -> (Summary, String, String) {
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    let options = Options::new(format).with_seed(1);
    let summary = run(input, &mut output, &mut errors, &options).unwrap();
    (summary, String::from_utf8(output).unwrap(), String::from_utf8(errors).unwrap())
}

fn document(input: &[u8]) -> Value {
    let (_, output, errors) = report(Format::Json, input);
    assert_eq!(errors, "", "rejected lines are in the document");
    serde_json::from_str(&output).unwrap()
}

fn check(format: Format, input: &str, expected: &Expect) {
    let (_, output, errors) = report(format, input.as_bytes());
    let said = if errors.is_empty() { "" } else { "--- errors ---\n" };
    expected.assert_eq(&format!("{output}{said}{errors}"));
}

#[test]
fn a_person_sees_a_tree_for_each_registration_and_the_totals() {
    let input = format!("{}\n\nnot JSON\n{}", registration(1), registration(2));
    check(
        Format::Tree,
        &input,
        &expect![[r#"
            registration 1 (line 1)
            └─ product_registered  01KDVDNA00J452VV4909EC3FQB  from products
               ├─ products      recorded registration PR-3KGV-TDBK-7PQZ
               ├─ loyalty       awarded 59 points
               ├─ promotions    generated code THANKS-JRBN-J0MZ-VW14 for 10 % off
               │  └─ discount_generated  01KDVDNA00DQ9CV57B6YZYAGWY  from promotions
               │     └─ communications  e-mailed the code in message EM-G71T-K0H5-054F
               ├─ customer      opened support record SR-DFWH-X3V5-FKED
               └─ manufacturer  sent notice MN-10TY-C7JN-2Q6K

            registration 2 (line 4)
            └─ product_registered  01KDVDNA00Z29T5VQV69ANWWE1  from products
               ├─ products      recorded registration PR-TFNA-FPDP-YNTJ
               ├─ loyalty       awarded 59 points
               ├─ promotions    generated code THANKS-1J5K-X8B0-P47X for 10 % off
               │  └─ discount_generated  01KDVDNA00Z2MWFHZMHY0GCAR1  from promotions
               │     └─ communications  e-mailed the code in message EM-8YQC-2JZB-Y3KH
               ├─ customer      opened support record SR-FAV7-SZG1-DYYN
               └─ manufacturer  sent notice MN-8315-0WQJ-XH9N

            totals
            ├─ registrations                     2
            ├─ rejected lines                    1
            ├─ events
            │  ├─ product_registered             2
            │  └─ discount_generated             2
            ├─ effects, by the tables
            │  ├─ products                       2
            │  ├─ loyalty                        2
            │  ├─ promotions                     2
            │  ├─ communications                 2
            │  ├─ customer                       2
            │  └─ manufacturer                   2
            ├─ points awarded                  118
            ├─ what the world did
            │  ├─ first seed                     1
            │  ├─ worlds                         1
            │  ├─ deliveries                    14
            │  ├─ duplicates                     0
            │  ├─ attempts                      14
            │  ├─ crashes                        0
            │  ├─ freezes                        0
            │  ├─ throttled requests             0
            │  ├─ lost answers                   0
            │  └─ in quarantine                  0
            ├─ what it cost
            │  ├─ requests                      30
            │  └─ write units                   70
            ├─ how long a flow took, in milliseconds
            │  ├─ P50                           55
            │  ├─ P90                           75
            │  ├─ P99                           75
            │  └─ P100                          75
            └─ verdict
               ├─ effects applied twice          0
               ├─ events lost                    0
               └─ unfinished                     0
            --- errors ---
            line 3 rejected: the line is not JSON at byte 0: expected a value
        "#]],
    );
}

#[test]
fn a_program_sees_one_document() {
    let input = format!("{}\n\nnot JSON\n{}", registration(1), registration(2));
    check(
        Format::Json,
        &input,
        &expect![[r#"
            {"flows":[
            {"line":1,"correlation_id":"01KDVDNA00J452VV4909EC3FQB","events":[{"event_id":"01KDVDNA00J452VV4909EC3FQB","name":"product_registered","service":"products","causation_id":null,"depth":0},{"event_id":"01KDVDNA00DQ9CV57B6YZYAGWY","name":"discount_generated","service":"promotions","causation_id":"01KDVDNA00J452VV4909EC3FQB","depth":1}],"effects":[{"service":"products","effect":"registration_recorded","registration":"PR-3KGV-TDBK-7PQZ","caused_by":"01KDVDNA00J452VV4909EC3FQB"},{"service":"loyalty","effect":"points_awarded","points":59,"caused_by":"01KDVDNA00J452VV4909EC3FQB"},{"service":"promotions","effect":"code_generated","code":"THANKS-JRBN-J0MZ-VW14","percent":10,"caused_by":"01KDVDNA00J452VV4909EC3FQB"},{"service":"customer","effect":"support_record_opened","record":"SR-DFWH-X3V5-FKED","caused_by":"01KDVDNA00J452VV4909EC3FQB"},{"service":"manufacturer","effect":"manufacturer_notified","notice":"MN-10TY-C7JN-2Q6K","caused_by":"01KDVDNA00J452VV4909EC3FQB"},{"service":"communications","effect":"code_emailed","message_id":"EM-G71T-K0H5-054F","caused_by":"01KDVDNA00DQ9CV57B6YZYAGWY"}]},
            {"line":4,"correlation_id":"01KDVDNA00Z29T5VQV69ANWWE1","events":[{"event_id":"01KDVDNA00Z29T5VQV69ANWWE1","name":"product_registered","service":"products","causation_id":null,"depth":0},{"event_id":"01KDVDNA00Z2MWFHZMHY0GCAR1","name":"discount_generated","service":"promotions","causation_id":"01KDVDNA00Z29T5VQV69ANWWE1","depth":1}],"effects":[{"service":"products","effect":"registration_recorded","registration":"PR-TFNA-FPDP-YNTJ","caused_by":"01KDVDNA00Z29T5VQV69ANWWE1"},{"service":"loyalty","effect":"points_awarded","points":59,"caused_by":"01KDVDNA00Z29T5VQV69ANWWE1"},{"service":"promotions","effect":"code_generated","code":"THANKS-1J5K-X8B0-P47X","percent":10,"caused_by":"01KDVDNA00Z29T5VQV69ANWWE1"},{"service":"customer","effect":"support_record_opened","record":"SR-FAV7-SZG1-DYYN","caused_by":"01KDVDNA00Z29T5VQV69ANWWE1"},{"service":"manufacturer","effect":"manufacturer_notified","notice":"MN-8315-0WQJ-XH9N","caused_by":"01KDVDNA00Z29T5VQV69ANWWE1"},{"service":"communications","effect":"code_emailed","message_id":"EM-8YQC-2JZB-Y3KH","caused_by":"01KDVDNA00Z2MWFHZMHY0GCAR1"}]}
            ],"rejected":[
            {"line":3,"reason":"the line is not JSON at byte 0: expected a value"}
            ],
            "registrations":2,"events":{"product_registered":2,"discount_generated":2},"effects":{"products":2,"loyalty":2,"promotions":2,"communications":2,"customer":2,"manufacturer":2},"points":118,"seed":1,"worlds":1,"deliveries":14,"duplicates":0,"attempts":14,"crashes":0,"faults":{},"quarantined":0,"requests":30,"wcu":70,"latency_ms":{"p50":55,"p90":75,"p99":75,"p100":75},"effects_applied_twice":0,"events_lost":0,"unfinished":0}
        "#]],
    );
}

#[test]
fn no_registration_is_a_report_as_well() {
    check(
        Format::Tree,
        "",
        &expect![[r#"
            totals
            ├─ registrations                     0
            ├─ rejected lines                    0
            ├─ events
            │  ├─ product_registered             0
            │  └─ discount_generated             0
            ├─ effects, by the tables
            │  ├─ products                       0
            │  ├─ loyalty                        0
            │  ├─ promotions                     0
            │  ├─ communications                 0
            │  ├─ customer                       0
            │  └─ manufacturer                   0
            ├─ points awarded                    0
            ├─ what the world did
            │  ├─ first seed                     1
            │  ├─ worlds                         0
            │  ├─ deliveries                     0
            │  ├─ duplicates                     0
            │  ├─ attempts                       0
            │  ├─ crashes                        0
            │  ├─ freezes                        0
            │  ├─ throttled requests             0
            │  ├─ lost answers                   0
            │  └─ in quarantine                  0
            ├─ what it cost
            │  ├─ requests                       0
            │  └─ write units                    0
            ├─ how long a flow took, in milliseconds
            │  ├─ P50                            0
            │  ├─ P90                            0
            │  ├─ P99                            0
            │  └─ P100                           0
            └─ verdict
               ├─ effects applied twice          0
               ├─ events lost                    0
               └─ unfinished                     0
        "#]],
    );
    check(
        Format::Json,
        "\n\n",
        &expect![[r#"
            {"flows":[],"rejected":[],
            "registrations":0,"events":{"product_registered":0,"discount_generated":0},"effects":{"products":0,"loyalty":0,"promotions":0,"communications":0,"customer":0,"manufacturer":0},"points":0,"seed":1,"worlds":0,"deliveries":0,"duplicates":0,"attempts":0,"crashes":0,"faults":{},"quarantined":0,"requests":0,"wcu":0,"latency_ms":{"p50":0,"p90":0,"p99":0,"p100":0},"effects_applied_twice":0,"events_lost":0,"unfinished":0}
        "#]],
    );
    check(
        Format::Json,
        "x",
        &expect![[r#"
            {"flows":[],"rejected":[
            {"line":1,"reason":"the line is not JSON at byte 0: expected a value"}
            ],
            "registrations":0,"events":{"product_registered":0,"discount_generated":0},"effects":{"products":0,"loyalty":0,"promotions":0,"communications":0,"customer":0,"manufacturer":0},"points":0,"seed":1,"worlds":0,"deliveries":0,"duplicates":0,"attempts":0,"crashes":0,"faults":{},"quarantined":0,"requests":0,"wcu":0,"latency_ms":{"p50":0,"p90":0,"p99":0,"p100":0},"effects_applied_twice":0,"events_lost":0,"unfinished":0}
        "#]],
    );
}

#[test]
fn each_rejected_line_is_named_with_what_is_wrong_with_it() {
    let too_long = format!(r#"{{"name":"{}"}}"#, "x".repeat(MAX_LINE_BYTES));
    let (first, last) = (registration(1), registration(2));
    let lines: [&[u8]; 12] = [
        first.as_bytes(),
        b"{",
        br#"["cu-1","Ada","ada@example.com","Aurora kettle","AK-1",5990]"#,
        b"42",
        b"{}",
        b"",
        br#"{"customer_id":"cu-1","name":"","email":"","model":"","serial_number":"","price_cents":0}"#,
        br#"{"customer_id":"cu-1","name":"Ada","email":"ada at home","model":"x","serial_number":"x","price_cents":0}"#,
        br#"{"customer_id":7}"#,
        b"\xff\xfe",
        too_long.as_bytes(),
        last.as_bytes(),
    ];
    let (summary, _, errors) = report(Format::Tree, &lines.join(&b"\r\n"[..]));
    assert_eq!((summary.registrations, summary.rejected), (2, 9));
    expect![[r#"
        line 2 rejected: the line is not JSON at byte 1: expected a member's name
        line 3 rejected: the line expected an object, found an array
        line 4 rejected: the line expected an object, found a number
        line 5 rejected: `customer_id` is missing
        line 7 rejected: `name` expected a value that its type takes, found a length of 0
        line 8 rejected: `email` expected a value that its type takes, found a string that does not fit
        line 9 rejected: `customer_id` expected a string, found a number
        line 10 rejected: the line is not UTF-8 at byte 0
        line 11 rejected: the line is longer than 65536 bytes
    "#]]
    .assert_eq(&errors);
}

#[test]
fn every_hop_is_traceable() {
    let input: String = (0..50).map(|number| registration(number) + "\n\n{\n").collect();
    let document = document(input.as_bytes());
    let flows = document["flows"].as_array().unwrap();
    let (mut events, mut effects) = (BTreeMap::new(), BTreeMap::new());
    let mut seen = BTreeSet::new();
    for (index, flow) in flows.iter().enumerate() {
        assert_eq!(flow["line"], 3 * index + 1);
        let mut depths = BTreeMap::new();
        for event in flow["events"].as_array().unwrap() {
            let (id, name) = (event["event_id"].as_str().unwrap(), event["name"].as_str().unwrap());
            assert!(seen.insert(id.to_owned()), "{id} is new");
            let depth = event["depth"].as_u64().unwrap();
            match event["causation_id"].as_str() {
                None => assert_eq!((depth, flow["correlation_id"].as_str()), (0, Some(id))),
                Some(cause) => assert_eq!(depths.get(cause).copied(), Some(depth - 1)),
            }
            depths.insert(id, depth);
            *events.entry(name).or_insert(0_u64) += 1;
        }
        for effect in flow["effects"].as_array().unwrap() {
            assert!(depths.contains_key(effect["caused_by"].as_str().unwrap()));
            *effects.entry(effect["service"].as_str().unwrap()).or_insert(0_u64) += 1;
        }
    }
    assert_eq!(document["registrations"], 50);
    assert_eq!(document["rejected"].as_array().unwrap().len(), 50);
    let names = ["discount_generated", "product_registered"];
    assert_eq!(events, names.map(|name| (name, 50)).into());
    let services =
        ["communications", "customer", "loyalty", "manufacturer", "products", "promotions"];
    assert_eq!(effects, services.map(|service| (service, 50)).into());
    assert_eq!(document["events"], serde_json::to_value(events).unwrap());
    assert_eq!(document["effects"], serde_json::to_value(effects).unwrap());
}

#[test]
fn more_rejected_lines_than_memory_holds_are_all_in_the_document() {
    let input = format!("{}x\n{}", "{}\n".repeat(3000), registration(1));
    let document = document(input.as_bytes());
    let rejected = document["rejected"].as_array().unwrap();
    let lines: Vec<u64> = rejected.iter().map(|it| it["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, (1..=3001).collect::<Vec<_>>());
    assert_eq!(rejected[0]["reason"], "`customer_id` is missing");
    assert!(rejected[3000]["reason"].as_str().unwrap().starts_with("the line is not JSON"));
}

#[test]
fn nothing_that_was_registered_is_shown() {
    let mut input = SAMPLE.to_owned();
    // And where lines are rejected, neither.
    input += &SAMPLE.replace("example.com", "example");
    input += &SAMPLE.replace("price_cents\": ", "price_cents\": \"secret\", \"x\": ");
    let (summary, tree, errors) = report(Format::Tree, input.as_bytes());
    assert_eq!((summary.registrations, summary.rejected), (20, 40));
    let (_, json, _) = report(Format::Json, input.as_bytes());
    for line in SAMPLE.lines() {
        let registration: BTreeMap<String, Value> = serde_json::from_str(line).unwrap();
        for value in registration.values().filter_map(Value::as_str).chain(["@", "secret"]) {
            for shown in [&tree, &errors, &json] {
                assert!(!shown.contains(value), "{value}");
            }
        }
    }
}

/// Gives what it has, and then fails.
struct Failing<'a>(&'a [u8]);

impl Read for Failing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::Error::other("the disk is on fire")),
            count => Ok(count),
        }
    }
}

#[test]
fn a_report_is_whole_also_when_reading_fails_half_way() {
    let input = format!("{}\n\nx\n{}", registration(1), registration(2));
    for (format, is_whole) in [
        (
            Format::Tree,
            (|text| text.ends_with("unfinished                     0\n")) as fn(&str) -> bool,
        ),
        (Format::Json, |text| {
            let document: Value = serde_json::from_str(text).unwrap();
            document["registrations"] == 1 && document["rejected"][0]["line"] == 3
        }),
    ] {
        let mut output = Vec::new();
        let reader = BufReader::new(Failing(input.as_bytes()));
        let error = run(reader, &mut output, io::sink(), &Options::new(format)).unwrap_err();
        assert!(matches!(error, RunError::Read { line: 4, .. }), "{error:?}");
        let output = String::from_utf8(output).unwrap();
        assert!(is_whole(&output), "{output}");
    }
}
