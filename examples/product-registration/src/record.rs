//! Content of the bus and the tables when a world has come to rest.

use std::collections::{HashMap, HashSet};

use serde_dynamo::{AttributeValue, Item};
use setpiece_envelope::{CorrelationId, EventId, ServiceId};
use setpiece_testing::Outcome;

use crate::{
    choreography::SERVICES,
    effect::Effect,
    flow::{Flow, FlowEffect, FlowEvent},
    services::loyalty::LOYALTY,
};

/// Events that the bus has taken, and items in the tables.
pub(crate) struct Record {
    /// The events of each flow, each once, in the order in which the bus took them.
    events: HashMap<CorrelationId, Vec<FlowEvent>>,
    /// For each service, the items that name the event that caused them, by its id.
    effects: Vec<(ServiceId, HashMap<String, Vec<Item>>)>,
    /// The points of each customer.
    pub(crate) balances: HashMap<String, i64>,
}

impl Record {
    pub(crate) fn of(outcome: &Outcome) -> Self {
        let mut events: HashMap<CorrelationId, Vec<FlowEvent>> = HashMap::new();
        let mut seen = HashSet::new();
        for event in outcome.bus().events() {
            let Some(metadata) = event.metadata() else { continue };
            let Some(flow) = &metadata.correlation.correlation_id else { continue };
            if seen.insert(metadata.event_id.clone()) {
                events.entry(flow.clone()).or_default().push(metadata.into());
            }
        }
        let effects = SERVICES.map(|service| {
            let mut by_cause: HashMap<String, Vec<Item>> = HashMap::new();
            for item in outcome.items(service.service()) {
                if let Some(cause) = text(&item, "caused_by") {
                    by_cause.entry(cause.to_owned()).or_default().push(item);
                }
            }
            (service, by_cause)
        });
        let accounts = outcome.items(LOYALTY.service());
        let balances = accounts.iter().filter(|item| text(item, "entry") == Some("balance"));
        let balances = balances.filter_map(|item| {
            Some((text(item, "customer_id")?.to_owned(), number(item, "points")?))
        });
        Self { events, effects: effects.into(), balances: balances.collect() }
    }

    /// The events of a flow.
    pub(crate) fn events(&self, flow: &EventId) -> &[FlowEvent] {
        self.events.get(&CorrelationId::from(flow)).map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns the items that a service has written because of an event.
    pub(crate) fn effects(&self, service: ServiceId, cause: &EventId) -> &[Item] {
        let of_service = self.effects.iter().find(|(known, _)| *known == service);
        let items = of_service.and_then(|(_, by_cause)| by_cause.get(cause.as_str()));
        items.map(Vec::as_slice).unwrap_or_default()
    }

    /// The events because of which a service has written something, and how much.
    pub(crate) fn causes(&self) -> impl Iterator<Item = (ServiceId, &str, usize)> {
        self.effects.iter().flat_map(|(service, by_cause)| {
            by_cause.iter().map(|(cause, items)| (*service, cause.as_str(), items.len()))
        })
    }

    /// All that a registration led to.
    pub(crate) fn flow(&self, registered: &EventId) -> Flow {
        let events = self.events(registered).to_vec();
        let mut effects = Vec::with_capacity(SERVICES.len());
        for event in &events {
            for service in SERVICES {
                let items = self.effects(service, &event.event_id).iter();
                effects.extend(items.filter_map(|item| {
                    Some(FlowEffect {
                        service: service.service().to_owned(),
                        effect: Effect::read(service, item)?,
                        caused_by: event.event_id.clone(),
                    })
                }));
            }
        }
        let correlation_id = (!events.is_empty()).then(|| registered.into());
        Flow { correlation_id, events, effects }
    }
}

/// The text in an attribute, if it is one.
pub(crate) fn text<'a>(item: &'a Item, attribute: &str) -> Option<&'a str> {
    match item.get(attribute) {
        Some(AttributeValue::S(text)) => Some(text),
        _ => None,
    }
}

/// The whole number in an attribute, if it is one.
pub(crate) fn number(item: &Item, attribute: &str) -> Option<i64> {
    match item.get(attribute) {
        Some(AttributeValue::N(number)) => number.parse().ok(),
        _ => None,
    }
}
