//! Derive macros for `setpiece-envelope`: use that crate with its feature `derive`, not this one.

mod attr;
mod check;
mod errors;
mod expand;
mod model;
mod serde_names;
mod types;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Implements `DomainEvent`. Documented at the re-export in `setpiece-envelope`.
#[proc_macro_derive(DomainEvent, attributes(event))]
pub fn derive_domain_event(input: TokenStream) -> TokenStream {
    expand::domain_event(&parse_macro_input!(input as DeriveInput)).into()
}
