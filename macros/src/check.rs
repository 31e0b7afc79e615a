//! Rules of an event, beyond having the right keys with the right kinds of values.

mod history;
mod integers;
mod marks;
mod place;
mod shape;
mod text;

use syn::{ExprPath, Generics, Ident, LitStr, Path, Type};

use crate::{attr::Version, errors::Errors, model::Input};

pub(crate) use self::marks::{Arm, Marks, Pii, Subject};

/// An event without mistakes: what the expansion needs.
pub(crate) struct Checked<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) generics: &'a Generics,
    pub(crate) krate: &'a Path,
    pub(crate) service: &'a ExprPath,
    pub(crate) name: &'a LitStr,
    pub(crate) version: &'a Version,
    pub(crate) previous: Option<&'a Type>,
    pub(crate) category: Option<&'a LitStr>,
    pub(crate) event_type: Option<&'a LitStr>,
    pub(crate) source: Option<&'a LitStr>,
    pub(crate) detail_type: Option<&'a LitStr>,
    pub(crate) nesting: Option<usize>,
    pub(crate) view: bool,
    pub(crate) marks: Marks<'a>,
}

/// Reports every mistake in `input`. It stands for an event only if there is none.
pub(crate) fn check<'a>(input: &'a Input<'a>, errors: &mut Errors) -> Option<Checked<'a>> {
    shape::check(input, errors);
    required(input, errors);
    text::check(&input.attrs, errors);
    history::check(&input.attrs, errors);
    integers::check(input, errors);
    let marks = marks::check(input, errors);

    let attrs = &input.attrs;
    Some(Checked {
        ident: input.ident,
        generics: input.generics,
        krate: &input.krate,
        service: attrs.service.value()?,
        name: attrs.name.value()?,
        version: attrs.version.value()?,
        previous: attrs.previous.value(),
        category: attrs.category.value(),
        event_type: attrs.event_type.value(),
        source: attrs.source.value(),
        detail_type: attrs.detail_type.value(),
        nesting: attrs.nesting.value().copied(),
        view: attrs.view.value().is_some(),
        marks,
    })
}

fn required(input: &Input<'_>, errors: &mut Errors) {
    let Input { ident, attrs, .. } = input;
    let example = text::name_for(ident);
    if !attrs.present {
        errors.push(
            ident,
            format!(
                "expected `#[event(…)]` on the type, such as \
                 `#[event(service = ORDERS, name = \"{example}\", version = 1)]`"
            ),
        );
        return;
    }
    if attrs.unread {
        return;
    }
    if attrs.service.is_missing() {
        errors.push(
            ident,
            "missing `service`: the constant of the service that owns the event, such as \
             `service = ORDERS`",
        );
    }
    if attrs.name.is_missing() {
        errors.push(
            ident,
            format!("missing `name`: what has happened, such as `name = \"{example}\"`"),
        );
    }
    if attrs.version.is_missing() {
        errors.push(ident, "missing `version`: a number from 1 up, such as `version = 1`");
    }
}

#[cfg(test)]
mod tests;
