use std::fmt;

use serde::Serialize;

use crate::services::{
    communications::CodeEmailed, customer::SupportRecordOpened, loyalty::PointsAwarded,
    manufacturer::ManufacturerNotified, products::RegistrationRecorded, promotions::CodeGenerated,
};

/// What any of the services may do, for the report.
///
/// In a report it shows the ids that were made on the way, and nothing of the registration.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub(crate) enum Effect {
    RegistrationRecorded(RegistrationRecorded),
    PointsAwarded(PointsAwarded),
    CodeGenerated(CodeGenerated),
    CodeEmailed(CodeEmailed),
    SupportRecordOpened(SupportRecordOpened),
    ManufacturerNotified(ManufacturerNotified),
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RegistrationRecorded(RegistrationRecorded { registration }) => {
                write!(f, "recorded registration {registration}")
            }
            Self::PointsAwarded(PointsAwarded { points, .. }) => {
                write!(f, "awarded {points} points")
            }
            Self::CodeGenerated(CodeGenerated { code, percent }) => {
                write!(f, "generated code {code} for {percent} % off")
            }
            Self::CodeEmailed(CodeEmailed { message_id, .. }) => {
                write!(f, "e-mailed the code in message {message_id}")
            }
            Self::SupportRecordOpened(SupportRecordOpened { record, .. }) => {
                write!(f, "opened support record {record}")
            }
            Self::ManufacturerNotified(ManufacturerNotified { notice, .. }) => {
                write!(f, "sent notice {notice}")
            }
        }
    }
}
