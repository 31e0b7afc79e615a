use serde_json::Value;
use setpiece_envelope::{DomainEvent, Pii, ServiceId};

const ORDERS: ServiceId = ServiceId::new("retail", "checkout", "orders");

macro_rules! outcomes {
    ($(#[$attr:meta])* $name:ident, $event:literal, $version:expr) => {
        #[derive(serde::Serialize, DomainEvent)]
        #[event(service = ORDERS, name = $event, version = $version)]
        #[serde(rename_all_fields = "camelCase")]
        $(#[$attr])*
        enum $name {
            InFull {
                #[event(subject)]
                order_number: String,
                #[event(pii = "iban")]
                account: String,
            },
            #[serde(rename = "part")]
            InPart {
                #[event(subject)]
                order_number: Option<u32>,
            },
            Later,
        }

        impl $name {
            fn samples() -> [Self; 3] {
                [
                    Self::InFull { order_number: "o-1".to_owned(), account: "a-1".to_owned() },
                    Self::InPart { order_number: Some(2) },
                    Self::Later,
                ]
            }
        }
    };
}

outcomes!(External, "settled_externally", 1);
outcomes!(
    #[serde(tag = "outcome")]
    Internal,
    "settled_internally",
    1
);
outcomes!(
    #[serde(tag = "outcome", content = "details")]
    Adjacent,
    "settled_adjacently",
    1
);
outcomes!(
    #[serde(untagged)]
    Untagged,
    "settled",
    1
);

#[derive(serde::Serialize, DomainEvent)]
#[event(service = ORDERS, name = "noted", version = 1)]
#[serde(rename_all = "SCREAMING-KEBAB-CASE")]
enum Noted {
    InWriting(#[event(subject, pii)] String),
    Aloud,
}

/// What is in `data` at a path.
fn at<'a>(data: &'a Value, path: &str) -> &'a Value {
    path.split('.').filter(|name| !name.is_empty()).fold(data, |data, name| &data[name])
}

fn subjects<E: DomainEvent>(samples: &[E]) -> Vec<Option<String>> {
    samples.iter().map(DomainEvent::subject).collect()
}

/// Checks that what is marked in the first sample is found where the event says.
fn check<E: DomainEvent + serde::Serialize>(
    samples: &[E],
    subject: Option<&str>,
    account: &'static str,
) {
    assert_eq!(subjects(samples), [Some("o-1".to_owned()), Some("2".to_owned()), None]);
    assert_eq!(E::SUBJECT, subject);
    assert_eq!(E::PII, [Pii::new(account, Some("iban"))]);
    let data = serde_json::to_value(&samples[0]).unwrap();
    assert_eq!(at(&data, account), "a-1");
    if let Some(subject) = subject {
        assert_eq!(at(&data, subject), "o-1");
    }
}

fn main() {
    check(&External::samples(), None, "InFull.account");
    check(&Internal::samples(), Some("orderNumber"), "account");
    check(&Adjacent::samples(), Some("details.orderNumber"), "details.account");
    check(&Untagged::samples(), Some("orderNumber"), "account");

    let noted = Noted::InWriting("n-1".to_owned());
    assert_eq!(Noted::SUBJECT, Some("IN-WRITING"));
    assert_eq!(Noted::PII, [Pii::new("IN-WRITING", None)]);
    assert_eq!(at(&serde_json::to_value(&noted).unwrap(), "IN-WRITING"), "n-1");
    assert_eq!(noted.subject().as_deref(), Some("n-1"));
    assert_eq!(Noted::Aloud.subject(), None);
}
