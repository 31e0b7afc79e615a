use setpiece_testing::World;

use crate::{
    choreography::{self, SERVICES, Store},
    flow::Flow,
    record::Record,
    services::products::registration::Registration,
    tally::Tally,
    verdict::{Sent, Verdict},
};

/// Results of some registrations in a world of their own.
pub(crate) struct Day {
    /// By the line of the registration.
    pub(crate) flows: Vec<(u64, Flow)>,
    pub(crate) tally: Tally,
    pub(crate) verdict: Verdict,
}

impl Day {
    /// Deploys the services, publishes the registrations, which are from those lines, and lets time
    /// pass until nothing is left to be done. Then somebody sends dead letters once more.
    pub(crate) fn pass(
        world: &mut World,
        store: Store,
        registrations: impl IntoIterator<Item = (u64, Registration)>,
    ) -> Self {
        choreography::deploy(world, store);
        let sent: Vec<Sent> = (0..)
            .zip(registrations)
            .map(|(place, (line, registration))| {
                let customer_id = registration.customer_id.clone();
                let price_cents = registration.price_cents;
                let event_id = choreography::publish(world, place, registration);
                Sent { line, event_id, customer_id, price_cents }
            })
            .collect();
        let outcome = world.run_and_recover();
        let record = Record::of(&outcome);
        Self {
            verdict: Verdict::of(&sent, &record, &outcome),
            tally: Tally::of(&outcome, &SERVICES.map(|service| service.service())),
            flows: sent.iter().map(|it| (it.line, record.flow(&it.event_id))).collect(),
        }
    }
}
