//! Calls on one key within one process, so that they need not ask the store about each other.

use std::{
    collections::HashMap,
    future::poll_fn,
    sync::{Arc, Mutex, PoisonError},
    task::{Poll, Waker},
};

use crate::store::RecordKey;

/// The keys that calls of this process work on.
///
/// It holds no result: whoever follows asks the store in the end, and the store alone says what has
/// become of it. When the leader's work is done, all who follow ask at once; when it is not, one of
/// them is the next leader, so that they do not all find one another busy. Only that the work was
/// begun as often as it may be is passed on, since each who asked would claim the key for nothing.
#[derive(Clone, Default)]
pub(crate) struct Flights(Arc<Mutex<HashMap<RecordKey, Arc<Flight>>>>);

#[derive(Default)]
struct Flight(Mutex<Landing>);

#[derive(Default)]
struct Landing {
    /// Once the leader is gone: what it has left.
    landed: Option<Landed>,
    waiting: Vec<Waker>,
}

/// Place of a call among those on its key: the first, or a later one.
pub(crate) enum Place {
    Leader(Leader),
    Follower(Follower),
}

/// The first call on a key. The others go on when it is dropped.
pub(crate) struct Leader {
    flights: Flights,
    key: RecordKey,
    flight: Arc<Flight>,
    landed: Landed,
}

/// State of the work when its leader has left.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Landed {
    /// The work is still to be done.
    Open,
    /// The work is done, or nobody will do it, so there is nothing left to wait for.
    Done,
    /// The work was begun as often as it may be.
    Exhausted,
}

/// A later call on a key.
pub(crate) struct Follower(Arc<Flight>);

impl Flights {
    pub(crate) fn join(&self, key: &RecordKey) -> Place {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(key) {
            return Place::Follower(Follower(Arc::clone(flight)));
        }
        let flight = Arc::<Flight>::default();
        flights.insert(key.clone(), Arc::clone(&flight));
        drop(flights);
        Place::Leader(Leader {
            flights: self.clone(),
            key: key.clone(),
            flight,
            landed: Landed::Open,
        })
    }
}

impl Leader {
    /// Says what it will leave.
    pub(crate) fn land(&mut self, landed: Landed) {
        self.landed = landed;
    }
}

impl Follower {
    /// Waits until the leader is gone, and says what it has left.
    pub(crate) async fn landed(&self) -> Landed {
        poll_fn(|cx| {
            let mut landing = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(landed) = landing.landed {
                return Poll::Ready(landed);
            }
            if !landing.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                landing.waiting.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        let mut flights = self.flights.0.lock().unwrap_or_else(PoisonError::into_inner);
        flights.remove(&self.key);
        drop(flights);
        let mut landing = self.flight.0.lock().unwrap_or_else(PoisonError::into_inner);
        landing.landed = Some(self.landed);
        let waiting = std::mem::take(&mut landing.waiting);
        drop(landing);
        waiting.into_iter().for_each(Waker::wake);
    }
}
