use setpiece_envelope::DomainEvent;

#[derive(DomainEvent)]
#[event()]
struct OrderSubmitted {
    order_number: String,
}

fn main() {}
