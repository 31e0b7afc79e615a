//! Agreement of the template with the types.

use setpiece_bus::EventPattern;
use setpiece_envelope::DomainEvent;

use crate::services::{communications, customer, loyalty, manufacturer, products, promotions};

const TEMPLATE: &str = include_str!("../template.yaml");

/// The lines of a resource.
fn resource(name: &str) -> impl Iterator<Item = &'static str> {
    let head = format!("  {name}:");
    let lines = TEMPLATE.lines().skip_while(move |line| *line != head).skip(1);
    lines.take_while(|line| line.is_empty() || line.starts_with("    ")).map(str::trim)
}

/// Returns the rest behind `key` of each line of a resource that begins with it.
fn values(name: &str, key: &str) -> Vec<&'static str> {
    resource(name).filter_map(|line| line.strip_prefix(key)).map(str::trim).collect()
}

fn pattern_of<E: DomainEvent>() -> EventPattern {
    EventPattern::of::<E>().build().unwrap()
}

#[test]
fn each_rule_has_the_pattern_of_the_type_that_its_service_reads() {
    for (rule, expected) in [
        ("ProductsRule", pattern_of::<products::ProductRegistered>()),
        ("LoyaltyRule", pattern_of::<loyalty::ProductRegistered>()),
        ("PromotionsRule", pattern_of::<promotions::ProductRegistered>()),
        ("CommunicationsRule", pattern_of::<communications::DiscountGenerated>()),
        ("CustomerRule", pattern_of::<customer::ProductRegistered>()),
        ("ManufacturerRule", pattern_of::<manufacturer::ProductRegistered>()),
    ] {
        let patterns = values(rule, "EventPattern:");
        let [pattern] = patterns[..] else { panic!("{rule} has {} patterns", patterns.len()) };
        assert_eq!(EventPattern::parse(pattern).unwrap().to_json(), expected.to_json(), "{rule}");
    }
    assert_eq!(TEMPLATE.matches("AWS::Events::Rule").count(), 6);
}

#[test]
fn who_publishes_may_publish_its_own_events_and_nobody_else_may() {
    let source = promotions::PROMOTIONS.source();
    assert_eq!(values("PromotionsRole", "events:source:"), [source]);
    assert_eq!(TEMPLATE.matches("events:PutEvents").count(), 1);
}

#[test]
fn every_mapping_has_partial_answers_and_dead_letters() {
    let mappings = TEMPLATE.matches("          Type: SQS\n          Properties:").count();
    let streams = TEMPLATE.matches("          Type: DynamoDB\n").count();
    assert_eq!((mappings, streams), (6, 1));
    let answers = TEMPLATE.matches("FunctionResponseTypes: [ReportBatchItemFailures]").count();
    assert_eq!(answers, mappings + streams);
    assert_eq!(TEMPLATE.matches("maxReceiveCount:").count(), mappings);
    assert_eq!(TEMPLATE.matches("OnFailure:").count(), streams);
}

#[cfg(feature = "lambda")]
mod of_the_sdk {
    use std::collections::BTreeSet;

    use setpiece_handler::DynamoDbEffects;
    use setpiece_idempotency::dynamodb::Mode;

    use super::{TEMPLATE, resource, values};

    /// The actions that a role may take on its table of records.
    fn actions_on_records(service: &str) -> BTreeSet<&'static str> {
        let on_records = format!("Resource: !GetAtt {service}Idempotency.Arn");
        let role = format!("{service}Role");
        let mut lines = resource(&role).zip(resource(&role).skip(1));
        let (actions, _) = lines.find(|(_, next)| *next == on_records).unwrap();
        let actions = actions.strip_prefix("Action: [").unwrap().strip_suffix(']').unwrap();
        actions.split(", ").collect()
    }

    #[test]
    fn roles_allow_what_the_guard_and_the_outbox_need_and_no_more() {
        let guard: BTreeSet<_> = Mode::Commit.actions().iter().copied().collect();
        let with_outbox = guard.iter().chain(DynamoDbEffects::OUTBOX_ACTIONS).copied().collect();
        assert_eq!(actions_on_records("Promotions"), with_outbox);
        for service in ["Products", "Loyalty", "Communications", "Customer", "Manufacturer"] {
            assert_eq!(actions_on_records(service), guard, "{service}");
        }
    }

    #[test]
    fn the_relay_is_told_of_what_comes_into_the_outbox() {
        let patterns = values("PromotionsFunction", "- Pattern:");
        let pattern: serde_json::Value =
            serde_json::from_str(patterns[0].trim_matches('\'')).unwrap();
        let image = &pattern["dynamodb"]["NewImage"];
        assert_eq!(image[DynamoDbEffects::EVENT]["S"][0]["exists"], true);
        assert!(TEMPLATE.contains("AttributeName: expiration\n"));
    }
}
