//! Records in a table of DynamoDB, which Powertools for AWS Lambda may share.
//!
//! A key that two functions can claim at the same moment needs one place that says who was first.
//! [`DynamoDbStore`] makes a table of DynamoDB that place. To claim a key is one conditional
//! `UpdateItem`; if its condition does not hold, the answer brings the record that was found, so
//! nothing is read that need not be, and the one action `dynamodb:UpdateItem` is all that a guard
//! [needs to be allowed](Mode) as long as results stay on their records. A result of more than [400
//! bytes](crate::Keep::inline_up_to) does not, by default: it is put beside its record with the same
//! action, but to replay it takes `dynamodb:GetItem` as well, which is
//! [`LargeResults`](Mode::LargeResults).
//!
//! # Costs
//!
//! | path | requests | capacity |
//! |---|---|---|
//! | first call | 2 | 2 WCU |
//! | finished duplicate | 1 | 1 WCU |
//! | the same, of a [spilled](crate::Keep) result | 1 and 1 for each 400 KB | 1 WCU and ½ RCU for each 4 KB |
//! | duplicate in progress, or pure deduplication | 1 | 1 WCU |
//! | commit after a claim | 2 | 3 WCU and twice those of the caller's writes |
//! | commit in one request | 1 | 2 WCU and twice those of the caller's writes |
//!
//! DynamoDB charges for a condition that does not hold by the size of the item that is there, so a
//! record is kept below 1 KB, and what is larger is kept beside it.
//!
//! # Retries
//!
//! The retries are the guard's, which knows the deadline and pays out of a budget. Those of the
//! client are switched off for the store.
//! A guard interrupts a try at its deadline and not before, so one that is never answered takes all
//! the time there is. The client should have timeouts that leave some for another try.
//!
//! # One table with Python and TypeScript
//!
//! A record has the attributes of Powertools and means the same to it: what it has completed is
//! replayed here and the other way round, and who is in progress is respected. This is what it
//! cannot be told:
//!
//! - A released record is in progress with a lease that ended in 1970: it may be claimed at once.
//! - An error that is to be replayed has the status `FAILED`, and a result that Powertools could
//!   not read, because it is compressed or spilled, has `COMPLETED_OPAQUE`. It refuses both as
//!   statuses that it does not know. A function that shares its table keeps its results inline.
//! - When it claims a record, it replaces the item, and the attempts are counted anew. When it
//!   completes or deletes one, it does so without looking at whose it is by then.
//! - It takes over whatever lease has lapsed. So work that [must not be run
//!   twice](crate::Semantics::AtMostOnce) here is run again there after it was interrupted: a table
//!   whose keys are shared makes no such promise.
//!
//! Powertools for Python stores results as JSON text, the one for TypeScript as maps and lists of
//! DynamoDB. Both are read; which is written is the [table's](TableBuilder::native_data).

mod access;
mod cancellation;
mod client;
mod data;
mod expression;
mod item;
mod names;
mod table;

use std::error::Error as StdError;

use aws_sdk_dynamodb::{
    Client,
    error::{BuildError, ProvideErrorMetadata, SdkError},
    operation::{
        delete_item::DeleteItemError, transact_write_items::TransactWriteItemsError,
        update_item::UpdateItemError,
    },
    primitives::Blob,
    types::{
        AttributeValue, ConditionCheck, Delete, Put, ReturnValue,
        ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
    },
};
use setpiece_envelope::Timestamp;
use setpiece_policy::{Call, Fault};

pub use self::{
    access::Mode,
    table::{DataForm, Table, TableBuilder, TableError},
};
use self::{
    cancellation::Cancelled,
    expression::{Draft, Vocabulary},
    item::{Item, Kept},
};
use crate::{
    digest,
    record::{Fingerprint, Owner, Record, Salt, SpillRef, Status, Stored},
    store::{
        Acquire, Acquired, Amend, BoxFuture, Change, CommitReply, End, Extend, Impossible,
        ImpossibleReason, Once, RecordKey, Release, Reply, Seen, Semantics, Settle, Spill, Store,
    },
};

/// The bytes of a spilled result that are in one item, which may have 400 KB with its key.
const PART: usize = 400_000;

/// The bytes of a result on its record, which may have 400 KB with everything else.
const MAX_INLINE: usize = 390_000;

/// The actions of one transaction.
const MAX_ACTIONS: usize = 100;

/// The characters of a transaction's token.
const MAX_TOKEN: usize = 36;

/// Keeps records in a [`Table`] of DynamoDB.
///
/// ```no_run
/// # fn example(client: aws_sdk_dynamodb::Client) {
/// use setpiece_idempotency::dynamodb::{DynamoDbStore, Table};
///
/// let store = DynamoDbStore::new(client, Table::new("idempotency"));
/// # }
/// ```
///
/// Clones share the client.
#[derive(Clone, Debug)]
pub struct DynamoDbStore {
    client: Client,
    table: Table,
    vocabulary: Vocabulary,
    max_spill: usize,
}

impl DynamoDbStore {
    /// Keeps records in `table`.
    ///
    /// Retries of the client are switched off for the store: the guard retries, since it knows what
    /// an answer that was lost may have done.
    #[must_use]
    pub fn new(client: Client, table: Table) -> Self {
        let vocabulary = Vocabulary::new(&table.names);
        let client = client::without_retries(client);
        Self { client, table, vocabulary, max_spill: 16 * PART }
    }

    /// Limits the number of bytes of a result: 6.4 MB by default, which is more than a Lambda
    /// function can return.
    ///
    /// It is the bound of what is read back, too: a record that names a longer one has
    /// [none](crate::UnreadableWhy::Missing).
    ///
    /// It is kept in one item for each 400 KB, and each KB costs 1 WCU once. A larger one is
    /// refused with a [permanent](setpiece_policy::FaultKind::Permanent) fault before anything is
    /// written.
    #[must_use]
    pub fn with_max_spill(mut self, bytes: usize) -> Self {
        self.max_spill = bytes;
        self
    }

    /// Returns the client of the store, whose retries are off.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The table.
    #[must_use]
    pub fn table(&self) -> &Table {
        &self.table
    }

    fn record(&self, item: Option<Item>) -> Option<Box<Record>> {
        item.map(|item| item::record(&self.table.names, self.table.data_form, item))
    }

    fn kept(&self, stored: &Stored) -> Result<Kept, Fault> {
        Kept::of(stored, self.table.data_form)
            .ok_or_else(|| Fault::permanent("a result that should be JSON is none"))
    }

    /// Adds the condition of [`Acquire::may_take`].
    fn when_free(
        &self,
        draft: &mut Draft<'_>,
        fingerprint: Option<&Fingerprint>,
        now: Timestamp,
        stale_before: Timestamp,
        semantics: Semantics,
    ) {
        draft.condition.push_str(&self.vocabulary.free);
        if semantics == Semantics::AtMostOnce {
            draft.condition.push_str(&self.vocabulary.only_released);
        }
        if fingerprint.is_some() {
            draft.condition.push_str(&self.vocabulary.same_payload);
        }
        draft.condition.push_str("))");
        draft.number(":now_s", item::seconds(now));
        draft.number(":stale", stale_before.unix_millis());
        draft.text(":inprogress", item::IN_PROGRESS);
        draft.number(":version", Record::SCHEMA.into());
        draft.number(":zero", 0);
        draft.number(":one", 1);
        draft.number(":now", now.unix_millis());
        if let Some(fingerprint) = fingerprint {
            draft.text(":fingerprint", fingerprint.as_str());
        }
    }

    /// Adds the condition that the claim is the owner's.
    fn when_mine(&self, draft: &mut Draft<'_>, owner: &Owner) {
        draft.condition.push_str(&self.vocabulary.mine);
        draft.text(":me", owner.as_str());
        draft.text(":inprogress", item::IN_PROGRESS);
    }

    fn acquire_draft(&self, acquire: &Acquire) -> Draft<'_> {
        let fingerprint = acquire.fingerprint.as_ref();
        let mut draft = Draft::new(&self.vocabulary, 12);
        draft.update.push_str(&self.vocabulary.claim);
        if fingerprint.is_some() {
            draft.update.push_str(&self.vocabulary.set_validation);
        }
        if let Some(salt) = &acquire.salt {
            draft.update.push_str(expression::SET_SALT);
            draft.text(":salt", salt.as_str());
        }
        draft.update.push_str(&self.vocabulary.claim_remove);
        self.when_free(
            &mut draft,
            fingerprint,
            acquire.now,
            acquire.stale_before,
            acquire.semantics,
        );
        draft.text(":me", acquire.owner.as_str());
        draft.number(":lease", acquire.lease_until.unix_millis());
        draft.number(":expires", item::seconds(acquire.expires_at));
        draft
    }

    fn settle_draft(&self, settle: &Settle) -> Result<Draft<'_>, Fault> {
        let kept = self.kept(&settle.result)?;
        let mut draft = Draft::new(&self.vocabulary, 9);
        draft.update.push_str(&self.vocabulary.settle);
        self.when_mine(&mut draft, &settle.owner);
        if let Some(attempt) = settle.attempt {
            draft.condition.push_str(expression::SAME_ATTEMPT);
            draft.value(":attempt", AttributeValue::N(attempt.to_string()));
        }
        draft.number(":now", settle.now.unix_millis());
        draft.number(":expires", item::seconds(settle.expires_at));
        // A claim has removed what the previous result had.
        let removed = [self.vocabulary.lease.as_str(), names::TRIES];
        self.set_result(&mut draft, kept, settle.end, &settle.result, &removed);
        Ok(draft)
    }

    fn once_draft(&self, once: &Once) -> Result<Draft<'_>, Fault> {
        let fingerprint = once.fingerprint.as_ref();
        let kept = self.kept(&once.result)?;
        let mut draft = Draft::new(&self.vocabulary, 16);
        draft.update.push_str(&self.vocabulary.once);
        if fingerprint.is_some() {
            draft.update.push_str(&self.vocabulary.set_validation);
        }
        self.when_free(&mut draft, fingerprint, once.now, once.stale_before, once.semantics);
        draft.text(":me", once.owner.as_str());
        draft.number(":expires", item::seconds(once.expires_at));
        let removed = self.removed_with_result(&kept, &once.result);
        self.set_result(&mut draft, kept, End::Completed, &once.result, &removed);
        Ok(draft)
    }

    /// All that a record may have had, when it is not known what that was.
    fn removed_with_result(&self, kept: &Kept, result: &Stored) -> Vec<&str> {
        let mut removed = vec![self.vocabulary.lease.as_str(), names::TRIES, names::RELEASED];
        if kept.data.is_none() {
            removed.push(&self.vocabulary.data);
        }
        if kept.encoding.is_none() {
            removed.push(names::ENCODING);
        }
        if kept.spill.is_none() {
            removed.push(names::SPILL);
        }
        if result.type_name.is_none() {
            removed.push(names::TYPE);
        }
        removed
    }

    fn set_result(
        &self,
        draft: &mut Draft<'_>,
        kept: Kept,
        end: End,
        result: &Stored,
        removed: &[&str],
    ) {
        draft.text(":end", kept.status(end));
        if let Some(data) = kept.data {
            draft.update.extend([", ", &self.vocabulary.data, " = :data"]);
            draft.value(":data", data);
        }
        if let Some(encoding) = kept.encoding {
            draft.update.extend([", ", names::ENCODING, " = :encoding"]);
            draft.text(":encoding", encoding);
        }
        if let Some(spill) = kept.spill {
            draft.update.extend([", ", names::SPILL, " = :spill"]);
            draft.value(":spill", AttributeValue::S(spill));
        }
        if let Some(type_name) = &result.type_name {
            draft.update.extend([", ", names::TYPE, " = :type"]);
            draft.text(":type", type_name);
        }
        for (index, name) in removed.iter().enumerate() {
            draft.update.extend([if index == 0 { " REMOVE " } else { ", " }, name]);
        }
    }

    fn release_draft(&self, release: &Release) -> Draft<'_> {
        let mut draft = Draft::new(&self.vocabulary, 6);
        self.set_released(&mut draft, release.now, release.expires_at);
        self.when_mine(&mut draft, &release.owner);
        draft
    }

    fn set_released(&self, draft: &mut Draft<'_>, now: Timestamp, expires_at: Timestamp) {
        draft.update.push_str(&self.vocabulary.release);
        draft.text(":inprogress", item::IN_PROGRESS);
        draft.number(":zero", 0);
        draft.number(":version", Record::SCHEMA.into());
        draft.number(":now", now.unix_millis());
        draft.number(":expires", item::seconds(expires_at));
    }

    fn extend_draft(&self, extend: &Extend) -> Draft<'_> {
        let mut draft = Draft::new(&self.vocabulary, 5);
        draft.update.push_str(&self.vocabulary.extend);
        self.when_mine(&mut draft, &extend.owner);
        draft.condition.push_str(&self.vocabulary.shorter);
        draft.number(":now", extend.now.unix_millis());
        draft.number(":lease", extend.lease_until.unix_millis());
        draft.number(":expires", item::seconds(extend.expires_at));
        draft
    }

    fn resolve_draft(
        &self,
        owner: &Owner,
        now: Timestamp,
        end: End,
        result: &Stored,
        expires_at: Timestamp,
    ) -> Result<Draft<'_>, Fault> {
        let kept = self.kept(result)?;
        let mut draft = Draft::new(&self.vocabulary, 12);
        draft.update.push_str(&self.vocabulary.settle);
        draft.update.push_str(self.vocabulary.resolved);
        draft.text(":me", owner.as_str());
        draft.number(":version", Record::SCHEMA.into());
        draft.number(":now", now.unix_millis());
        draft.number(":expires", item::seconds(expires_at));
        let removed = self.removed_with_result(&kept, result);
        self.set_result(&mut draft, kept, end, result, &removed);
        Ok(draft)
    }

    /// Adds the condition that the record is as it was seen.
    fn when_seen(&self, draft: &mut Draft<'_>, seen: &Seen) {
        let Seen { status, owner, attempt, lease_until, expires_at } = seen;
        let words = &self.vocabulary;
        let status_is = |text| format!("{} = {text}", words.status);
        let (is_read, condition) = match status {
            Status::InProgress | Status::Released => {
                draft.text(":inprogress", item::IN_PROGRESS);
                draft.number(":zero", 0);
                let not = if *status == Status::Released { "" } else { "NOT " };
                let in_progress = status_is(":inprogress");
                (true, format!("{in_progress} AND {not}({})", words.released))
            }
            Status::Completed => {
                draft.text(":completed", item::COMPLETED);
                draft.text(":opaque", item::COMPLETED_OPAQUE);
                (true, format!("({} OR {})", status_is(":completed"), status_is(":opaque")))
            }
            Status::Failed => {
                draft.text(":failed", item::FAILED);
                (true, status_is(":failed"))
            }
            // Of what could not be read it is known only that it is there.
            Status::Unreadable(_) => (false, format!("attribute_exists({})", words.key)),
        };
        draft.condition.push_str(&condition);

        // Of what is later than any moment it is known only that it is.
        let alike = |moment: &Option<Timestamp>| {
            if moment.is_some_and(item::is_last) { " >= " } else { " = " }
        };
        let mut is = |name: &str, alike: &str, placeholder: &str, value| match value {
            Some(value) => {
                draft.condition.extend([" AND ", name, alike, placeholder]);
                draft.value(placeholder, value);
            }
            None if is_read => {
                draft.condition.extend([" AND attribute_not_exists(", name, ")"]);
            }
            None => {}
        };
        let number = |number: String| AttributeValue::N(number);
        let owner = owner.as_ref().map(|owner| AttributeValue::S(owner.as_str().to_owned()));
        is(names::OWNER, " = ", ":seen_owner", owner);
        let attempt = (*attempt > 0).then(|| number(attempt.to_string()));
        is(names::ATTEMPT, " = ", ":seen_attempt", attempt);
        if *status != Status::Released {
            let lease = lease_until.map(|lease| number(lease.unix_millis().to_string()));
            is(&words.lease, alike(lease_until), ":seen_lease", lease);
        }
        let expiry = expires_at.map(item::exact_seconds);
        is(&words.expiry, alike(expires_at), ":seen_expires", expiry);
    }

    /// Sends one write, and asks for `values` of what it has changed.
    async fn update(
        &self,
        key: &RecordKey,
        draft: Draft<'_>,
        values: ReturnValue,
        context: &'static str,
    ) -> Result<Reply<Item>, Fault> {
        let names = draft.names();
        let answer = self
            .client
            .update_item()
            .table_name(&self.table.name)
            .set_key(Some(self.table.primary_key(key.as_str())))
            .update_expression(draft.update)
            .condition_expression(draft.condition)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(Some(draft.values))
            .return_values(values)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let error = match answer {
            Ok(output) => return Ok(Reply::Applied(output.attributes.unwrap_or_default())),
            Err(error) => error,
        };
        match error {
            SdkError::ServiceError(refusal)
                if refusal.err().is_conditional_check_failed_exception() =>
            {
                let found = match refusal.into_err() {
                    UpdateItemError::ConditionalCheckFailedException(refusal) => refusal.item,
                    _ => None,
                };
                Ok(Reply::Refused(self.record(found)))
            }
            SdkError::ServiceError(refusal)
                if refusal.err().is_transaction_conflict_exception() =>
            {
                Ok(Reply::Contended)
            }
            error => Err(self.failed(error, "UpdateItem", context)),
        }
    }

    /// Makes a write whose answer is only that it was applied.
    async fn change(
        &self,
        key: &RecordKey,
        draft: Draft<'_>,
        context: &'static str,
    ) -> Result<Reply<()>, Fault> {
        Ok(match self.update(key, draft, ReturnValue::None, context).await? {
            Reply::Applied(_) => Reply::Applied(()),
            Reply::Refused(found) => Reply::Refused(found),
            Reply::Contended => Reply::Contended,
        })
    }

    async fn forget(&self, amend: &Amend) -> Result<Reply<()>, Fault> {
        let mut draft = Draft::new(&self.vocabulary, 6);
        self.when_seen(&mut draft, &amend.seen);
        let names = draft.names();
        let values = (!draft.values.is_empty()).then_some(draft.values);
        let answer = self
            .client
            .delete_item()
            .table_name(&self.table.name)
            .set_key(Some(self.table.primary_key(amend.key.as_str())))
            .condition_expression(draft.condition)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = answer else { return Ok(Reply::Applied(())) };
        match error {
            SdkError::ServiceError(refusal)
                if refusal.err().is_conditional_check_failed_exception() =>
            {
                let found = match refusal.into_err() {
                    DeleteItemError::ConditionalCheckFailedException(refusal) => refusal.item,
                    _ => None,
                };
                Ok(Reply::Refused(self.record(found)))
            }
            SdkError::ServiceError(refusal)
                if refusal.err().is_transaction_conflict_exception() =>
            {
                Ok(Reply::Contended)
            }
            error => Err(self.failed(error, "DeleteItem", "forgetting a record")),
        }
    }

    /// The write of a record as an action of a transaction.
    fn action(&self, key: &RecordKey, draft: Draft<'_>) -> Result<TransactWriteItem, Fault> {
        let unbuilt = |error: BuildError| {
            Fault::permanent("a transaction could not be built").with_source(error)
        };
        let names = draft.names();
        let update = Update::builder()
            .table_name(&self.table.name)
            .set_key(Some(self.table.primary_key(key.as_str())))
            .update_expression(draft.update)
            .condition_expression(draft.condition)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(Some(draft.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(unbuilt)?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// Sends the write of a record and the caller's as one transaction.
    async fn transact(
        &self,
        key: &RecordKey,
        owner: &Owner,
        record: TransactWriteItem,
        writes: &[TransactWriteItem],
    ) -> Result<CommitReply, Fault> {
        if writes.len() >= MAX_ACTIONS {
            return Err(Fault::permanent("a commit has more writes than a transaction can have"));
        }
        let mut items = Vec::with_capacity(writes.len() + 1);
        items.push(record);
        items.extend_from_slice(writes);
        let answer = self
            .client
            .transact_write_items()
            .client_request_token(token(owner))
            .set_transact_items(Some(items))
            .send()
            .await;
        let Err(error) = answer else { return Ok(CommitReply::Applied) };
        match error {
            SdkError::ServiceError(refusal)
                if refusal.err().is_transaction_canceled_exception() =>
            {
                let reasons = match refusal.into_err() {
                    TransactWriteItemsError::TransactionCanceledException(cancelled) => {
                        cancelled.cancellation_reasons
                    }
                    _ => None,
                };
                let reasons = reasons.unwrap_or_default();
                let judged = cancellation::judge(&reasons, writes.len() + 1);
                match judged.map_err(|fault| fault.with_call(self.transaction(writes)))? {
                    Cancelled::RecordRefused => {
                        let found = reasons.into_iter().next().and_then(|reason| reason.item);
                        Ok(CommitReply::Refused(self.record(found)))
                    }
                    Cancelled::Contended => Ok(CommitReply::Contended),
                    Cancelled::Unwritten(unwritten) => Ok(unwritten.into()),
                }
            }
            SdkError::ServiceError(refusal)
                if refusal.err().code() == Some("ValidationException") =>
            {
                let message = refusal.err().message().unwrap_or_default();
                self.invalid(key, cancellation::reason(message)).await
            }
            SdkError::ServiceError(refusal)
                if refusal.err().is_idempotent_parameter_mismatch_exception() =>
            {
                // There was a commit of this owner with other writes, and it was applied, or is
                // about to be.
                let error = SdkError::ServiceError(refusal);
                Err(Fault::from(error)
                    .with_context("the claim was committed before, with other writes")
                    .with_call(self.transaction(writes))
                    .with_may_have_happened(true))
            }
            error => {
                let fault = self.failed(error, "TransactWriteItems", "committing");
                Err(fault.with_call(self.transaction(writes)))
            }
        }
    }

    /// Finds out what became of a key whose transaction DynamoDB calls invalid as a whole: it says so
    /// before it looks at any condition, so the work may have been completed before.
    async fn invalid(
        &self,
        key: &RecordKey,
        reason: ImpossibleReason,
    ) -> Result<CommitReply, Fault> {
        match self.read(key).await? {
            Some(record) if matches!(record.status, Status::Completed | Status::Failed) => {
                Ok(CommitReply::Refused(Some(record)))
            }
            _ => Ok(CommitReply::WriteImpossible(Impossible::new(None, reason))),
        }
    }

    /// The fault of a request that failed.
    fn failed<E>(&self, error: SdkError<E>, operation: &'static str, context: &'static str) -> Fault
    where
        E: StdError + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let is_invalid = error.code() == Some("ValidationException");
        let reason = cancellation::reason(error.message().unwrap_or_default());
        let fault =
            Fault::from(error).with_context(context).with_call(self.call().operation(operation));
        if !is_invalid || reason == ImpossibleReason::Invalid {
            return fault;
        }
        let fault = match reason {
            ImpossibleReason::WrongKey => {
                fault.with_remedy("compare the key of {resource} with the key that the code says")
            }
            _ => fault,
        };
        fault.with_shown_source(reason)
    }

    fn call(&self) -> Call {
        Call::to("DynamoDB").on(self.table.name())
    }

    /// The transaction of a record with these writes, with the tables that it is on.
    fn transaction(&self, writes: &[TransactWriteItem]) -> Call {
        let of_writes = writes.iter().filter_map(|write| {
            let TransactWriteItem { condition_check, put, delete, update, .. } = write;
            let update = update.as_ref().map(Update::table_name);
            let put = put.as_ref().map(Put::table_name);
            let delete = delete.as_ref().map(Delete::table_name);
            let check = condition_check.as_ref().map(ConditionCheck::table_name);
            update.or(put).or(delete).or(check)
        });
        let mut tables = vec![self.table.name()];
        for table in of_writes {
            if !tables.contains(&table) {
                tables.push(table);
            }
        }
        Call::to("DynamoDB").operation("TransactWriteItems").on(tables.join(", "))
    }

    /// The key of one part of a spilled result.
    fn part_key(&self, key: &RecordKey, spill: &SpillRef, part: usize) -> Item {
        self.table.primary_key(&format!("{}#R#{}#{part}", key.as_str(), spill.owner))
    }

    async fn part(
        &self,
        key: &RecordKey,
        spill: &SpillRef,
        part: usize,
        consistent: bool,
    ) -> Result<Option<Vec<u8>>, Fault> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table.name)
            .set_key(Some(self.part_key(key, spill, part)))
            .consistent_read(consistent)
            .send()
            .await;
        let output = match answer {
            Ok(output) => output,
            Err(error) => return Err(self.failed(error, "GetItem", "reading a large result")),
        };
        Ok(match output.item.and_then(|mut item| item.remove(&*self.table.names.data)) {
            Some(AttributeValue::B(bytes)) => Some(bytes.into_inner()),
            _ => None,
        })
    }
}

impl Store for DynamoDbStore {
    fn target(&self) -> Option<Call> {
        Some(self.call())
    }

    /// An action of the caller's own, on any table of the same account and region. Its condition
    /// may be any; that of the record is added as one more action.
    type Write = TransactWriteItem;

    /// Returns the number of bytes that an item has room for beside a long key. The part of it that
    /// is [used](crate::Keep) is up to the guard, since each KB is 1 WCU for each duplicate.
    fn max_inline(&self) -> usize {
        match self.table.data_form {
            DataForm::Text => MAX_INLINE,
            // Small numbers are larger than their digits.
            DataForm::Native => MAX_INLINE / 2,
        }
    }

    fn acquire<'a>(
        &'a self,
        acquire: &'a Acquire,
    ) -> BoxFuture<'a, Result<Reply<Acquired>, Fault>> {
        Box::pin(async move {
            let draft = self.acquire_draft(acquire);
            let values = ReturnValue::UpdatedNew;
            match self.update(&acquire.key, draft, values, "claiming a key").await? {
                Reply::Applied(changed) => {
                    let count = |name| changed.get(name)?.as_n().ok()?.parse().ok();
                    match (count(names::ATTEMPT), count(names::TRIES)) {
                        (Some(attempt), Some(tries)) => {
                            let salt = changed.get(names::SALT).and_then(|it| it.as_s().ok());
                            let salt = salt.map(|salt| Salt::new(salt.as_str()));
                            Ok(Reply::Applied(Acquired::new(attempt, tries).with_salt(salt)))
                        }
                        _ => {
                            Err(Fault::transient("the answer to a claim does not say its attempt"))
                        }
                    }
                }
                Reply::Refused(found) => Ok(Reply::Refused(found)),
                Reply::Contended => Ok(Reply::Contended),
            }
        })
    }

    fn settle<'a>(&'a self, settle: &'a Settle) -> BoxFuture<'a, Result<Reply<()>, Fault>> {
        Box::pin(async move {
            let draft = self.settle_draft(settle)?;
            self.change(&settle.key, draft, "completing a record").await
        })
    }

    fn release<'a>(&'a self, release: &'a Release) -> BoxFuture<'a, Result<Reply<()>, Fault>> {
        Box::pin(self.change(&release.key, self.release_draft(release), "releasing a record"))
    }

    fn extend<'a>(&'a self, extend: &'a Extend) -> BoxFuture<'a, Result<Reply<()>, Fault>> {
        Box::pin(self.change(&extend.key, self.extend_draft(extend), "extending a lease"))
    }

    fn commit<'a>(
        &'a self,
        settle: &'a Settle,
        writes: &'a [TransactWriteItem],
    ) -> BoxFuture<'a, Result<CommitReply, Fault>> {
        Box::pin(async move {
            if writes.is_empty() {
                return self.settle(settle).await.map(CommitReply::from);
            }
            let record = settle
                .prepared
                .get_or_make(|| self.action(&settle.key, self.settle_draft(settle)?))?;
            self.transact(&settle.key, &settle.owner, record, writes).await
        })
    }

    fn commit_once<'a>(
        &'a self,
        once: &'a Once,
        writes: &'a [TransactWriteItem],
    ) -> BoxFuture<'a, Result<CommitReply, Fault>> {
        Box::pin(async move {
            if writes.is_empty() {
                let draft = self.once_draft(once)?;
                return self.change(&once.key, draft, "committing").await.map(CommitReply::from);
            }
            let record =
                once.prepared.get_or_make(|| self.action(&once.key, self.once_draft(once)?))?;
            self.transact(&once.key, &once.owner, record, writes).await
        })
    }

    fn read<'a>(&'a self, key: &'a RecordKey) -> BoxFuture<'a, Result<Option<Box<Record>>, Fault>> {
        Box::pin(async move {
            let answer = self
                .client
                .get_item()
                .table_name(&self.table.name)
                .set_key(Some(self.table.primary_key(key.as_str())))
                .consistent_read(true)
                .send()
                .await;
            match answer {
                Ok(output) => Ok(self.record(output.item)),
                Err(error) => Err(self.failed(error, "GetItem", "reading a record")),
            }
        })
    }

    fn amend<'a>(&'a self, amend: &'a Amend) -> BoxFuture<'a, Result<Reply<()>, Fault>> {
        Box::pin(async move {
            let mut draft = match &amend.change {
                Change::Release { expires_at } => {
                    let mut draft = Draft::new(&self.vocabulary, 12);
                    self.set_released(&mut draft, amend.now, *expires_at);
                    draft.update.extend([", ", names::TRIES]);
                    draft
                }
                Change::Resolve { owner, end, result, expires_at } => {
                    self.resolve_draft(owner, amend.now, *end, result, *expires_at)?
                }
                Change::Forget => return self.forget(amend).await,
            };
            self.when_seen(&mut draft, &amend.seen);
            self.change(&amend.key, draft, "changing a record").await
        })
    }

    fn put_spill<'a>(&'a self, spill: &'a Spill) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            if spill.bytes.len() > self.max_spill {
                return Err(Fault::permanent("a result is larger than the store keeps"));
            }
            for (part, bytes) in spill.bytes.chunks(PART).enumerate() {
                let mut draft = Draft::new(&self.vocabulary, 2);
                draft.update.push_str(&self.vocabulary.spill);
                draft.value(":data", AttributeValue::B(Blob::new(bytes)));
                draft.number(":expires", item::seconds(spill.expires_at));
                let answer = self
                    .client
                    .update_item()
                    .table_name(&self.table.name)
                    .set_key(Some(self.part_key(&spill.key, &spill.spill, part)))
                    .set_expression_attribute_names(draft.names())
                    .set_expression_attribute_values(Some(draft.values))
                    .update_expression(draft.update)
                    .send()
                    .await;
                if let Err(error) = answer {
                    return Err(self.failed(error, "UpdateItem", "keeping a large result"));
                }
            }
            Ok(())
        })
    }

    fn get_spill<'a>(
        &'a self,
        key: &'a RecordKey,
        spill: &'a SpillRef,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, Fault>> {
        Box::pin(async move {
            // Nothing longer was ever put there, whatever the record says.
            if spill.len > self.max_spill as u64 {
                return Ok(None);
            }
            let mut bytes = Vec::new();
            for part in 0.. {
                if bytes.len() as u64 >= spill.len {
                    break;
                }
                // It was written before the record said so and never changes, so a read at half the
                // price will do, unless it finds nothing.
                let found = match self.part(key, spill, part, false).await? {
                    Some(found) => Some(found),
                    None => self.part(key, spill, part, true).await?,
                };
                match found {
                    Some(found) if !found.is_empty() => bytes.extend_from_slice(&found),
                    _ => return Ok(None),
                }
            }
            Ok((bytes.len() as u64 == spill.len).then_some(bytes))
        })
    }
}

impl From<Reply<()>> for CommitReply {
    fn from(reply: Reply<()>) -> Self {
        match reply {
            Reply::Applied(()) => Self::Applied,
            Reply::Refused(found) => Self::Refused(found),
            Reply::Contended => Self::Contended,
        }
    }
}

/// The token of a claim's transaction: its owner, which was drawn for this claim alone, or a digest
/// of one that is too long.
fn token(owner: &Owner) -> String {
    let mut token = owner.as_str().to_owned();
    if token.len() > MAX_TOKEN || token.is_empty() {
        token = digest::hex(&digest::sha256(token.as_bytes()));
        token.truncate(MAX_TOKEN);
    }
    token
}
