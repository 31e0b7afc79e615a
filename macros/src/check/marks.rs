//! Fields that are marked: what the event is about, and what is personal data.

use proc_macro2::Ident;
use syn::{LitStr, Type};

use crate::{
    errors::Errors,
    model::{Body, Field, Input, Shape, Variant},
    types,
};

use super::place::place;

/// The marked fields of an event.
pub(crate) struct Marks<'a> {
    /// Path of the subject, when it is in the same place whatever the event holds.
    pub(crate) subject_place: Option<String>,
    pub(crate) subject: Subject<'a>,
    pub(crate) pii: Vec<Pii>,
}

/// Subject of an event.
pub(crate) enum Subject<'a> {
    None,
    /// The value of this field.
    Field(&'a Field<'a>),
    /// It depends on the variant.
    Match(Vec<Arm<'a>>),
}

/// One variant, and the field of it that says what the event is about.
pub(crate) struct Arm<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) shape: &'a Shape<'a>,
    pub(crate) subject: Option<&'a Field<'a>>,
}

/// Personal data of one kind in one place.
#[derive(PartialEq)]
pub(crate) struct Pii {
    pub(crate) place: String,
    pub(crate) kind: Option<String>,
}

/// Checks the marked fields, and finds their places on the wire.
pub(super) fn check<'a>(input: &'a Input<'a>, errors: &mut Errors) -> Marks<'a> {
    let mut found = Found { input, places: Vec::new(), pii: Vec::new() };
    let subject = match &input.body {
        Body::Struct(shape) => {
            found.visit(None, shape, errors).map_or(Subject::None, Subject::Field)
        }
        Body::Enum(variants) => {
            let arms: Vec<_> = variants
                .iter()
                .map(|variant| Arm {
                    ident: variant.ident,
                    shape: &variant.shape,
                    subject: found.visit(Some(variant), &variant.shape, errors),
                })
                .collect();
            if arms.iter().any(|arm| arm.subject.is_some()) {
                Subject::Match(arms)
            } else {
                Subject::None
            }
        }
        Body::Union => Subject::None,
    };
    found.places.dedup();
    let subject_place = if found.places.len() == 1 { found.places.pop() } else { None };
    Marks { subject_place, subject, pii: found.pii }
}

struct Found<'a> {
    input: &'a Input<'a>,
    places: Vec<String>,
    pii: Vec<Pii>,
}

impl<'a> Found<'a> {
    /// Takes note of the marked fields of a struct or a variant. Its subject, if there is one.
    fn visit(
        &mut self,
        variant: Option<&Variant<'_>>,
        shape: &'a Shape<'a>,
        errors: &mut Errors,
    ) -> Option<&'a Field<'a>> {
        let mut subject = None;
        for field in shape.fields() {
            let place = || place(self.input, variant, shape, field);
            let mut misplaced = None;
            if let Some(key) = field.attrs.subject.key() {
                if subject.is_some() {
                    errors.push_at(key, "expected one subject, found a second");
                }
                subject = Some(field);
                refuse_compound(field.ty, errors);
                match place() {
                    Ok(place) => self.places.push(place),
                    Err(message) => misplaced = Some((key, message)),
                }
            }
            if let Some(key) = field.attrs.pii.key() {
                let kind = field.attrs.pii.value().and_then(Option::as_ref);
                let text = kind.map(LitStr::value);
                if text.as_deref() == Some("") {
                    errors.push(kind, "expected a kind of personal data, found empty text");
                }
                match place() {
                    Ok(place) => {
                        let pii = Pii { place, kind: text };
                        if !self.pii.contains(&pii) {
                            self.pii.push(pii);
                        }
                    }
                    Err(message) => misplaced = misplaced.or(Some((key, message))),
                }
            }
            // Said once of a field, even if it is marked twice.
            if let Some((key, message)) = misplaced {
                errors.push_at(key, message);
            }
        }
        subject
    }
}

/// Refuses a subject of which it is plain that it is no single value, or not always the same text.
fn refuse_compound(ty: &Type, errors: &mut Errors) {
    let mut value = types::bare(ty);
    if let Some(argument) = types::option_argument(value) {
        value = types::bare(argument);
    }
    if let Some(found) = compound(value) {
        errors.push(
            value,
            format!(
                "expected a single value as the subject, such as text or a number, found {found}"
            ),
        );
    }
}

fn compound(ty: &Type) -> Option<&'static str> {
    match types::bare(ty) {
        Type::Array(_) => Some("an array"),
        Type::Slice(_) => Some("a slice"),
        Type::Tuple(tuple) if tuple.elems.is_empty() => Some("`()`"),
        Type::Tuple(_) => Some("a tuple"),
        Type::FnPtr(_) => Some("a function"),
        Type::Ptr(_) => Some("a pointer"),
        Type::Never(_) => Some("`!`"),
        Type::Reference(reference) => compound(&reference.elem),
        path => {
            let segment = types::last_segment(path)?;
            match &*segment.ident.to_string() {
                "Vec" | "VecDeque" | "LinkedList" | "BinaryHeap" => Some("a list"),
                "HashMap" | "BTreeMap" | "IndexMap" => Some("a map"),
                "HashSet" | "BTreeSet" | "IndexSet" => Some("a set"),
                "f32" | "f64" => Some("a float, whose text is not stable"),
                "Option" => Some("an option inside another type"),
                "Box" | "Rc" | "Arc" | "Cow" => {
                    types::type_arguments(segment).next().and_then(compound)
                }
                _ => None,
            }
        }
    }
}
