use std::env;

use setpiece_idempotency::dynamodb::Table;

use super::{Check, StartError};

/// The configuration of a function: from the environment, or else from its code.
#[derive(Debug, Default)]
pub(super) struct Settings {
    pub(super) bus: Option<String>,
    pub(super) table: Option<Table>,
    pub(super) quarantine: Option<String>,
    pub(super) skipped: Vec<Check>,
}

const BUS: &str = "SETPIECE_BUS";
const TABLE: &str = "SETPIECE_TABLE";
const QUARANTINE: &str = "SETPIECE_QUARANTINE_URL";
const SKIP: &str = "SETPIECE_PREFLIGHT_SKIP";

impl Settings {
    /// Puts what the environment says over what the code says.
    pub(super) fn over_environment(self) -> Result<Self, StartError> {
        #[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
        self.over(|name| env::var(name).ok().filter(|value| !value.is_empty()))
    }

    pub(super) fn over(
        mut self,
        read: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, StartError> {
        if read("AWS_LAMBDA_RUNTIME_API").is_none() {
            return Err(StartError::NotInLambda);
        }
        self.bus = read(BUS).or(self.bus);
        if let Some(name) = read(TABLE) {
            self.table = Some(match self.table {
                Some(table) => table.renamed(name),
                None => Table::new(name),
            });
        }
        self.quarantine = read(QUARANTINE).or(self.quarantine);
        for name in read(SKIP).iter().flat_map(|names| names.split(',')).map(str::trim) {
            match Check::parse(name) {
                Some(check) => self.skipped.push(check),
                None => return Err(StartError::UnknownCheck { name: name.to_owned() }),
            }
        }
        Ok(self)
    }

    pub(super) fn bus(&self) -> Result<&str, StartError> {
        self.bus.as_deref().ok_or(StartError::Missing { setting: "an event bus", variable: BUS })
    }

    pub(super) fn table(&self) -> Result<&Table, StartError> {
        self.table.as_ref().ok_or(StartError::Missing { setting: "a table", variable: TABLE })
    }
}

#[cfg(test)]
mod tests;
