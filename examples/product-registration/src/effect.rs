use std::{collections::HashMap, fmt};

use serde::{Deserialize, Serialize};
use serde_dynamo::AttributeValue;
use setpiece_envelope::EventId;

use crate::services::{
    communications::COMMUNICATIONS, customer::CUSTOMER, loyalty::LOYALTY,
    manufacturer::MANUFACTURER, products::PRODUCTS, promotions::PROMOTIONS,
};

pub(crate) type Item = HashMap<String, AttributeValue>;

/// What any of the services may do, as the report reads it from their tables.
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
    /// What `service` has done because of the event `cause`, if that is among the items of its
    /// table.
    pub(crate) fn find(service: &str, items: Vec<Item>, cause: &EventId) -> Option<Self> {
        let kind = [
            (PRODUCTS, "registration_recorded"),
            (LOYALTY, "points_awarded"),
            (PROMOTIONS, "code_generated"),
            (COMMUNICATIONS, "code_emailed"),
            (CUSTOMER, "support_record_opened"),
            (MANUFACTURER, "manufacturer_notified"),
        ];
        let (_, kind) = kind.iter().find(|(known, _)| known.service() == service)?;
        let cause = AttributeValue::S(cause.as_str().to_owned());
        let mut item = items.into_iter().find(|item| item.get("caused_by") == Some(&cause))?;
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
