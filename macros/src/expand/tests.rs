mod enums;

use expect_test::{Expect, expect};
use syn::{DeriveInput, parse_quote};

use crate::model::Root;

fn check(input: &DeriveInput, expect: &Expect) {
    let tokens = super::domain_event(input, Root::Envelope);
    expect.assert_eq(&prettyplease::unparse(&syn::parse2(tokens).unwrap()));
}

#[test]
fn the_required_keys_are_enough() {
    check(
        &parse_quote! {
            #[event(service = ORDERS, name = "order_submitted", version = 1)]
            struct OrderSubmitted {
                order_number: String,
            }
        },
        &expect![[r##"
            #[automatically_derived]
            #[allow(deprecated)]
            impl ::setpiece_envelope::DomainEvent for OrderSubmitted {
                type Previous = ::setpiece_envelope::First;
                const SERVICE: ::setpiece_envelope::ServiceId = ORDERS;
                const NAME: &'static str = "order_submitted";
                const VERSION: ::setpiece_envelope::EventVersion = ::setpiece_envelope::EventVersion::new(
                    1u32,
                );
            }
        "##]],
    );
}

#[test]
fn every_key_becomes_an_item_of_the_impl() {
    check(
        &parse_quote! {
            #[event(service = services::ORDERS, name = "order_submitted", version = 1)]
            #[event(
                source = "com.example.shop",
                detail_type = "OrderSubmitted",
                category = "service-event",
                type = "notification",
                nesting = 64,
                first = true,
            )]
            #[serde(rename_all = "camelCase")]
            struct OrderSubmitted {
                #[event(subject)]
                customer_id: CustomerId,
                #[event(pii = "email")]
                contact_address: Option<String>,
                #[event(pii)]
                #[serde(rename = "note")]
                remark: String,
            }
        },
        &expect![[r##"
            #[automatically_derived]
            #[allow(deprecated)]
            impl ::setpiece_envelope::DomainEvent for OrderSubmitted {
                type Previous = ::setpiece_envelope::First;
                const SERVICE: ::setpiece_envelope::ServiceId = services::ORDERS;
                const NAME: &'static str = "order_submitted";
                const VERSION: ::setpiece_envelope::EventVersion = ::setpiece_envelope::EventVersion::new(
                    1u32,
                );
                const SOURCE: &'static str = "com.example.shop";
                const DETAIL_TYPE: &'static str = "OrderSubmitted";
                const CATEGORY: ::setpiece_envelope::Category = ::setpiece_envelope::Category::from_static(
                    "service-event",
                );
                const TYPE: ::setpiece_envelope::EventType = ::setpiece_envelope::EventType::from_static(
                    "notification",
                );
                const MAX_NESTING: usize = 64usize;
                const SUBJECT: ::core::option::Option<&'static str> = ::core::option::Option::Some(
                    "customerId",
                );
                const PII: &'static [::setpiece_envelope::Pii] = &[
                    ::setpiece_envelope::Pii::new(
                        "contactAddress",
                        ::core::option::Option::Some("email"),
                    ),
                    ::setpiece_envelope::Pii::new("note", ::core::option::Option::None),
                ];
                fn subject(&self) -> ::core::option::Option<::std::string::String> {
                    ::core::option::Option::Some(
                        ::std::string::ToString::to_string(&self.customer_id),
                    )
                }
            }
        "##]],
    );
}

#[test]
fn a_later_version_is_compared_with_the_one_before() {
    check(
        &parse_quote! {
            #[event(service = ORDERS, name = "order_submitted", version = 3, previous = v2::OrderSubmitted)]
            struct OrderSubmitted {}
        },
        &expect![[r##"
            #[automatically_derived]
            #[allow(deprecated)]
            impl ::setpiece_envelope::DomainEvent for OrderSubmitted {
                type Previous = v2::OrderSubmitted;
                const SERVICE: ::setpiece_envelope::ServiceId = ORDERS;
                const NAME: &'static str = "order_submitted";
                const VERSION: ::setpiece_envelope::EventVersion = ::setpiece_envelope::EventVersion::new(
                    3u32,
                );
            }
            #[allow(deprecated)]
            const _: () = {
                const FOLLOWS: [bool; 3] = if ::setpiece_envelope::__private::has_name::<
                    v2::OrderSubmitted,
                >("") {
                    [true; 3]
                } else {
                    [
                        ::setpiece_envelope::__private::is_version_before::<
                            v2::OrderSubmitted,
                        >(<OrderSubmitted as ::setpiece_envelope::DomainEvent>::VERSION),
                        ::setpiece_envelope::__private::has_name::<
                            v2::OrderSubmitted,
                        >(<OrderSubmitted as ::setpiece_envelope::DomainEvent>::NAME),
                        ::setpiece_envelope::__private::has_service::<
                            v2::OrderSubmitted,
                        >(<OrderSubmitted as ::setpiece_envelope::DomainEvent>::SERVICE),
                    ]
                };
                const _: () = ::core::assert!(
                    FOLLOWS[0usize],
                    "`order_submitted` version 3 follows version 2, but `previous = v2::OrderSubmitted` has another version"
                );
                const _: () = ::core::assert!(
                    FOLLOWS[1usize],
                    "`order_submitted` version 3 follows version 2, but `previous = v2::OrderSubmitted` has another name"
                );
                const _: () = ::core::assert!(
                    FOLLOWS[2usize],
                    "`order_submitted` version 3 follows version 2, but `previous = v2::OrderSubmitted` belongs to another service"
                );
            };
        "##]],
    );
}

#[test]
fn a_newtype_is_the_whole_of_data() {
    check(
        &parse_quote! {
            #[event(service = ORDERS, name = "order_cancelled", version = 1)]
            struct OrderCancelled(#[event(subject, pii)] Option<String>);
        },
        &expect![[r##"
            #[automatically_derived]
            #[allow(deprecated)]
            impl ::setpiece_envelope::DomainEvent for OrderCancelled {
                type Previous = ::setpiece_envelope::First;
                const SERVICE: ::setpiece_envelope::ServiceId = ORDERS;
                const NAME: &'static str = "order_cancelled";
                const VERSION: ::setpiece_envelope::EventVersion = ::setpiece_envelope::EventVersion::new(
                    1u32,
                );
                const SUBJECT: ::core::option::Option<&'static str> = ::core::option::Option::Some(
                    "",
                );
                const PII: &'static [::setpiece_envelope::Pii] = &[
                    ::setpiece_envelope::Pii::new("", ::core::option::Option::None),
                ];
                fn subject(&self) -> ::core::option::Option<::std::string::String> {
                    ::core::option::Option::map(
                        ::core::option::Option::as_ref(&self.0),
                        |__value| ::std::string::ToString::to_string(__value),
                    )
                }
            }
        "##]],
    );
}

#[test]
fn a_transparent_struct_is_the_whole_of_data() {
    check(
        &parse_quote! {
            #[event(service = ORDERS, name = "order_cancelled", version = 1, source = "s")]
            #[serde(transparent)]
            struct OrderCancelled {
                #[event(subject)]
                order_number: String,
            }
        },
        &expect![[r##"
            #[automatically_derived]
            #[allow(deprecated)]
            impl ::setpiece_envelope::DomainEvent for OrderCancelled {
                type Previous = ::setpiece_envelope::First;
                const SERVICE: ::setpiece_envelope::ServiceId = ORDERS;
                const NAME: &'static str = "order_cancelled";
                const VERSION: ::setpiece_envelope::EventVersion = ::setpiece_envelope::EventVersion::new(
                    1u32,
                );
                const SOURCE: &'static str = "s";
                const SUBJECT: ::core::option::Option<&'static str> = ::core::option::Option::Some(
                    "",
                );
                fn subject(&self) -> ::core::option::Option<::std::string::String> {
                    ::core::option::Option::Some(
                        ::std::string::ToString::to_string(&self.order_number),
                    )
                }
            }
        "##]],
    );
}

#[test]
fn a_view_goes_by_the_names_it_reads() {
    check(
        &parse_quote! {
            #[event(view, service = ORDERS, name = "order_submitted", version = 4)]
            #[serde(rename_all(serialize = "UPPERCASE", deserialize = "camelCase"))]
            struct OrderSeen {
                #[event(subject)]
                #[serde(skip_serializing)]
                order_number: String,
                #[serde(deserialize_with = "number")]
                total: u64,
            }
        },
        &expect![[r##"
            #[automatically_derived]
            #[allow(deprecated)]
            impl ::setpiece_envelope::DomainEvent for OrderSeen {
                type Previous = ::setpiece_envelope::First;
                const SERVICE: ::setpiece_envelope::ServiceId = ORDERS;
                const NAME: &'static str = "order_submitted";
                const VERSION: ::setpiece_envelope::EventVersion = ::setpiece_envelope::EventVersion::new(
                    4u32,
                );
                const VIEW: bool = true;
                const SUBJECT: ::core::option::Option<&'static str> = ::core::option::Option::Some(
                    "orderNumber",
                );
                fn subject(&self) -> ::core::option::Option<::std::string::String> {
                    ::core::option::Option::Some(
                        ::std::string::ToString::to_string(&self.order_number),
                    )
                }
            }
        "##]],
    );
}

#[test]
fn the_crate_can_have_another_name() {
    check(
        &parse_quote! {
            #[event(crate = renamed::envelope, service = ORDERS, name = "order_submitted", version = 1)]
            struct OrderSubmitted { #[event(pii)] email: String }
        },
        &expect![[r##"
            #[automatically_derived]
            #[allow(deprecated)]
            impl renamed::envelope::DomainEvent for OrderSubmitted {
                type Previous = renamed::envelope::First;
                const SERVICE: renamed::envelope::ServiceId = ORDERS;
                const NAME: &'static str = "order_submitted";
                const VERSION: renamed::envelope::EventVersion = renamed::envelope::EventVersion::new(
                    1u32,
                );
                const PII: &'static [renamed::envelope::Pii] = &[
                    renamed::envelope::Pii::new("email", ::core::option::Option::None),
                ];
            }
        "##]],
    );
}

#[test]
fn many_mistakes_are_reported_at_once_with_what_could_be_read() {
    check(
        &parse_quote! {
            #[event(service = ORDERS, nmae = "OrderSubmitted", version = "2", colour = "red", view = true)]
            #[event(previous = OrderSubmittedV1, previous = OrderSubmittedV2, source = "", subject)]
            struct OrderSubmitted {
                #[event(subject, version = 1)]
                lines: Vec<u64>,
                #[event(subjct)]
                #[serde(skip)]
                number: String,
                #[event(pii = 5)]
                total: usize,
            }
        },
        &expect![[r#"
            ::core::compile_error! {
                "unknown key `nmae`; did you mean `name`?"
            }
            ::core::compile_error! {
                "expected a number, found text; write `version = 2`"
            }
            ::core::compile_error! {
                "unknown key `colour`; expected one of `service`, `name`, `version`, `previous`, `category`, `type`, `source`, `detail_type`, `nesting`, `view`, `first`, `crate`"
            }
            ::core::compile_error! {
                "expected `view` alone, found it with a value"
            }
            ::core::compile_error! {
                "duplicate key `previous`"
            }
            ::core::compile_error! {
                "`subject` belongs on a field, not on the type"
            }
            ::core::compile_error! {
                "`version` belongs on the type, not on a field"
            }
            ::core::compile_error! {
                "unknown key `subjct`; did you mean `subject`?"
            }
            ::core::compile_error! {
                "expected text, found a number"
            }
            ::core::compile_error! {
                "expected `snake_case`, found `OrderSubmitted`; write `order_submitted`"
            }
            ::core::compile_error! {
                "`source` is empty: leave it out to use the service's own"
            }
            ::core::compile_error! {
                "expected a single value as the subject, such as text or a number, found a list"
            }
            ::core::compile_error! {
                "expected one subject, found a second"
            }
            ::core::compile_error! {
                "expected a field that is read, found one that serde skips"
            }
            #[automatically_derived]
            #[allow(deprecated)]
            impl ::setpiece_envelope::DomainEvent for OrderSubmitted {
                type Previous = ::setpiece_envelope::First;
                const SERVICE: ::setpiece_envelope::ServiceId = ::setpiece_envelope::ServiceId::new(
                    "unknown",
                    "unknown",
                    "unknown",
                );
                const SOURCE: &'static str = "";
                const NAME: &'static str = "";
                const VERSION: ::setpiece_envelope::EventVersion = ::setpiece_envelope::EventVersion::FIRST;
            }
        "#]],
    );
}

#[test]
fn the_paths_of_the_facade_begin_with_it() {
    let input: DeriveInput = parse_quote! {
        #[event(service = ORDERS, name = "order_submitted", version = 2, previous = OrderSubmittedV1)]
        struct OrderSubmitted {
            #[event(subject)]
            order_number: String,
        }
    };
    let of = |root| super::domain_event(&input, root).to_string();
    let facade = of(Root::Facade);
    assert_eq!(
        facade.replace(":: setpiece :: envelope ::", ":: setpiece_envelope ::"),
        of(Root::Envelope)
    );
    assert!(!facade.contains("setpiece_envelope"));
}
