use std::fmt;

/// The longest name of a resource, in bytes, that is kept.
const MAX_RESOURCE_BYTES: usize = 512;

/// The request that a [`Fault`](super::Fault) is about: a service, its operation and the resource.
///
/// A resource is named as the program names it, by name, ARN or URL. It comes from configuration
/// and is shown, so it must not be made of a value of an event.
///
/// ```
/// use setpiece_policy::Call;
///
/// let call = Call::to("DynamoDB").operation("UpdateItem").on("records");
/// assert_eq!(call.to_string(), "DynamoDB UpdateItem on `records`");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    service: &'static str,
    operation: Option<&'static str>,
    resource: Option<Box<str>>,
}

impl Call {
    /// A request to a service, by the name that its SDK has for it: `DynamoDB`, `EventBridge`,
    /// `SQS`.
    #[must_use]
    pub fn to(service: &'static str) -> Self {
        Self { service, operation: None, resource: None }
    }

    /// Names the operation as the service does: `UpdateItem`.
    #[must_use]
    pub fn operation(mut self, operation: &'static str) -> Self {
        self.operation = Some(operation);
        self
    }

    /// Names the resource. Of a name longer than 512 bytes, the beginning is kept.
    #[must_use]
    pub fn on(mut self, resource: impl AsRef<str>) -> Self {
        let resource = resource.as_ref();
        let end = resource.floor_char_boundary(MAX_RESOURCE_BYTES);
        self.resource = (end > 0).then(|| resource[..end].into());
        self
    }

    /// The service.
    #[must_use]
    pub fn service(&self) -> &'static str {
        self.service
    }

    /// The operation, if it is known.
    #[must_use]
    pub fn operation_name(&self) -> Option<&'static str> {
        self.operation
    }

    /// The table, the bus, the queue or another resource, if it is known.
    #[must_use]
    pub fn resource(&self) -> Option<&str> {
        self.resource.as_deref()
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, operation, resource } = self;
        f.write_str(service)?;
        if let Some(operation) = operation {
            write!(f, " {operation}")?;
        }
        if let Some(resource) = resource {
            write!(f, " on `{resource}`")?;
        }
        Ok(())
    }
}
