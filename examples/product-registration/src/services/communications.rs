//! *Communications* sends discount codes by e-mail.

use serde::{Deserialize, Serialize};
use setpiece_envelope::{DomainEvent, ServiceId};
use setpiece_handler::{Cx, Effects, Handlers, Received, Write};
use setpiece_policy::Fault;

use crate::derived_code::derived_code;

/// This service.
pub const COMMUNICATIONS: ServiceId = ServiceId::new("retail", "messaging", "communications");

const PROMOTIONS: ServiceId = ServiceId::new("retail", "engagement", "promotions");

/// Members of a generated discount that communications reads.
#[derive(Clone, Serialize, Deserialize, DomainEvent)]
#[event(service = PROMOTIONS, name = "discount_generated", version = 1, view)]
pub(crate) struct DiscountGenerated {
    #[event(pii = "email")]
    email: String,
    code: String,
    percent: u8,
}

/// State that is shared between events: the table of e-mails, of which a mailer takes those to
/// send.
#[derive(Debug)]
pub struct Communications {
    table: String,
}

/// Its handlers, which write into `table`.
pub fn handlers(table: impl Into<String>) -> Handlers<Communications> {
    Handlers::new(Communications { table: table.into() }).on(email_code)
}

async fn email_code(
    cx: &Cx<Communications>,
    event: Received<DiscountGenerated>,
) -> Result<Effects, Fault> {
    let DiscountGenerated { email, code, percent } = event.data;
    let cause = &event.metadata.event_id;
    let text = format!("Thank you for registering! {code} gives you {percent} % off.");
    let message = ("message", derived_code("EM", cause));
    Ok(Effects::new().write(
        Write::update(&cx.state.table, message)
            .set("to", email)
            .set("text", text)
            .set("caused_by", cause.as_str())
            .add("times", 1),
    ))
}

#[cfg(test)]
mod tests {
    use setpiece_handler::{Cx, Effects, Received, Write};
    use setpiece_testing::{assert_same_effects, sample};

    use super::{Communications, DiscountGenerated, email_code};
    use crate::block_on::block_on;

    fn decided() -> Effects {
        let event = sample(DiscountGenerated {
            email: "ada@example.com".to_owned(),
            code: "THANKS-1".to_owned(),
            percent: 15,
        });
        let event = Received::from(event.event_id("e-1").into_envelope());
        let cx = Cx::new(Communications { table: "emails".to_owned() });
        block_on(email_code(&cx, event)).unwrap()
    }

    #[test]
    fn the_code_goes_to_the_customer() {
        let email = Write::update("emails", ("message", "EM-EQ4Z-K688-RQTE"))
            .set("to", "ada@example.com")
            .set("text", "Thank you for registering! THANKS-1 gives you 15 % off.")
            .set("caused_by", "e-1")
            .add("times", 1);
        assert_same_effects(&decided(), &Effects::new().write(email));
    }

    #[test]
    fn the_address_is_in_no_log() {
        assert!(!format!("{:?}", decided()).contains("ada"));
    }
}
