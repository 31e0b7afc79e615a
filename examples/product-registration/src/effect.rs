use std::fmt;

use serde::{Deserialize, Serialize};
use serde_dynamo::{AttributeValue, Item};
use setpiece_envelope::ServiceId;

use crate::services::{
    communications::COMMUNICATIONS, customer::CUSTOMER, loyalty::LOYALTY,
    manufacturer::MANUFACTURER, products::PRODUCTS, promotions::PROMOTIONS,
};

/// Effect of any of the services, as the report reads it from their tables.
///
/// It takes the ids that were made on the way, and nothing of the registration.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub(crate) enum Effect {
    RegistrationRecorded {
        registration: String,
    },
    PointsAwarded {
        points: u32,
    },
    CodeGenerated {
        code: String,
        percent: u8,
    },
    CodeEmailed {
        #[serde(rename(deserialize = "message"))]
        message_id: String,
    },
    SupportRecordOpened {
        record: String,
    },
    ManufacturerNotified {
        notice: String,
    },
}

impl Effect {
    /// Reads the effect that an item in the table of `service` stands for.
    pub(crate) fn read(service: ServiceId, item: &Item) -> Option<Self> {
        let kind = [
            (PRODUCTS, "registration_recorded"),
            (LOYALTY, "points_awarded"),
            (PROMOTIONS, "code_generated"),
            (COMMUNICATIONS, "code_emailed"),
            (CUSTOMER, "support_record_opened"),
            (MANUFACTURER, "manufacturer_notified"),
        ];
        let (_, kind) = kind.iter().find(|(known, _)| *known == service)?;
        let mut item = item.clone();
        item.insert("effect".to_owned(), AttributeValue::S((*kind).to_owned()));
        serde_dynamo::from_item(item).ok()
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RegistrationRecorded { registration } => {
                write!(f, "recorded registration {registration}")
            }
            Self::PointsAwarded { points } => write!(f, "awarded {points} points"),
            Self::CodeGenerated { code, percent } => {
                write!(f, "generated code {code} for {percent} % off")
            }
            Self::CodeEmailed { message_id } => {
                write!(f, "e-mailed the code in message {message_id}")
            }
            Self::SupportRecordOpened { record } => write!(f, "opened support record {record}"),
            Self::ManufacturerNotified { notice } => write!(f, "sent notice {notice}"),
        }
    }
}
