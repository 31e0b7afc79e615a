//! A borrowed view of the derive's input, with all attributes read.

use syn::{
    Data, DeriveInput, Fields, Generics, Ident, Index, Member, Path, Type, parse_quote,
    spanned::Spanned,
};

use crate::{
    attr::{self, FieldAttrs, TypeAttrs},
    errors::Errors,
    serde_names::{FieldNames, Side, TypeNames, VariantNames},
};

/// The crate that re-exports the derive, and so the place of the trait when nothing else is said.
#[derive(Clone, Copy)]
pub(crate) enum Root {
    Envelope,
    Facade,
}

impl Root {
    fn path(self) -> Path {
        match self {
            Self::Envelope => parse_quote! { ::setpiece_envelope },
            Self::Facade => parse_quote! { ::setpiece::envelope },
        }
    }
}

pub(crate) struct Input<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) generics: &'a Generics,
    pub(crate) attrs: TypeAttrs,
    /// The crate or module with the trait.
    pub(crate) krate: Path,
    /// Side of serde that decides what the event looks like.
    pub(crate) side: Side,
    pub(crate) names: TypeNames,
    pub(crate) body: Body<'a>,
}

pub(crate) enum Body<'a> {
    Struct(Shape<'a>),
    Enum(Vec<Variant<'a>>),
    Union,
}

pub(crate) struct Variant<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) names: VariantNames,
    pub(crate) shape: Shape<'a>,
}

/// The fields of a struct or of a variant.
pub(crate) enum Shape<'a> {
    Named(Vec<Field<'a>>),
    Newtype(Field<'a>),
    Tuple(Vec<Field<'a>>),
    Unit,
}

pub(crate) struct Field<'a> {
    pub(crate) member: Member,
    pub(crate) ty: &'a Type,
    pub(crate) attrs: FieldAttrs,
    pub(crate) names: FieldNames,
}

impl<'a> Input<'a> {
    pub(crate) fn parse(input: &'a DeriveInput, root: Root, errors: &mut Errors) -> Self {
        let attrs = TypeAttrs::parse(&input.attrs, errors);
        let krate = attrs.krate.value().cloned().unwrap_or_else(|| root.path());
        let side = if attrs.view.is_missing() { Side::Write } else { Side::Read };
        let body = match &input.data {
            Data::Struct(data) => Body::Struct(Shape::parse(&data.fields, side, errors)),
            Data::Enum(data) => Body::Enum(
                data.variants.iter().map(|variant| Variant::parse(variant, side, errors)).collect(),
            ),
            Data::Union(_) => Body::Union,
        };
        Self {
            ident: &input.ident,
            generics: &input.generics,
            attrs,
            krate,
            side,
            names: TypeNames::parse(&input.attrs, side),
            body,
        }
    }
}

impl<'a> Variant<'a> {
    fn parse(variant: &'a syn::Variant, side: Side, errors: &mut Errors) -> Self {
        attr::refuse_on_variant(&variant.attrs, errors);
        Self {
            ident: &variant.ident,
            names: VariantNames::parse(&variant.attrs, side),
            shape: Shape::parse(&variant.fields, side, errors),
        }
    }
}

impl<'a> Shape<'a> {
    fn parse(fields: &'a Fields, side: Side, errors: &mut Errors) -> Self {
        let parsed = fields.iter().zip(0..).map(|(field, index)| Field {
            member: match &field.ident {
                Some(ident) => Member::Named(ident.clone()),
                None => Member::Unnamed(Index { index, span: field.ty.span() }),
            },
            ty: &field.ty,
            attrs: FieldAttrs::parse(&field.attrs, errors),
            names: FieldNames::parse(&field.attrs, side),
        });
        let parsed: Vec<_> = parsed.collect();
        match fields {
            Fields::Named(_) => Self::Named(parsed),
            Fields::Unnamed(_) => match <[_; 1]>::try_from(parsed) {
                Ok([field]) => Self::Newtype(field),
                Err(fields) => Self::Tuple(fields),
            },
            Fields::Unit => Self::Unit,
        }
    }

    pub(crate) fn fields(&self) -> &[Field<'a>] {
        match self {
            Self::Named(fields) | Self::Tuple(fields) => fields,
            Self::Newtype(field) => std::slice::from_ref(field),
            Self::Unit => &[],
        }
    }
}

impl Field<'_> {
    pub(crate) fn ident(&self) -> Option<&Ident> {
        match &self.member {
            Member::Named(ident) => Some(ident),
            Member::Unnamed(_) => None,
        }
    }
}
