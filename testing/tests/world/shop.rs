//! A shop of six functions.

use serde::{Deserialize, Serialize};
use setpiece_envelope::{DomainEvent, ServiceId};
use setpiece_handler::{App, AppError, Cx, EffectStore, Effects, Handlers, Received, Write};
use setpiece_policy::Fault;
use setpiece_testing::{Outcome, Queue, Sandbox, World, WorldBus, WorldEffects};

pub(crate) const CATALOG: ServiceId = ServiceId::new("shop", "catalog", "products");
pub(crate) const LOYALTY: ServiceId = ServiceId::new("shop", "customers", "loyalty");
pub(crate) const MAILING: ServiceId = ServiceId::new("shop", "customers", "mailing");
pub(crate) const SUPPORT: ServiceId = ServiceId::new("shop", "service", "support");
pub(crate) const CODES: ServiceId = ServiceId::new("shop", "catalog", "codes");
pub(crate) const AUDIT: ServiceId = ServiceId::new("shop", "office", "audit");
pub(crate) const REPORTS: ServiceId = ServiceId::new("shop", "office", "reports");

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(service = CATALOG, name = "product_registered", version = 1)]
pub(crate) struct ProductRegistered {
    pub(crate) customer: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(service = CODES, name = "code_issued", version = 1)]
pub(crate) struct CodeIssued {
    pub(crate) customer: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(service = LOYALTY, name = "points_awarded", version = 1)]
pub(crate) struct PointsAwarded {
    pub(crate) customer: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(service = SUPPORT, name = "support_opened", version = 1)]
pub(crate) struct SupportOpened {
    pub(crate) customer: String,
}

pub(crate) fn registered(customer: &str) -> ProductRegistered {
    ProductRegistered { customer: customer.to_owned() }
}

fn add(table: &str, key: &str, attribute: &str, number: i64) -> Write {
    Write::update(table, ("id", key)).add(attribute, number)
}

pub(crate) async fn award(
    _: &Cx<()>,
    event: Received<ProductRegistered>,
) -> Result<Effects, Fault> {
    let customer = event.data.customer;
    Ok(Effects::new()
        .write(add("points", &customer, "points", 100))
        .emit(PointsAwarded { customer }))
}

pub(crate) async fn issue(
    _: &Cx<()>,
    event: Received<ProductRegistered>,
) -> Result<Effects, Fault> {
    let customer = event.data.customer;
    Ok(Effects::new().write(add("codes", &customer, "codes", 1)).emit(CodeIssued { customer }))
}

pub(crate) async fn open(_: &Cx<()>, event: Received<ProductRegistered>) -> Result<Effects, Fault> {
    let customer = event.data.customer;
    Ok(Effects::new().write(add("support", &customer, "open", 1)).emit(SupportOpened { customer }))
}

pub(crate) async fn mail(_: &Cx<()>, event: Received<PointsAwarded>) -> Result<Effects, Fault> {
    Ok(Effects::new().write(add("mails", &event.data.customer, "sent", 1)))
}

pub(crate) async fn mail_code(_: &Cx<()>, event: Received<CodeIssued>) -> Result<Effects, Fault> {
    Ok(Effects::new().write(add("mails", &event.data.customer, "codes", 1)))
}

pub(crate) async fn audit(_: &Cx<()>, event: Received<SupportOpened>) -> Result<Effects, Fault> {
    Ok(Effects::new().write(add("audit", &event.data.customer, "seen", 1)))
}

pub(crate) async fn count(_: &Cx<()>, _: Received<PointsAwarded>) -> Result<Effects, Fault> {
    Ok(Effects::new().write(add("reports", "all", "awards", 1)))
}

/// How a process of the shop comes to its effects.
pub(crate) trait Way<X: EffectStore>: Fn(&Sandbox) -> X + Clone + 'static {}
impl<X: EffectStore, F: Fn(&Sandbox) -> X + Clone + 'static> Way<X> for F {}

type Built<X> = Result<App<(), X, WorldBus>, AppError>;

/// Six functions: three that hear of registrations, and three that hear of them; each customer
/// makes four events and seven deliveries.
pub(crate) fn open_shop<X: EffectStore>(world: &mut World, way: impl Way<X>) {
    fn start<X: EffectStore>(
        way: &impl Way<X>,
        service: ServiceId,
        handlers: impl Fn() -> Handlers<()> + 'static,
    ) -> impl Fn(&Sandbox) -> Built<X> + 'static {
        let way = way.clone();
        move |it| it.app_with(service, handlers(), way(it)).build()
    }
    world
        .function("loyalty", start(&way, LOYALTY, || Handlers::new(()).on(award)))
        .on::<ProductRegistered>();
    world
        .function("codes", start(&way, CODES, || Handlers::new(()).on(issue)))
        .queue::<ProductRegistered>(Queue::standard());
    world
        .function("support", start(&way, SUPPORT, || Handlers::new(()).on(open)))
        .queue::<ProductRegistered>(Queue::fifo("support").batch_size(3));
    world
        .function("mailing", start(&way, MAILING, || Handlers::new(()).on(mail).on(mail_code)))
        .queue::<PointsAwarded>(Queue::standard().batch_size(5))
        .queue::<CodeIssued>(Queue::standard());
    world
        .function("audit", start(&way, AUDIT, || Handlers::new(()).on(audit)))
        .on::<SupportOpened>();
    world
        .function("reports", start(&way, REPORTS, || Handlers::new(()).on(count)))
        .queue::<PointsAwarded>(Queue::standard())
        .concurrency(2);
}

pub(crate) fn in_memory(it: &Sandbox) -> WorldEffects {
    it.effects()
}

/// Registers so many products and says what becomes of it.
pub(crate) fn register(world: &mut World, customers: i64) -> Outcome {
    for customer in 0..customers {
        world.publish(registered(&format!("c{customer}")));
    }
    world.run_and_recover()
}

/// Everything happened once for each of so many customers.
#[track_caller]
pub(crate) fn assert_all_is_well(outcome: &Outcome, customers: i64) {
    let count = usize::try_from(customers).unwrap();
    assert_eq!(outcome.sum("points", "points"), 100 * customers, "points");
    assert_eq!(outcome.sum("codes", "codes"), customers, "codes");
    assert_eq!(outcome.sum("support", "open"), customers, "support");
    assert_eq!(outcome.sum("mails", "sent"), customers, "mails");
    assert_eq!(outcome.sum("mails", "codes"), customers, "codes in mails");
    assert_eq!(outcome.sum("audit", "seen"), customers, "audit");
    assert_eq!(outcome.sum("reports", "awards"), customers, "reports");
    assert_eq!(outcome.published::<PointsAwarded>().len(), count);
    assert_eq!(outcome.published::<CodeIssued>().len(), count);
    assert_eq!(outcome.published::<SupportOpened>().len(), count);
    outcome.assert_sound();
}
