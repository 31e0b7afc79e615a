//! Integers that EventBridge does not carry.
//!
//! It takes those that fit an `i64` and mangles or rejects the rest, which shows only once a large
//! number comes along. So a type that can hold one has to say how it is written.

use syn::Type;

use crate::{
    errors::Errors,
    model::{Body, Field, Input},
    serde_names::Side,
    types,
};

/// Integers that [`Display`](std::fmt::Display) and `FromStr` turn into text and back.
const PLAIN: &[&str] =
    &["u64", "u128", "i128", "usize", "NonZeroU64", "NonZeroU128", "NonZeroI128", "NonZeroUsize"];
const ATOMIC: &[&str] = &["AtomicU64", "AtomicUsize"];

const MAPS: &[&str] = &["HashMap", "BTreeMap", "IndexMap"];

pub(super) fn check(input: &Input<'_>, errors: &mut Errors) {
    // A view reads what its owner writes, which fits.
    if input.names.stands_for.is_some() || input.names.remote || input.side == Side::Read {
        return;
    }
    // As the user has written it, or the way that the user would.
    let krate = input.attrs.krate.value().map_or_else(
        || types::path_text(&input.krate).trim_start_matches("::").to_owned(),
        types::path_text,
    );
    let with = |how: &str| format!("write it as text with `#[serde(with = \"{krate}::{how}\")]`");
    let remedies = Remedies {
        plain: with("AsString"),
        optional: with("AsOptionalString"),
        other: "say how the field is written with `#[serde(with = \"…\")]`",
    };
    match &input.body {
        Body::Struct(shape) => check_fields(shape.fields(), &remedies, errors),
        Body::Enum(variants) => variants
            .iter()
            .filter(|variant| !variant.names.skipped && !variant.names.custom)
            .for_each(|variant| check_fields(variant.shape.fields(), &remedies, errors)),
        Body::Union => {}
    }
}

fn check_fields(fields: &[Field<'_>], remedies: &Remedies, errors: &mut Errors) {
    for field in fields.iter().filter(|field| !field.names.skipped && !field.names.custom) {
        check_type(field.ty, Depth::Whole, remedies, errors);
    }
}

/// Remedies for an integer.
struct Remedies {
    /// When it is all that the field holds, and has a text.
    plain: String,
    /// When it is all that the field holds, if that holds anything, and has a text.
    optional: String,
    other: &'static str,
}

/// Part of a field that a type is: all that it holds, or some of it.
#[derive(Clone, Copy)]
enum Depth {
    Whole,
    /// All of an `Option` that is all of the field.
    Optional,
    Part,
}

fn check_type(ty: &Type, depth: Depth, remedies: &Remedies, errors: &mut Errors) {
    match types::bare(ty) {
        Type::Array(array) => check_type(&array.elem, Depth::Part, remedies, errors),
        Type::Slice(slice) => check_type(&slice.elem, Depth::Part, remedies, errors),
        Type::Reference(reference) => {
            check_type(&reference.elem, Depth::Part, remedies, errors);
        }
        Type::Tuple(tuple) => {
            tuple.elems.iter().for_each(|elem| check_type(elem, Depth::Part, remedies, errors));
        }
        path @ Type::Path(_) => check_path(path, depth, remedies, errors),
        _ => {}
    }
}

fn check_path(ty: &Type, depth: Depth, remedies: &Remedies, errors: &mut Errors) {
    let Some(segment) = types::last_segment(ty) else { return };
    let found = segment.ident.to_string();
    let (plain, atomic) = (PLAIN.contains(&&*found), ATOMIC.contains(&&*found));
    if plain || atomic {
        let remedy = match depth {
            Depth::Whole if plain => &remedies.plain,
            Depth::Optional if plain => &remedies.optional,
            Depth::Whole | Depth::Optional | Depth::Part => remedies.other,
        };
        errors.push(
            &segment.ident,
            format!(
                "expected an integer that fits `i64`, as EventBridge takes no other, found \
                 `{found}`; {remedy}, or use a smaller type"
            ),
        );
        return;
    }
    // JSON writes the keys of a map as text, and marker types not at all.
    let unwritten = match &*found {
        "PhantomData" => usize::MAX,
        found if MAPS.contains(&found) => 1,
        _ => 0,
    };
    let within = match depth {
        Depth::Whole if found == "Option" => Depth::Optional,
        Depth::Whole | Depth::Optional | Depth::Part => Depth::Part,
    };
    for argument in types::type_arguments(segment).skip(unwritten) {
        check_type(argument, within, remedies, errors);
    }
}
