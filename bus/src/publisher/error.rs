use std::{any::Any, error::Error as StdError, fmt, sync::Arc};

use setpiece_envelope::EventId;
use setpiece_policy::{Disposition, Fault};

use super::Published;
use crate::OutgoingEvent;

/// Not all events were accepted. It holds those that were not, each with its own reason.
///
/// So nothing is lost by `?`: whoever gets the error in the end has the events, and can store them
/// or [send them again](crate::Publisher::send_all) under the same ids.
///
/// ```
/// use setpiece_bus::{OutgoingEvent, PublishError};
///
/// /// Splits what is worth sending again from what is not.
/// fn sort(error: PublishError) -> (Vec<OutgoingEvent>, Vec<String>) {
///     let (mut again, mut reasons) = (Vec::new(), Vec::new());
///     for unaccepted in error.into_unaccepted() {
///         reasons.push(unaccepted.to_string());
///         // An event that has no JSON form cannot be sent again.
///         again.extend(unaccepted.into_outgoing().ok());
///     }
///     (again, reasons)
/// }
/// ```
pub struct PublishError(Box<Inner>);

struct Inner {
    accepted: Vec<(usize, Published)>,
    unaccepted: Vec<Unaccepted>,
}

impl PublishError {
    /// There is at least one in `unaccepted`.
    pub(super) fn new(accepted: Vec<(usize, Published)>, unaccepted: Vec<Unaccepted>) -> Self {
        Self(Box::new(Inner { accepted, unaccepted }))
    }

    /// The events that were not accepted, in the order in which they were given.
    #[must_use]
    pub fn unaccepted(&self) -> &[Unaccepted] {
        &self.0.unaccepted
    }

    /// Takes out the events that were not accepted, in the order in which they were given.
    #[must_use]
    pub fn into_unaccepted(self) -> Vec<Unaccepted> {
        self.0.unaccepted
    }

    /// The events that were accepted, each with its place among those that were given, from 0.
    #[must_use]
    pub fn accepted(&self) -> &[(usize, Published)] {
        &self.0.accepted
    }
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { accepted, unaccepted } = &*self.0;
        match &unaccepted[..] {
            [only] if accepted.is_empty() => only.fmt(f),
            all => {
                let given = accepted.len() + all.len();
                write!(f, "{} of {given} events were not accepted", all.len())?;
                all.first().map_or(Ok(()), |first| write!(f, "; {first}"))
            }
        }
    }
}

impl fmt::Debug for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishError")
            .field("accepted", &self.0.accepted.len())
            .field("unaccepted", &self.0.unaccepted)
            .finish()
    }
}

impl StdError for PublishError {
    /// The fault of the first event that was not accepted.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.unaccepted.first().map(|first| first.fault() as _)
    }
}

impl From<PublishError> for Fault {
    /// For handlers that have nothing else to do about it: the fault of the first event that may
    /// be accepted in another invocation, or of the first one if there is none.
    ///
    /// The events are still in its source. It may have happened as soon as one event was, since
    /// the others of the same item then were published without it.
    fn from(error: PublishError) -> Self {
        let is_final = |it: &&Unaccepted| it.fault.disposition() == Disposition::Quarantine;
        let all = error.unaccepted();
        let may_have_happened =
            !error.accepted().is_empty() || all.iter().any(|it| it.fault.may_have_happened());
        let worst = all.iter().find(|it| !is_final(it)).or(all.first());
        let fault = worst.map_or_else(
            || Self::permanent("events were not accepted"),
            |unaccepted| unaccepted.fault.clone(),
        );
        let is_kept = fault.disposition() == Disposition::Quarantine;
        let fault = fault.with_may_have_happened(may_have_happened).with_source(error);
        if is_kept { fault } else { fault.hand_back() }
    }
}

/// An event that was not accepted, and why.
pub struct Unaccepted {
    index: usize,
    event_id: EventId,
    name: Box<str>,
    event: Box<Kept>,
    fault: Fault,
}

/// An event that is still the publisher's to send.
pub(super) enum Kept {
    Outgoing(Arc<OutgoingEvent>),
    /// One that has no wire form is kept as the value that it was.
    Typed(Box<dyn Any + Send + Sync>),
}

impl Unaccepted {
    pub(super) fn new(
        index: usize,
        (event_id, name): (EventId, Box<str>),
        event: Kept,
        fault: Fault,
    ) -> Self {
        Self { index, event_id, name, event: Box::new(event), fault }
    }

    /// Its place among the events that were given, from 0.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Its id. Sent again, it keeps it.
    #[must_use]
    pub fn event_id(&self) -> &EventId {
        &self.event_id
    }

    /// The event's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the reason that the event was not accepted, with what to do about it.
    ///
    /// When it [may have happened](Fault::may_have_happened), the bus may have taken the event all
    /// the same; consumers recognise it by its id.
    #[must_use]
    pub fn fault(&self) -> &Fault {
        &self.fault
    }

    /// The event as it was to be sent, if it has a wire form. One whose data is in a store by now
    /// refers to it there.
    #[must_use]
    pub fn outgoing(&self) -> Option<&OutgoingEvent> {
        match &*self.event {
            Kept::Outgoing(event) => Some(event),
            Kept::Typed(_) => None,
        }
    }

    /// Takes the event out, as it was to be sent.
    ///
    /// # Errors
    ///
    /// Itself, when the event has no wire form.
    pub fn into_outgoing(self) -> Result<OutgoingEvent, Self> {
        match *self.event {
            Kept::Outgoing(event) => Ok(Arc::unwrap_or_clone(event)),
            event @ Kept::Typed(_) => Err(Self { event: Box::new(event), ..self }),
        }
    }

    /// Takes out an event that has no wire form, as the value that was given.
    ///
    /// # Errors
    ///
    /// Itself, when the event has a wire form or another type.
    pub fn into_typed<E: 'static>(self) -> Result<E, Self> {
        let event = match *self.event {
            Kept::Typed(event) => match event.downcast::<E>() {
                Ok(event) => return Ok(*event),
                Err(event) => Kept::Typed(event),
            },
            event @ Kept::Outgoing(_) => event,
        };
        Err(Self { event: Box::new(event), ..self })
    }
}

impl fmt::Display for Unaccepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index: _, event_id, name, event: _, fault } = self;
        write!(f, "`{name}` {event_id} was not accepted: {fault}")
    }
}

impl fmt::Debug for Unaccepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unaccepted")
            .field("index", &self.index)
            .field("event_id", &self.event_id)
            .field("name", &self.name)
            .field("fault", &self.fault)
            .finish_non_exhaustive()
    }
}
