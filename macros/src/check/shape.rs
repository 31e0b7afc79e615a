//! Rules of the types that can be an event.

use crate::{
    errors::Errors,
    model::{Body, Input, Shape},
};

pub(super) fn check(input: &Input<'_>, errors: &mut Errors) {
    let ident = input.ident;
    if !input.generics.params.is_empty() {
        errors.push(
            input.generics,
            "expected a type without parameters: an event has one form on the wire, so write out \
             the types that it holds",
        );
    }
    match &input.body {
        Body::Struct(shape @ (Shape::Unit | Shape::Tuple(_))) => {
            let remedy = match (shape, shape.fields().len()) {
                (Shape::Unit, _) => format!("found a unit struct; write `struct {ident} {{}}`"),
                (_, 0) => format!("found an empty tuple; write `struct {ident} {{}}`"),
                (_, len) => format!("found a tuple of {len}; give the fields names"),
            };
            errors
                .push(ident, format!("expected named fields, a single field or an enum, {remedy}"));
        }
        Body::Union => {
            errors.push(ident, "expected a struct or an enum, found a union; write an enum");
        }
        Body::Struct(Shape::Named(_) | Shape::Newtype(_)) | Body::Enum(_) => {}
    }
}
