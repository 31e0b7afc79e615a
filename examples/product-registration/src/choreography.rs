use std::{error::Error, time::Duration};

use setpiece_bus::Publisher;
use setpiece_envelope::{Correlation, DomainEvent, FixedClock, ServiceId, Stamp};
use setpiece_handler::{App, AppError, Handlers, MemoryEffects};
use setpiece_policy::{Deadline, InstantSleep, Retry, SystemRandom};
use setpiece_testing::{Delivery, FakeBus};

use crate::{
    effect::Effect,
    flow::{Flow, FlowEffect},
    services::{
        communications::{self, COMMUNICATIONS, Communications},
        customer::{self, CUSTOMER, Customer},
        loyalty::{self, LOYALTY, Loyalty},
        manufacturer::{self, MANUFACTURER, Manufacturer},
        products::{self, PRODUCTS, Products, registration::Registration},
        promotions::{self, PROMOTIONS, Promotions},
    },
};

type BoxError = Box<dyn Error + Send + Sync>;

/// How long a Lambda function would have for an invocation.
const INVOCATION: Duration = Duration::from_secs(10);

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
        let services = Services::new(self.publisher.clone())?;
        let registered = products::register(registration);
        self.publisher.publish(registered, &Correlation::root(), self.deadline()).await?;
        let mut flow = Flow {
            correlation_id: None,
            events: Vec::with_capacity(2),
            effects: Vec::with_capacity(6),
        };
        while let Some(delivery) = self.publisher.bus().next_delivery() {
            services.invoke(&delivery, self.deadline()).await?;
            let event = delivery.event()?.envelope.metadata;
            let service = delivery.target().to_owned();
            let effect = Effect::find(&service, services.items(&service), &event.event_id)
                .ok_or_else(|| format!("{service} did nothing about an event"))?;
            flow.add(&event, FlowEffect { service, effect, caused_by: event.event_id.clone() });
            delivery.succeed();
        }
        Ok(flow)
    }

    fn deadline(&self) -> Deadline {
        Deadline::after(&self.publisher.bus().clock(), INVOCATION)
    }
}

type InMemory<S> = App<S, MemoryEffects, FakeBus>;

/// The services, with tables in memory that are those of one registration. Each has a table of its
/// own, which is named after it.
struct Services {
    tables: MemoryEffects,
    products: InMemory<Products>,
    loyalty: InMemory<Loyalty>,
    promotions: InMemory<Promotions>,
    communications: InMemory<Communications>,
    customer: InMemory<Customer>,
    manufacturer: InMemory<Manufacturer>,
}

impl Services {
    fn new(publisher: Publisher<FakeBus>) -> Result<Self, AppError> {
        let tables = MemoryEffects::new(publisher.bus().clock());
        let around = Around { tables: tables.clone(), clock: publisher.bus().clock(), publisher };
        Ok(Self {
            tables,
            products: around.app(PRODUCTS, products::handlers)?,
            loyalty: around.app(LOYALTY, loyalty::handlers)?,
            promotions: around.app(PROMOTIONS, promotions::handlers)?,
            communications: around.app(COMMUNICATIONS, communications::handlers)?,
            customer: around.app(CUSTOMER, customer::handlers)?,
            manufacturer: around.app(MANUFACTURER, manufacturer::handlers)?,
        })
    }

    /// Lets one service do its part about one event.
    async fn invoke(&self, delivery: &Delivery, deadline: Deadline) -> Result<(), BoxError> {
        let event = delivery.bytes();
        let done = match delivery.target() {
            target if target == PRODUCTS.service() => self.products.invoke(event, deadline).await,
            target if target == LOYALTY.service() => self.loyalty.invoke(event, deadline).await,
            target if target == PROMOTIONS.service() => {
                self.promotions.invoke(event, deadline).await
            }
            target if target == COMMUNICATIONS.service() => {
                self.communications.invoke(event, deadline).await
            }
            target if target == CUSTOMER.service() => self.customer.invoke(event, deadline).await,
            target if target == MANUFACTURER.service() => {
                self.manufacturer.invoke(event, deadline).await
            }
            target => return Err(format!("nobody plays the part of {target}").into()),
        };
        done?;
        Ok(())
    }

    fn items(&self, service: &str) -> Vec<crate::effect::Item> {
        self.tables.items(service)
    }
}

/// What there is around a service.
struct Around {
    tables: MemoryEffects,
    publisher: Publisher<FakeBus>,
    clock: FixedClock,
}

impl Around {
    fn app<S: Send + Sync + 'static>(
        &self,
        service: ServiceId,
        handlers: impl FnOnce(&'static str) -> Handlers<S>,
    ) -> Result<InMemory<S>, AppError> {
        let (handlers, effects) = (handlers(service.service()), self.tables.clone());
        let (clock, sleep) = (self.clock.clone(), InstantSleep::new(self.clock.clone()));
        App::builder(service, handlers, effects, self.publisher.clone(), clock, SystemRandom, sleep)
            .build()
    }
}
