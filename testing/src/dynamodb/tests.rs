use std::{
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use aws_sdk_dynamodb::{
    error::ProvideErrorMetadata as _,
    types::{AttributeValue, TransactWriteItem, Update},
};
use setpiece_envelope::FixedClock;

use super::{DynamoDbFault, DynamoDbFaults, LocalDynamoDb};
use crate::Gate;

/// No runtime: nothing in here waits for anything else.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    for _ in 0..100 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
    unreachable!("it waits for ever")
}

fn put(database: &LocalDynamoDb, customer: &str) -> bool {
    let put = database.client().put_item().table_name("points");
    let put = put.item("customer", AttributeValue::S(customer.to_owned()));
    block_on(put.send()).is_ok()
}

fn database() -> LocalDynamoDb {
    let database = LocalDynamoDb::new(FixedClock::default());
    database.create_table("points", "customer");
    database
}

#[test]
fn a_client_finds_what_it_has_written() {
    let database = database();
    assert!(put(&database, "c1"));
    let key = AttributeValue::S("c1".to_owned());
    let get = database.client().get_item().table_name("points").key("customer", key);
    assert!(block_on(get.send()).unwrap().item.is_some());
    let requests = database.take_requests();
    let [put, get] = &requests[..] else { unreachable!("two requests") };
    assert!(
        put.operation == "PutItem" && put.answered && put.write_units.to_bits() == 1_f64.to_bits()
    );
    assert!(get.operation == "GetItem" && get.read_units > 0.0);
}

#[test]
fn a_fault_strikes_what_it_is_meant_for() {
    for (fault, arrives) in [
        (DynamoDbFault::answer_lost(), true),
        (DynamoDbFault::unreachable(), false),
        (DynamoDbFault::throttled(), false),
        (DynamoDbFault::conflict(), false),
        (DynamoDbFault::internal(), false),
    ] {
        let database = database();
        database.fail(fault.clone().of("GetItem"));
        assert!(put(&database, "c1"));
        database.fail(fault.of("PutItem").after(1));
        assert!(put(&database, "c2"));
        assert!(!put(&database, "c3"));
        assert_eq!(database.items("points").len(), if arrives { 3 } else { 2 });
        assert!(put(&database, "c3"));
    }
}

#[test]
fn a_gate_stops_a_process_and_not_the_database() {
    for passes in 0..3 {
        let database = database();
        let gate = Gate::new();
        gate.shut_after(passes);
        let client = database.with_gate(&gate).client();
        let put = client.put_item().table_name("points");
        let put = put.item("customer", AttributeValue::S("c1".to_owned()));
        {
            let mut put = pin!(put.send());
            let ended = put.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
            assert_eq!((ended, gate.is_stuck()), (passes == 2, passes < 2));
        }
        assert_eq!(database.items("points").len(), usize::from(passes >= 1));
    }
}

#[test]
fn chance_is_the_same_for_the_same_seed() {
    let run = |seed| {
        let faults = DynamoDbFaults::seeded(seed).throttle(0.2).lose_answers(0.2);
        let database = database().with_faults(faults);
        (0..50).map(|number| put(&database, &format!("c{number}"))).collect::<Vec<_>>()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

/// Adds a point to a customer in a transaction with a token, and says what is wrong with it.
fn add(database: &LocalDynamoDb, customer: &str, token: &str) -> Result<(), String> {
    let update = Update::builder()
        .table_name("points")
        .key("customer", AttributeValue::S(customer.to_owned()))
        .update_expression("ADD points :one")
        .expression_attribute_values(":one", AttributeValue::N("1".to_owned()));
    let item = TransactWriteItem::builder().update(update.build().unwrap()).build();
    let transaction = database.client().transact_write_items().transact_items(item);
    let done = block_on(transaction.client_request_token(token).send());
    done.map(drop).map_err(|error| error.into_service_error().code().unwrap().to_owned())
}

#[track_caller]
fn check_points(database: &LocalDynamoDb, points: &str) {
    let items = database.items("points");
    let points = serde_dynamo::AttributeValue::N(points.to_owned());
    assert_eq!(items.first().and_then(|item| item.get("points")), Some(&points));
}

#[test]
fn a_token_is_remembered_for_ten_minutes_of_the_test() {
    let clock = FixedClock::default();
    let database = LocalDynamoDb::new(clock.clone());
    database.create_table("points", "customer");
    add(&database, "c1", "t1").unwrap();
    clock.advance(Duration::from_secs(599));
    add(&database, "c1", "t1").unwrap();
    check_points(&database, "1");
    clock.advance(Duration::from_secs(1));
    add(&database, "c1", "t1").unwrap();
    check_points(&database, "2");
    add(&database, "c1", "t2").unwrap();
    check_points(&database, "3");
}

#[test]
fn a_token_is_that_of_one_transaction() {
    let database = database();
    add(&database, "c1", "t1").unwrap();
    let error = add(&database, "c2", "t1").unwrap_err();
    assert_eq!(error, "IdempotentParameterMismatchException");
    let error = add(&database, "c1", &"t".repeat(37)).unwrap_err();
    assert_eq!(error, "ValidationException");
    check_points(&database, "1");
    assert_eq!(database.items("points").len(), 1);
}

#[test]
fn a_transaction_that_was_refused_has_used_no_token() {
    let database = LocalDynamoDb::new(FixedClock::default());
    assert!(add(&database, "c1", "t1").is_err());
    database.create_table("points", "customer");
    add(&database, "c1", "t1").unwrap();
    check_points(&database, "1");
}
