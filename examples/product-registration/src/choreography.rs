use std::error::Error;

use setpiece_envelope::{Correlation, DomainEvent as _, Stamp};
use setpiece_testing::InMemoryBus;

use crate::{
    effect::Effect,
    flow::{Flow, FlowEffect, FlowEvent},
    services::{
        communications::{self, COMMUNICATIONS},
        customer::{self, CUSTOMER},
        loyalty::{self, LOYALTY},
        manufacturer::{self, MANUFACTURER},
        products::{self, PRODUCTS, registration::Registration},
        promotions::{self, PROMOTIONS},
    },
};

/// The services on one bus: who listens to what, and nothing else about them.
pub(crate) struct Choreography {
    bus: InMemoryBus<'static, Effect>,
}

impl Choreography {
    /// The names of all events.
    pub(crate) const EVENTS: [&'static str; 2] =
        [products::ProductRegistered::NAME, promotions::DiscountGenerated::NAME];

    /// The names of all services.
    pub(crate) fn services() -> [&'static str; 6] {
        [PRODUCTS, LOYALTY, PROMOTIONS, COMMUNICATIONS, CUSTOMER, MANUFACTURER]
            .map(|service| service.service())
    }

    pub(crate) fn new(stamp: Stamp) -> Self {
        let mut bus = InMemoryBus::new(stamp);
        bus.subscribe::<products::ProductRegistered>(PRODUCTS.service(), |event, _| {
            Ok(Effect::RegistrationRecorded(products::record(event)))
        });
        bus.subscribe::<loyalty::ProductRegistered>(LOYALTY.service(), |event, _| {
            Ok(Effect::PointsAwarded(loyalty::award_points(event)))
        });
        bus.subscribe::<promotions::ProductRegistered>(PROMOTIONS.service(), |event, outbox| {
            let (generated, announcement) = promotions::generate_code(event);
            outbox.emit(announcement);
            Ok(Effect::CodeGenerated(generated))
        });
        bus.subscribe::<communications::DiscountGenerated>(COMMUNICATIONS.service(), |event, _| {
            Ok(Effect::CodeEmailed(communications::email_code(event)))
        });
        bus.subscribe::<customer::ProductRegistered>(CUSTOMER.service(), |event, _| {
            Ok(Effect::SupportRecordOpened(customer::open_support_record(event)))
        });
        bus.subscribe::<manufacturer::ProductRegistered>(MANUFACTURER.service(), |event, _| {
            Ok(Effect::ManufacturerNotified(manufacturer::notify(event)))
        });
        Self { bus }
    }

    /// Lets all services react to a registration, until nobody reacts any more.
    pub(crate) fn run(
        &mut self,
        registration: Registration,
    ) -> Result<Flow, Box<dyn Error + Send + Sync>> {
        let registered = products::register(registration);
        let root = self.bus.publish(registered, &Correlation::root())?;
        let mut flow = Flow {
            correlation_id: root.correlation.correlation_id,
            events: Vec::with_capacity(2),
            effects: Vec::with_capacity(6),
        };
        self.bus.run_until_quiet(|dispatch| {
            flow.events.push(FlowEvent::from(dispatch.event));
            for delivery in dispatch.deliveries {
                // A delivery that failed ends the run with an error, below.
                let Ok(effect) = &delivery.outcome else { continue };
                flow.effects.push(FlowEffect {
                    service: delivery.consumer.to_owned(),
                    effect: effect.clone(),
                    caused_by: dispatch.event.event_id.clone(),
                });
            }
        })?;
        Ok(flow)
    }
}
