use std::{error::Error as StdError, fmt};

use setpiece_handler::AppError;
use setpiece_policy::Fault;

use super::Check;

/// A reason why a function does not start.
///
/// Its `Debug` text is its message, because that is what Rust prints of an error that `main`
/// returns.
#[non_exhaustive]
pub enum StartError {
    /// The program was not started by Lambda.
    NotInLambda,
    /// A required setting is neither in the environment nor in the code.
    Missing {
        /// The setting.
        setting: &'static str,
        /// The environment variable that says it.
        variable: &'static str,
    },
    /// `SETPIECE_PREFLIGHT_SKIP` names a check that does not exist.
    UnknownCheck {
        /// The name.
        name: String,
    },
    /// A check of the preflight failed.
    Preflight {
        /// The check.
        check: Check,
        /// The resource that it is about, by name, ARN or URL.
        resource: String,
        /// The permission that the request needs.
        permission: &'static str,
        /// The answer.
        fault: Fault,
    },
    /// The app cannot be built from its handlers.
    App(AppError),
    /// Lambda's Runtime API cannot be reached, or tokio's runtime not be started.
    Runtime(lambda_runtime::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInLambda => f.write_str(
                "this program is a Lambda function, and AWS_LAMBDA_RUNTIME_API is not set: run it \
                 on this machine with `cargo lambda watch`, and test its handlers with \
                 `cargo test` and setpiece-testing",
            ),
            Self::Missing { setting, variable } => {
                write!(f, "the function has no name of {setting}: set {variable}")
            }
            Self::UnknownCheck { name } => write!(
                f,
                "SETPIECE_PREFLIGHT_SKIP names `{name}`: expected bus, table, expiry, outbox or \
                 quarantine",
            ),
            Self::Preflight { check, resource, permission, fault } => write!(
                f,
                "the preflight of the {check} failed: `{resource}`: {fault}; the function needs \
                 {permission} on it (leave the check out with SETPIECE_PREFLIGHT_SKIP={check})",
            ),
            Self::App(error) => write!(f, "the app cannot be built: {error}"),
            Self::Runtime(error) => write!(f, "the runtime ended: {error}"),
        }
    }
}

impl fmt::Debug for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl StdError for StartError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Preflight { fault, .. } => Some(fault),
            Self::App(error) => Some(error),
            Self::Runtime(error) => Some(&**error),
            Self::NotInLambda | Self::Missing { .. } | Self::UnknownCheck { .. } => None,
        }
    }
}
