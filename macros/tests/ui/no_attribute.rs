use setpiece_envelope::DomainEvent;

#[derive(DomainEvent)]
struct OrderSubmittedV1 {
    order_number: String,
}

fn main() {}
