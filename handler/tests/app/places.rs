//! Who takes what is no event: by where it came from, and by what it is.

use std::sync::Arc;

use serde::Deserialize;
use setpiece_handler::{
    AppError, Bytes, ContentKind, Cx, Effects, Handlers, ItemChange, Json, OtherEvent, Payload,
    Reason, Received, Reply, Text, Unhandled,
};
use setpiece_idempotency::{Key, KeyError};
use setpiece_policy::Fault;
use setpiece_testing::{
    StreamRecord, kinesis_event_of, sns_event_of, sns_notification_of, sqs_event_of, stream_event,
};

use crate::shop::{
    Loyalty, ProductRegistered, Shop, award_points, failures, kinesis, queue, registered,
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Refund {
    refund: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Invoice {
    invoice: String,
}

/// Each call is another one, since what is asked is who is called.
fn by_nothing<P>(_: &P) -> Result<Key, KeyError> {
    use std::sync::atomic::{AtomicU64, Ordering};
    static CALLS: AtomicU64 = AtomicU64::new(0);
    Key::of(&CALLS.fetch_add(1, Ordering::Relaxed))
}

fn note(cx: &Cx<Loyalty>, who: &str, what: &str) -> Effects {
    cx.state.order.lock().unwrap().push(format!("{who}: {what}"));
    Effects::new()
}

async fn refund(cx: &Cx<Loyalty>, Json(it): Json<Refund>) -> Result<Effects, Fault> {
    Ok(note(cx, "refund", &it.refund))
}

async fn invoice(cx: &Cx<Loyalty>, Json(it): Json<Invoice>) -> Result<Effects, Fault> {
    Ok(note(cx, "invoice", &it.invoice))
}

async fn any_json(cx: &Cx<Loyalty>, Json(it): Json<serde_json::Value>) -> Result<Effects, Fault> {
    Ok(note(cx, "json", &it.to_string()))
}

async fn lines(cx: &Cx<Loyalty>, Text(it): Text) -> Result<Effects, Fault> {
    Ok(note(cx, "text", &it))
}

async fn more_lines(cx: &Cx<Loyalty>, Text(it): Text) -> Result<Effects, Fault> {
    Ok(note(cx, "more", &it))
}

async fn blobs(cx: &Cx<Loyalty>, Bytes(it): Bytes) -> Result<Effects, Fault> {
    Ok(note(cx, "bytes", &String::from_utf8_lossy(&it)))
}

async fn more_blobs(cx: &Cx<Loyalty>, Bytes(it): Bytes) -> Result<Effects, Fault> {
    Ok(note(cx, "more", &String::from_utf8_lossy(&it)))
}

/// Adds a handler whose calls are all different.
trait On {
    fn on_plain<P, F>(self, handler: F) -> Self
    where
        P: Payload,
        F: for<'a> setpiece_handler::Handler<'a, Loyalty, P, Effects>;
}

impl On for Handlers<Loyalty> {
    fn on_plain<P, F>(self, handler: F) -> Self
    where
        P: Payload,
        F: for<'a> setpiece_handler::Handler<'a, Loyalty, P, Effects>,
    {
        self.on_payload_by(by_nothing::<P>, handler)
    }
}

fn from_queue(name: &str, body: &str) -> Vec<u8> {
    sqs_event_of(name, [body])
}

fn notification(topic: &str, message: &str) -> String {
    String::from_utf8(sns_notification_of(topic, message)).unwrap()
}

type Add = fn(Handlers<Loyalty>) -> Handlers<Loyalty>;

/// Who is called for an invocation, with what.
#[track_caller]
fn called(
    handlers: impl FnOnce(Handlers<Loyalty>) -> Handlers<Loyalty>,
    invocation: &[u8],
) -> (Vec<String>, Option<Reason>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let shop = Shop::new();
        let app = shop.app_of(handlers(shop.handlers())).build().unwrap();
        _ = app.invoke(invocation, shop.deadline()).await;
        let called = std::mem::take(&mut *shop.state.order.lock().unwrap());
        (called, shop.quarantine.items().first().map(|it| it.reason))
    })
}

#[test]
fn a_message_is_for_the_handler_of_its_place() {
    let handlers = |it: Handlers<Loyalty>| {
        it.on_queue("refunds", |it| it.on_plain(refund))
            .on_queue("arn:aws:sqs:us-east-1:123456789012:invoices", |it| it.on_plain(invoice))
            .on_topic("alerts", |it| it.on_plain(lines))
            .on_stream("clicks", |it| it.on_plain(blobs))
            .on_plain(any_json)
    };
    let (refunded, invoiced) = (r#"{"refund":"r-1"}"#, r#"{"invoice":"i-1"}"#);
    for (invocation, expected) in [
        (from_queue("refunds", refunded), "refund: r-1"),
        (from_queue("invoices", invoiced), "invoice: i-1"),
        (from_queue("others", refunded), r#"json: {"refund":"r-1"}"#),
        (from_queue("refunds2", refunded), r#"json: {"refund":"r-1"}"#),
        (sns_event_of("refunds", refunded), r#"json: {"refund":"r-1"}"#),
        (sns_event_of("alerts", "42"), "text: 42"),
        (sns_event_of("alerts", "it burns"), "text: it burns"),
        (from_queue("any", &notification("alerts", "it burns")), "text: it burns"),
        // The queue is nearer than the topic before it.
        (from_queue("refunds", &notification("alerts", refunded)), "refund: r-1"),
        (kinesis_event_of("clicks", ["abc"]), "bytes: abc"),
        (kinesis_event_of("clicks", ["42"]), "bytes: 42"),
        (br#"{"direct":1}"#.to_vec(), r#"json: {"direct":1}"#),
    ] {
        assert_eq!(called(handlers, &invocation).0, [expected]);
    }
    // What is not of its type is not for another one.
    for (queue, body) in [("refunds", invoiced), ("invoices", refunded)] {
        let (called, reason) = called(handlers, &from_queue(queue, body));
        assert_eq!((called, reason), (vec![], Some(Reason::Contract)));
    }
}

#[test]
fn a_message_is_taken_as_what_it_is_first() {
    let json = |it: Handlers<Loyalty>| it.on_plain(any_json);
    let text = |it: Handlers<Loyalty>| it.on_plain(lines);
    let bytes = |it: Handlers<Loyalty>| it.on_plain(blobs);
    let text_and_bytes = |it: Handlers<Loyalty>| it.on_plain(blobs).on_plain(lines);
    let all = |it: Handlers<Loyalty>| it.on_plain(blobs).on_plain(lines).on_plain(any_json);
    let near = |it: Handlers<Loyalty>| {
        it.on_queue("loyalty", |it| it.on_plain(blobs)).on_plain(lines).on_plain(any_json)
    };
    for (handlers, body, expected) in [
        (json as Add, "[1]", "json: [1]"),
        (json, "abc", ""),
        (text, "[1]", "text: [1]"),
        (text, "abc", "text: abc"),
        (text, "[INFO] abc", "text: [INFO] abc"),
        (text, "{abc", "text: {abc"),
        (bytes, "[1]", "bytes: [1]"),
        (bytes, "abc", "bytes: abc"),
        (text_and_bytes, "[1]", "text: [1]"),
        (all, "[1]", "json: [1]"),
        (all, "abc", "text: abc"),
        (near, "[1]", "bytes: [1]"),
        (near, "abc", "bytes: abc"),
    ] {
        let (called, _) = called(handlers, &from_queue("loyalty", body));
        assert_eq!(called.concat(), expected, "{body}");
    }
    let gzip = kinesis(&[("1", "s", &[0x1f, 0x8b, 0xff])]);
    assert_eq!(called(all, &gzip).0, ["bytes: \u{1f}\u{fffd}\u{fffd}"]);
    assert_eq!(called(text, &gzip), (vec![], Some(Reason::Unreadable)));
}

#[test]
fn what_is_known_is_for_nobody_who_takes_text() {
    let handlers = |it: Handlers<Loyalty>| {
        it.on_queue("loyalty", |it| it.on_plain(lines).on_plain(blobs).on_plain(any_json))
    };
    let event = registered("c1").event_bridge();
    let event = String::from_utf8(event).unwrap();
    let broken = event.replace("\"event_id\":", "\"id\":");
    let of_aws = r#"{"source":"aws.ec2","detail-type":"State","detail":{}}"#;
    for body in [&*event, &*broken, of_aws] {
        assert_eq!(called(handlers, &from_queue("loyalty", body)).0, [""; 0]);
    }
    // Whoever calls the function itself sends no text.
    let (called, _) = called(|it| it.on_plain(lines).on_plain(blobs), br#"{"direct":1}"#);
    assert_eq!(called, [""; 0]);
}

#[test]
fn other_handlers_take_what_is_from_their_place() {
    async fn changed(cx: &Cx<Loyalty>, _: ItemChange) -> Result<Effects, Fault> {
        Ok(note(cx, "changed", "orders"))
    }
    async fn changed_anywhere(cx: &Cx<Loyalty>, _: ItemChange) -> Result<Effects, Fault> {
        Ok(note(cx, "changed", "anywhere"))
    }
    let handlers = |it: Handlers<Loyalty>| {
        it.on_table("orders", |it| it.on_payload(changed)).on_payload(changed_anywhere)
    };
    let key = r#"{"id":{"S":"7"}}"#;
    for (table, expected) in [
        ("orders", &["changed: orders", "changed: anywhere"][..]),
        ("others", &["changed: anywhere"]),
    ] {
        let batch = stream_event([StreamRecord::insert(key, key).of_table(table)]);
        assert_eq!(called(handlers, &batch).0, expected);
    }

    let handlers = |it: Handlers<Loyalty>| it.on_queue("a", |it| it.on(award_points));
    let event = String::from_utf8(registered("c1").event_bridge()).unwrap();
    assert_eq!(called(handlers, &from_queue("a", &event)).0, ["c1"]);
    assert_eq!(called(handlers, &from_queue("b", &event)).0, [""; 0]);
    assert_eq!(called(handlers, event.as_bytes()).0, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn text_that_nobody_takes_is_a_choice() {
    for (unhandled, with, without) in [
        (Unhandled::Fail, (true, 1), false),
        (Unhandled::Quarantine, (true, 1), false),
        (Unhandled::Ignore, (true, 0), true),
    ] {
        for body in [&b"Hello world"[..], &[0x1f, 0x8b, 0xff]] {
            let shop = Shop::new();
            let handlers = || shop.handlers().on(award_points).unhandled(unhandled);
            let good = registered("c1").detail();
            let batch = kinesis(&[("1", "s", body), ("2", "s", &good)]);
            // Without a quarantine it fails, and the source decides how often it comes again.
            let app = shop.app_without_quarantine(handlers()).build().unwrap();
            let answer = app.invoke(&batch, shop.deadline()).await.unwrap();
            assert_eq!(failures(&answer).is_empty(), without, "{unhandled:?}");
            let app = shop.app_of(handlers()).build().unwrap();
            let answer = app.invoke(&batch, shop.deadline()).await.unwrap();
            let ended = (failures(&answer).is_empty(), shop.quarantine.items().len());
            assert_eq!(ended, with, "{unhandled:?}");
            // Nothing waits behind it.
            assert_eq!(shop.points("c1"), Some(100), "{unhandled:?}");
            assert!(shop.quarantine.items().iter().all(|it| it.bytes == body));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn json_that_nobody_takes_holds_up_no_shard_and_no_group() {
    let good = registered("c1").detail();
    for batch in [
        kinesis(&[("1", "s", b"[1]"), ("2", "s", &good)]),
        queue(true, &[("m0", Some("g"), b"[1]"), ("m1", Some("g"), &good)]),
    ] {
        let shop = Shop::new();
        let app = shop.app();
        let answer = app.invoke(&batch, shop.deadline()).await.unwrap();
        assert_eq!(failures(&answer), [""; 0]);
        assert_eq!(shop.quarantine.items()[0].reason, Reason::Unhandled);
        assert_eq!(shop.points("c1"), Some(100));
    }
    let shop = Shop::new();
    let batch = queue(false, &[("m0", None, b"[1]"), ("m1", None, &good)]);
    let answer = shop.app().invoke(&batch, shop.deadline()).await.unwrap();
    assert_eq!(failures(&answer), ["m0"]);
    assert!(shop.quarantine.items().is_empty());
}

/// An event that broke on its way is no text that somebody does not care about.
#[tokio::test(start_paused = true)]
async fn a_broken_event_is_never_ignored() {
    let event = String::from_utf8(registered("c1").event_bridge()).unwrap();
    let twice = serde_json::json!(event).to_string();
    for body in [&event[..event.len() - 1], &format!("\u{feff}{event}"), &twice] {
        let shop = Shop::new();
        let app = shop.app_of(shop.handlers().on(award_points).unhandled(Unhandled::Ignore));
        let app = app.build().unwrap();
        let answer = app.invoke(&from_queue("q", body), shop.deadline()).await.unwrap();
        assert_eq!(failures(&answer), [""; 0]);
        let items = shop.quarantine.items();
        assert_eq!((items.len(), items[0].reason), (1, Reason::Unreadable), "{body}");
        assert_eq!(items[0].bytes, body.as_bytes());
    }
}

#[tokio::test]
async fn nothing_is_built_that_cannot_tell_whose_a_message_is() {
    let shop = Shop::new();
    let build = |handlers| shop.app_of(handlers).build().map(drop);
    let undecided = |kind, handlers: [&str; 2]| {
        Err(AppError::Undecided { kind, handlers: handlers.map(Arc::from) })
    };
    let it = || shop.handlers();
    let (json, text, bytes) = (ContentKind::Json, ContentKind::Text, ContentKind::Bytes);
    for (handlers, expected) in [
        (it().on_plain(refund).on_plain(invoice), undecided(json, ["refund", "invoice"])),
        (it().on_plain(lines).on_plain(more_lines), undecided(text, ["lines", "more_lines"])),
        (it().on_plain(blobs).on_plain(more_blobs), undecided(bytes, ["blobs", "more_blobs"])),
        (
            it().on_queue("q", |it| it.on_plain(refund)).on_queue("q", |it| it.on_plain(invoice)),
            undecided(json, ["refund", "invoice"]),
        ),
        (
            it().on_stream("s", |it| it.on_plain(lines))
                .on_stream("arn:aws:kinesis:us-east-1:123456789012:stream/s", |it| {
                    it.on_plain(more_lines)
                }),
            undecided(text, ["lines", "more_lines"]),
        ),
        (
            it().on_queue("q", |it| it.on_plain(refund)).on_queue("p", |it| it.on_plain(invoice)),
            Ok(()),
        ),
        (
            it().on_queue("q", |it| it.on_plain(refund)).on_topic("q", |it| it.on_plain(invoice)),
            Ok(()),
        ),
        (it().on_queue("q", |it| it.on_plain(refund)).on_plain(invoice), Ok(())),
        (it().on_plain(refund).on_plain(lines).on_plain(blobs), Ok(())),
        // Of what says itself what it is, several handlers take what is theirs.
        (it().on(award_points).on_named("again", award_points), Ok(())),
    ] {
        assert_eq!(build(handlers), expected);
    }
    let error = build(it().on_plain(refund).on_plain(invoice)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the handlers `refund` and `invoice` both take JSON, and nothing says which of them a \
         message is for: bind each to its queue, topic or stream with `on_queue`, `on_topic` or \
         `on_stream`"
    );
    let url = "https://sqs.us-east-1.amazonaws.com/123456789012/q";
    let error = build(it().on_queue(url, |it| it.on_plain(refund))).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("a handler is bound to the queue `{url}`, which is neither its name nor its ARN")
    );
}

#[tokio::test]
async fn one_answers_direct_calls_and_another_takes_a_queue() {
    async fn answer(_: &Cx<Loyalty>, _: Json<Refund>) -> Result<Reply<Json<u8>>, Fault> {
        Ok(Reply::new(Json(7)))
    }
    async fn other(_: &Cx<Loyalty>, _: OtherEvent) -> Result<Effects, Fault> {
        Ok(Effects::new())
    }
    async fn own(_: &Cx<Loyalty>, _: Received<ProductRegistered>) -> Result<Effects, Fault> {
        Ok(Effects::new())
    }
    let shop = Shop::new();
    let key = |it: &Json<Refund>| Key::of(&it.0.refund);
    let handlers = shop.handlers().on(own).on_payload(other).on_request(key, answer);
    let handlers = handlers.on_queue("q", |it| it.on_plain(invoice));
    let app = shop.app_of(handlers).build().unwrap();
    let answer_of = |bytes: Vec<u8>| {
        let (app, deadline) = (app.clone(), shop.deadline());
        async move { app.invoke(&bytes, deadline).await.unwrap() }
    };
    assert_eq!(answer_of(br#"{"refund":"r-1"}"#.to_vec()).await, "7");
    let batch = from_queue("q", r#"{"invoice":"i-1"}"#);
    assert_eq!(answer_of(batch).await, r#"{"batchItemFailures":[]}"#);
    assert_eq!(*shop.state.order.lock().unwrap(), ["invoice: i-1"]);

    let handlers = shop.handlers().on_request(key, answer);
    let handlers = handlers.on_plain(invoice);
    let error = shop.app_of(handlers).build().unwrap_err();
    assert!(matches!(error, AppError::SeveralAnswers { .. }));
}
