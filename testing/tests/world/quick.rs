//! What a team writes to see that its services keep the promises.

use setpiece_handler::Handlers;
use setpiece_testing::{Queue, World, WorldFaults};

use crate::shop::{LOYALTY, MAILING, PointsAwarded, ProductRegistered, award, mail, registered};

#[test]
fn everybody_gets_points_and_one_mail() {
    World::check(0..100, |world| {
        world.set_faults(WorldFaults::usual());
        world
            .function("loyalty", |it| it.app(LOYALTY, Handlers::new(()).on(award)).build())
            .on::<ProductRegistered>();
        world
            .function("mailing", |it| it.app(MAILING, Handlers::new(()).on(mail)).build())
            .queue::<PointsAwarded>(Queue::standard());
        world.publish_all(["c1", "c2", "c3"].map(registered));
        let outcome = world.run_and_recover();
        outcome.assert_sound();
        assert_eq!(outcome.published::<PointsAwarded>().len(), 3);
        assert_eq!(outcome.sum("points", "points"), 300);
        assert_eq!(outcome.sum("mails", "sent"), 3);
    });
}
