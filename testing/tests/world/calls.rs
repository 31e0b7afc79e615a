//! Handlers that call somebody outside: at least once, always with the same key.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use setpiece_handler::{Cx, Effects, Handlers, Received};
use setpiece_policy::Fault;
use setpiece_testing::{Queue, World, WorldCalls, WorldFaults};

use crate::shop::{LOYALTY, ProductRegistered, registered};

/// Somebody who charges customers, and how often they were asked with which key.
type Charges = Arc<Mutex<BTreeMap<String, Vec<String>>>>;

struct Service {
    calls: WorldCalls,
    charges: Charges,
}

async fn charge(cx: &Cx<Service>, event: Received<ProductRegistered>) -> Result<Effects, Fault> {
    let (customer, key) = (event.data.customer, cx.downstream_key("charge"));
    let ask = || cx.state.charges.lock().unwrap().entry(customer).or_default().push(key);
    cx.state.calls.call("Charge", ask).await?;
    Ok(Effects::none())
}

#[test]
fn a_call_is_made_again_with_the_same_key() {
    let most = Mutex::new(0);
    World::check(0..50, |world| {
        world.set_faults(WorldFaults::usual().crash(0.5));
        let charges = Charges::default();
        let of_service = Arc::clone(&charges);
        world
            .function("loyalty", move |it| {
                let service = Service { calls: it.calls(), charges: Arc::clone(&of_service) };
                it.app(LOYALTY, Handlers::new(service).on(charge)).build()
            })
            .queue::<ProductRegistered>(Queue::standard());
        for customer in ["c1", "c2", "c3"] {
            world.publish(registered(customer));
        }
        world.run_and_recover().assert_sound();
        let charges = charges.lock().unwrap();
        assert_eq!(charges.len(), 3);
        for asked in charges.values() {
            assert_eq!(asked.iter().collect::<BTreeSet<_>>().len(), 1);
            let mut most = most.lock().unwrap();
            *most = (*most).max(asked.len());
        }
    });
    // Whoever charges has to look at the key.
    assert!(*most.lock().unwrap() > 1);
}
