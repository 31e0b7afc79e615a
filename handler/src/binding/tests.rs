use super::{Binding, Place};

const QUEUE: &str = "arn:aws:sqs:eu-west-1:111122223333:jobs";
const FIFO: &str = "arn:aws-cn:sqs:cn-north-1:111122223333:jobs.fifo";
const TOPIC: &str = "arn:aws:sns:eu-west-1:111122223333:jobs";
const STREAM: &str = "arn:aws:kinesis:eu-west-1:111122223333:stream/jobs";
const CONSUMER: &str = "arn:aws:kinesis:eu-west-1:111122223333:stream/jobs/consumer/c:1700000000";
const TABLE: &str = "arn:aws:dynamodb:eu-west-1:111122223333:table/jobs";
const CHANGES: &str =
    "arn:aws:dynamodb:eu-west-1:111122223333:table/jobs/stream/2026-01-01T00:00:00.000";

const ALL: [&str; 7] = [QUEUE, FIFO, TOPIC, STREAM, CONSUMER, TABLE, CHANGES];

#[test]
fn a_place_is_named_by_its_name_or_its_arn() {
    for (place, name, expected) in [
        (Place::Queue, "jobs", &[QUEUE][..]),
        (Place::Queue, "jobs.fifo", &[FIFO]),
        (Place::Topic, "jobs", &[TOPIC]),
        (Place::Stream, "jobs", &[STREAM, CONSUMER]),
        (Place::Table, "jobs", &[TABLE, CHANGES]),
        (Place::Queue, QUEUE, &[QUEUE]),
        (Place::Topic, TOPIC, &[TOPIC]),
        (Place::Stream, STREAM, &[STREAM, CONSUMER]),
        (Place::Stream, CONSUMER, &[CONSUMER]),
        (Place::Table, TABLE, &[TABLE, CHANGES]),
        (Place::Table, CHANGES, &[CHANGES]),
        (Place::Queue, "job", &[]),
        (Place::Queue, "arn:aws:sqs:eu-west-1:111122223333:job", &[]),
        (Place::Queue, "arn:aws:sqs:eu-west-1:444455556666:jobs", &[]),
    ] {
        let binding = Binding::new(place, name);
        assert!(binding.is_possible(), "{binding}");
        let found: Vec<_> = ALL.into_iter().filter(|arn| binding.is_of(arn)).collect();
        assert_eq!(found, expected, "{binding}");
    }
}

#[test]
fn what_is_neither_name_nor_arn_is_told() {
    for (place, name) in [
        (Place::Queue, ""),
        (Place::Queue, "https://sqs.eu-west-1.amazonaws.com/111122223333/jobs"),
        (Place::Queue, TOPIC),
        (Place::Queue, "arn:aws:sqs:eu-west-1:111122223333:"),
        (Place::Queue, "arn:"),
        (Place::Topic, QUEUE),
        (Place::Stream, "stream/jobs"),
        (Place::Stream, "arn:aws:kinesis:eu-west-1:111122223333:jobs"),
        (Place::Table, STREAM),
    ] {
        assert!(!Binding::new(place, name).is_possible(), "{name}");
    }
}

#[test]
fn a_name_and_an_arn_can_be_one_place() {
    for (first, second, expected) in [
        ((Place::Queue, "jobs"), (Place::Queue, "jobs"), true),
        ((Place::Queue, "jobs"), (Place::Queue, QUEUE), true),
        ((Place::Queue, "jobs"), (Place::Queue, "jobs.fifo"), false),
        ((Place::Queue, "jobs"), (Place::Topic, "jobs"), false),
        ((Place::Queue, "jobs"), (Place::Topic, TOPIC), false),
        ((Place::Queue, QUEUE), (Place::Queue, FIFO), false),
        ((Place::Table, TABLE), (Place::Table, CHANGES), true),
        ((Place::Table, "jobs"), (Place::Table, CHANGES), true),
    ] {
        let (first, second) = (Binding::new(first.0, first.1), Binding::new(second.0, second.1));
        assert_eq!(first.overlaps(&second), expected, "{first} {second}");
        assert_eq!(second.overlaps(&first), expected, "{first} {second}");
    }
}
