use std::{error::Error, time::Duration};

use serde::{Serialize, de::DeserializeOwned};
use setpiece_bus::Publisher;
use setpiece_envelope::{Correlation, DomainEvent, Envelope, Metadata, Stamp};
use setpiece_policy::{Deadline, InstantSleep, Retry, SystemRandom};
use setpiece_testing::{Delivery, FakeBus};

use crate::{
    effect::Effect,
    flow::{Flow, FlowEffect},
    services::{
        communications::{self, COMMUNICATIONS},
        customer::{self, CUSTOMER},
        loyalty::{self, LOYALTY},
        manufacturer::{self, MANUFACTURER},
        products::{self, PRODUCTS, registration::Registration},
        promotions::{self, PROMOTIONS},
    },
};

type BoxError = Box<dyn Error + Send + Sync>;

/// How long one publication may take, as of what a Lambda function has left.
const PUBLISHING: Duration = Duration::from_secs(3);

/// The services on one bus: who listens to what, and nothing else about them.
pub(crate) struct Choreography {
    publisher: Publisher<FakeBus>,
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
        // Inputs have any length, so the bus must not remember what went over it.
        let bus = FakeBus::named("retail").without_recording();
        bus.subscribe::<products::ProductRegistered>(PRODUCTS.service());
        bus.subscribe::<loyalty::ProductRegistered>(LOYALTY.service());
        bus.subscribe::<promotions::ProductRegistered>(PROMOTIONS.service());
        bus.subscribe::<communications::DiscountGenerated>(COMMUNICATIONS.service());
        bus.subscribe::<customer::ProductRegistered>(CUSTOMER.service());
        bus.subscribe::<manufacturer::ProductRegistered>(MANUFACTURER.service());
        // In a Lambda function: `Publisher::system(EventBridge::new(client, "retail"))`.
        let clock = bus.clock();
        let retry = Retry::new(clock.clone(), SystemRandom, InstantSleep::new(clock));
        Self { publisher: Publisher::new(bus, retry).with_stamp(stamp) }
    }

    /// Lets all services react to a registration, until nobody reacts any more.
    pub(crate) async fn run(&self, registration: Registration) -> Result<Flow, BoxError> {
        let registered = products::register(registration);
        self.publish(registered, &Correlation::root()).await?;
        let mut flow = Flow {
            correlation_id: None,
            events: Vec::with_capacity(2),
            effects: Vec::with_capacity(6),
        };
        while let Some(delivery) = self.publisher.bus().next_delivery() {
            let (event, effect) = self.deliver(&delivery).await?;
            let service = delivery.target().to_owned();
            flow.add(&event, FlowEffect { service, effect, caused_by: event.event_id.clone() });
            delivery.succeed();
        }
        Ok(flow)
    }

    /// Lets one service do its part about one event.
    async fn deliver(&self, delivery: &Delivery) -> Result<(Metadata, Effect), BoxError> {
        match delivery.target() {
            target if target == PRODUCTS.service() => {
                react(delivery, |event| Effect::RegistrationRecorded(products::record(event)))
            }
            target if target == LOYALTY.service() => {
                react(delivery, |event| Effect::PointsAwarded(loyalty::award_points(event)))
            }
            target if target == PROMOTIONS.service() => {
                let event = delivery.decode()?;
                let (generated, announcement) = promotions::generate_code(&event);
                self.publish(announcement, &Correlation::caused_by(&event.metadata)).await?;
                Ok((event.metadata, Effect::CodeGenerated(generated)))
            }
            target if target == COMMUNICATIONS.service() => {
                react(delivery, |event| Effect::CodeEmailed(communications::email_code(event)))
            }
            target if target == CUSTOMER.service() => react(delivery, |event| {
                Effect::SupportRecordOpened(customer::open_support_record(event))
            }),
            target if target == MANUFACTURER.service() => {
                react(delivery, |event| Effect::ManufacturerNotified(manufacturer::notify(event)))
            }
            target => Err(format!("nobody plays the part of {target}").into()),
        }
    }

    async fn publish<E>(&self, event: E, correlation: &Correlation) -> Result<(), BoxError>
    where
        E: DomainEvent + Serialize + Send + Sync + 'static,
    {
        let deadline = Deadline::after(&self.publisher.bus().clock(), PUBLISHING);
        self.publisher.publish(event, correlation, deadline).await?;
        Ok(())
    }
}

/// Reads an event as the service's own view of it, and decides.
fn react<E: DomainEvent + DeserializeOwned>(
    delivery: &Delivery,
    decide: impl FnOnce(&Envelope<E>) -> Effect,
) -> Result<(Metadata, Effect), BoxError> {
    let event = delivery.decode()?;
    let effect = decide(&event);
    Ok((event.metadata, effect))
}
