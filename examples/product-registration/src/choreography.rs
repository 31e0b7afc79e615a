//! Subscriptions between the services, and nothing else about them.

use std::time::Duration;

use setpiece_envelope::{DomainEvent, EventId, ServiceId};
use setpiece_handler::{DynamoDbEffects, EffectStore, Handlers};
use setpiece_idempotency::dynamodb::Table;
use setpiece_testing::{Queue, Sandbox, World, WorldFunction};

use crate::services::{
    communications::{self, COMMUNICATIONS},
    customer::{self, CUSTOMER},
    loyalty::{self, LOYALTY},
    manufacturer::{self, MANUFACTURER},
    products::{self, PRODUCTS, registration::Registration},
    promotions::{self, PROMOTIONS},
};

/// Place of the services' tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Store {
    /// In a DynamoDB engine in this process, which is reached through the AWS client.
    #[default]
    DynamoDb,
    /// In plain memory, which is faster and has no capacity units.
    Memory,
}

/// The names of all events.
pub(crate) const EVENTS: [&str; 2] =
    [products::ProductRegistered::NAME, promotions::DiscountGenerated::NAME];

/// All services.
pub(crate) const SERVICES: [ServiceId; 6] =
    [PRODUCTS, LOYALTY, PROMOTIONS, COMMUNICATIONS, CUSTOMER, MANUFACTURER];

/// Those that react to a registration. The other one reacts to what one of them publishes.
pub(crate) const READERS_OF_REGISTRATIONS: [ServiceId; 5] =
    [PRODUCTS, LOYALTY, PROMOTIONS, CUSTOMER, MANUFACTURER];

/// Time between one registration and the next.
const PACE: Duration = Duration::from_millis(20);

/// Deploys the six services into a world, as the template does into a region: a function, a queue
/// and tables for each. Its table has the name of the service.
pub(crate) fn deploy(world: &mut World, store: Store) {
    match store {
        Store::DynamoDb => {
            create_tables(world);
            deploy_with(world, |sandbox, service| {
                DynamoDbEffects::new(sandbox.client(), Table::new(records_of(service)))
            });
        }
        Store::Memory => deploy_with(world, |sandbox, _| sandbox.effects()),
    }
}

fn deploy_with<X: EffectStore>(
    world: &mut World,
    effects: impl Fn(&Sandbox, ServiceId) -> X + Copy + 'static,
) {
    add::<products::ProductRegistered, _, _>(world, PRODUCTS, products::handlers, effects);
    add::<loyalty::ProductRegistered, _, _>(world, LOYALTY, loyalty::handlers, effects);
    add::<promotions::ProductRegistered, _, _>(world, PROMOTIONS, promotions::handlers, effects)
        .outbox();
    add::<communications::DiscountGenerated, _, _>(
        world,
        COMMUNICATIONS,
        communications::handlers,
        effects,
    );
    add::<customer::ProductRegistered, _, _>(world, CUSTOMER, customer::handlers, effects);
    add::<manufacturer::ProductRegistered, _, _>(
        world,
        MANUFACTURER,
        manufacturer::handlers,
        effects,
    );
}

/// Adds a service, which hears of `E` by a queue of its own.
fn add<E: DomainEvent, S: Send + Sync + 'static, X: EffectStore>(
    world: &mut World,
    service: ServiceId,
    handlers: fn(&'static str) -> Handlers<S>,
    effects: impl Fn(&Sandbox, ServiceId) -> X + 'static,
) -> WorldFunction<'_> {
    let table = service.service();
    let mut function = world.function(table, move |sandbox| {
        sandbox.app_with(service, handlers(table), effects(sandbox, service)).build()
    });
    function.queue::<E>(Queue::standard());
    function
}

fn create_tables(world: &mut World) {
    for service in SERVICES {
        world.create_table(&records_of(service), "id");
    }
    for (service, key) in [
        (PRODUCTS, "registration"),
        (PROMOTIONS, "code"),
        (COMMUNICATIONS, "message"),
        (CUSTOMER, "record"),
        (MANUFACTURER, "notice"),
    ] {
        world.create_table(service.service(), key);
    }
    world.create_sorted_table(LOYALTY.service(), "customer_id", "entry");
}

/// The name of the table with the records of what a service has done, and its outbox.
fn records_of(service: ServiceId) -> String {
    format!("{}-idempotency", service.service())
}

/// Publishes a registration as the `place`th one, and returns the id of its event.
pub(crate) fn publish(world: &mut World, place: u32, registration: Registration) -> EventId {
    world.publish_after(PACE * place, products::register(registration))
}
