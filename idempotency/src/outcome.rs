/// Outcome of a guarded call that went well.
///
/// There are no others: whoever adds one has to look at all places that decide by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "it holds what the work returned"]
pub enum Outcome<T> {
    /// The work was run, and this is what it returned.
    Fresh(T),
    /// The work had been done before, and this is what it returned then.
    Replayed(T),
    /// The store was down, and the guard [fails open](crate::OnStoreDown::RunUnguarded): the work
    /// was run without protection, and this is what it returned.
    Unguarded(T),
    /// The work was not run, and there is nothing to return.
    Skipped(Skipped),
}

/// Reason for which a call was skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Skipped {
    /// Somebody else works on it, and the guard [does not wait](crate::OnBusy::Skip).
    Busy,
    /// It is done, and what it returned was [not kept](crate::Keep::nothing).
    NotKept,
}

impl<T> Outcome<T> {
    /// Returns the result of the work, of this call or of an earlier one.
    #[must_use]
    pub fn value(self) -> Option<T> {
        match self {
            Self::Fresh(value) | Self::Replayed(value) | Self::Unguarded(value) => Some(value),
            Self::Skipped(_) => None,
        }
    }

    /// Borrows what the work returned.
    pub fn as_ref(&self) -> Outcome<&T> {
        match self {
            Self::Fresh(value) => Outcome::Fresh(value),
            Self::Replayed(value) => Outcome::Replayed(value),
            Self::Unguarded(value) => Outcome::Unguarded(value),
            Self::Skipped(why) => Outcome::Skipped(*why),
        }
    }

    /// Turns what the work returned into something else.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Outcome<U> {
        match self {
            Self::Fresh(value) => Outcome::Fresh(change(value)),
            Self::Replayed(value) => Outcome::Replayed(change(value)),
            Self::Unguarded(value) => Outcome::Unguarded(change(value)),
            Self::Skipped(why) => Outcome::Skipped(why),
        }
    }

    /// Returns true if the work was run in this call.
    #[must_use]
    pub fn was_run(&self) -> bool {
        matches!(self, Self::Fresh(_) | Self::Unguarded(_))
    }

    /// Returns true if the result is that of an earlier call.
    #[must_use]
    pub fn is_replay(&self) -> bool {
        matches!(self, Self::Replayed(_))
    }
}
