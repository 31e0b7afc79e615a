use expect_test::expect;
use syn::parse_quote;

use super::check;

#[test]
fn an_externally_tagged_variant_is_part_of_the_path() {
    check(
        &parse_quote! {
            #[event(service = ORDERS, name = "payment_settled", version = 1, source = "s")]
            #[serde(rename_all = "snake_case", rename_all_fields = "camelCase")]
            enum PaymentSettled {
                InFull {
                    #[event(subject)]
                    order_number: String,
                    #[event(pii = "iban")]
                    account: String,
                },
                #[serde(rename = "part", rename_all = "UPPERCASE")]
                InPart {
                    #[event(subject)]
                    order_number: Option<String>,
                },
                ByVoucher(#[event(pii)] String),
                Nothing {},
                Later(u32, u32),
                Never,
            }
        },
        &expect![[r##"
            #[automatically_derived]
            #[allow(deprecated)]
            impl ::setpiece_envelope::DomainEvent for PaymentSettled {
                type Previous = ::setpiece_envelope::First;
                const SERVICE: ::setpiece_envelope::ServiceId = ORDERS;
                const NAME: &'static str = "payment_settled";
                const VERSION: ::setpiece_envelope::EventVersion = ::setpiece_envelope::EventVersion::new(
                    1u32,
                );
                const SOURCE: &'static str = "s";
                const PII: &'static [::setpiece_envelope::Pii] = &[
                    ::setpiece_envelope::Pii::new(
                        "in_full.account",
                        ::core::option::Option::Some("iban"),
                    ),
                    ::setpiece_envelope::Pii::new("by_voucher", ::core::option::Option::None),
                ];
                fn subject(&self) -> ::core::option::Option<::std::string::String> {
                    match self {
                        Self::InFull { order_number: __subject, .. } => {
                            ::core::option::Option::Some(
                                ::std::string::ToString::to_string(__subject),
                            )
                        }
                        Self::InPart { order_number: __subject } => {
                            ::core::option::Option::map(
                                ::core::option::Option::as_ref(__subject),
                                |__value| ::std::string::ToString::to_string(__value),
                            )
                        }
                        Self::ByVoucher(_) | Self::Nothing {} | Self::Later(..) | Self::Never => {
                            ::core::option::Option::None
                        }
                    }
                }
            }
        "##]],
    );
}

#[test]
fn an_internally_tagged_variant_is_not_part_of_the_path() {
    check(
        &parse_quote! {
            #[event(service = ORDERS, name = "payment_settled", version = 1, source = "s")]
            #[serde(tag = "outcome", rename_all_fields = "camelCase")]
            enum PaymentSettled {
                InFull { #[event(subject)] order_number: String },
                InPart { #[event(subject)] order_number: String, missing: i64 },
                Elsewhere(#[event(pii)] Transfer),
            }
        },
        &expect![[r##"
            #[automatically_derived]
            #[allow(deprecated)]
            impl ::setpiece_envelope::DomainEvent for PaymentSettled {
                type Previous = ::setpiece_envelope::First;
                const SERVICE: ::setpiece_envelope::ServiceId = ORDERS;
                const NAME: &'static str = "payment_settled";
                const VERSION: ::setpiece_envelope::EventVersion = ::setpiece_envelope::EventVersion::new(
                    1u32,
                );
                const SOURCE: &'static str = "s";
                const SUBJECT: ::core::option::Option<&'static str> = ::core::option::Option::Some(
                    "orderNumber",
                );
                const PII: &'static [::setpiece_envelope::Pii] = &[
                    ::setpiece_envelope::Pii::new("", ::core::option::Option::None),
                ];
                fn subject(&self) -> ::core::option::Option<::std::string::String> {
                    match self {
                        Self::InFull { order_number: __subject } => {
                            ::core::option::Option::Some(
                                ::std::string::ToString::to_string(__subject),
                            )
                        }
                        Self::InPart { order_number: __subject, .. } => {
                            ::core::option::Option::Some(
                                ::std::string::ToString::to_string(__subject),
                            )
                        }
                        Self::Elsewhere(_) => ::core::option::Option::None,
                    }
                }
            }
        "##]],
    );
}

#[test]
fn an_adjacently_tagged_variant_is_under_its_content() {
    check(
        &parse_quote! {
            #[event(service = ORDERS, name = "payment_settled", version = 1, source = "s")]
            #[serde(tag = "outcome", content = "details")]
            enum PaymentSettled {
                InFull { #[event(subject)] order_number: String },
                InPart { #[serde(rename = "order_number")] #[event(subject)] number: u32 },
                ByVoucher(#[event(pii)] String),
            }
        },
        &expect![[r##"
            #[automatically_derived]
            #[allow(deprecated)]
            impl ::setpiece_envelope::DomainEvent for PaymentSettled {
                type Previous = ::setpiece_envelope::First;
                const SERVICE: ::setpiece_envelope::ServiceId = ORDERS;
                const NAME: &'static str = "payment_settled";
                const VERSION: ::setpiece_envelope::EventVersion = ::setpiece_envelope::EventVersion::new(
                    1u32,
                );
                const SOURCE: &'static str = "s";
                const SUBJECT: ::core::option::Option<&'static str> = ::core::option::Option::Some(
                    "details.order_number",
                );
                const PII: &'static [::setpiece_envelope::Pii] = &[
                    ::setpiece_envelope::Pii::new("details", ::core::option::Option::None),
                ];
                fn subject(&self) -> ::core::option::Option<::std::string::String> {
                    match self {
                        Self::InFull { order_number: __subject } => {
                            ::core::option::Option::Some(
                                ::std::string::ToString::to_string(__subject),
                            )
                        }
                        Self::InPart { number: __subject } => {
                            ::core::option::Option::Some(
                                ::std::string::ToString::to_string(__subject),
                            )
                        }
                        Self::ByVoucher(_) => ::core::option::Option::None,
                    }
                }
            }
        "##]],
    );
}

#[test]
fn an_untagged_variant_is_not_part_of_the_path() {
    check(
        &parse_quote! {
            #[event(service = ORDERS, name = "payment_settled", version = 1, source = "s")]
            #[serde(untagged)]
            enum PaymentSettled {
                InFull { #[event(subject, pii = "order")] order_number: String },
                InPart { #[event(subject, pii = "order")] order_number: String, missing: i64 },
                ByVoucher(#[event(pii = "voucher")] String),
            }
        },
        &expect![[r##"
            #[automatically_derived]
            #[allow(deprecated)]
            impl ::setpiece_envelope::DomainEvent for PaymentSettled {
                type Previous = ::setpiece_envelope::First;
                const SERVICE: ::setpiece_envelope::ServiceId = ORDERS;
                const NAME: &'static str = "payment_settled";
                const VERSION: ::setpiece_envelope::EventVersion = ::setpiece_envelope::EventVersion::new(
                    1u32,
                );
                const SOURCE: &'static str = "s";
                const SUBJECT: ::core::option::Option<&'static str> = ::core::option::Option::Some(
                    "order_number",
                );
                const PII: &'static [::setpiece_envelope::Pii] = &[
                    ::setpiece_envelope::Pii::new(
                        "order_number",
                        ::core::option::Option::Some("order"),
                    ),
                    ::setpiece_envelope::Pii::new("", ::core::option::Option::Some("voucher")),
                ];
                fn subject(&self) -> ::core::option::Option<::std::string::String> {
                    match self {
                        Self::InFull { order_number: __subject } => {
                            ::core::option::Option::Some(
                                ::std::string::ToString::to_string(__subject),
                            )
                        }
                        Self::InPart { order_number: __subject, .. } => {
                            ::core::option::Option::Some(
                                ::std::string::ToString::to_string(__subject),
                            )
                        }
                        Self::ByVoucher(_) => ::core::option::Option::None,
                    }
                }
            }
        "##]],
    );
}
