use serde_json::Value;
use setpiece_envelope::{DomainEvent, ServiceId};

const ORDERS: ServiceId = ServiceId::new("retail", "checkout", "orders");

/// Checks that serde writes the subject where the event says it is.
fn check<E: DomainEvent + serde::Serialize>(event: &E) {
    let path = E::SUBJECT.unwrap();
    let data = serde_json::to_value(event).unwrap();
    let found = path.split('.').fold(Some(&data), |data: Option<&Value>, name| data?.get(name));
    assert_eq!(found.and_then(Value::as_str), event.subject().as_deref(), "{path} in {data}");
}

macro_rules! check_rule {
    ($rule:literal) => {{
        #[derive(serde::Serialize, DomainEvent)]
        #[event(service = ORDERS, name = "order_submitted", version = 1)]
        #[serde(rename_all = $rule)]
        struct Struct {
            #[event(subject)]
            order_number_2: String,
        }

        #[derive(serde::Serialize, DomainEvent)]
        #[event(service = ORDERS, name = "order_submitted", version = 1)]
        #[serde(rename_all = $rule, rename_all_fields(serialize = $rule))]
        enum Enum {
            BySHOP2Go {
                #[event(subject)]
                r#type: String,
            },
        }

        #[derive(serde::Serialize, DomainEvent)]
        #[event(service = ORDERS, name = "order_submitted", version = 1)]
        #[serde(rename_all_fields = "camelCase")]
        enum Variant {
            #[serde(rename_all = $rule, rename(serialize = "out", deserialize = "in"))]
            Renamed {
                #[event(subject)]
                order_number: String,
            },
        }

        check(&Struct { order_number_2: "o-1".to_owned() });
        check(&Enum::BySHOP2Go { r#type: "o-2".to_owned() });
        check(&Variant::Renamed { order_number: "o-3".to_owned() });
    }};
}

fn main() {
    check_rule!("lowercase");
    check_rule!("UPPERCASE");
    check_rule!("PascalCase");
    check_rule!("camelCase");
    check_rule!("snake_case");
    check_rule!("SCREAMING_SNAKE_CASE");
    check_rule!("kebab-case");
    check_rule!("SCREAMING-KEBAB-CASE");
}
