//! The services. None of them knows another: they share the schema of events, not code.

pub(crate) mod communications;
pub(crate) mod customer;
pub(crate) mod loyalty;
pub(crate) mod manufacturer;
pub(crate) mod products;
pub(crate) mod promotions;
