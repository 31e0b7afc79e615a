//! What a handler can take that is not an event.

use serde::Deserialize;
use serde_json::json;
use setpiece_handler::{
    Change, Content, ContentKind, HttpForm, HttpRequest, HttpResponse, Invocation, ItemChange,
    Json, NaturalKey, OtherEvent, Payload, S3Change, ScheduledEvent, Unreadable,
};
use setpiece_policy::FaultKind;
use setpiece_testing::{StreamRecord, sqs_event, stream_event};

use crate::{only, refused, told};

/// Opens the only delivery as the payload that it is made for.
#[track_caller]
fn payload<P: Payload>(bytes: &[u8]) -> P {
    let delivery = only(bytes);
    let content = delivery.open().unwrap().content;
    assert_eq!(content.kind(), P::KIND);
    P::read(content).unwrap()
}

fn change_of_bucket() -> serde_json::Value {
    json!({
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "us-east-1",
        "eventTime": "2026-01-01T00:00:00.000Z",
        "eventName": "ObjectCreated:Put",
        "s3": {
            "s3SchemaVersion": "1.0",
            "bucket": { "name": "invoices", "arn": "arn:aws:s3:::invoices" },
            "object": {
                "key": "2026/caf%C3%A9+menu%2B1.pdf", "size": 1024, "eTag": "e", "versionId": "v",
                "sequencer": "0A1B2C3D4E5F678901",
            },
        },
    })
}

#[test]
fn a_change_of_a_bucket_has_its_key_decoded_and_names_itself() {
    let notification = json!({ "Records": [change_of_bucket()] }).to_string();
    for bytes in [notification.clone().into_bytes(), sqs_event([&notification])] {
        let change: S3Change = payload(&bytes);
        assert_eq!(change.key, "2026/café menu+1.pdf");
        assert_eq!(&*change.bucket, "invoices");
        assert_eq!(&*change.event_name, "ObjectCreated:Put");
        assert_eq!(change.size, Some(1024));
        assert_eq!(change.etag.as_deref(), Some("e"));
        assert_eq!(change.version_id.as_deref(), Some("v"));
        assert_eq!(change.time, "2026-01-01T00:00:00Z".parse().ok());
        assert_eq!(
            change.natural_key().unwrap(),
            ["invoices", "2026/café menu+1.pdf", "0A1B2C3D4E5F678901", "ObjectCreated:Put"]
        );
        assert!(!format!("{change:?}").contains("menu"));
    }
}

#[test]
fn several_changes_of_a_bucket_are_several_deliveries_but_not_in_one_message() {
    let records = json!({ "Records": [change_of_bucket(), change_of_bucket()] }).to_string();
    assert_eq!(Invocation::read(records.as_bytes()).unwrap().deliveries.len(), 2);
    assert!(matches!(refused(&records), Unreadable::SeveralChanges));
}

#[test]
fn a_change_of_a_bucket_that_is_broken_fails_alone() {
    let mut broken = change_of_bucket();
    broken["s3"]["object"]["key"] = json!("100%");
    let records = json!({ "Records": [broken, change_of_bucket()] }).to_string();
    let deliveries = Invocation::read(records.as_bytes()).unwrap().deliveries;
    assert_eq!(
        told(&deliveries[0].open().unwrap_err()),
        "what came in an S3 notification cannot be read at `s3.object.key`: `s3.object.key` does not have the form of a text in URL encoding"
    );
    deliveries[1].open().unwrap();
    let in_queue = json!({ "Records": [{ "eventSource": "aws:s3" }] }).to_string();
    assert_eq!(
        told(&refused(&in_queue)),
        "what came in a message cannot be read at `Records[0].s3.object`: `Records[0].s3.object` is missing"
    );
}

#[test]
fn the_size_of_an_object_is_a_whole_number_however_it_is_written() {
    for (size, expected) in [
        ("1024", Some(1024)),
        ("1024.0", Some(1024)),
        ("1.024e3", Some(1024)),
        ("0", Some(0)),
        ("5497558138880", Some(5_497_558_138_880)),
        ("18446744073709551615", Some(u64::MAX)),
        ("1024.5", None),
        ("-1", None),
        ("1e30", None),
        ("1e400", None),
        ("\"1024\"", None),
        ("null", None),
    ] {
        let notification = json!({ "Records": [change_of_bucket()] }).to_string();
        let notification = notification.replace(r#""size":1024"#, &format!(r#""size":{size}"#));
        let change: S3Change = payload(notification.as_bytes());
        assert_eq!(change.size, expected, "{size}");
    }
}

#[test]
fn the_test_message_of_a_bucket_in_a_queue_is_nothing_to_do() {
    let test = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}"#;
    let batch = sqs_event([test]);
    let delivery = only(&batch);
    assert!(matches!(delivery.open().unwrap().content, Content::Test));
}

#[test]
fn the_time_comes_by_rules_and_by_schedules() {
    for (source, detail) in [("aws.events", "{}"), ("aws.scheduler", "\"{}\"")] {
        let event = format!(
            r#"{{"version":"0","id":"e-1","detail-type":"Scheduled Event","source":"{source}",
            "account":"123456789012","time":"2026-01-01T00:00:00Z","region":"us-east-1",
            "resources":["arn:of:rule"],"detail":{detail}}}"#
        );
        let scheduled: ScheduledEvent = payload(event.as_bytes());
        assert_eq!(scheduled.schedule.as_deref(), Some("arn:of:rule"));
        assert_eq!(scheduled.time, "2026-01-01T00:00:00Z".parse().ok());
        assert_eq!(scheduled.natural_key().unwrap(), ["e-1"]);
    }
    let unnamed = r#"{"detail-type":"Scheduled Event","source":"aws.events","detail":{}}"#;
    assert_eq!(
        told(&only(unnamed.as_bytes()).open().unwrap_err()),
        "what came in EventBridge cannot be read at `id`: `id` is missing"
    );
}

#[test]
fn an_event_of_aws_decodes_its_detail() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct StateChange {
        instance_id: String,
    }
    let event = r#"{"id":"e-1","source":"aws.ec2","detail-type":"EC2 Instance State-change Notification",
        "detail":{"instance-id":"i-1","state":"pending"}}"#;
    let other: OtherEvent = payload(event.as_bytes());
    let detail: StateChange = other.detail().unwrap();
    assert_eq!(detail, StateChange { instance_id: "i-1".to_owned() });
    assert_eq!(other.natural_key().unwrap(), ["aws.ec2", "e-1"]);
    assert!(!format!("{other:?}").contains("i-1\""));
}

#[derive(Debug, PartialEq, Deserialize)]
struct Order {
    id: String,
    cents: i64,
}

#[test]
fn a_change_of_an_item_decodes_its_images() {
    let key = r#"{"id":{"S":"7"}}"#;
    let old = r#"{"id":{"S":"7"},"cents":{"N":"1"}}"#;
    let new = r#"{"id":{"S":"7"},"cents":{"N":"2"},"tags":{"SS":["a"]},"raw":{"B":"AQI="}}"#;
    let item = |cents| Some(Order { id: "7".to_owned(), cents });

    let change: ItemChange = payload(&stream_event([StreamRecord::modify(key, old, new)]));
    assert_eq!(change.change, Change::Modify);
    assert_eq!(change.before::<Order>().unwrap(), item(1));
    assert_eq!(change.after::<Order>().unwrap(), item(2));
    assert_eq!(serde_json::to_string(&change.keys).unwrap(), key);
    assert_eq!(change.natural_key().unwrap(), [&*change.event_id]);

    let change: ItemChange = payload(&stream_event([StreamRecord::remove(key, old)]));
    assert_eq!(change.change, Change::Remove);
    assert_eq!(change.after::<Order>().unwrap(), None);

    let other = r#"{"id":{"S":"secret"}}"#;
    let change: ItemChange = payload(&stream_event([StreamRecord::insert(key, other)]));
    let fault = change.after::<Order>().unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Contract);
    assert!(!format!("{fault:?} {change:?}").contains("secret"));
}

#[test]
fn the_author_of_a_change_says_that_an_item_has_expired() {
    let change = |name: &str, author: &str| {
        let record = format!(
            r#"{{"Records":[{{"eventID":"e-1","eventSource":"aws:dynamodb","eventName":"{name}"{author},
                "dynamodb":{{"SequenceNumber":"1","Keys":{{"id":{{"S":"7"}}}}}}}}]}}"#
        );
        payload::<ItemChange>(record.as_bytes())
    };
    let service = r#","userIdentity":{"principalId":"dynamodb.amazonaws.com","type":"Service"}"#;
    assert!(change("REMOVE", service).is_expiry());
    assert!(!change("MODIFY", service).is_expiry());
    let person = service.replace("Service", "IAMUser");
    let change_of_person = change("REMOVE", &person);
    assert!(!change_of_person.is_expiry());
    assert_eq!(&*change_of_person.user_identity.unwrap().kind, "IAMUser");
    for none in ["", r#","userIdentity":null"#, r#","userIdentity":{}"#, r#","userIdentity":7"#] {
        assert_eq!(change("REMOVE", none).user_identity, None, "{none}");
    }
}

#[test]
fn a_change_without_a_sequencer_is_named_by_its_request() {
    for name in ["ObjectTagging:Put", "ObjectAcl:Put", "ObjectTagging:Delete"] {
        let mut record = change_of_bucket();
        record["eventName"] = json!(name);
        record["s3"]["object"].as_object_mut().unwrap().remove("sequencer");
        record["responseElements"] = json!({ "x-amz-request-id": "R0", "x-amz-id-2": "I" });
        let bytes = json!({ "Records": [record] }).to_string();
        let change: S3Change = payload(bytes.as_bytes());
        assert_eq!(change.request_id.as_deref(), Some("R0"));
        assert_eq!(change.natural_key().unwrap(), ["invoices", "2026/café menu+1.pdf", "R0", name]);
        // Without both there is no name, and nothing that could be handled twice.
        for nothing in [json!(null), json!({}), json!({ "x-amz-request-id": "" }), json!(7)] {
            record["responseElements"] = nothing;
            let bytes = json!({ "Records": [record] }).to_string();
            assert_eq!(payload::<S3Change>(bytes.as_bytes()).natural_key(), None);
        }
    }
}

#[test]
fn a_change_of_a_bucket_by_eventbridge_is_the_same_change() {
    let event = json!({
        "version": "0", "id": "e-1", "detail-type": "Object Created", "source": "aws.s3",
        "account": "111122223333", "time": "2026-01-01T00:00:00Z", "region": "us-east-1",
        "resources": ["arn:aws:s3:::invoices"],
        "detail": {
            "version": "0", "bucket": { "name": "invoices" }, "reason": "PutObject",
            "object": { "key": "2026/café menu+1.pdf", "size": 1024, "etag": "e",
                "version-id": "v", "sequencer": "0A1B2C3D4E5F678901" },
            "request-id": "R0", "requester": "111122223333",
        },
    });
    let event = event.to_string();
    let bytes = json!({ "Records": [change_of_bucket()] }).to_string();
    let notified: S3Change = payload(bytes.as_bytes());
    let invocation = Invocation::read(event.as_bytes()).unwrap();
    let content = invocation.deliveries[0].open().unwrap().content;
    let by_event = S3Change::read(content).unwrap();
    assert_eq!(by_event.natural_key(), notified.natural_key());
    assert_eq!((&by_event.key, by_event.size), (&notified.key, notified.size));
    assert_eq!((&by_event.etag, by_event.time), (&notified.etag, notified.time));
    let other: OtherEvent = payload(event.as_bytes());
    assert_eq!(other.account.as_deref(), Some("111122223333"));
    assert_eq!(other.region.as_deref(), Some("us-east-1"));
    assert_eq!(other.time, "2026-01-01T00:00:00Z".parse().ok());
    assert_eq!(other.resources, [Box::from("arn:aws:s3:::invoices")]);
}

#[test]
fn an_image_that_is_null_is_not_there() {
    let record = |name: &str, images: serde_json::Value| {
        let mut dynamodb = images;
        dynamodb["Keys"] = json!({ "id": { "S": "7" } });
        dynamodb["SequenceNumber"] = json!("1");
        let record = json!({ "eventID": "e-1", "eventSource": "aws:dynamodb",
            "eventName": name, "dynamodb": dynamodb });
        payload::<ItemChange>(json!({ "Records": [record] }).to_string().as_bytes())
    };
    let image = json!({ "id": { "S": "7" } });
    let change = record("INSERT", json!({ "NewImage": image, "OldImage": null }));
    assert!(change.new_image.is_some() && change.old_image.is_none());
    let change = record("REMOVE", json!({ "NewImage": null, "OldImage": image }));
    assert!(change.new_image.is_none() && change.old_image.is_some());
    let change = record("MODIFY", json!({ "NewImage": null, "OldImage": null }));
    assert!(change.new_image.is_none() && change.old_image.is_none());
}

#[test]
fn a_record_of_a_table_that_is_broken_fails_alone() {
    let key = r#"{"id":{"S":"7"}}"#;
    let good = String::from_utf8(stream_event([
        StreamRecord::insert(key, key),
        StreamRecord::insert(key, r#"{"id":{"S":"secret"}}"#),
    ]))
    .unwrap();
    for (from, to, expected) in [
        (
            r#"{"S":"secret"}"#,
            r#"{"SECRET":"secret"}"#,
            "`dynamodb.NewImage` does not have the form of an item in DynamoDB's JSON",
        ),
        (
            r#"{"S":"secret"}"#,
            "7",
            "`dynamodb.NewImage` does not have the form of an item in DynamoDB's JSON",
        ),
        (r#""eventName":"#, r#""eventNames":"#, "`eventName` is missing"),
        (
            r#""INSERT""#,
            r#""SECRET""#,
            "`eventName` is an unknown variant, expected one of `INSERT`, `MODIFY`, `REMOVE`",
        ),
        (r#""Keys":"#, r#""NoKeys":"#, "`dynamodb.Keys` is missing"),
        (r#""Keys":"#, r#""Keys":null,"NoKeys":"#, "`dynamodb.Keys` is missing"),
        (r#""eventID":"#, r#""id":"#, "`eventID` is missing"),
    ] {
        // Only the last of the two.
        let (head, tail) = good.split_at(good.find("},{\"eventID").unwrap());
        let batch = format!("{head}{}", tail.replace(from, to));
        let deliveries = Invocation::read(batch.as_bytes()).unwrap().deliveries;
        deliveries[0].open().unwrap();
        let error = told(&deliveries[1].open().unwrap_err());
        assert!(error.ends_with(expected), "{error}");
        assert!(!error.to_lowercase().contains("secret"), "{error}");
    }
}

#[test]
fn requests_of_both_forms_say_the_same() {
    let v1 = json!({
        "resource": "/orders/{id}", "path": "/orders/7", "httpMethod": "POST",
        "headers": { "Content-Type": "application/json", "X-Two": "b" },
        "multiValueHeaders": { "Content-Type": ["application/json"], "X-Two": ["a", "b"] },
        "queryStringParameters": { "q": "x y", "tag": "2" },
        "multiValueQueryStringParameters": { "q": ["x y"], "tag": ["1,5", "2"] },
        "pathParameters": { "id": "7" }, "stageVariables": null,
        "requestContext": { "requestId": "r-1", "stage": "prod" },
        "body": "{\"cents\":1}", "isBase64Encoded": false,
    });
    let v2 = json!({
        "version": "2.0", "routeKey": "POST /orders/{id}", "rawPath": "/orders/7",
        "rawQueryString": "q=x+y&tag=1%2C5&tag=2", "cookies": ["a=1", "b=2"],
        "headers": { "content-type": "application/json", "x-two": "a,b" },
        "queryStringParameters": { "q": "x y", "tag": "1,5,2" },
        "pathParameters": { "id": "7" },
        "requestContext": { "requestId": "r-1", "http": { "method": "POST", "path": "/orders/7" } },
        "body": "eyJjZW50cyI6MX0=", "isBase64Encoded": true,
    });
    for (json, form) in [(v1, HttpForm::V1), (v2, HttpForm::V2)] {
        let request: HttpRequest = payload(json.to_string().as_bytes());
        assert_eq!(request.form, form);
        assert_eq!(request.context.request_id.as_deref(), Some("r-1"));
        assert_eq!(&*request.method, "POST");
        assert_eq!(request.path, "/orders/7");
        let query = [("q", "x y"), ("tag", "1,5"), ("tag", "2")];
        assert_eq!(request.query, query.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(request.path_parameters["id"], "7");
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.body, br#"{"cents":1}"#);
        assert_eq!(request.json::<serde_json::Value>().unwrap(), json!({ "cents": 1 }));
        assert_eq!(request.header("cookie").is_some(), form == HttpForm::V2);
        assert!(!format!("{request:?}").contains("cents"));
    }
}

#[test]
fn a_request_without_anything_has_nothing() {
    let bare = json!({ "httpMethod": "GET", "path": "/", "requestContext": {}, "headers": null,
        "queryStringParameters": null, "pathParameters": null, "body": null });
    let request: HttpRequest = payload(bare.to_string().as_bytes());
    assert!(request.headers.is_empty() && request.query.is_empty() && request.body.is_empty());
    assert_eq!(request.context.request_id, None);
}

#[test]
fn a_request_that_is_broken_is_not_an_unknown_shape() {
    let broken = json!({ "httpMethod": "GET", "path": "/", "requestContext": {},
        "body": "?secret", "isBase64Encoded": true });
    assert_eq!(
        told(&only(broken.to_string().as_bytes()).open().unwrap_err()),
        "what came in an HTTP request cannot be read at `body`: `body` does not have the form of Base64"
    );
}

#[test]
fn a_response_has_the_form_of_its_request() {
    let response = HttpResponse::json(200, &json!({ "ok": true }))
        .unwrap()
        .with_header("Set-Cookie", "a=1")
        .with_header("Set-Cookie", "b=2")
        .with_header("Vary", "accept")
        .with_header("vary", "origin");
    let json =
        |form| serde_json::from_str::<serde_json::Value>(&response.to_json(form).unwrap()).unwrap();
    assert_eq!(
        json(HttpForm::V1),
        json!({
            "statusCode": 200,
            "multiValueHeaders": {
                "content-type": ["application/json"], "set-cookie": ["a=1", "b=2"],
                "vary": ["accept", "origin"],
            },
            "body": "{\"ok\":true}", "isBase64Encoded": false,
        })
    );
    assert_eq!(
        json(HttpForm::V2),
        json!({
            "statusCode": 200,
            "headers": { "content-type": "application/json", "vary": "accept, origin" },
            "cookies": ["a=1", "b=2"],
            "body": "{\"ok\":true}", "isBase64Encoded": false,
        })
    );
    let bytes = HttpResponse::new(200).with_body([0xff]).to_json(HttpForm::V2).unwrap();
    assert_eq!(bytes, r#"{"statusCode":200,"body":"/w==","isBase64Encoded":true}"#);
}

#[test]
fn json_of_a_service_comes_as_its_type() {
    let Json(order): Json<Order> = payload(br#"{"id":"7","cents":1}"#);
    assert_eq!(order, Order { id: "7".to_owned(), cents: 1 });

    let delivery = only(br#"{"id":"7","cents":"secret"}"#);
    let fault = Json::<Order>::read(delivery.open().unwrap().content).unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Contract);
    assert_eq!(
        told(&fault),
        "contract: the JSON is not of the type it should be: `cents` expected i64, found a string"
    );
}

#[test]
fn content_of_another_kind_is_refused() {
    let delivery = only(b"{}");
    let content = delivery.open().unwrap().content;
    assert_eq!(content.kind(), ContentKind::Json);
    assert_eq!(S3Change::read(content).unwrap_err().kind(), FaultKind::Contract);
}
