//! What is put aside in a queue: the request, as the real client makes it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_sdk_sqs::{
    Client,
    config::{
        BehaviorVersion, Config, Credentials, IdentityCache, Region, StalledStreamProtectionConfig,
        retry::RetryConfig, timeout::TimeoutConfig,
    },
};
use aws_smithy_runtime_api::{
    client::{
        http::{
            HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings,
            SharedHttpConnector,
        },
        orchestrator::{HttpRequest, HttpResponse},
        runtime_components::RuntimeComponents,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use serde_json::Value;
use setpiece_handler::SqsQuarantine;
use setpiece_policy::{Call, Fault};

use crate::shop::{Shop, award_points, failures, kinesis, queue, registered, troubled};

/// Takes messages, or refuses them.
#[derive(Clone, Debug, Default)]
struct FakeSqs {
    requests: Arc<Mutex<Vec<Value>>>,
    /// The status and the body of every answer, unless messages are taken.
    refusal: Option<(u16, &'static str)>,
}

impl HttpConnector for FakeSqs {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        assert_eq!(request.headers().get("x-amz-target"), Some("AmazonSQS.SendMessage"));
        let body: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        self.requests.lock().unwrap().push(body);
        let (status, body) =
            self.refusal.unwrap_or((200, r#"{"MessageId":"m","MD5OfMessageBody":"x"}"#));
        let status = StatusCode::try_from(status).unwrap();
        let mut response = HttpResponse::new(status, SdkBody::from(body));
        response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
        HttpConnectorFuture::ready(Ok(response))
    }
}

impl HttpClient for FakeSqs {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl FakeSqs {
    fn quarantine(&self, url: &str) -> SqsQuarantine {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .endpoint_url("http://sqs.invalid")
            .credentials_provider(Credentials::new("x", "x", None, None, "test"))
            // As a caller forgets to switch them off: a message is sent once all the same.
            .retry_config(RetryConfig::standard().with_initial_backoff(Duration::ZERO))
            .timeout_config(TimeoutConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .identity_cache(IdentityCache::no_cache())
            .http_client(self.clone());
        SqsQuarantine::new(Client::from_conf(config.build()), url)
    }
}

async fn put_aside(sqs: &FakeSqs, url: &str, invocation: &[u8]) -> String {
    let shop = Shop::new();
    let app = shop.app_of(shop.handlers().on(award_points)).quarantine(sqs.quarantine(url));
    app.build().unwrap().invoke(invocation, shop.deadline()).await.unwrap()
}

fn attribute<'a>(request: &'a Value, name: &str) -> Option<&'a str> {
    request["MessageAttributes"][name]["StringValue"].as_str()
}

const QUEUE: &str = "https://sqs.us-east-1.amazonaws.com/123456789012/poison";

#[tokio::test(start_paused = true)]
async fn poison_is_a_message_with_its_reason() {
    let sqs = FakeSqs::default();
    let bad = troubled("c1", "permanent").detail();
    let answer = put_aside(&sqs, QUEUE, &queue(false, &[("m0", None, &bad)])).await;
    assert_eq!(failures(&answer), [""; 0]);
    let requests = sqs.requests.lock().unwrap();
    let [request] = &requests[..] else { panic!("one message") };
    assert_eq!(request["QueueUrl"], QUEUE);
    assert_eq!(request["MessageBody"].as_str().unwrap().as_bytes(), bad);
    assert_eq!(attribute(request, "encoding"), Some("text"));
    assert_eq!(attribute(request, "reason"), Some("Permanent"));
    assert_eq!(attribute(request, "kind"), Some("permanent"));
    assert_eq!(attribute(request, "code"), None);
    assert_eq!(
        attribute(request, "error"),
        Some("permanent: the customer is unknown; to do: correct the cause, and send it again")
    );
    assert_eq!(attribute(request, "handler"), Some("award_points"));
    assert_eq!(attribute(request, "event_id"), Some("registered-c1"));
    assert_eq!(attribute(request, "item_id"), Some("m0"));
    assert_eq!(request.get("MessageGroupId"), None);
}

/// Of all that is known, no more than SQS takes.
#[tokio::test(start_paused = true)]
async fn attributes_are_ten_and_short() {
    let sqs = FakeSqs::default();
    let shop = Shop::new();
    let refusing = shop.handlers().on_named(
        "award_points",
        async |_: &setpiece_handler::Cx<crate::shop::Loyalty>,
               _: setpiece_handler::Received<crate::shop::ProductRegistered>| {
            let call = Call::to("Stock").operation("Reserve").on("ü".repeat(300));
            Err(Fault::from_code("ValidationException", Some(400))
                .with_context(LONG)
                .with_call(call))
        },
    );
    let app = shop.app_of(refusing).quarantine(sqs.quarantine(QUEUE)).build().unwrap();
    let event = registered("c1").detail();
    let message = queue(false, &[("m0", None, &event)]);
    app.invoke(&message, shop.deadline()).await.unwrap();
    let requests = sqs.requests.lock().unwrap();
    let attributes = requests[0]["MessageAttributes"].as_object().unwrap();
    assert_eq!(attributes.len(), 10);
    assert_eq!(attribute(&requests[0], "code"), Some("ValidationException"));
    assert_eq!(attribute(&requests[0], "resource").unwrap().len(), 512);
    let error = attribute(&requests[0], "error").unwrap();
    assert!((1022..=1024).contains(&error.len()), "{}", error.len());
}

const LONG: &str = "a context that somebody has written at length, because the trouble is not easy \
                    to tell and nobody has told them that a line has an end; so it goes on, and on, \
                    and says once more what it has said, until there is enough of it to be cut off \
                    in the middle of the name of a resource that is as long, and nobody reads the \
                    end of it any more, nor the beginning, which was about something else anyway";

#[tokio::test(start_paused = true)]
async fn bytes_that_are_no_text_and_no_bytes_at_all_can_be_sent() {
    let sqs = FakeSqs::default();
    let shard = "shardId-000000000000";
    let records = [("1", shard, &[0xff, 0x00][..]), ("2", shard, b"")];
    let answer = put_aside(&sqs, QUEUE, &kinesis(&records)).await;
    assert_eq!(failures(&answer), [""; 0]);
    let requests = sqs.requests.lock().unwrap();
    let sent: Vec<_> = requests
        .iter()
        .map(|it| (it["MessageBody"].as_str().unwrap(), attribute(it, "encoding").unwrap()))
        .collect();
    assert_eq!(sent, [("/wA=", "base64"), ("-", "empty")]);
}

#[tokio::test(start_paused = true)]
async fn a_fifo_queue_keeps_each_poison_once() {
    let sqs = FakeSqs::default();
    let url = format!("{QUEUE}.fifo");
    let bad = [&b"one"[..], b"other", b"other"];
    let messages =
        [("m0", Some("a"), bad[0]), ("m1", Some("a"), bad[1]), ("m2", Some("b"), bad[2])];
    put_aside(&sqs, &url, &queue(true, &messages)).await;
    put_aside(&sqs, &url, &queue(true, &messages[..1])).await;
    let requests = sqs.requests.lock().unwrap();
    let of = |request: &Value| {
        let text = |name: &str| request[name].as_str().unwrap().to_owned();
        (text("MessageBody"), text("MessageGroupId"), text("MessageDeduplicationId"))
    };
    let mut sent: Vec<_> = requests.iter().map(of).collect();
    assert_eq!(sent.len(), 4);
    sent.sort();
    // The one that came again is the same to the queue.
    sent.dedup();
    assert_eq!(sent.len(), 3);
    assert_eq!(
        sent.iter().map(|(_, group, _)| group.as_str()).collect::<Vec<_>>(),
        ["a", "a", "b"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_refuses_fails_the_message() {
    let missing = r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"no"}"#;
    for refusal in [(400, missing), (500, "{}"), (503, "{}")] {
        let sqs = FakeSqs { refusal: Some(refusal), ..FakeSqs::default() };
        let answer = put_aside(&sqs, QUEUE, &queue(false, &[("m0", None, b"not JSON")])).await;
        assert_eq!(failures(&answer), ["m0"]);
        // It comes again, and is put aside then; the SDK made no tries of its own.
        assert_eq!(sqs.requests.lock().unwrap().len(), 1, "{refusal:?}");
    }
}
