//! Rules of the texts that the keys take.

use proc_macro2::Ident;
use syn::LitStr;

use crate::{
    attr::{Slot, TypeAttrs},
    errors::Errors,
};

const MAX_NAME_BYTES: usize = 128;
const MAX_SOURCE_BYTES: usize = 256;
const MAX_CHARS: usize = 128;

pub(super) fn check(attrs: &TypeAttrs, errors: &mut Errors) {
    if let Some(literal) = attrs.name.value() {
        check_name(literal, errors);
    }
    if let Some(literal) = attrs.source.value() {
        check_source(literal, errors);
    }
    check_length("detail_type", &attrs.detail_type, errors);
    check_length("category", &attrs.category, errors);
    check_length("type", &attrs.event_type, errors);
}

fn check_name(literal: &LitStr, errors: &mut Errors) {
    let name = literal.value();
    if name.is_empty() {
        errors.push(literal, "`name` is empty: expected what has happened, in `snake_case`");
    } else if name.len() > MAX_NAME_BYTES {
        let message = format!("expected at most {MAX_NAME_BYTES} bytes, found {}", name.len());
        errors.push(literal, message);
    } else if !is_snake_case(&name) {
        let message = format!("expected `snake_case`, found `{name}`");
        match snake_case(&name) {
            Some(snake) => errors.push(literal, format!("{message}; write `{snake}`")),
            None => errors.push(literal, format!("{message}: letters a to z, digits and `_`")),
        }
    }
}

fn check_source(literal: &LitStr, errors: &mut Errors) {
    let source = literal.value();
    if source.is_empty() {
        errors.push(literal, "`source` is empty: leave it out to use the service's own");
    } else if source.len() > MAX_SOURCE_BYTES {
        let message = format!("expected at most {MAX_SOURCE_BYTES} bytes, found {}", source.len());
        errors.push(literal, message);
    } else if source.starts_with("aws.") {
        errors.push(literal, "EventBridge keeps sources that begin with `aws.` for AWS");
    } else {
        check_printable("source", literal, errors);
    }
}

/// Refuses texts that an envelope would refuse to write.
fn check_printable(key: &str, literal: &LitStr, errors: &mut Errors) {
    if literal.value().contains(char::is_control) {
        let message =
            format!("expected printable characters, found a control character in `{key}`");
        errors.push(literal, message);
    }
}

fn check_length(key: &str, slot: &Slot<LitStr>, errors: &mut Errors) {
    let Some(literal) = slot.value() else { return };
    match literal.value().chars().count() {
        0 => errors.push(literal, format!("`{key}` is empty: leave it out to use the default")),
        1..=MAX_CHARS => check_printable(key, literal, errors),
        found => {
            errors.push(literal, format!("expected at most {MAX_CHARS} characters, found {found}"));
        }
    }
}

/// The name that an event of this type would have: `OrderSubmittedV1` is an `order_submitted`.
pub(super) fn name_for(ident: &Ident) -> String {
    let ident = ident.to_string();
    let versionless = match ident.trim_end_matches(|char: char| char.is_ascii_digit()) {
        stem if stem.len() < ident.len() => stem.strip_suffix('V').unwrap_or(&ident),
        _ => &ident,
    };
    snake_case(versionless).unwrap_or_else(|| "order_submitted".to_owned())
}

fn is_snake_case(name: &str) -> bool {
    name.starts_with(|char: char| char.is_ascii_lowercase())
        && name.chars().all(|char| matches!(char, 'a'..='z' | '0'..='9' | '_'))
        && !name.ends_with('_')
        && !name.contains("__")
}

/// The nearest text that is in `snake_case`, if there is one.
fn snake_case(text: &str) -> Option<String> {
    let mut snake = String::with_capacity(text.len() + 4);
    let mut before = None;
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        if !char.is_ascii_alphanumeric() {
            if !char.is_ascii() {
                return None;
            }
            before = None;
            continue;
        }
        // A word begins after a separator, at `rS` of `orderSubmitted` and at `PS` of `HTTPServer`.
        let begins_word = match before {
            None => true,
            Some(before) => {
                char.is_ascii_uppercase()
                    && (!char::is_ascii_uppercase(&before)
                        || chars.peek().is_some_and(char::is_ascii_lowercase))
            }
        };
        if begins_word && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(char.to_ascii_lowercase());
        before = Some(char);
    }
    is_snake_case(&snake).then_some(snake)
}

#[cfg(test)]
mod tests;
