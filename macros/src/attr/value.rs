//! The kinds of values that keys take.

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, TokenStreamExt};
use syn::{
    Error, Expr, ExprLit, ExprPath, ExprUnary, Lit, LitBool, LitInt, LitStr, Path, Result, Token,
    Type, UnOp, meta::ParseNestedMeta, parse::ParseStream, spanned::Spanned,
};

use crate::types;

use super::skip_to_comma;

/// A version that is in range.
pub(crate) struct Version {
    pub(crate) major: u32,
    pub(crate) span: Span,
}

pub(super) fn text(meta: &ParseNestedMeta<'_>) -> Result<LitStr> {
    match expr(value(meta, "\"…\"")?)? {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Ok(text),
        other => expected("text", &other),
    }
}

pub(super) fn optional_text(meta: &ParseNestedMeta<'_>) -> Result<Option<LitStr>> {
    if ends(meta.input) { Ok(None) } else { text(meta).map(Some) }
}

pub(super) fn version(meta: &ParseNestedMeta<'_>) -> Result<Version> {
    let expr = expr(value(meta, "1")?)?;
    let message = match &expr {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => return in_range(number),
        Expr::Lit(ExprLit { lit: Lit::Float(number), .. }) => format!(
            "expected a whole number, found `{number}`; compatible changes do not raise the version"
        ),
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => match text.value().parse::<u32>() {
            Ok(number) => format!("expected a number, found text; write `version = {number}`"),
            Err(_) => return expected("a number", &expr),
        },
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr: number, .. }) => {
            format!("expected a version from 1 up, found `-{}`", number.to_token_stream())
        }
        _ => return expected("a number", &expr),
    };
    Err(Error::new_spanned(&expr, message))
}

fn in_range(number: &LitInt) -> Result<Version> {
    match number.base10_parse() {
        Ok(0) => Err(Error::new_spanned(number, "expected a version from 1 up, found `0`")),
        Ok(major) => Ok(Version { major, span: number.span() }),
        Err(_) => {
            let message = format!("expected a version up to {}, found `{number}`", u32::MAX);
            Err(Error::new_spanned(number, message))
        }
    }
}

/// Levels of nesting: the document has 128, and the detail is one of them.
pub(super) fn nesting(meta: &ParseNestedMeta<'_>) -> Result<usize> {
    const MAX: usize = 127;
    let expr = expr(value(meta, "64")?)?;
    let Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) = &expr else {
        return expected("a number", &expr);
    };
    if let Ok(levels @ 1..=MAX) = number.base10_parse() {
        return Ok(levels);
    }
    let message = format!("expected 1 to {MAX} levels, found `{number}`");
    Err(Error::new_spanned(number, message))
}

pub(super) fn service(meta: &ParseNestedMeta<'_>) -> Result<ExprPath> {
    match expr(value(meta, "ORDERS")?)? {
        Expr::Path(path) => Ok(path),
        other => expected("the path of a `ServiceId` constant, such as `ORDERS`", &other),
    }
}

pub(super) fn previous(meta: &ParseNestedMeta<'_>) -> Result<Type> {
    const EXPECTED: &str = "the type of the previous version";
    let input = value(meta, "OrderSubmittedV1")?;
    if input.peek(Lit) {
        return expected(EXPECTED, &expr(input)?);
    }
    let start = input.span();
    let ty: Type = input.parse().map_err(|_| Error::new(start, format!("expected {EXPECTED}")))?;
    match types::bare(&ty) {
        Type::Path(_) => Ok(ty),
        _ => Err(Error::new_spanned(&ty, format!("expected {EXPECTED}, by its name"))),
    }
}

pub(super) fn flag(meta: &ParseNestedMeta<'_>) -> Result<()> {
    if ends(meta.input) {
        return Ok(());
    }
    skip_to_comma(meta.input)?;
    let key = types::path_text(&meta.path);
    Err(meta.error(format!("expected `{key}` alone, found it with a value")))
}

pub(super) fn truth(meta: &ParseNestedMeta<'_>) -> Result<()> {
    match expr(value(meta, "true")?)? {
        Expr::Lit(ExprLit { lit: Lit::Bool(LitBool { value: true, .. }), .. }) => Ok(()),
        Expr::Lit(ExprLit { lit: Lit::Bool(found), .. }) => Err(Error::new_spanned(
            found,
            "expected `true`, found `false`; where history goes on, leave `first` out",
        )),
        other => expected("`true`", &other),
    }
}

pub(super) fn krate(meta: &ParseNestedMeta<'_>) -> Result<Path> {
    let input = value(meta, "::path::to::setpiece_envelope")?;
    let start = input.span();
    let path = if input.peek(LitStr) {
        input.parse::<LitStr>()?.parse_with(Path::parse_mod_style)
    } else {
        input.call(Path::parse_mod_style)
    };
    path.map_err(|_| {
        Error::new(start, "expected the path of a crate, such as `::path::to::setpiece_envelope`")
    })
}

/// Steps over the `=` before a value.
fn value<'a>(meta: &ParseNestedMeta<'a>, example: &str) -> Result<ParseStream<'a>> {
    meta.value().map_err(|_| {
        let key = types::path_text(&meta.path);
        Error::new(meta.path.span(), format!("expected a value: `{key} = {example}`"))
    })
}

/// Reads a value, whatever it is, so that a message can say what was found.
fn expr(input: ParseStream<'_>) -> Result<Expr> {
    let mut expr: Expr = input.parse()?;
    loop {
        expr = match expr {
            Expr::Group(group) => *group.expr,
            Expr::Paren(paren) => *paren.expr,
            _ => return Ok(expr),
        };
    }
}

fn ends(input: ParseStream<'_>) -> bool {
    input.is_empty() || input.peek(Token![,])
}

fn expected<T>(what: impl Display, found: &Expr) -> Result<T> {
    let kind = match found {
        Expr::Lit(lit) => match &lit.lit {
            Lit::Str(_) => "text",
            Lit::Int(_) | Lit::Float(_) => "a number",
            Lit::Bool(_) => "a truth value",
            Lit::Char(_) => "a character",
            Lit::ByteStr(_) | Lit::CStr(_) | Lit::Byte(_) => "bytes",
            _ => "another literal",
        },
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), .. }) => "a number",
        Expr::Path(_) => "a path",
        _ => "an expression",
    };
    Err(Error::new_spanned(found, format!("expected {what}, found {kind}")))
}

impl ToTokens for Version {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.append(proc_macro2::Literal::u32_suffixed(self.major));
    }
}
