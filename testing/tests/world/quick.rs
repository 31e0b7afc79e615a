//! What a team writes to see that its services keep the promises.

use setpiece_handler::Handlers;
use setpiece_testing::{Queue, World, WorldFaults};

use crate::shop::{LOYALTY, MAILING, PointsAwarded, award, mail, registered};

#[test]
fn everybody_gets_points_once_and_one_mail() {
    World::check(0..100, |world| {
        world.set_faults(WorldFaults::usual());
        let loyalty =
            world.function("loyalty", |it| it.app(LOYALTY, Handlers::new(()).on(award)).build());
        loyalty.on::<crate::shop::ProductRegistered>();
        let mailing =
            world.function("mailing", |it| it.app(MAILING, Handlers::new(()).on(mail)).build());
        mailing.queue::<PointsAwarded>(Queue::standard());
        (0..5).for_each(|it| drop(world.publish(registered(&format!("c{it}")))));
        let outcome = world.run_and_recover();
        outcome.assert_sound();
        assert_eq!(outcome.published::<PointsAwarded>().len(), 5);
        assert_eq!(outcome.sum("points", "points"), 500);
        assert_eq!(outcome.sum("mails", "sent"), 5);
    });
}
