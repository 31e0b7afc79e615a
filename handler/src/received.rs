use std::{fmt, sync::Arc};

use setpiece_envelope::{Correlation, Envelope, Metadata};
use setpiece_idempotency::Held;
use setpiece_policy::Deadline;

use crate::{BusFacts, Facts, NotificationFacts};

/// An event as it reaches its handler: what it says, what is known about it, and how it came.
///
/// In a unit test it is made of an envelope: `Received::from(envelope)`.
#[derive(Clone)]
#[non_exhaustive]
pub struct Received<E> {
    /// Data of the event.
    pub data: E,
    /// Metadata of the event, as its producer wrote it.
    pub metadata: Metadata,
    /// Facts of the transport, which change from one delivery to the next.
    pub facts: Facts,
    /// Facts of EventBridge, if the event came by it.
    pub bus: Option<BusFacts>,
    /// Facts of SNS, if the event came by it.
    pub notification: Option<NotificationFacts>,
}

impl<E> From<Envelope<E>> for Received<E> {
    fn from(envelope: Envelope<E>) -> Self {
        Self {
            data: envelope.data,
            metadata: envelope.metadata,
            facts: Facts::default(),
            bus: None,
            notification: None,
        }
    }
}

impl<E> fmt::Debug for Received<E> {
    /// Shows no data of the event.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { data: _, metadata, facts, bus, notification } = self;
        f.debug_struct("Received")
            .field("metadata", metadata)
            .field("facts", facts)
            .field("bus", bus)
            .field("notification", notification)
            .finish_non_exhaustive()
    }
}

/// Context of a handler: the state of its service, and its place in the flow.
///
/// There is one for each time that a handler runs. It can be cloned and passed on.
pub struct Cx<S: ?Sized> {
    /// The state of the service, which all of its handlers share.
    pub state: Arc<S>,
    correlation: Correlation,
    held: Held,
    deadline: Deadline,
}

impl<S> Cx<S> {
    /// A context outside of any delivery, for unit tests of handlers.
    ///
    /// It is the first attempt, in a flow of its own, and has all the time in the world.
    #[must_use]
    pub fn new(state: impl Into<Arc<S>>) -> Self {
        let held = Held::detached();
        let deadline = held.deadline();
        Self::held(state.into(), Correlation::root(), held, deadline)
    }
}

impl<S: ?Sized> Cx<S> {
    /// The claim lasts for longer than the handler may.
    pub(crate) fn held(
        state: Arc<S>,
        correlation: Correlation,
        held: Held,
        deadline: Deadline,
    ) -> Self {
        Self { state, correlation, held, deadline }
    }

    /// The flow that what the handler causes belongs to. Events that are
    /// [emitted](crate::Effects::emit) get it without the handler's help; calls to others may carry
    /// it.
    #[must_use]
    pub fn correlation(&self) -> &Correlation {
        &self.correlation
    }

    /// An idempotency key for a service that the handler calls: 64 hexadecimal digits.
    ///
    /// It is the same each time that this handler runs for this delivery, so that the other side
    /// recognises a call that was made before; and another one for each `label`. Nobody can compute
    /// it who does not know the record: see [`Held::downstream_key`].
    #[must_use]
    pub fn downstream_key(&self, label: &str) -> String {
        self.held.downstream_key(label)
    }

    /// Returns the number of the run of the handler for this event: 1 at first.
    ///
    /// It is a fence: see [`Held::attempt`].
    #[must_use]
    pub fn attempt(&self) -> u64 {
        self.held.attempt()
    }

    /// Returns the time at which the handler must have ended. Then it is cancelled, and its event
    /// delivered again.
    #[must_use]
    pub fn deadline(&self) -> Deadline {
        self.deadline
    }
}

impl<S: ?Sized> Clone for Cx<S> {
    fn clone(&self) -> Self {
        Self {
            state: Arc::clone(&self.state),
            correlation: self.correlation.clone(),
            held: self.held.clone(),
            deadline: self.deadline,
        }
    }
}

impl<S: ?Sized> fmt::Debug for Cx<S> {
    /// Leaves out the state, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cx")
            .field("correlation", &self.correlation)
            .field("held", &self.held)
            .finish_non_exhaustive()
    }
}
