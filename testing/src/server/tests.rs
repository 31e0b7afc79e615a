use std::{io, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, timeout},
};

use super::{FakeBusServer, MAX_BODY_BYTES};
use crate::{CallFault, FakeBus};

/// Runs on a clock that goes on when everybody waits.
fn run(test: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().start_paused(true).build().unwrap().block_on(test);
}

/// What comes back for a request: all of it, as text, until the connection is closed.
async fn ask(server: &FakeBusServer, operation: &str, body: &[u8]) -> io::Result<String> {
    let mut stream = TcpStream::connect(server.address).await?;
    let head = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Amz-Target: AWSEvents.{operation}\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// The status and the body that come back.
async fn answer(server: &FakeBusServer, operation: &str, body: &str) -> (u16, Value) {
    let answer = ask(server, operation, body.as_bytes()).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-type: application/x-amz-json-1.1\r\n"), "{head}");
    let body: Value = serde_json::from_str(body).unwrap();
    if let Some(code) = body.get("__type").and_then(Value::as_str) {
        assert!(head.contains(&format!("x-amzn-errortype: {code}\r\n")), "{head}");
    }
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body)
}

fn entries(details: &[&str]) -> String {
    let entry = |detail| json!({ "Source": "retail", "DetailType": "n", "Detail": detail });
    let entries: Vec<Value> = details.iter().map(entry).collect();
    json!({ "Entries": entries }).to_string()
}

#[test]
fn it_speaks_as_event_bridge_does() {
    run(async {
        let bus = FakeBus::new();
        let server = FakeBusServer::start(bus.clone()).await.unwrap();

        let (status, body) = answer(&server, "PutEvents", &entries(&["{}", "not JSON"])).await;
        let refused =
            json!({ "ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed." });
        let accepted = json!({ "EventId": bus.events()[0].bus_event_id() });
        assert_eq!(status, 200);
        assert_eq!(body, json!({ "FailedEntryCount": 1, "Entries": [accepted, refused] }));

        let (status, body) = answer(&server, "DescribeEventBus", "{}").await;
        assert_eq!((status, body), (200, json!({ "Arn": bus.arn(), "Name": "default" })));

        let (status, body) = answer(&server, "DescribeEventBus", r#"{"Name":"oders"}"#).await;
        assert_eq!((status, &body["__type"]), (400, &json!("ResourceNotFoundException")));
        assert!(body["message"].as_str().unwrap().contains("oders"));

        bus.fail_calls(CallFault::refused(500, "InternalException", "by chance"));
        let (status, body) = answer(&server, "PutEvents", &entries(&["{}"])).await;
        assert_eq!(status, 500);
        assert_eq!(body, json!({ "__type": "InternalException", "message": "by chance" }));
    });
}

#[test]
fn what_it_does_not_understand_it_refuses() {
    run(async {
        let server = FakeBusServer::start(FakeBus::new()).await.unwrap();
        let check = async |operation, body: &str, code: &str| {
            let (status, body) = answer(&server, operation, body).await;
            assert_eq!((status, &body["__type"]), (400, &json!(code)));
        };
        check("PutRule", "{}", "UnknownOperationException").await;
        check("PutEvents", "{", "SerializationException").await;
        check("PutEvents", r#"{"Entries":[{"Detail":{}}]}"#, "SerializationException").await;
        check("DescribeEventBus", "[]", "SerializationException").await;
        check("PutEvents", "{}", "ValidationException").await;
    });
}

#[test]
fn a_body_has_an_end() {
    run(async {
        let server = FakeBusServer::start(FakeBus::new()).await.unwrap();
        let mut body = entries(&["{}"]);
        body.push_str(&" ".repeat(MAX_BODY_BYTES - body.len()));
        assert_eq!(answer(&server, "PutEvents", &body).await.0, 200);
        body.push(' ');
        assert_eq!(answer(&server, "PutEvents", &body).await.0, 413);
    });
}

#[test]
fn a_lost_answer_is_a_connection_that_closes() {
    run(async {
        let bus = FakeBus::new();
        let server = FakeBusServer::start(bus.clone()).await.unwrap();
        bus.fail_calls(CallFault::answer_lost());
        assert_eq!(ask(&server, "PutEvents", entries(&["{}"]).as_bytes()).await.unwrap(), "");
        assert_eq!(bus.events().len(), 1);
    });
}

#[test]
fn answers_take_their_time_and_requests_are_counted() {
    const LATENCY: Duration = Duration::from_secs(20);
    run(async {
        let server = FakeBusServer::start_with_latency(FakeBus::new(), LATENCY).await.unwrap();
        let start = Instant::now();
        let body = entries(&["{}"]);
        let ask = || answer(&server, "PutEvents", &body);
        let ((first, _), (second, _)) = tokio::join!(ask(), ask());
        assert_eq!((first, second), (200, 200));
        assert!(start.elapsed() >= LATENCY);
        assert_eq!((server.requests(), server.max_in_flight()), (2, 2));
        ask().await;
        assert_eq!((server.requests(), server.max_in_flight()), (3, 2));
    });
}

#[test]
fn it_stops_when_it_is_dropped() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let server = FakeBusServer::start(FakeBus::new()).await.unwrap();
        let address = server.address;
        let mut open = TcpStream::connect(address).await.unwrap();
        answer(&server, "DescribeEventBus", "{}").await;
        drop(server);
        // Those who were served see the end, and nobody else is.
        let end = timeout(Duration::from_secs(10), async { open.read(&mut [0]).await });
        assert_eq!(end.await.unwrap().unwrap(), 0);
        let error = TcpStream::connect(address).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    });
}
