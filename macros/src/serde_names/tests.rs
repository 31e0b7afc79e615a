use quote::format_ident;
use syn::{Attribute, parse_quote};

use super::{FieldNames, Side, TypeNames, VariantNames};

fn field(attr: Attribute, side: Side) -> FieldNames {
    FieldNames::parse(&[attr], side)
}

#[test]
fn each_side_has_its_own_name() {
    let ident = format_ident!("order_number");
    let names = TypeNames::default();
    let renamed: Attribute = parse_quote!(#[serde(rename(serialize = "out", deserialize = "in"))]);
    assert_eq!(names.field(&ident, &field(renamed.clone(), Side::Write)), "out");
    assert_eq!(names.field(&ident, &field(renamed, Side::Read)), "in");
}

#[test]
fn sides_can_be_renamed_in_attributes_of_their_own() {
    let attrs: [Attribute; 2] = [
        parse_quote!(#[serde(rename(serialize = "out"))]),
        parse_quote!(#[serde(rename(deserialize = "in"))]),
    ];
    let ident = format_ident!("order_number");
    let names = TypeNames::default();
    assert_eq!(names.field(&ident, &FieldNames::parse(&attrs, Side::Write)), "out");
    assert_eq!(names.field(&ident, &FieldNames::parse(&attrs, Side::Read)), "in");
}

#[test]
fn a_rename_wins_over_a_rule() {
    let names = TypeNames::parse(&[parse_quote!(#[serde(rename_all = "camelCase")])], Side::Write);
    let plain = FieldNames::default();
    let renamed = field(parse_quote!(#[serde(rename = "no")]), Side::Write);
    assert_eq!(names.field(&format_ident!("order_number"), &plain), "orderNumber");
    assert_eq!(names.field(&format_ident!("order_number"), &renamed), "no");
}

#[test]
fn raw_identifiers_lose_their_prefix() {
    let names = TypeNames::default();
    assert_eq!(names.field(&format_ident!("r#type"), &FieldNames::default()), "type");
}

#[test]
fn the_rule_of_a_variant_wins_over_that_of_the_type() {
    let names = TypeNames::parse(
        &[parse_quote!(#[serde(rename_all = "snake_case", rename_all_fields = "camelCase")])],
        Side::Write,
    );
    let plain = VariantNames::default();
    let ruled =
        VariantNames::parse(&[parse_quote!(#[serde(rename_all = "UPPERCASE")])], Side::Write);
    let (ident, field) = (format_ident!("order_number"), FieldNames::default());
    assert_eq!(names.variant_field(&plain, &ident, &field), "orderNumber");
    assert_eq!(names.variant_field(&ruled, &ident, &field), "ORDER_NUMBER");
    assert_eq!(
        names.variant_member(&format_ident!("WasSent"), &ruled).as_deref(),
        Some("was_sent"),
    );
}

#[test]
fn the_representation_says_under_which_member_a_variant_is() {
    let member = |attr: Attribute, variant: &VariantNames| {
        TypeNames::parse(&[attr], Side::Write).variant_member(&format_ident!("Sent"), variant)
    };
    let plain = VariantNames::default();
    let untagged = VariantNames::parse(&[parse_quote!(#[serde(untagged)])], Side::Write);
    let external: Attribute = parse_quote!(#[serde(deny_unknown_fields)]);
    assert_eq!(member(external.clone(), &plain).as_deref(), Some("Sent"));
    assert_eq!(member(external, &untagged), None);
    assert_eq!(member(parse_quote!(#[serde(tag = "type")]), &plain), None);
    let adjacent = parse_quote!(#[serde(tag = "type", content = "value")]);
    assert_eq!(member(adjacent, &plain).as_deref(), Some("value"));
    assert_eq!(member(parse_quote!(#[serde(untagged)]), &plain), None);
}

#[test]
fn each_side_skips_and_converts_for_itself() {
    let skips = |attr: Attribute| {
        (field(attr.clone(), Side::Write).skipped, field(attr, Side::Read).skipped)
    };
    assert_eq!(skips(parse_quote!(#[serde(skip)])), (true, true));
    assert_eq!(skips(parse_quote!(#[serde(skip_serializing)])), (true, false));
    assert_eq!(skips(parse_quote!(#[serde(skip_deserializing)])), (false, true));
    assert_eq!(skips(parse_quote!(#[serde(skip_serializing_if = "is_nil")])), (false, false));

    let customs =
        |attr: Attribute| (field(attr.clone(), Side::Write).custom, field(attr, Side::Read).custom);
    assert_eq!(customs(parse_quote!(#[serde(with = "m")])), (true, true));
    assert_eq!(customs(parse_quote!(#[serde(serialize_with = "m")])), (true, false));
    assert_eq!(customs(parse_quote!(#[serde(deserialize_with = "m")])), (false, true));
    assert_eq!(customs(parse_quote!(#[serde_as(as = "DisplayFromStr")])), (true, true));

    let stands_for = |attr: Attribute, side| TypeNames::parse(&[attr], side).stands_for;
    assert_eq!(stands_for(parse_quote!(#[serde(into = "T")]), Side::Write), Some("into"));
    assert_eq!(stands_for(parse_quote!(#[serde(into = "T")]), Side::Read), None);
    assert_eq!(stands_for(parse_quote!(#[serde(try_from = "T")]), Side::Read), Some("try_from"));
}

#[test]
fn keys_that_only_serde_knows_do_not_hide_those_after_them() {
    let attr = parse_quote!(#[serde(default = "f", bound(serialize = "T: X"), new, rename = "no")]);
    let names = TypeNames::default();
    assert_eq!(names.field(&format_ident!("order_number"), &field(attr, Side::Write)), "no");
}
