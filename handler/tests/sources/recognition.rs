//! Where an invocation comes from, by its bytes alone.

use setpiece_envelope::json::Scanner;
use setpiece_handler::{HttpForm, Invocation, Source, UnknownShape};
use setpiece_testing::{
    StreamRecord, event_array, kinesis_event, sqs_event, sqs_fifo_event, stream_event,
};

use crate::{order, told};

#[track_caller]
fn check(bytes: impl AsRef<[u8]>, source: Source, deliveries: usize) {
    let invocation = Invocation::read(bytes.as_ref()).unwrap();
    assert_eq!(invocation.source, source);
    assert_eq!(invocation.deliveries.len(), deliveries);
}

#[track_caller]
fn unknown(bytes: impl AsRef<[u8]>, expected: &str) -> UnknownShape {
    let error = Invocation::read(bytes.as_ref()).unwrap_err();
    assert_eq!(told(&error), expected);
    error
}

#[test]
fn each_source_is_told_by_its_form() {
    let event = order("7");
    check(event.event_bridge(), Source::EventBridge, 1);
    check(event_array([event.event_bridge(), event.event_bridge()]), Source::EventBridgeArray, 2);
    check(event.sqs(), Source::Sqs { fifo: false }, 1);
    check(sqs_event(["a", "b", "c"]), Source::Sqs { fifo: false }, 3);
    check(sqs_fifo_event([("g", "a"), ("h", "b")]), Source::Sqs { fifo: true }, 2);
    check(event.sns(), Source::Sns, 1);
    check(kinesis_event(["a", "b"]), Source::Kinesis, 2);
    let key = r#"{"id":{"S":"7"}}"#;
    check(stream_event([StreamRecord::insert(key, key)]), Source::DynamoDbStream, 1);
    check(event.detail(), Source::Direct, 1);
    check("{}", Source::Direct, 1);
    check(r#"{"command":"rebuild","type":"all"}"#, Source::Direct, 1);
}

#[test]
fn members_may_come_in_any_order() {
    check(r#"{"detail":{},"source":"a","detail-type":"b"}"#, Source::EventBridge, 1);
    check(
        r#"{"more":[{"Records":1}],"Records":[{"body":"","messageId":"m","eventSource":"aws:sqs"}]}"#,
        Source::Sqs { fifo: false },
        1,
    );
}

#[test]
fn white_space_and_escaped_names_do_not_matter() {
    check(
        " {\n\"Rec\\u006frds\" : [ { \"messageId\":\"m\", \"eventSource\":\"aws:\\u0073qs\" } ] } ",
        Source::Sqs { fifo: false },
        1,
    );
}

#[test]
fn requests_are_told_from_those_of_authorizers_web_sockets_and_load_balancers() {
    let v1 = r#""resource":"/x","path":"/x","httpMethod":"GET","headers":{}"#;
    let v2 = r#""version":"2.0","routeKey":"GET /x","rawPath":"/x""#;
    let http = r#""requestContext":{"http":{"method":"GET"}}"#;
    for (json, source) in [
        (format!(r#"{{{v1},"requestContext":{{"stage":"a"}}}}"#), Source::Http(HttpForm::V1)),
        (format!("{{{v2},{http}}}"), Source::Http(HttpForm::V2)),
        (format!(r#"{{{v1},"requestContext":{{"elb":{{}}}}}}"#), Source::Http(HttpForm::Alb)),
        (format!(r#"{{"type":"REQUEST",{v1},"requestContext":{{}}}}"#), Source::Direct),
        (format!(r#"{{"type":"REQUEST",{v2},{http}}}"#), Source::Direct),
        (format!("{{{v1}}}"), Source::Direct),
        (format!(r#"{{{v1},"requestContext":7}}"#), Source::Direct),
    ] {
        check(json, source, 1);
    }
    unknown(
        format!(r#"{{{v1},"requestContext":{{"connectionId":"c"}}}}"#),
        "the invocation is a request by WebSocket, which is not handled",
    );
}

#[test]
fn a_bucket_that_tries_whether_it_may_notify_has_nothing_to_do() {
    let test = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2014-10-13T15:57:02.089Z",
        "Bucket":"b","RequestId":"r","HostId":"h"}"#;
    check(test, Source::S3, 0);
    check(r#"{"Service":"Amazon S3","Event":"other"}"#, Source::Direct, 1);
}

#[test]
fn what_is_nothing_known_says_what_was_seen() {
    unknown("", "the invocation cannot be read: `$` is not JSON at byte 0: expected a value");
    unknown(" nope", "the invocation cannot be read: `$` is not JSON at byte 1: expected a value");
    unknown([b'{', 0xff], "the invocation cannot be read: `$` is not UTF-8 at byte 1");
    unknown("{} {}", "the invocation cannot be read: `$` is not JSON at byte 3: expected the end");
    unknown("7", "the invocation is a number, expected an object or an array of events");
    unknown("\"x\"", "the invocation is a string, expected an object or an array of events");
    unknown("null", "the invocation is null, expected an object or an array of events");
    unknown("[]", "the invocation has an unknown form: no members");
    unknown("[1,2]", "the invocation has an unknown form: no members");
    unknown(
        r#"[{"id":7,"anna@example.com":"secret"}]"#,
        "the invocation has an unknown form: the members `id` and 1 more",
    );
    unknown(
        r#"{"Records":[{"eventSource":"aws:ses","ses":{"mail":"secret"}}]}"#,
        "the records have an unknown source: the members `eventSource`, `ses`",
    );
    unknown(
        r#"{"Records":[{"anna@example.com":1,"a b":2}]}"#,
        "the records have an unknown source: the members have 2 names that are not shown",
    );
    unknown(
        r#"{"eventSource":"aws:kafka","records":{"secret-0":[]}}"#,
        "the invocation has an unknown form: the members `eventSource`, `records`",
    );
    unknown(
        r#"{"Records":[{"eventSource":"aws:sqs","messageId":"m"},{"eventSource":"aws:s3"}]}"#,
        "the records have several sources",
    );
}

#[test]
fn few_names_are_kept_of_many() {
    let members: Vec<_> = (0..1000).map(|index| format!("\"m{index}\":1")).collect();
    let json = format!(r#"{{"Records":[{{{}}}]}}"#, members.join(","));
    let Err(UnknownShape::Records(seen)) = Invocation::read(json.as_bytes()) else { panic!() };
    assert_eq!((seen.names().count(), seen.others()), (16, 984));
}

#[test]
fn bytes_and_records_are_bounded() {
    let large = vec![b' '; Invocation::MAX_BYTES + 1];
    assert!(matches!(Invocation::read(&large), Err(UnknownShape::TooLarge { .. })));

    let record = r#"{"eventSource":"aws:sqs","messageId":"m"}"#;
    let batch = |count| format!(r#"{{"Records":[{}]}}"#, vec![record; count].join(","));
    check(batch(10_000), Source::Sqs { fifo: false }, 10_000);
    let Err(error) = Invocation::read(batch(10_001).as_bytes()).map(drop) else { panic!() };
    assert!(matches!(error, UnknownShape::TooManyRecords { limit: 10_000 }), "{error}");

    let events = event_array(vec![order("7").event_bridge(); 10_001]);
    let error = Invocation::read(&events).unwrap_err();
    assert!(matches!(error, UnknownShape::TooManyRecords { limit: 10_000 }), "{error}");
}

#[test]
fn nesting_without_end_is_passed_over() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    check(format!(r#"{{"command":{deep}}}"#), Source::Direct, 1);
    check(
        format!(r#"{{"Records":[{{"eventSource":"aws:sqs","messageId":"m","new":{deep}}}]}}"#),
        Source::Sqs { fifo: false },
        1,
    );
}

#[test]
fn a_record_without_an_identifier_fails_all() {
    for (record, path, reason) in [
        (r#"{"eventSource":"aws:sqs"}"#, "messageId", "is missing"),
        (r#"{"eventSource":"aws:sqs","messageId":""}"#, "messageId", "is empty"),
        (
            r#"{"eventSource":"aws:sqs","messageId":7}"#,
            "messageId",
            "expected a string, found a number",
        ),
        (
            r#"{"eventSource":"aws:sqs","messageId":"a","messageId":"b"}"#,
            "messageId",
            "appears more than once",
        ),
        (
            r#"{"eventSource":"aws:sqs","eventSource":"aws:sns","messageId":"a"}"#,
            "eventSource",
            "appears more than once",
        ),
        (
            r#"{"eventSource":"aws:kinesis","kinesis":{"sequenceNumber":"1","sequenceNumber":"2"}}"#,
            "kinesis.sequenceNumber",
            "appears more than once",
        ),
        (r#"{"eventSource":"aws:kinesis"}"#, "kinesis.sequenceNumber", "is missing"),
        (
            r#"{"eventSource":"aws:kinesis","kinesis":{"sequenceNumber":""}}"#,
            "kinesis.sequenceNumber",
            "is empty",
        ),
        (
            r#"{"eventSource":"aws:dynamodb","dynamodb":{}}"#,
            "dynamodb.SequenceNumber",
            "is missing",
        ),
    ] {
        unknown(
            format!(r#"{{"Records":[{record}]}}"#),
            &format!("the invocation cannot be read: `Records[0].{path}` {reason}"),
        );
    }
    unknown(
        r#"{"Records":[{"eventSource":"aws:sqs","messageId":"m"},{"eventSource":"aws:sqs"}]}"#,
        "the invocation cannot be read: `Records[1].messageId` is missing",
    );
    unknown(
        r#"{"Records":[],"Records":[]}"#,
        "the invocation cannot be read: `Records` appears more than once",
    );
}

#[test]
fn what_is_not_read_fails_nothing() {
    // Members twice, integers without end and halves of surrogate pairs, in members that are new.
    let odd = r#""new":{"a":1,"a":2,"b":123456789012345678901234567890,"c":"\ud800"}"#;
    for json in [
        format!(r#"{{"Records":[{{"eventSource":"aws:sqs","messageId":"m",{odd}}}],{odd}}}"#),
        format!(
            r#"{{"Records":[{{"eventSource":"aws:kinesis","kinesis":{{"sequenceNumber":"1",{odd}}}}}]}}"#
        ),
        format!(r#"{{"source":"aws.ec2","detail-type":"x","detail":{{{odd}}},{odd}}}"#),
    ] {
        let invocation = Invocation::read(json.as_bytes()).unwrap();
        assert_eq!(invocation.deliveries.len(), 1, "{json}");
    }
}

/// An answer of success would acknowledge all of them, though nobody has looked at one.
#[test]
fn records_of_a_source_that_is_not_handled_are_refused_by_name() {
    let record = r#"{"topic":"orders","partition":0,"offset":15,"value":"eyJ9","headers":[]}"#;
    let kafka = "the invocation is records of Kafka or Firehose, which is not handled";
    for source in ["SelfManagedKafka", "aws:kafka", "somethingNew"] {
        let json = format!(
            r#"{{"eventSource":"{source}","bootstrapServers":"b:9092","records":{{"orders-0":[{record},{record}],"orders-1":[{record}]}}}}"#
        );
        unknown(json, kafka);
    }
    unknown(format!(r#"{{"records":{{"orders-0":[{record}]}}}}"#), kafka);
    unknown(
        r#"{"invocationId":"i","deliveryStreamArn":"a","region":"r","records":[{"recordId":"1","data":"eyJ9"}]}"#,
        kafka,
    );
    unknown(
        r#"{"awslogs":{"data":"H4sIAAAAAAAA/6tWKkktLlGyUlAqS8wpTtVRUMouLcpMTgUA"}}"#,
        "the invocation is log events of CloudWatch Logs, which is not handled",
    );
    // What only looks a little like it is somebody's own document.
    for json in [
        r#"{"records":[]}"#,
        r#"{"records":{}}"#,
        r#"{"records":7}"#,
        r#"{"records":{"a":[1]}}"#,
        r#"{"records":[{"id":1}],"awslogs":"yes","window":"north"}"#,
    ] {
        check(json, Source::Direct, 1);
    }
}

#[test]
fn a_batch_without_records_has_nothing_to_do() {
    check(r#"{"Records":[]}"#, Source::EmptyBatch, 0);
    check(" { \"Records\" : [ ] } ", Source::EmptyBatch, 0);
}

/// A caller of the function would take the answer for one that says it was done.
#[test]
fn an_empty_list_of_records_beside_other_members_is_refused() {
    for (json, members) in [
        (r#"{"Records":[],"order":7}"#, "the members `Records`, `order`"),
        (r#"{"order":7,"Records":[]}"#, "the members `order`, `Records`"),
        (r#"{"Records":[],"window":{}}"#, "the members `Records`, `window`"),
    ] {
        unknown(json, &format!("the invocation has an unknown form: {members}"));
    }
}

/// Lambda takes an answer without `state` for a failure, and makes the invocation again until the
/// records expire.
#[test]
fn a_tumbling_window_is_refused_before_anything_is_done() {
    let window = r#""window":{"start":"2026-11-20T00:00:00Z","end":"2026-11-20T00:02:00Z"},"state":{},"shardId":"s","eventSourceARN":"a","isWindowTerminatedEarly":false"#;
    let of_kinesis = String::from_utf8(kinesis_event(["a"])).unwrap();
    let records = of_kinesis.trim_start_matches('{').trim_end_matches('}');
    let refused = "the invocation is a tumbling window: set its event source mapping to have none, which is not handled";
    unknown(format!(r#"{{{records},{window},"isFinalInvokeForWindow":false}}"#), refused);
    unknown(format!(r#"{{{window},{records},"isFinalInvokeForWindow":false}}"#), refused);
    unknown(format!(r#"{{"Records":[],{window},"isFinalInvokeForWindow":true}}"#), refused);
}

#[test]
fn a_notification_has_the_arn_of_its_topic_in_any_order_of_members() {
    let topic = "arn:aws:sns:eu-west-1:123456789012:orders";
    let subscription =
        format!(r#""EventSubscriptionArn":"{topic}:2bcfbf39-05c3-41de-beaa-fcfcc21c8f55""#);
    let sns = format!(r#""Sns":{{"TopicArn":"{topic}","Message":"{{}}","MessageId":"m"}}"#);
    let without = r#""Sns":{"Message":"{}","MessageId":"m"}"#;
    for members in [
        format!("{subscription},{sns}"),
        format!("{sns},{subscription}"),
        sns,
        format!("{subscription},{without}"),
    ] {
        let json = format!(r#"{{"Records":[{{"EventSource":"aws:sns",{members}}}]}}"#);
        let invocation = Invocation::read(json.as_bytes()).unwrap();
        assert_eq!(invocation.deliveries[0].facts.source_arn.as_deref(), Some(topic), "{json}");
    }
}

#[test]
fn a_member_that_is_there_twice_breaks_its_record_alone() {
    for (record, paths) in [
        (
            r#"{"eventSource":"aws:sqs","eventSourceARN":"arn:a","messageId":"m1","body":"{}",
            "attributes":{"MessageGroupId":"g","AWSTraceHeader":"h"},
            "messageAttributes":{"name":{"dataType":"String","stringValue":"x"}}}"#,
            &[
                "eventSource",
                "eventSourceARN",
                "messageId",
                "body",
                "attributes",
                "attributes.MessageGroupId",
                "messageAttributes.name",
            ][..],
        ),
        (
            r#"{"EventSource":"aws:sns","EventSubscriptionArn":"arn:a:s","Sns":{"MessageId":"m1",
            "TopicArn":"arn:a","Message":"{}","MessageAttributes":{"name":{"Type":"String","Value":"x"}}}}"#,
            &[
                "EventSource",
                "EventSubscriptionArn",
                "Sns",
                "Sns.MessageId",
                "Sns.TopicArn",
                "Sns.Message",
                "Sns.MessageAttributes.name",
            ],
        ),
        (
            r#"{"eventSource":"aws:kinesis","eventID":"s:1","eventSourceARN":"arn:a",
            "kinesis":{"sequenceNumber":"1","partitionKey":"p","data":"e30="}}"#,
            &[
                "eventID",
                "eventSourceARN",
                "kinesis",
                "kinesis.sequenceNumber",
                "kinesis.partitionKey",
                "kinesis.data",
            ],
        ),
        (
            r#"{"eventSource":"aws:dynamodb","eventID":"e","eventName":"INSERT","dynamodb":
            {"SequenceNumber":"1","Keys":{"id":{"S":"7"}},"NewImage":{"id":{"S":"7"}}}}"#,
            &[
                "eventID",
                "eventName",
                "dynamodb",
                "dynamodb.SequenceNumber",
                "dynamodb.Keys",
                "dynamodb.NewImage",
            ],
        ),
        (
            r#"{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},
            "object":{"key":"k","sequencer":"0"}}}"#,
            &["eventSource", "eventName", "s3", "s3.bucket", "s3.bucket.name", "s3.object.key"],
        ),
    ] {
        let check = |broken: &str, path: &str| {
            let batch = format!(r#"{{"Records":[{record},{broken},{record}]}}"#);
            let deliveries = Invocation::read(batch.as_bytes()).unwrap().deliveries;
            deliveries[0].open().unwrap();
            deliveries[2].open().unwrap();
            assert_eq!(deliveries[1].facts.item_id, deliveries[0].facts.item_id);
            assert_eq!(deliveries[1].bytes(), broken.as_bytes(), "{path}");
            let error = told(&deliveries[1].open().unwrap_err());
            assert!(error.ends_with(&format!("`{path}` appears more than once")), "{error}");
        };
        for path in paths {
            check(&twice(record, path), path);
        }
        let unknown = format!(r#"{{"new":1,"new":2,{}"#, &record[1..]);
        check(&unknown, "new");
    }
}

/// The record with the member at `path` twice, the second time as it was.
fn twice(record: &str, path: &str) -> String {
    let name = format!("\"{}\":", path.rsplit('.').next().unwrap());
    let start = record.find(&name).unwrap();
    let mut scanner = Scanner::new(&record[start + name.len()..]);
    let value = scanner.skip().unwrap();
    format!("{}{name}{value},{}", &record[..start], &record[start..])
}
