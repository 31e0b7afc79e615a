//! Derive macros of `setpiece-envelope` and of `setpiece`, which re-export them. Nobody else names
//! this crate.

mod attr;
mod check;
mod errors;
mod expand;
mod model;
mod serde_names;
mod types;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

use self::model::Root;

/// Implements `DomainEvent`. Documented at the re-export in `setpiece-envelope`.
#[proc_macro_derive(DomainEvent, attributes(event))]
pub fn derive_domain_event(input: TokenStream) -> TokenStream {
    expand::domain_event(&parse_macro_input!(input as DeriveInput), Root::Envelope).into()
}

/// Implements `DomainEvent` for crates that depend on `setpiece` alone, which re-exports it as
/// `DomainEvent`.
#[proc_macro_derive(DomainEventOfFacade, attributes(event))]
pub fn derive_domain_event_of_facade(input: TokenStream) -> TokenStream {
    expand::domain_event(&parse_macro_input!(input as DeriveInput), Root::Facade).into()
}
