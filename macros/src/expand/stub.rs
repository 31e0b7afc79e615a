use proc_macro2::TokenStream;
use quote::{ToTokens, quote};

use crate::model::Input;

/// An impl for a type with mistakes, made of what could be read.
///
/// Without it the compiler would complain at every use of the type, and the mistakes themselves
/// would be hard to find among those complaints.
pub(super) fn implementation(input: &Input<'_>) -> Option<TokenStream> {
    let Input { ident, generics, attrs, krate, .. } = input;
    // There is no trait to implement if it is unknown where the crate is.
    if attrs.krate.is_unusable() {
        return None;
    }
    // Without a name, the type is not compared with the version that comes after it.
    let (service, name, version) =
        match (attrs.service.value(), attrs.name.value(), attrs.version.value()) {
            (Some(service), Some(name), Some(version)) => (
                service.to_token_stream(),
                name.to_token_stream(),
                quote! { #krate::EventVersion::new(#version) },
            ),
            _ => (
                quote! { #krate::ServiceId::new("unknown", "unknown", "unknown") },
                quote! { "" },
                quote! { #krate::EventVersion::FIRST },
            ),
        };
    let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();
    Some(quote! {
        #[automatically_derived]
        #[allow(deprecated)]
        impl #impl_generics #krate::DomainEvent for #ident #ty_generics #where_clause {
            type Previous = #krate::First;
            const SERVICE: #krate::ServiceId = #service;
            const SOURCE: &'static str = "";
            const NAME: &'static str = #name;
            const VERSION: #krate::EventVersion = #version;
        }
    })
}
