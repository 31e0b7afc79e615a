use aws_sdk_dynamodb::types::CancellationReason;
use setpiece_policy::Fault;

use crate::store::{Impossible, ImpossibleReason, Unwritten};

/// The meaning of a cancelled transaction, of which nothing was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cancelled {
    /// The condition of the record did not hold. Its reason has the record.
    RecordRefused,
    /// Another transaction holds an item: ask again.
    Contended,
    /// The condition of the record held, and a write is the reason.
    Unwritten(Unwritten),
}

/// One reason, by what it says about its own action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict<'a> {
    /// The action would have been applied.
    Held,
    /// The condition was evaluated, and does not hold.
    Refused,
    /// Another transaction holds the item, and nobody looked at the condition.
    Contended,
    /// Nobody looked at the condition, for a reason that passes.
    Passing(&'a str),
    /// The action can never be applied.
    Impossible(ImpossibleReason),
    /// The code is not known here, so it is not known who looked at what.
    Unknown(&'a str),
}

/// Judges a cancelled transaction of so many `actions` by its reasons. The first is the record's.
///
/// A condition that does not hold, and a write that is impossible, are believed only where the
/// record's own condition was evaluated and held: otherwise the record may say that all of it was
/// done before, and the condition of the write fails because of that. While any action was not looked
/// at for a reason that passes, the transaction is asked for again, which gives a whole answer.
///
/// The codes are those of
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>.
pub(super) fn judge(reasons: &[CancellationReason], actions: usize) -> Result<Cancelled, Fault> {
    let cancelled = |code| Fault::from_code(code, Some(400)).with_context("a commit was cancelled");
    let verdicts: Vec<Verdict<'_>> = reasons.iter().map(verdict).collect();
    let is_whole = verdicts.len() == actions;
    if is_whole && verdicts.first() == Some(&Verdict::Refused) {
        return Ok(Cancelled::RecordRefused);
    }
    // Who has hold of the record may be this claim's own commit, so there is no answer yet.
    if verdicts.contains(&Verdict::Contended) {
        return Ok(Cancelled::Contended);
    }
    if !is_whole {
        // Nobody knows which of them it speaks of.
        return Err(cancelled("TransactionCanceledException"));
    }
    for verdict in &verdicts {
        if let Verdict::Passing(code) | Verdict::Unknown(code) = verdict {
            return Err(cancelled(code));
        }
    }
    if let Some(Verdict::Impossible(_)) = verdicts.first() {
        // The record itself: the table is not what the code says, whatever the work wants.
        return Err(cancelled("ValidationError").hand_back());
    }
    let position = |refused: fn(&Verdict<'_>) -> bool| verdicts.iter().position(refused);
    if let Some(index) = position(|verdict| *verdict == Verdict::Refused) {
        return Ok(Cancelled::Unwritten(Unwritten::Refused(index - 1)));
    }
    for (index, verdict) in verdicts.iter().enumerate() {
        if let Verdict::Impossible(reason) = *verdict {
            let write = Impossible::new(Some(index - 1), reason);
            return Ok(Cancelled::Unwritten(Unwritten::Impossible(write)));
        }
    }
    Err(cancelled("TransactionCanceledException"))
}

fn verdict(reason: &CancellationReason) -> Verdict<'_> {
    match reason.code() {
        None | Some("None") => Verdict::Held,
        Some("ConditionalCheckFailed") => Verdict::Refused,
        Some(
            "TransactionConflict" | "TransactionInProgress" | "TransactionInProgressException",
        ) => Verdict::Contended,
        Some("ValidationError") => {
            Verdict::Impossible(self::reason(reason.message().unwrap_or_default()))
        }
        Some("ItemCollectionSizeLimitExceeded") => {
            Verdict::Impossible(ImpossibleReason::ItemTooLarge)
        }
        Some(code @ ("ThrottlingError" | "ProvisionedThroughputExceeded")) => {
            Verdict::Passing(code)
        }
        Some(code) => Verdict::Unknown(code),
    }
}

/// Names what a message of DynamoDB says, and repeats none of it: it can quote the request.
pub(super) fn reason(message: &str) -> ImpossibleReason {
    let says = |text: &str| message.contains(text);
    if says("Item size") || says("item size") || says("size limit") {
        ImpossibleReason::ItemTooLarge
    } else if says("does not match the schema")
        || says("for key")
        || says("Missing the key")
        || says("key attribute")
        || says("Number of keys")
    {
        ImpossibleReason::WrongKey
    } else if says("operand") || says("Type mismatch") || says("data type") {
        ImpossibleReason::WrongType
    } else if says("Number overflow") || says("Number underflow") || says("significant digits") {
        ImpossibleReason::Number
    } else {
        ImpossibleReason::Invalid
    }
}

#[cfg(test)]
mod tests;
