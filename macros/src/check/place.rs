//! Path of a field's value within `data`.

use crate::{
    model::{Field, Input, Shape, Variant},
    serde_names::Side,
};

/// Names joined by dots, or why there are none.
pub(super) fn place(
    input: &Input<'_>,
    variant: Option<&Variant<'_>>,
    shape: &Shape<'_>,
    field: &Field<'_>,
) -> Result<String, String> {
    let (verb, done) = match input.side {
        Side::Write => ("writes", "written"),
        Side::Read => ("reads", "read"),
    };
    if let Some(key) = input.names.stands_for {
        return Err(format!(
            "expected a type whose form on the wire is known, but serde {verb} another one in its \
             place (`#[serde({key} = …)]`); implement `DomainEvent` by hand"
        ));
    }
    if field.names.skipped || variant.is_some_and(|variant| variant.names.skipped) {
        return Err(format!("expected a field that is {done}, found one that serde skips"));
    }
    if variant.is_some_and(|variant| variant.names.custom) {
        return Err(format!(
            "expected a variant whose form on the wire is known, but serde {verb} this one with a \
             function of its own"
        ));
    }
    if field.names.flatten {
        return Err("expected a field that is one member of `data`, found a flattened one; it \
                    names no member of its own, so move the member to mark out of it"
            .to_owned());
    }

    let member = match shape {
        Shape::Named(_) if variant.is_none() && input.names.transparent => None,
        Shape::Named(_) => field.ident().map(|ident| match variant {
            Some(variant) => input.names.variant_field(&variant.names, ident, &field.names),
            None => input.names.field(ident, &field.names),
        }),
        Shape::Newtype(_) => None,
        Shape::Tuple(_) | Shape::Unit => {
            return Err(
                "expected a field with a name, found one of a tuple; give the fields names"
                    .to_owned(),
            );
        }
    };
    let around =
        variant.and_then(|variant| input.names.variant_member(variant.ident, &variant.names));
    let names: Vec<_> = around.into_iter().chain(member).collect();
    match names.iter().find(|name| name.is_empty() || name.contains('.')) {
        Some(name) => Err(format!(
            "expected a name that can be part of a path, found {name:?}; names are joined by dots"
        )),
        None => Ok(names.join(".")),
    }
}
