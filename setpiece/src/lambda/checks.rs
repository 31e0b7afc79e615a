use std::{collections::BTreeSet, fmt, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    error::ProvideErrorMetadata,
    types::{KeysAndAttributes, TableStatus, TimeToLiveStatus},
};
use futures_util::future::{BoxFuture, join_all};
use lambda_runtime::tracing;
use setpiece_bus::{EventBridge, Publisher};
use setpiece_envelope::{ServiceId, SystemClock};
use setpiece_idempotency::dynamodb::Table;
use setpiece_policy::{Call, Deadline, Fault, FaultKind, Retry};

use super::{Clients, Settings, StartError};

/// The time that all checks of a preflight have together. Lambda ends an init after 10 seconds.
pub const PREFLIGHT_TIME: Duration = Duration::from_secs(6);

/// A condition that holds for no item: the request is authorised and judged, and writes nothing.
const NEVER: &str = "attribute_exists(#key) AND attribute_not_exists(#key)";

/// A check of the preflight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Check {
    /// The bus exists, and the function may write to it.
    Bus,
    /// The table exists, is active, has the key that the code says, and may be written to.
    Table,
    /// The table deletes records that have expired.
    Expiry,
    /// The outbox may be read and written.
    Outbox,
    /// The queue for what can never be handled exists.
    Quarantine,
}

impl Check {
    const ALL: [Self; 5] = [Self::Bus, Self::Table, Self::Expiry, Self::Outbox, Self::Quarantine];

    fn name(self) -> &'static str {
        match self {
            Self::Bus => "bus",
            Self::Table => "table",
            Self::Expiry => "expiry",
            Self::Outbox => "outbox",
            Self::Quarantine => "quarantine",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|check| check.name() == name)
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A request of a check, and the permission that it needs.
type Request<'a> = (Check, &'static str, BoxFuture<'a, Result<(), Fault>>);

/// The preflight of one function.
pub(super) struct Checks<'a> {
    service: ServiceId,
    publisher: &'a Publisher<EventBridge>,
    table: &'a Table,
    settings: &'a Settings,
    clients: &'a Clients,
    retry: Retry,
}

impl<'a> Checks<'a> {
    pub(super) fn new(
        service: ServiceId,
        publisher: &'a Publisher<EventBridge>,
        table: &'a Table,
        settings: &'a Settings,
        clients: &'a Clients,
    ) -> Self {
        Self { service, publisher, table, settings, clients, retry: Retry::system() }
    }

    /// Runs the checks that are not left out, side by side.
    pub(super) async fn run(&self) -> Result<(), StartError> {
        let deadline = Deadline::after(&SystemClock, PREFLIGHT_TIME);
        let requests = self
            .requests(deadline)
            .into_iter()
            .filter(|(check, ..)| !self.settings.skipped.contains(check))
            .map(|(check, permission, request)| async move { (check, permission, request.await) });
        for (check, permission, answer) in join_all(requests).await {
            let Err(fault) = answer else { continue };
            if matches!(
                fault.kind(),
                FaultKind::Transient | FaultKind::Throttled | FaultKind::Deadline
            ) {
                let resource = self.resource(check);
                tracing::warn!(%check, resource, %fault, "the preflight got no answer");
                continue;
            }
            let resource = self.resource(check).to_owned();
            return Err(StartError::Preflight { check, resource, permission, fault });
        }
        Ok(())
    }

    fn resource(&self, check: Check) -> &str {
        match check {
            Check::Bus => self.settings.bus.as_deref().unwrap_or_default(),
            Check::Table | Check::Expiry | Check::Outbox => self.table.name(),
            Check::Quarantine => self.settings.quarantine.as_deref().unwrap_or_default(),
        }
    }

    fn requests(&self, deadline: Deadline) -> Vec<Request<'_>> {
        let tried = |check, permission, request: fn(&Self) -> BoxFuture<'_, Result<(), Fault>>| {
            let run = self.retry.run(deadline, move |_| request(self));
            (check, permission, Box::pin(run) as BoxFuture<'_, _>)
        };
        let bus = async move { self.publisher.preflight(deadline).await.map(drop) };
        let requests: Vec<Request<'_>> = vec![
            (Check::Bus, "events:DescribeEventBus and events:PutEvents", Box::pin(bus)),
            tried(Check::Table, "dynamodb:DescribeTable", |it| Box::pin(it.describe())),
            tried(Check::Table, "dynamodb:UpdateItem", |it| Box::pin(it.update())),
            tried(Check::Expiry, "dynamodb:DescribeTimeToLive", |it| Box::pin(it.expiry())),
            tried(Check::Outbox, "dynamodb:BatchGetItem", |it| Box::pin(it.read())),
            tried(Check::Outbox, "dynamodb:PutItem", |it| Box::pin(it.put())),
        ];
        #[cfg(feature = "sqs")]
        let requests = {
            let quarantine = self.settings.quarantine.is_some().then(|| {
                tried(Check::Quarantine, "sqs:GetQueueAttributes", |it| Box::pin(it.quarantine()))
            });
            requests.into_iter().chain(quarantine).collect()
        };
        requests
    }

    fn dynamodb(&self) -> &Client {
        &self.clients.dynamodb
    }

    /// A key that no record has, in the service's own part of the table.
    fn probe(&self) -> String {
        format!("{}#preflight", self.service)
    }

    async fn describe(&self) -> Result<(), Fault> {
        let answer = self.dynamodb().describe_table().table_name(self.table.name()).send().await;
        let answer =
            answer.map_err(|error| self.failed(error, "DescribeTable", "describing the table"))?;
        let table = answer
            .table
            .unwrap_or_else(|| aws_sdk_dynamodb::types::TableDescription::builder().build());
        if !matches!(table.table_status, Some(TableStatus::Active | TableStatus::Updating)) {
            return Err(Fault::transient("the table is not active yet"));
        }
        let found: BTreeSet<String> =
            table.key_schema.into_iter().flatten().map(|key| key.attribute_name).collect();
        let wanted: BTreeSet<String> = self.table.primary_key("").into_keys().collect();
        if found == wanted {
            Ok(())
        } else {
            let keys = |keys: &BTreeSet<String>| {
                keys.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
            };
            let found = format!("its key is ({}), expected ({})", keys(&found), keys(&wanted));
            Err(Fault::permanent("the table has another key than the code says").with_source(found))
        }
    }

    async fn update(&self) -> Result<(), Fault> {
        let answer = self
            .dynamodb()
            .update_item()
            .table_name(self.table.name())
            .set_key(Some(self.table.primary_key(&self.probe())))
            .condition_expression(NEVER)
            .expression_attribute_names("#key", self.table.own_key())
            .send()
            .await;
        judge(answer, |error| self.failed(error, "UpdateItem", "writing a record"))
    }

    async fn put(&self) -> Result<(), Fault> {
        let answer = self
            .dynamodb()
            .put_item()
            .table_name(self.table.name())
            .set_item(Some(self.table.primary_key(&self.probe())))
            .condition_expression(NEVER)
            .expression_attribute_names("#key", self.table.own_key())
            .send()
            .await;
        judge(answer, |error| self.failed(error, "PutItem", "writing into the outbox"))
    }

    async fn read(&self) -> Result<(), Fault> {
        let keys = KeysAndAttributes::builder().keys(self.table.primary_key(&self.probe())).build();
        let keys = keys.map_err(|error| {
            Fault::permanent("the request could not be built").with_source(error)
        })?;
        let answer =
            self.dynamodb().batch_get_item().request_items(self.table.name(), keys).send().await;
        let answer = answer.map(drop);
        answer.map_err(|error| self.failed(error, "BatchGetItem", "reading the outbox"))
    }

    async fn expiry(&self) -> Result<(), Fault> {
        let answer =
            self.dynamodb().describe_time_to_live().table_name(self.table.name()).send().await;
        let answer = answer.map_err(|error| {
            self.failed(error, "DescribeTimeToLive", "reading the time to live")
        })?;
        let Some(expiry) = answer.time_to_live_description else {
            return Err(Fault::transient("the time to live is not known yet"));
        };
        let is_on = matches!(
            expiry.time_to_live_status,
            Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)
        );
        if is_on && expiry.attribute_name.as_deref() == Some(self.table.expiry()) {
            Ok(())
        } else {
            let wanted = format!("turn it on for the attribute `{}`", self.table.expiry());
            let off = "the table has no time to live on the attribute of expired records";
            Err(Fault::permanent(off).with_source(wanted))
        }
    }

    #[cfg(feature = "sqs")]
    async fn quarantine(&self) -> Result<(), Fault> {
        let answer = aws_sdk_sqs::Client::new(&self.clients.config)
            .get_queue_attributes()
            .queue_url(self.resource(Check::Quarantine))
            .attribute_names(aws_sdk_sqs::types::QueueAttributeName::QueueArn)
            .send()
            .await;
        answer.map(drop).map_err(|error| {
            let call = Call::to("SQS").operation("GetQueueAttributes");
            let call = call.on(self.resource(Check::Quarantine));
            Fault::from(error).with_context("finding the queue").with_call(call)
        })
    }

    fn failed(
        &self,
        error: impl Into<Fault>,
        operation: &'static str,
        context: &'static str,
    ) -> Fault {
        let call = Call::to("DynamoDB").operation(operation).on(self.table.name());
        error.into().with_context(context).with_call(call)
    }
}

/// Takes a condition that did not hold for the answer that it is: the request may be made.
fn judge<T, E: ProvideErrorMetadata>(
    answer: Result<T, E>,
    failed: impl FnOnce(E) -> Fault,
) -> Result<(), Fault> {
    match answer {
        Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(()),
        Err(error) => Err(failed(error)),
        Ok(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
