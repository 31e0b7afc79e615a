//! What is reported: each call ends with exactly one final event, whichever way it goes.

use std::collections::BTreeMap;

use setpiece_idempotency::{
    AfterError, Claimed, Event, Keep, Key, Lease, OnBusy, OnStoreDown, Outcome, RecordedError,
    Semantics,
    record::{Owner, Record, Status},
};
use setpiece_policy::Fault;

use super::{
    batches::catch,
    calls::{never_run, owned},
};
use crate::support::{HOUR, Harness, KEY, Op, SECOND, Trouble, World};

type Odd = BTreeMap<(u8, u8), u8>;

/// Makes a call and looks at how it says that it ended. Returns what it returned, unless it
/// panicked.
async fn ends_with<H: Harness, T>(
    world: &World<H>,
    expected: Event,
    what: &str,
    call: impl Future<Output = T>,
) -> Option<T> {
    world.events();
    let ended = catch(call).await.ok();
    let events = world.events();
    let last: Vec<_> = events.iter().copied().filter(|event| event.is_final()).collect();
    assert_eq!(last, [expected], "{what}");
    world.probe.calm();
    ended
}

async fn one(_: setpiece_idempotency::Held) -> Result<i32, Fault> {
    Ok(1)
}

async fn fails(_: setpiece_idempotency::Held) -> Result<i32, Fault> {
    Err(Fault::transient("no"))
}

async fn large(_: setpiece_idempotency::Held) -> Result<String, Fault> {
    Ok("x".repeat(10_000))
}

async fn odd(_: setpiece_idempotency::Held) -> Result<Odd, Fault> {
    Ok(Odd::from([((1, 2), 3)]))
}

fn named(name: &str) -> Key {
    Key::of(name).unwrap()
}

#[expect(clippy::too_many_lines, reason = "it is a table of all the ways")]
pub(crate) async fn every_call_ends_with_one_final_event<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    let lease = || world.lease();

    let name = "done";
    ends_with(world, Event::Fresh, name, guard.run(&KEY, lease(), one)).await;
    ends_with(world, Event::Replayed, name, guard.run(&KEY, lease(), one)).await;
    let strings = guard.run(&KEY, lease(), never_run::<String>);
    ends_with(world, Event::Unreadable, "another type", strings).await;
    let payload = KEY.clone().with_fingerprint(&1).unwrap();
    let first = named("fingerprint").with_fingerprint(&2).unwrap();
    ends_with(world, Event::Fresh, name, guard.run(&first, lease(), one)).await;
    let other = named("fingerprint").with_fingerprint(&1).unwrap();
    ends_with(world, Event::Mismatch, "payload", guard.run(&other, lease(), one)).await;
    ends_with(world, Event::Replayed, "no payload then", guard.run(&payload, lease(), one)).await;
    let nothing = world.builder().keep(Keep::nothing()).build().unwrap();
    let key = named("nothing");
    ends_with(world, Event::Fresh, "nothing", nothing.run(&key, lease(), one)).await;
    ends_with(world, Event::Duplicate, "nothing", nothing.run(&key, lease(), one)).await;

    // Errors and panics.
    let key = named("fails");
    ends_with(world, Event::Released, "released", guard.run(&key, lease(), fails)).await;
    let panics = |_| async { panic!("a mistake") };
    let call = guard.run::<i32, Fault, _, _>(&key, lease(), panics);
    ends_with(world, Event::Released, "panic", call).await;
    let once = world.at_most_once();
    ends_with(world, Event::Held, "held", once.run(&key, lease(), fails)).await;
    ends_with(world, Event::Busy, "busy", guard.run(&key, lease(), one)).await;
    let skipping = world.builder().on_busy(OnBusy::Skip).build().unwrap();
    ends_with(world, Event::Skipped, "skipped", skipping.run(&key, lease(), one)).await;
    let waiting = world.builder().on_busy(OnBusy::Wait(SECOND)).build().unwrap();
    ends_with(world, Event::Busy, "waited", waiting.run(&key, lease(), one)).await;
    world.clock.advance(40 * SECOND);
    ends_with(world, Event::Interrupted, "interrupted", once.run(&key, lease(), one)).await;
    let bounded = world.builder().max_attempts(1).build().unwrap();
    ends_with(world, Event::Exhausted, "exhausted", bounded.run(&key, lease(), one)).await;
    let key = named("panics once");
    let call = once.run::<i32, Fault, _, _>(&key, lease(), panics);
    ends_with(world, Event::Held, "panic, once", call).await;
    let key = named("recorded");
    let record = |_: &Fault| AfterError::Record(RecordedError::new("No", "no"));
    let recording = world.builder().classify(record).build().unwrap();
    ends_with(world, Event::Recorded, "recorded", recording.run(&key, lease(), fails)).await;
    let call = recording.run(&key, lease(), fails);
    ends_with(world, Event::ReplayedError, "recorded", call).await;
    let late = Lease::until(world.deadline_in(SECOND / 100));
    ends_with(world, Event::NoTime, "late", guard.run(&key, late, one)).await;

    // What cannot be kept, or read.
    let key = named("odd");
    ends_with(world, Event::CompletionLost, "odd", guard.run(&key, lease(), odd)).await;
    let mistaken = world.builder().keep(Keep::receipt(|_| panic!("a mistake"))).build().unwrap();
    let key = named("receipt");
    ends_with(world, Event::CompletionLost, "receipt", mistaken.run(&key, lease(), one)).await;
    let key = named("large");
    world.probe.always(Some(Op::PutSpill), Trouble::NoTable);
    ends_with(world, Event::CompletionLost, "no spill", guard.run(&key, lease(), large)).await;
    let key = named("larger");
    world.probe.always(Some(Op::PutSpill), Trouble::Unfit);
    ends_with(world, Event::CompletionLost, "unfit", guard.run(&key, lease(), large)).await;
    let key = named("spilled");
    ends_with(world, Event::Fresh, "spilled", guard.run(&key, lease(), large)).await;
    world.probe.always(Some(Op::GetSpill), Trouble::NoTable);
    ends_with(world, Event::StoreFailed, "unread", guard.run(&key, lease(), large)).await;
    world.harness.lose_spills().await;
    ends_with(world, Event::Unreadable, "missing", guard.run(&key, lease(), large)).await;
    let key = named("corrupt");
    world.put_record(&key, Record::new(Status::Unreadable("for this test"))).await;
    ends_with(world, Event::Unreadable, "corrupt", guard.run(&key, lease(), one)).await;
    let mut newer = Record::new(Status::Completed);
    newer.schema = Record::SCHEMA + 1;
    world.put_record(&key, newer).await;
    ends_with(world, Event::Unreadable, "newer", guard.run(&key, lease(), one)).await;

    // A store that is down, and claims that are lost.
    for (op, event) in [(Op::Acquire, Event::StoreFailed), (Op::Settle, Event::CompletionLost)] {
        for trouble in [Trouble::NoTable, Trouble::Unconnected, Trouble::Contended] {
            let name = format!("{op:?} {trouble:?}");
            world.probe.always(Some(op), trouble);
            let event = if (op, trouble) == (Op::Acquire, Trouble::Contended) {
                Event::Busy
            } else {
                event
            };
            let key = named(&name);
            let guard = world.guard();
            ends_with(world, event, &name, guard.run(&key, lease(), one)).await;
        }
    }
    let key = named("stuck");
    world.probe.always(Some(Op::Release), Trouble::NoTable);
    ends_with(world, Event::Released, "stuck", guard.run(&key, lease(), fails)).await;
    let open = world.builder().on_store_down(OnStoreDown::RunUnguarded).build().unwrap();
    for succeeds in [true, false] {
        world.probe.always(Some(Op::Acquire), Trouble::NoTable);
        let work = async |held| if succeeds { one(held).await } else { fails(held).await };
        ends_with(world, Event::Unguarded, "open", open.run(&key, lease(), work)).await;
    }
    let key = named("slow");
    let slow = async |held| {
        world.sleep_for(HOUR).await;
        one(held).await
    };
    ends_with(world, Event::LeaseLost, "slow", guard.run(&key, lease(), slow)).await;
    for (name, event) in [("resolved", Event::Superseded), ("forgotten", Event::Vanished)] {
        let key = named(name);
        let work = async |held| {
            let seen = guard.inspect(&key, world.deadline()).await.unwrap().unwrap();
            _ = match event {
                Event::Superseded => guard.resolve(&seen, &7, world.deadline()).await.unwrap(),
                _ => guard.forget_live(&seen, world.deadline()).await.unwrap(),
            };
            one(held).await
        };
        ends_with(world, event, name, Box::pin(guard.run(&key, lease(), work))).await;
    }

    // Batches.
    let keys = |name: &&str| Key::of(*name);
    for (records, reserve, event) in [
        (&["a", "a"][..], SECOND, Event::Fresh),
        (&["a"], SECOND, Event::Replayed),
        (&[""], SECOND, Event::Keyless),
        (&["b"], HOUR, Event::NoTime),
    ] {
        let batch = guard.batch(lease()).reserve(reserve);
        let run = batch.run(records, keys, async |held, _| one(held).await);
        ends_with(world, event, "batch", run).await;
    }
    let run = guard
        .batch(lease())
        .run(&["c"], keys, async |_, _| -> Result<i32, Fault> { panic!("a mistake") });
    ends_with(world, Event::Released, "batch", run).await;
}

pub(crate) async fn every_commit_ends_with_one_final_event<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    let once = world.at_most_once();
    let (lease, deadline) = (|| world.lease(), || world.deadline());
    let writes = || vec![world.harness.add("sum", 1)];
    let decide = async |_| Ok::<_, Fault>((1, writes()));
    let taken = async |_| Ok::<_, Fault>((1, vec![world.harness.put_new("taken")]));
    let strange = async |held| Ok::<_, Fault>((odd(held).await?, writes()));
    let heavy = async |held| Ok::<_, Fault>((large(held).await?, writes()));
    let refuses = async |held| fails(held).await.map(|value| (value, writes()));
    let panics = async |_| -> Result<(i32, Vec<_>), Fault> { panic!("a mistake") };
    let mistaken = world.builder().keep(Keep::receipt(|_| panic!("a mistake"))).build().unwrap();

    let key = named("taken");
    ends_with(world, Event::Fresh, "first", guard.commit(&key, lease(), taken)).await;
    ends_with(world, Event::Replayed, "again", guard.commit(&key, lease(), taken)).await;
    let key = named("commit");
    ends_with(world, Event::WriteRefused, "refused", guard.commit(&key, lease(), taken)).await;
    ends_with(world, Event::Released, "error", guard.commit(&key, lease(), refuses)).await;
    ends_with(world, Event::Released, "odd", guard.commit(&key, lease(), strange)).await;
    ends_with(world, Event::Released, "receipt", mistaken.commit(&key, lease(), decide)).await;
    world.probe.always(Some(Op::PutSpill), Trouble::NoTable);
    ends_with(world, Event::Released, "no spill", guard.commit(&key, lease(), heavy)).await;
    world.probe.always(Some(Op::Commit), Trouble::NoTable);
    ends_with(world, Event::Released, "down", guard.commit(&key, lease(), decide)).await;
    world.probe.always(Some(Op::Commit), Trouble::NoTable);
    world.probe.next(Op::Release, Trouble::NoTable);
    ends_with(world, Event::StoreFailed, "silent", guard.commit(&key, lease(), decide)).await;
    for (name, event) in [("refused", Event::WriteRefused), ("odd", Event::Held)] {
        let key = named(name);
        if event == Event::Held {
            ends_with(world, event, name, once.commit(&key, lease(), strange)).await;
        } else {
            ends_with(world, event, name, once.commit(&key, lease(), taken)).await;
        }
    }
    let key = named("silent");
    world.probe.always(Some(Op::Commit), Trouble::NoTable);
    ends_with(world, Event::StoreFailed, "held", once.commit(&key, lease(), decide)).await;

    let key = named("taken");
    let call = guard.commit_once(&key, deadline(), decide);
    ends_with(world, Event::Replayed, "once, again", call).await;
    let probing = world.builder().probe_first().build().unwrap();
    let call = probing.commit_once(&key, deadline(), panics);
    ends_with(world, Event::Replayed, "probed", call).await;
    let call = probing.run(&key, lease(), never_run::<i32>);
    ends_with(world, Event::Replayed, "probed", call).await;
    let key = named("once");
    let late = world.deadline_in(SECOND / 100);
    ends_with(world, Event::NoTime, "late", guard.commit_once(&key, late, decide)).await;
    let call = guard.commit_once(&key, deadline(), taken);
    ends_with(world, Event::WriteRefused, "once, refused", call).await;
    let call = guard.commit_once(&key, deadline(), refuses);
    ends_with(world, Event::Released, "once, error", call).await;
    let call = guard.commit_once(&key, deadline(), panics);
    ends_with(world, Event::Released, "once, panic", call).await;
    let call = guard.commit_once(&key, deadline(), strange);
    ends_with(world, Event::Released, "once, odd", call).await;
    let call = mistaken.commit_once(&key, deadline(), decide);
    ends_with(world, Event::Released, "once, receipt", call).await;
    world.probe.always(Some(Op::PutSpill), Trouble::NoTable);
    let call = guard.commit_once(&key, deadline(), heavy);
    ends_with(world, Event::StoreFailed, "once, no spill", call).await;
    for (trouble, event) in [
        (Trouble::NoTable, Event::StoreFailed),
        (Trouble::RequestLost, Event::StoreFailed),
        (Trouble::Contended, Event::Busy),
    ] {
        let guard = world.guard();
        world.probe.always(Some(Op::CommitOnce), trouble);
        let call = guard.commit_once(&key, deadline(), decide);
        ends_with(world, event, "once, trouble", call).await;
        world.probe.always(Some(Op::CommitOnce), trouble);
        ends_with(world, event, "seen, trouble", guard.seen(&key, deadline())).await;
    }
    let call = guard.commit_once(&key, deadline(), heavy);
    ends_with(world, Event::Fresh, "once", call).await;
    for guard in [&guard, &probing] {
        world.probe.always(Some(Op::GetSpill), Trouble::NoTable);
        let call = guard.commit_once(&key, deadline(), heavy);
        ends_with(world, Event::StoreFailed, "once, unread", call).await;
    }
    world.harness.lose_spills().await;
    let call = guard.commit_once(&key, deadline(), heavy);
    ends_with(world, Event::Unreadable, "once, missing", call).await;
    ends_with(world, Event::Duplicate, "seen", guard.seen(&key, deadline())).await;
    let key = named("seen");
    ends_with(world, Event::NoTime, "seen, late", guard.seen(&key, late)).await;
    ends_with(world, Event::Fresh, "seen", guard.seen(&key, deadline())).await;
}

pub(crate) async fn panic_of_an_observer_changes_nothing<H: Harness>(world: &World<H>) {
    let guard = world.builder().observer(|_| panic!("a mistake")).build().unwrap();
    // Also where something is said before the call has ended.
    world.probe.next(Op::Acquire, Trouble::AnswerLost);
    let outcome = guard.run(&KEY, world.lease(), one).await;
    assert_eq!(outcome.unwrap(), Outcome::Fresh(1));
    let outcome = guard.run(&KEY, world.lease(), one).await;
    assert_eq!(outcome.unwrap(), Outcome::Replayed(1));
    // A second panic, while another one goes on, would be the end of the process.
    let mistaken = catch(async {
        let _claim = owned(guard.claim(&named("claim"), world.lease()).await);
        panic!("another mistake")
    });
    let panic = mistaken.await.map(|()| "none").unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"another mistake"));
}

pub(crate) async fn every_claim_ends_with_one_final_event<H: Harness>(world: &World<H>) {
    let guard = world.guard();
    let writes = [world.harness.add("sum", 1)];
    let claim = async |name: &str| owned(guard.claim(&named(name), world.lease()).await);
    let ended = ends_with(world, Event::Fresh, "complete", async {
        claim("complete").await.complete(&1).await
    });
    _ = ended.await.unwrap().unwrap();
    let error = RecordedError::new("No", "no");
    ends_with(world, Event::Recorded, "fail", async { claim("fail").await.fail(&error).await })
        .await;
    ends_with(world, Event::Released, "release", async { claim("release").await.release().await })
        .await;
    ends_with(world, Event::Held, "hold", async { claim("hold").await.hold() }).await;
    ends_with(world, Event::Dropped, "drop", async { drop(claim("drop").await) }).await;
    ends_with(world, Event::Fresh, "commit", async {
        claim("commit").await.commit(&1, &writes).await
    })
    .await;
    // The answer is told when it is asked for, or else when nobody will ask.
    for (event, reads) in [(Event::Replayed, true), (Event::Duplicate, false)] {
        ends_with(world, event, "done", async {
            match guard.claim(&named("complete"), world.lease()).await.unwrap() {
                Claimed::Done(done) if reads => {
                    assert_eq!(done.result::<i32>().await.unwrap(), Some(1));
                }
                Claimed::Done(done) => drop(done),
                Claimed::Owned(claim) => panic!("{claim:?}"),
            }
        })
        .await;
    }
    for op in [Op::Settle, Op::Release] {
        world.probe.always(Some(op), Trouble::NoTable);
        let name = format!("{op:?}");
        let event = if op == Op::Settle { Event::CompletionLost } else { Event::StoreFailed };
        ends_with(world, event, &name, async {
            let claim = claim(&name).await;
            let ended = match op {
                Op::Settle => claim.complete(&1).await.map(drop),
                _ => claim.release().await,
            };
            ended.unwrap_err();
        })
        .await;
    }
    // Whoever is told that it is lost is told once.
    ends_with(world, Event::LeaseLost, "lost", async {
        let deadline = world.deadline_in(600 * SECOND);
        let lease = Lease::short(deadline, 9 * SECOND);
        let mut claim = owned(guard.claim(&named("lost"), lease).await);
        let mut record = Record::new(Status::InProgress);
        record.owner = Some(Owner::new("somebody"));
        record.lease_until = Some(world.now().saturating_add(HOUR));
        record.expires_at = Some(world.now().saturating_add(2 * HOUR));
        world.put_record(&named("lost"), record).await;
        world.clock.advance(SECOND);
        claim.extend().await.unwrap_err();
        claim.complete(&1).await.unwrap_err();
    })
    .await;
    let skipping =
        world.builder().on_busy(OnBusy::Skip).semantics(Semantics::AtLeastOnce).build().unwrap();
    let key = named("lost");
    let skipped = skipping.claim(&key, world.lease());
    ends_with(world, Event::Skipped, "skipped", skipped).await;
    let outcome = guard.run(&named("complete"), world.lease(), never_run::<i32>).await;
    assert_eq!(outcome.unwrap(), Outcome::Replayed(1));
}
