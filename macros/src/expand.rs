//! Output of the derive: an impl, and checks that the compiler can make only when all types are
//! known.

mod stub;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{DeriveInput, Path, Type, spanned::Spanned};

use crate::{
    check::{self, Arm, Checked, Marks, Pii, Subject},
    errors::Errors,
    model::{Input, Root, Shape},
    types,
};

/// The impl of `DomainEvent`, or everything that is wrong with `ast`.
pub(crate) fn domain_event(ast: &DeriveInput, root: Root) -> TokenStream {
    let mut errors = Errors::default();
    let input = Input::parse(ast, root, &mut errors);
    let event = check::check(&input, &mut errors);
    match (errors.into_compile_errors(), event) {
        (None, Some(event)) => implementation(&event),
        (errors, _) => {
            let stub = stub::implementation(&input);
            quote! { #errors #stub }
        }
    }
}

fn implementation(event: &Checked<'_>) -> TokenStream {
    let Checked { ident, generics, service, name, version, .. } = event;
    let krate = event.krate;
    let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();

    let previous =
        event.previous.map_or_else(|| quote! { #krate::First }, ToTokens::to_token_stream);
    let source = event.source.map(|source| {
        quote! { const SOURCE: &'static str = #source; }
    });
    let detail_type = event.detail_type.map(|detail_type| {
        quote! { const DETAIL_TYPE: &'static str = #detail_type; }
    });
    let category = event.category.map(|category| {
        quote! { const CATEGORY: #krate::Category = #krate::Category::from_static(#category); }
    });
    let event_type = event.event_type.map(|event_type| {
        quote! { const TYPE: #krate::EventType = #krate::EventType::from_static(#event_type); }
    });
    let nesting = event.nesting.map(|levels| quote! { const MAX_NESTING: usize = #levels; });
    let view = event.view.then(|| quote! { const VIEW: bool = true; });
    let marks = marks(&event.marks, krate);
    let history = history(event, krate);

    // An old version may be deprecated, and is none the less an event that later ones refer to.
    quote! {
        #[automatically_derived]
        #[allow(deprecated)]
        impl #impl_generics #krate::DomainEvent for #ident #ty_generics #where_clause {
            type Previous = #previous;
            const SERVICE: #krate::ServiceId = #service;
            const NAME: &'static str = #name;
            const VERSION: #krate::EventVersion = #krate::EventVersion::new(#version);
            #source
            #detail_type
            #category
            #event_type
            #nesting
            #view
            #marks
        }
        #history
    }
}

fn marks(marks: &Marks<'_>, krate: &Path) -> TokenStream {
    let place = marks.subject_place.as_ref().map(|place| {
        quote! {
            const SUBJECT: ::core::option::Option<&'static str> =
                ::core::option::Option::Some(#place);
        }
    });
    let pii = (!marks.pii.is_empty()).then(|| {
        let members = marks.pii.iter().map(|Pii { place, kind }| {
            let kind = kind.as_ref().map_or_else(
                || quote! { ::core::option::Option::None },
                |kind| quote! { ::core::option::Option::Some(#kind) },
            );
            quote! { #krate::Pii::new(#place, #kind) }
        });
        quote! { const PII: &'static [#krate::Pii] = &[#(#members),*]; }
    });
    let subject = subject(&marks.subject);
    quote! { #place #pii #subject }
}

fn subject(subject: &Subject<'_>) -> Option<TokenStream> {
    let value = match subject {
        Subject::None => return None,
        Subject::Field(field) => {
            let member = &field.member;
            let span = generated_at(field.ty.span());
            text(field.ty, &quote_spanned! {span=> &self.#member })
        }
        Subject::Match(arms) => {
            let (with, without): (Vec<_>, Vec<_>) =
                arms.iter().partition(|arm| arm.subject.is_some());
            let with = with.into_iter().filter_map(|arm| arm_with_subject(arm));
            let without = (!without.is_empty()).then(|| {
                let patterns = without.into_iter().map(|arm| pattern(arm));
                quote! { #(#patterns)|* => ::core::option::Option::None, }
            });
            quote! { match self { #(#with)* #without } }
        }
    };
    Some(quote! {
        fn subject(&self) -> ::core::option::Option<::std::string::String> { #value }
    })
}

fn arm_with_subject(arm: &Arm<'_>) -> Option<TokenStream> {
    let field = arm.subject?;
    let (ident, member) = (arm.ident, &field.member);
    // A plain name could be that of a constant of the user's, which a pattern would compare with.
    let binding = format_ident!("__subject", span = generated_at(field.ty.span()));
    let rest = (arm.shape.fields().len() > 1).then(|| quote! { , .. });
    let value = text(field.ty, &binding.to_token_stream());
    Some(quote! { Self::#ident { #member: #binding #rest } => #value, })
}

/// Matches a variant, whatever it holds, in the form that the variant has.
fn pattern(arm: &Arm<'_>) -> TokenStream {
    let ident = arm.ident;
    match arm.shape {
        Shape::Named(fields) if fields.is_empty() => quote! { Self::#ident {} },
        Shape::Named(_) => quote! { Self::#ident { .. } },
        Shape::Newtype(_) => quote! { Self::#ident(_) },
        Shape::Tuple(fields) if fields.is_empty() => quote! { Self::#ident() },
        Shape::Tuple(_) => quote! { Self::#ident(..) },
        Shape::Unit => quote! { Self::#ident },
    }
}

/// The text of a value behind a reference.
fn text(ty: &Type, reference: &TokenStream) -> TokenStream {
    let argument = types::option_argument(ty);
    let span = generated_at(argument.unwrap_or(ty).span());
    let to_string = quote_spanned! {span=> ::std::string::ToString::to_string };
    if argument.is_some() {
        // A closure, as the function itself would be reported twice where there is no `ToString`.
        let text = quote_spanned! {span=> |__value| #to_string(__value) };
        quote! { ::core::option::Option::map(::core::option::Option::as_ref(#reference), #text) }
    } else {
        quote! { ::core::option::Option::Some(#to_string(#reference)) }
    }
}

/// Compares an event with its previous version, with messages that name both.
fn history(event: &Checked<'_>, krate: &Path) -> Option<TokenStream> {
    let Checked { ident, name, version, .. } = event;
    let previous = event.previous?;
    let span = generated_at(previous.span());
    let complaints = ["has another version", "has another name", "belongs to another service"];
    let assertions = complaints.iter().enumerate().map(|(at, complaint)| {
        let message = format!(
            "`{}` version {} follows version {}, but `previous = {}` {complaint}",
            name.value(),
            version.major,
            version.major - 1,
            short(previous),
        );
        quote_spanned! {span=> const _: () = ::core::assert!(FOLLOWS[#at], #message); }
    });
    // Each assertion is a constant, as the compiler stops at the first that fails in one. They are
    // made of a single constant, as it would say in each that `previous` is no event. A previous
    // version with mistakes of its own has no name, and is not compared.
    Some(quote! {
        #[allow(deprecated)]
        const _: () = {
            const FOLLOWS: [bool; 3] = if #krate::__private::has_name::<#previous>("") {
                [true; 3]
            } else {
                [
                    #krate::__private::is_version_before::<#previous>(
                        <#ident as #krate::DomainEvent>::VERSION,
                    ),
                    #krate::__private::has_name::<#previous>(
                        <#ident as #krate::DomainEvent>::NAME,
                    ),
                    #krate::__private::has_service::<#previous>(
                        <#ident as #krate::DomainEvent>::SERVICE,
                    ),
                ]
            };
            #(#assertions)*
        };
    })
}

/// The user's place, so that the compiler points there, but not the user's code, so that lints are
/// not applied to it.
fn generated_at(span: Span) -> Span {
    span.resolved_at(Span::call_site())
}

/// A type's path without its arguments, as a message shows it.
fn short(ty: &Type) -> String {
    match types::bare(ty) {
        Type::Path(path) => types::path_text(&path.path),
        other => other.to_token_stream().to_string(),
    }
}

#[cfg(test)]
mod tests;
