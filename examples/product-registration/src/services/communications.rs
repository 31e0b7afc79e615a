//! *Communications* sends discount codes by e-mail.

use std::fmt;

use serde::{Deserialize, Serialize};
use setpiece_envelope::{DomainEvent, Envelope, ServiceId};

use crate::derived_code::derived_code;

pub(crate) const COMMUNICATIONS: ServiceId =
    ServiceId::new("retail", "messaging", "communications");

const PROMOTIONS: ServiceId = ServiceId::new("retail", "engagement", "promotions");

/// What communications reads of a generated discount.
#[derive(Serialize, Deserialize, DomainEvent)]
#[event(service = PROMOTIONS, name = "discount_generated", version = 1, view)]
pub(crate) struct DiscountGenerated {
    #[event(pii = "email")]
    email: String,
    code: String,
    percent: u8,
}

/// Reports show the id of the message, and neither to whom it went nor what it said.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub(crate) struct CodeEmailed {
    pub(crate) message_id: String,
    #[serde(skip)]
    pub(crate) to: String,
    #[serde(skip)]
    pub(crate) text: String,
}

impl fmt::Debug for CodeEmailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodeEmailed").field("message_id", &self.message_id).finish_non_exhaustive()
    }
}

pub(crate) fn email_code(event: &Envelope<DiscountGenerated>) -> CodeEmailed {
    let DiscountGenerated { email, code, percent } = &event.data;
    CodeEmailed {
        message_id: derived_code("EM", &event.metadata.event_id),
        to: email.clone(),
        text: format!("Thank you for registering! {code} gives you {percent} % off."),
    }
}

#[cfg(test)]
mod tests {
    use setpiece_testing::sample;

    use super::{CodeEmailed, DiscountGenerated, email_code};

    fn emailed() -> CodeEmailed {
        let event = sample(DiscountGenerated {
            email: "ada@example.com".to_owned(),
            code: "THANKS-1".to_owned(),
            percent: 15,
        });
        email_code(event.event_id("e-1").envelope())
    }

    #[test]
    fn the_code_goes_to_the_customer() {
        let CodeEmailed { message_id, to, text } = emailed();
        assert_eq!(message_id, "EM-EQ4Z-K688-RQTE");
        assert_eq!(to, "ada@example.com");
        assert_eq!(text, "Thank you for registering! THANKS-1 gives you 15 % off.");
    }

    #[test]
    fn the_address_is_in_no_report_and_no_log() {
        assert!(!serde_json::to_string(&emailed()).unwrap().contains("ada"));
        assert!(!format!("{:?}", emailed()).contains("ada"));
    }
}
