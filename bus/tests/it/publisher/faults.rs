use std::time::Duration;

use setpiece_bus::{OutgoingEvent, PublishError, Publisher, Unaccepted};
use setpiece_envelope::FixedClock;
use setpiece_policy::{
    Deadline, Disposition, Fault, FaultKind, GiveUp, InstantSleep, Random as _, Retry, RetryBudget,
    SeededRandom,
};

use super::{
    bus::{Answer, Call, ScriptedBus},
    event, events, paused, world, world_with,
};

fn throttled() -> Fault {
    Fault::from_put_events_code("ThrottlingException")
}

fn lost() -> Fault {
    Fault::transient("the answer was lost")
}

fn unaccepted(error: &PublishError) -> Vec<(usize, &str)> {
    error.unaccepted().iter().map(|it| (it.index(), it.event_id().as_str())).collect()
}

fn only(error: PublishError) -> Unaccepted {
    let mut all = error.into_unaccepted();
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[tokio::test(start_paused = true)]
async fn only_what_failed_is_sent_again_and_the_error_holds_what_was_refused() {
    let world = world(ScriptedBus::per_entry(|id, times| match (id, times) {
        ("e-2" | "e-7", 1) => Some(throttled()),
        ("e-4", _) => Some(Fault::from_put_events_code("InvalidArgument")),
        _ => None,
    }));

    let error = world.publisher.send_all(events(10), world.generous()).await.unwrap_err();

    let all: Vec<String> = (0..10).map(|index| format!("e-{index}")).collect();
    assert_eq!(world.bus.requests(), [all, vec!["e-2".to_owned(), "e-7".to_owned()]]);
    assert!(world.bus.taken().values().all(|times| *times == 1));
    assert_eq!(world.bus.taken().len(), 9);
    assert_eq!(unaccepted(&error), [(4, "e-4")]);
    assert_eq!(error.accepted().len(), 9);
    assert_eq!(
        error.to_string(),
        "1 of 10 events were not accepted; `stored` e-4 was not accepted: \
         permanent: the bus refused an event: a service refused the request (InvalidArgument)"
    );
    let unaccepted = only(error);
    assert_eq!(unaccepted.fault().code(), Some("InvalidArgument"));
    assert_eq!(unaccepted.fault().disposition(), Disposition::Quarantine);
    assert!(!unaccepted.fault().may_have_happened());
    assert_eq!(unaccepted.into_outgoing().unwrap(), events(10)[4]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_asked_for_again_under_the_same_id() {
    let world = world(ScriptedBus::new(|call| match call.number {
        0 => Answer::Fault(lost(), true),
        _ => Answer::Entries(call.ids.iter().map(|_| None).collect()),
    }));

    let published = world.publisher.send_all(events(3), world.generous()).await.unwrap();

    assert_eq!(published.len(), 3);
    assert!(world.bus.taken().values().all(|times| *times == 2));
}

#[tokio::test(start_paused = true)]
async fn an_event_whose_answer_was_lost_once_may_have_been_accepted_for_ever() {
    let world = world(ScriptedBus::new(|call| match call.number {
        0 => Answer::Fault(lost(), true),
        _ => Answer::Entries(vec![Some(Fault::from_put_events_code("MalformedDetail"))]),
    }));

    let error = world.publisher.send_all(events(1), world.generous()).await.unwrap_err();

    let unaccepted = only(error);
    assert_eq!(unaccepted.fault().code(), Some("MalformedDetail"));
    assert!(unaccepted.fault().may_have_happened());
}

#[tokio::test(start_paused = true)]
async fn it_is_tried_until_the_deadline_and_not_beyond() {
    let world = world(ScriptedBus::per_entry(|_, _| Some(throttled())));

    let error = world.publisher.send_all(events(12), world.deadline(50)).await.unwrap_err();

    let ids: Vec<usize> = unaccepted(&error).into_iter().map(|(index, _)| index).collect();
    assert_eq!(ids, (0..12).collect::<Vec<_>>());
    for unaccepted in error.unaccepted() {
        assert_eq!(unaccepted.fault().kind(), FaultKind::Deadline);
        assert_eq!(unaccepted.fault().gave_up(), Some(GiveUp::NoTime));
        assert_eq!(unaccepted.fault().disposition(), Disposition::FailItem);
        assert!(!unaccepted.fault().may_have_happened());
    }
    assert!(world.clock.elapsed() <= Duration::from_secs(50));
    assert!(world.bus.calls().len() > 6, "more often than an ordinary retry");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_after_the_deadline() {
    let world = world(ScriptedBus::willing());

    let error = world.publisher.send_all(events(2), world.deadline(0)).await.unwrap_err();

    assert!(world.bus.calls().is_empty());
    assert_eq!(unaccepted(&error), [(0, "e-0"), (1, "e-1")]);
    assert!(error.unaccepted().iter().all(|it| !it.fault().may_have_happened()));
}

#[test]
fn no_request_begins_after_the_deadline_also_if_none_has_to_be_waited_for() {
    let clock = FixedClock::default();
    let moved = clock.clone();
    let bus = ScriptedBus::new(move |call| {
        moved.advance(Duration::from_secs(1));
        Answer::Entries(call.ids.iter().map(|_| None).collect())
    });
    let retry = Retry::new(clock.clone(), SeededRandom::new(1), InstantSleep::new(clock.clone()));
    let publisher = Publisher::new(bus.clone(), retry).with_max_in_flight(1);
    let deadline = Deadline::after(&clock, Duration::from_secs(3));

    let error = paused(publisher.send_all(events(100), deadline).into_future()).unwrap_err();

    assert_eq!(bus.calls().len(), 3);
    assert_eq!((error.accepted().len(), error.unaccepted().len()), (30, 70));
    assert!(error.unaccepted().iter().all(|it| !it.fault().may_have_happened()));
}

#[tokio::test(start_paused = true)]
async fn a_bus_that_never_answers_is_left_at_the_deadline() {
    let world = world(ScriptedBus::new(|call| {
        if call.ids.iter().any(|id| id == "e-10") {
            return Answer::Never;
        }
        Answer::Entries(call.ids.iter().map(|_| None).collect())
    }));

    let error = world.publisher.send_all(events(30), world.deadline(30)).await.unwrap_err();

    let ids: Vec<usize> = unaccepted(&error).into_iter().map(|(index, _)| index).collect();
    assert_eq!(ids, (10..20).collect::<Vec<_>>());
    for unaccepted in error.unaccepted() {
        assert_eq!(unaccepted.fault().kind(), FaultKind::Deadline);
        assert!(unaccepted.fault().may_have_happened());
    }
    assert_eq!(error.accepted().len(), 20);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_knows_is_tried_again_once() {
    let world = world(ScriptedBus::per_entry(|id, _| {
        (id == "e-1").then(|| Fault::from_put_events_code("SolarFlare"))
    }));

    let error = world.publisher.send_all(events(3), world.generous()).await.unwrap_err();

    assert_eq!(world.bus.requests().len(), 2);
    assert_eq!(only(error).fault().gave_up(), Some(GiveUp::CapReached));
}

#[tokio::test(start_paused = true)]
async fn one_event_that_fails_its_request_fails_no_other() {
    // As for a request that is refused as a whole without saying because of which entry.
    let world = world(ScriptedBus::new(|call| {
        if call.ids.iter().any(|id| id == "e-5") {
            Answer::Fault(Fault::from_code("ValidationException", Some(400)), false)
        } else {
            Answer::Entries(call.ids.iter().map(|_| None).collect())
        }
    }));

    let error = world.publisher.send_all(events(12), world.generous()).await.unwrap_err();

    assert_eq!(unaccepted(&error), [(5, "e-5")]);
    assert_eq!(only(error).fault().code(), Some("ValidationException"));
    assert_eq!(world.bus.taken().len(), 11);
    assert!(world.bus.taken().values().all(|times| *times == 1));
    // Two, and one for each of the ten.
    assert_eq!(world.bus.requests().len(), 12);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_is_not_about_the_events_is_not_repeated_for_each() {
    let world = world(ScriptedBus::new(|_| {
        Answer::Fault(Fault::from_code("AccessDeniedException", Some(400)), false)
    }));

    let error = world.publisher.send_all(events(10), world.generous()).await.unwrap_err();

    assert_eq!(world.bus.requests().len(), 1);
    assert_eq!(error.unaccepted().len(), 10);
    let is_handed_back = |it: &Unaccepted| it.fault().disposition() == Disposition::FailItem;
    assert!(error.unaccepted().iter().all(is_handed_back));
}

#[tokio::test(start_paused = true)]
async fn an_answer_about_other_entries_is_no_answer() {
    let world = world(ScriptedBus::new(|call| match call.number {
        0 => Answer::Short,
        _ => Answer::Entries(call.ids.iter().map(|_| None).collect()),
    }));
    assert_eq!(world.publisher.send_all(events(3), world.generous()).await.unwrap().len(), 3);
    assert_eq!(world.bus.requests().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn retries_wait_as_long_as_the_bus_asks() {
    let world = world(ScriptedBus::per_entry(|id, times| match (id, times) {
        ("e-0", 1) => Some(throttled().with_retry_after(Duration::from_secs(7))),
        ("e-1", 1) => Some(Fault::transient("a hiccup")),
        _ => None,
    }));
    world.publisher.send_all(events(3), world.generous()).await.unwrap();
    assert_eq!(world.bus.requests()[1], ["e-0", "e-1"]);
    let elapsed = world.clock.elapsed();
    assert!((7..9).contains(&elapsed.as_secs()), "{elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn each_round_of_retries_is_paid_for_until_the_budget_is_spent() {
    // Each costs 5 tokens, however many requests are in it.
    let budget = RetryBudget::new(100);
    let world = world_with(ScriptedBus::per_entry(|_, _| Some(throttled())), |retry| {
        retry.with_budget(budget.clone())
    });

    let error = world.publisher.send_all(events(400), world.generous()).await.unwrap_err();

    assert_eq!(world.bus.requests().len(), 40 + 20 * 40);
    assert_eq!(budget.available(), 0);
    assert_eq!(error.unaccepted().len(), 400);
    let gave_up = |it: &Unaccepted| it.fault().gave_up() == Some(GiveUp::BudgetSpent);
    assert!(error.unaccepted().iter().all(gave_up));
}

#[tokio::test(start_paused = true)]
async fn a_bus_that_takes_nothing_for_a_while_is_waited_for() {
    for (count, seconds) in [(500, 5), (10_000, 3), (1_000, 60)] {
        let start = tokio::time::Instant::now();
        let world = world_with(
            ScriptedBus::per_entry(move |_, _| {
                (start.elapsed() < Duration::from_secs(seconds)).then(throttled)
            }),
            |retry| retry.with_budget(RetryBudget::default()),
        );
        let published = world.publisher.send_all(events(count), world.deadline(600)).await;
        assert_eq!(published.unwrap().len(), count);
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_has_to_wait_too_long_holds_up_no_other() {
    let world = world(ScriptedBus::per_entry(|id, times| match (id, times) {
        ("e-3", _) => Some(throttled().with_retry_after(Duration::from_mins(2))),
        (_, 1) => Some(lost()),
        _ => None,
    }));

    let error = world.publisher.send_all(events(10), world.deadline(60)).await.unwrap_err();

    assert_eq!(unaccepted(&error), [(3, "e-3")]);
    assert_eq!(only(error).fault().gave_up(), Some(GiveUp::NoTime));
    assert!(world.clock.elapsed() < Duration::from_mins(1));
}

#[tokio::test(start_paused = true)]
async fn at_most_once_sends_nothing_again_that_may_have_been_taken() {
    let script = |call: &Call| match call.number {
        0 => Answer::Fault(lost(), true),
        1 => Answer::Entries(call.ids.iter().map(|_| Some(throttled())).collect()),
        _ => Answer::Entries(call.ids.iter().map(|_| None).collect()),
    };
    let world = world_with(ScriptedBus::new(script), Retry::at_most_once);

    let error = world.publisher.send_all(events(20), world.generous()).await.unwrap_err();

    assert!(world.bus.taken().values().all(|times| *times == 1));
    assert_eq!(error.accepted().len(), 10);
    for unaccepted in error.unaccepted() {
        assert_eq!(unaccepted.fault().gave_up(), Some(GiveUp::MayHaveHappened));
        assert!(unaccepted.fault().may_have_happened());
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_without_an_answer_is_sent_again_and_holds_up_no_other() {
    let world = world(ScriptedBus::new(|call| match call.number {
        0 => Answer::Never,
        1 => Answer::Entries(call.ids.iter().map(|_| Some(throttled())).collect()),
        _ => Answer::Entries(call.ids.iter().map(|_| None).collect()),
    }));

    let published = world.publisher.send_all(events(20), world.deadline(60)).await.unwrap();

    assert_eq!(published.len(), 20);
    // What was throttled has not waited for the answer that never came.
    assert_eq!(world.bus.requests()[2], events(20)[10..].iter().map(id).collect::<Vec<_>>());
    assert!(world.clock.elapsed() < Duration::from_secs(15), "{:?}", world.clock.elapsed());
}

fn id(event: &OutgoingEvent) -> String {
    event.event_id().as_str().to_owned()
}

#[tokio::test]
async fn a_publication_may_run_in_a_task_or_under_a_timeout() {
    let world = world(ScriptedBus::willing());
    let (publisher, deadline) = (world.publisher.clone(), world.generous());
    let task = tokio::spawn(async move { publisher.send_all(events(3), deadline).await });
    assert_eq!(task.await.unwrap().unwrap().len(), 3);
    let publication = world.publisher.send_all(events(3), deadline);
    let outcome = tokio::time::timeout(Duration::from_secs(9), publication).await;
    assert_eq!(outcome.unwrap().unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_succeeds_costs_nothing() {
    let budget = RetryBudget::new(100);
    let world =
        world_with(ScriptedBus::per_entry(|_, times| (times == 1).then(throttled)), |retry| {
            retry.with_budget(budget.clone())
        });
    // Each retry costs 5 and gives it back, so 100 tokens are enough for more than 20.
    let published = world.publisher.send_all(events(400), world.generous()).await.unwrap();
    assert_eq!(published.len(), 400);
    assert_eq!(budget.available(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_bus_that_takes_some_of_each_request_is_not_down() {
    // A third of all entries is throttled, in nearly every request.
    let random = SeededRandom::new(3);
    let world = world_with(
        ScriptedBus::per_entry(move |_, _| random.next_u64().is_multiple_of(3).then(throttled)),
        |retry| retry.with_budget(RetryBudget::new(100)),
    );
    let published = world.publisher.send_all(events(2_000), world.generous()).await.unwrap();
    assert_eq!(published.len(), 2_000);
}

#[tokio::test(start_paused = true)]
async fn nothing_of_an_event_is_in_an_error() {
    let world =
        world(ScriptedBus::per_entry(|_, _| Some(Fault::from_put_events_code("InvalidArgument"))));
    let secret = event("e-1", 500);
    let error = world.publisher.send_all([secret], world.generous()).await.unwrap_err();
    let texts = format!("{error} {error:?}");
    assert!(!texts.contains("xxx"), "{texts}");
    assert!(texts.contains("e-1"), "{texts}");
}

#[tokio::test(start_paused = true)]
async fn a_fault_made_of_the_error_still_holds_the_events() {
    let verdict = |id: &str| match id {
        "e-0" => Some(Fault::from_put_events_code("InvalidArgument")),
        "e-1" => Some(Fault::from_put_events_code("AccessDeniedException")),
        _ => None,
    };
    for (given, disposition, may_have_happened) in [
        (1, Disposition::Quarantine, false),
        (2, Disposition::FailItem, false),
        // One was published, whatever becomes of the others.
        (3, Disposition::FailItem, true),
    ] {
        let world = world(ScriptedBus::per_entry(move |id, _| verdict(id)));
        let error = world.publisher.send_all(events(given), world.generous()).await.unwrap_err();
        let held = unaccepted(&error).len();

        let fault = Fault::from(error);

        assert_eq!(fault.disposition(), disposition);
        assert_eq!(fault.may_have_happened(), may_have_happened);
        let source = std::error::Error::source(&fault).unwrap();
        assert_eq!(source.downcast_ref::<PublishError>().unwrap().unaccepted().len(), held);
    }
}
