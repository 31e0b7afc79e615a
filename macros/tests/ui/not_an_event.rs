use setpiece_envelope::DomainEvent;

struct OrderSubmitted {
    order_number: String,
}

fn publish<E: DomainEvent>(_: &E) {}

fn main() {
    publish(&OrderSubmitted { order_number: "1".to_owned() });
}
