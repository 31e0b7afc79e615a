use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
    error::Error as StdError,
    fmt,
};

use aws_sdk_dynamodb::{
    Client,
    error::ProvideErrorMetadata,
    types::{
        AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType,
        ScalarAttributeType, TableStatus, TimeToLiveSpecification, TimeToLiveStatus,
    },
};
use serde_json::json;
use setpiece_policy::{Call, Deadline, Fault, Retry};

use super::names;

/// A table and the names of its attributes.
///
/// The names are those of Powertools for AWS Lambda unless they are changed here, so a function
/// that moves from Python or TypeScript keeps its table and the records in it. What such a function
/// configured as `key_attr`, `sort_key_attr`, `static_pk_value`, `expiry_attr` and so on is to be
/// configured here, too.
///
/// ```
/// use setpiece_idempotency::dynamodb::Table;
///
/// let plain = Table::new("idempotency");
/// assert_eq!(plain.name(), "idempotency");
///
/// let composite = Table::builder("orders")
///     .key("pk")
///     .composite_key("sk", "idempotency#orders-function")
///     .expiry("ttl")
///     .build()?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// Beside these attributes the store keeps some of its own: `owner_token`, `attempt`, `try_count`,
/// `record_version`, `created_at`, `updated_at`, `released_at`, `result_encoding`, `result_spill` and
/// `result_type`. All others stay as they are, so an item may hold more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub(super) name: String,
    pub(super) names: Names,
    pub(super) sort_key: SortKey,
    pub(super) data_form: DataForm,
}

/// Form in which results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DataForm {
    /// JSON text, like Powertools for Python.
    #[default]
    Text,
    /// Maps and lists of DynamoDB, like Powertools for TypeScript.
    Native,
}

/// The attributes whose names can be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) key: Cow<'static, str>,
    pub(super) status: Cow<'static, str>,
    pub(super) expiry: Cow<'static, str>,
    pub(super) lease: Cow<'static, str>,
    pub(super) data: Cow<'static, str>,
    pub(super) validation: Cow<'static, str>,
}

/// Sort key of the table, if there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SortKey {
    None,
    /// The key of the record; all of them are in one partition.
    Record {
        name: String,
        partition: String,
    },
    /// One value for all records; each is in a partition of its own.
    Constant {
        name: String,
        value: String,
    },
}

/// Gives other names to the attributes of a [`Table`].
#[derive(Clone, Debug)]
#[must_use]
pub struct TableBuilder {
    table: Table,
}

/// Error of a [`Table`] that cannot exist.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TableError {
    /// A name, or the value of a key, is empty.
    Empty,
    /// Two attributes have this name.
    SameName(String),
}

impl Table {
    /// A table with a partition key `id` and no sort key, and all names as in Powertools.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            names: Names::default(),
            sort_key: SortKey::None,
            data_form: DataForm::default(),
        }
    }

    /// A table in which attributes have other names.
    pub fn builder(name: impl Into<String>) -> TableBuilder {
        TableBuilder { table: Self::new(name) }
    }

    /// The name of the table.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the same table with another name, such as that of another stage.
    #[must_use]
    pub fn renamed(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// The attribute that holds the time, in seconds since 1970, after which DynamoDB may delete a
    /// record.
    #[must_use]
    pub fn expiry(&self) -> &str {
        &self.names.expiry
    }

    /// The primary key of the item that is stored under `key`: a record, or what is kept beside
    /// records under a key of its own.
    #[must_use]
    pub fn primary_key(&self, key: &str) -> HashMap<String, AttributeValue> {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let own = self.names.key.clone().into_owned();
        match &self.sort_key {
            SortKey::None => HashMap::from([(own, text(key))]),
            SortKey::Record { name, partition } => {
                HashMap::from([(own, text(partition)), (name.clone(), text(key))])
            }
            SortKey::Constant { name, value } => {
                HashMap::from([(own, text(key)), (name.clone(), text(value))])
            }
        }
    }

    /// The attribute in which the key of an item is that [`primary_key`](Self::primary_key) was
    /// given.
    #[must_use]
    pub fn own_key(&self) -> &str {
        match &self.sort_key {
            SortKey::Record { name, .. } => name,
            SortKey::None | SortKey::Constant { .. } => &self.names.key,
        }
    }

    /// Partition key and sort key, in this order.
    fn key_names(&self) -> impl Iterator<Item = &str> {
        let sort_key = match &self.sort_key {
            SortKey::None => None,
            SortKey::Record { name, .. } | SortKey::Constant { name, .. } => Some(name.as_str()),
        };
        std::iter::once(&*self.names.key).chain(sort_key)
    }

    /// Creates the table and lets it delete what has expired. A table that is there already is
    /// only told the latter. For tests and tools; services have it in their template.
    ///
    /// It needs [`Self::CREATE_ACTIONS`].
    ///
    /// # Errors
    ///
    /// The fault of a request that `retry` gave up on, or a
    /// [deadline](setpiece_policy::FaultKind::Deadline) fault if the table is not ready in time.
    pub async fn create(
        &self,
        client: &Client,
        retry: &Retry,
        deadline: Deadline,
    ) -> Result<(), Fault> {
        let client = &super::client::without_retries(client.clone());
        retry.run(deadline, |_| self.try_create(client)).await?;
        // How long it takes is up to AWS: as often as there is time for.
        let patient = retry.clone().with_max_attempts(u32::MAX);
        patient.run(deadline, |_| self.try_describe(client)).await?;
        retry.run(deadline, |_| self.try_expire(client)).await
    }

    async fn try_create(&self, client: &Client) -> Result<(), Fault> {
        let wrong = |error| {
            Fault::permanent("the request to create a table could not be built").with_source(error)
        };
        let mut request =
            client.create_table().table_name(&self.name).billing_mode(BillingMode::PayPerRequest);
        for (name, kind) in self.key_names().zip([KeyType::Hash, KeyType::Range]) {
            let attribute = AttributeDefinition::builder()
                .attribute_name(name)
                .attribute_type(ScalarAttributeType::S)
                .build()
                .map_err(wrong)?;
            let element = KeySchemaElement::builder()
                .attribute_name(name)
                .key_type(kind)
                .build()
                .map_err(wrong)?;
            request = request.attribute_definitions(attribute).key_schema(element);
        }
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("ResourceInUseException") => Ok(()),
            Err(error) => Err(self.failed(error, "CreateTable", "creating a table")),
        }
    }

    async fn try_describe(&self, client: &Client) -> Result<(), Fault> {
        let answer = client.describe_table().table_name(&self.name).send().await;
        let answer = match answer {
            Ok(answer) => answer,
            // It was created a moment ago, and not all of AWS knows.
            Err(error) if error.code() == Some("ResourceNotFoundException") => {
                return Err(Fault::transient("the table is not there yet").with_source(error));
            }
            Err(error) => return Err(self.failed(error, "DescribeTable", "describing a table")),
        };
        match answer.table.and_then(|table| table.table_status) {
            Some(TableStatus::Active | TableStatus::Updating) => Ok(()),
            _ => Err(Fault::transient("the table is not ready yet")),
        }
    }

    async fn try_expire(&self, client: &Client) -> Result<(), Fault> {
        // Turning it on twice is an error, so it is asked first.
        let answer = client.describe_time_to_live().table_name(&self.name).send().await;
        let answer = answer
            .map_err(|error| self.failed(error, "DescribeTimeToLive", "reading a time to live"))?;
        let status = answer.time_to_live_description.and_then(|ttl| ttl.time_to_live_status);
        if matches!(status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)) {
            return Ok(());
        }
        let specification = TimeToLiveSpecification::builder()
            .enabled(true)
            .attribute_name(&*self.names.expiry)
            .build()
            .map_err(|error| {
                Fault::permanent("the request to set a time to live could not be built")
                    .with_source(error)
            })?;
        let request = client
            .update_time_to_live()
            .table_name(&self.name)
            .time_to_live_specification(specification);
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.failed(error, "UpdateTimeToLive", "setting a time to live")),
        }
    }

    fn failed(
        &self,
        error: impl Into<Fault>,
        operation: &'static str,
        context: &'static str,
    ) -> Fault {
        let call = Call::to("DynamoDB").operation(operation).on(&self.name);
        error.into().with_context(context).with_call(call)
    }

    /// Actions that [`create`](Self::create) needs permission for.
    pub const CREATE_ACTIONS: &'static [&'static str] = &[
        "dynamodb:CreateTable",
        "dynamodb:DescribeTable",
        "dynamodb:DescribeTimeToLive",
        "dynamodb:UpdateTimeToLive",
    ];

    /// The table as a resource of a `CloudFormation` template, in JSON.
    ///
    /// It is kept when its stack goes: without its records, what comes again is done again.
    ///
    /// ```
    /// use setpiece_idempotency::dynamodb::Table;
    ///
    /// let resource = Table::new("idempotency").cloud_formation();
    /// assert!(resource.contains(r#""Type": "AWS::DynamoDB::Table""#));
    /// ```
    #[must_use]
    pub fn cloud_formation(&self) -> String {
        let attributes: Vec<_> = self
            .key_names()
            .map(|name| json!({ "AttributeName": name, "AttributeType": "S" }))
            .collect();
        let schema: Vec<_> = self
            .key_names()
            .zip(["HASH", "RANGE"])
            .map(|(name, kind)| json!({ "AttributeName": name, "KeyType": kind }))
            .collect();
        let resource = json!({
            "Type": "AWS::DynamoDB::Table",
            "DeletionPolicy": "Retain",
            "UpdateReplacePolicy": "Retain",
            "Properties": {
                "TableName": self.name,
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": attributes,
                "KeySchema": schema,
                "TimeToLiveSpecification": {
                    "AttributeName": self.names.expiry,
                    "Enabled": true,
                },
            },
        });
        format!("{resource:#}")
    }
}

impl TableBuilder {
    /// The partition key, `id` by default.
    pub fn key(mut self, name: impl Into<String>) -> Self {
        self.table.names.key = Cow::Owned(name.into());
        self
    }

    /// The composite mode of Powertools: all records are in the one partition `partition`, and
    /// their keys are in the sort key `name`.
    ///
    /// One partition takes 1,000 writes a second at most. Powertools uses
    /// `idempotency#{function name}` for it.
    pub fn composite_key(mut self, name: impl Into<String>, partition: impl Into<String>) -> Self {
        self.table.sort_key = SortKey::Record { name: name.into(), partition: partition.into() };
        self
    }

    /// A table with a sort key that holds more than these records: each of them has its key in the
    /// partition key, and `value` in the sort key `name`.
    pub fn constant_sort_key(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.table.sort_key = SortKey::Constant { name: name.into(), value: value.into() };
        self
    }

    /// Sets the name of the attribute for the status, in progress or completed: `status` by
    /// default.
    pub fn status(mut self, name: impl Into<String>) -> Self {
        self.table.names.status = Cow::Owned(name.into());
        self
    }

    /// Sets the name of the attribute for the expiry, which is the attribute that the table's time
    /// to live is set to: `expiration` by default.
    pub fn expiry(mut self, name: impl Into<String>) -> Self {
        self.table.names.expiry = Cow::Owned(name.into());
        self
    }

    /// Sets the name of the attribute for the end of the lease: `in_progress_expiration` by
    /// default.
    pub fn in_progress_expiry(mut self, name: impl Into<String>) -> Self {
        self.table.names.lease = Cow::Owned(name.into());
        self
    }

    /// The result: `data` by default.
    pub fn data(mut self, name: impl Into<String>) -> Self {
        self.table.names.data = Cow::Owned(name.into());
        self
    }

    /// The fingerprint of the payload: `validation` by default.
    pub fn validation(mut self, name: impl Into<String>) -> Self {
        self.table.names.validation = Cow::Owned(name.into());
        self
    }

    /// Results are written as maps and lists of DynamoDB, as Powertools for TypeScript does it, and
    /// not as JSON text, as the one for Python does.
    ///
    /// Maps may be read in both cases. A text is the result itself in this form, and JSON otherwise.
    pub fn native_data(mut self) -> Self {
        self.table.data_form = DataForm::Native;
        self
    }

    /// The table with these names.
    ///
    /// # Errors
    ///
    /// When a name is empty, or belongs to two attributes.
    pub fn build(self) -> Result<Table, TableError> {
        let table = self.table;
        let value = match &table.sort_key {
            SortKey::None => None,
            SortKey::Record { partition: value, .. } | SortKey::Constant { value, .. } => {
                Some(value)
            }
        };
        if table.name.is_empty() || value.is_some_and(String::is_empty) {
            return Err(TableError::Empty);
        }
        let Names { key: _, status, expiry, lease, data, validation } = &table.names;
        let chosen = [status, expiry, lease, data, validation].into_iter().map(|name| &**name);
        let mut seen = BTreeSet::new();
        for name in table.key_names().chain(chosen).chain(names::OWN) {
            if name.is_empty() {
                return Err(TableError::Empty);
            }
            if !seen.insert(name) {
                return Err(TableError::SameName(name.to_owned()));
            }
        }
        Ok(table)
    }
}

impl Default for Names {
    fn default() -> Self {
        Self {
            key: Cow::Borrowed("id"),
            status: Cow::Borrowed("status"),
            expiry: Cow::Borrowed("expiration"),
            lease: Cow::Borrowed("in_progress_expiration"),
            data: Cow::Borrowed("data"),
            validation: Cow::Borrowed("validation"),
        }
    }
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a name or a key of the table is empty"),
            Self::SameName(name) => write!(f, "two attributes are named {name:?}"),
        }
    }
}

impl StdError for TableError {}
