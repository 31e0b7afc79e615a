use expect_test::{Expect, expect};
use syn::{DeriveInput, parse_quote};

use crate::{expand, model::Root};

/// Compares the messages alone, in their order.
fn check_mistakes(input: &DeriveInput, expect: &Expect) {
    let file: syn::File = syn::parse2(expand::domain_event(input, Root::Envelope)).unwrap();
    let messages = file.items.iter().filter_map(|item| match item {
        syn::Item::Macro(item) => Some(item.mac.parse_body::<syn::LitStr>().unwrap().value()),
        _ => None,
    });
    expect.assert_eq(&messages.map(|message| message + "\n").collect::<String>());
}

#[test]
fn mistakes_after_a_bad_value_are_found_as_well() {
    check_mistakes(
        &parse_quote! {
            #[event(service = "orders", name = ORDER, version = 1.0, previous = (), first = 1)]
            #[event(category = 'c', type, source = b"s", detail_type("x"), view(x), crate = 1, nesting = 0)]
            struct OrderSubmitted {}
        },
        &expect![[r#"
            expected the path of a `ServiceId` constant, such as `ORDERS`, found text
            expected text, found a path
            expected a whole number, found `1.0`; compatible changes do not raise the version
            expected the type of the previous version, by its name
            expected `true`, found a number
            expected text, found a character
            expected a value: `type = "…"`
            expected text, found bytes
            expected a value: `detail_type = "…"`
            expected `view` alone, found it with a value
            expected the path of a crate, such as `::path::to::setpiece_envelope`
            expected 1 to 127 levels, found `0`
        "#]],
    );
}

#[test]
fn a_guess_at_what_was_meant_is_not_judged() {
    check_mistakes(
        &parse_quote! {
            #[event(service = ORDERS, name = "order_submitted", nmae = "order_sent", versoin = "1")]
            struct OrderSubmitted {}
        },
        &expect![[r#"
            unknown key `nmae`; did you mean `name`?
            unknown key `versoin`; did you mean `version`?
        "#]],
    );
}

#[test]
fn keys_behind_a_syntax_error_are_not_said_to_be_missing() {
    check_mistakes(
        &parse_quote! {
            #[event(service = ORDERS; name = "order_submitted", version = 1)]
            struct OrderSubmitted {}
        },
        &expect![[r#"
            expected `,`
        "#]],
    );
}

#[test]
fn integers_are_found_in_whatever_holds_them() {
    check_mistakes(
        &parse_quote! {
            #[event(service = ORDERS, name = "metered", version = 1)]
            struct Metered {
                whole: std::num::NonZeroU64,
                atomic: AtomicU64,
                list: Vec<Option<[Box<u128>; 2]>>,
                tuple: (i64, &'static [i128], isize),
                map: BTreeMap<u64, HashMap<usize, usize>>,
                pair: Result<NonZero<u64>, u32>,
                small: (u32, i64, isize, NonZeroI64),
                marker: PhantomData<u64>,
                #[serde(with = "text")]
                text: u64,
                #[serde(skip)]
                skipped: u64,
                #[serde_as(as = "DisplayFromStr")]
                converted: u64,
            }
        },
        &expect![[r#"
            expected an integer that fits `i64`, as EventBridge takes no other, found `NonZeroU64`; write it as text with `#[serde(with = "setpiece_envelope::AsString")]`, or use a smaller type
            expected an integer that fits `i64`, as EventBridge takes no other, found `AtomicU64`; say how the field is written with `#[serde(with = "…")]`, or use a smaller type
            expected an integer that fits `i64`, as EventBridge takes no other, found `u128`; say how the field is written with `#[serde(with = "…")]`, or use a smaller type
            expected an integer that fits `i64`, as EventBridge takes no other, found `i128`; say how the field is written with `#[serde(with = "…")]`, or use a smaller type
            expected an integer that fits `i64`, as EventBridge takes no other, found `usize`; say how the field is written with `#[serde(with = "…")]`, or use a smaller type
            expected an integer that fits `i64`, as EventBridge takes no other, found `u64`; say how the field is written with `#[serde(with = "…")]`, or use a smaller type
        "#]],
    );
}

#[test]
fn integers_are_left_alone_where_serde_writes_another_type() {
    for input in [
        parse_quote! {
            #[event(service = ORDERS, name = "metered", version = 1)]
            #[serde(into = "Wire")]
            struct Metered { number: u64 }
        },
        parse_quote! {
            #[event(service = ORDERS, name = "metered", version = 1)]
            #[serde(remote = "Foreign")]
            struct Metered { number: u64 }
        },
        parse_quote! {
            #[event(service = ORDERS, name = "metered", version = 1)]
            enum Metered {
                #[serde(skip)]
                Skipped(u64),
                #[serde(with = "text")]
                Text(u64),
            }
        },
    ] {
        check_mistakes(&input, &expect![[""]]);
    }
}

#[test]
fn a_subject_is_a_single_value() {
    check_mistakes(
        &parse_quote! {
            #[event(service = ORDERS, name = "counted", version = 1)]
            enum Counted {
                A { #[event(subject)] it: std::vec::Vec<String> },
                B { #[event(subject)] it: [String; 2] },
                C { #[event(subject)] it: (String, String) },
                D { #[event(subject)] it: &'static [u8] },
                E { #[event(subject)] it: Option<HashMap<String, String>> },
                F { #[event(subject)] it: Arc<BTreeSet<String>> },
                G { #[event(subject)] it: () },
                H { #[event(subject)] it: fn() },
                I { #[event(subject)] it: f64 },
                J { #[event(subject)] it: Option<Option<String>> },
                K { #[event(subject)] it: Option<Box<str>> },
                L { #[event(subject)] it: &'static str },
                M { #[event(subject)] it: CustomerId },
                N { #[event(subject)] it: char },
            }
        },
        &expect![[r#"
            expected a single value as the subject, such as text or a number, found a list
            expected a single value as the subject, such as text or a number, found an array
            expected a single value as the subject, such as text or a number, found a tuple
            expected a single value as the subject, such as text or a number, found a slice
            expected a single value as the subject, such as text or a number, found a map
            expected a single value as the subject, such as text or a number, found a set
            expected a single value as the subject, such as text or a number, found `()`
            expected a single value as the subject, such as text or a number, found a function
            expected a single value as the subject, such as text or a number, found a float, whose text is not stable
            expected a single value as the subject, such as text or a number, found an option inside another type
        "#]],
    );
}

#[test]
fn a_marked_field_has_a_place_on_the_wire() {
    check_mistakes(
        &parse_quote! {
            #[event(service = ORDERS, name = "counted", version = 1)]
            enum Counted {
                #[serde(skip)]
                A { #[event(subject)] it: String },
                #[serde(with = "text")]
                B(#[event(pii)] String),
                C { #[serde(flatten)] #[event(subject, pii)] it: Inner },
                D(#[event(subject)] String, String),
                E { #[serde(rename = "a.b")] #[event(subject)] it: String },
                F { #[serde(rename = "")] #[event(pii)] it: String },
                G { #[serde(skip_serializing)] #[event(pii)] it: String },
                H { #[serde(skip_deserializing)] #[event(pii)] it: String },
            }
        },
        &expect![[r#"
            expected a field that is written, found one that serde skips
            expected a variant whose form on the wire is known, but serde writes this one with a function of its own
            expected a field that is one member of `data`, found a flattened one; it names no member of its own, so move the member to mark out of it
            expected a field with a name, found one of a tuple; give the fields names
            expected a name that can be part of a path, found "a.b"; names are joined by dots
            expected a name that can be part of a path, found ""; names are joined by dots
            expected a field that is written, found one that serde skips
        "#]],
    );
    check_mistakes(
        &parse_quote! {
            #[event(service = ORDERS, name = "counted", version = 1, view)]
            #[serde(try_from = "Wire")]
            struct Counted { #[event(subject)] it: String }
        },
        &expect![[r#"
            expected a type whose form on the wire is known, but serde reads another one in its place (`#[serde(try_from = …)]`); implement `DomainEvent` by hand
        "#]],
    );
}

#[test]
fn values_from_macro_rules_are_values_like_others() {
    // `macro_rules!` wraps what it passes on in groups that have no delimiters.
    let group = |tokens| proc_macro2::Group::new(proc_macro2::Delimiter::None, tokens);
    let service = group(quote::quote!(ORDERS));
    let name = group(quote::quote!("order_submitted"));
    let version = group(quote::quote!(2));
    let previous = group(quote::quote!(V1));
    check_mistakes(
        &parse_quote! {
            #[event(service = #service, name = #name, version = #version, previous = #previous)]
            struct OrderSubmitted {}
        },
        &expect![[""]],
    );
}

#[test]
fn texts_may_be_as_long_as_their_limits() {
    // Two bytes each: EventBridge counts the characters of these, and the bytes of the others.
    let wide = "ä".repeat(128);
    let source = "s".repeat(256);
    let name = "n".repeat(128);
    check_mistakes(
        &parse_quote! {
            #[event(service = ORDERS, name = #name, version = 4294967295, first = true)]
            #[event(detail_type = #wide, category = #wide, type = #wide, source = #source)]
            struct OrderSubmitted {}
        },
        &expect![[""]],
    );
}

#[test]
fn history_begins_anywhere_and_is_optional_for_a_view() {
    for keys in [
        quote::quote!(version = 1),
        quote::quote!(version = 1, first = true),
        quote::quote!(version = 2, first = true),
        quote::quote!(version = 2, previous = V1),
        quote::quote!(version = 2, view),
        quote::quote!(version = 2, view, previous = V1),
        quote::quote!(version = 2, view, first = true),
    ] {
        check_mistakes(
            &parse_quote! {
                #[event(service = ORDERS, name = "order_submitted", #keys)]
                struct OrderSubmitted {}
            },
            &expect![[""]],
        );
    }
}
