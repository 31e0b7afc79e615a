use jsonschema::{
    ValidationError, Validator,
    error::{TypeKind, ValidationErrorKind},
};
use serde_json::Value;

use super::formats;
use crate::{Reason, Violation};

/// A validator for a schema that was made from a type.
pub(super) fn validator(schema: &Value) -> Result<Validator, Violation> {
    // What is wrong with the schema is said about all data, since the schema is no data.
    formats::assert(jsonschema::draft202012::options())
        .build(schema)
        .map_err(|_| Violation::new(Reason::Schema { keyword: "$schema".into(), expected: None }))
}

/// Returns the violations of `error`, without the values that they are about.
pub(super) fn violations(error: &ValidationError<'_>, data: &Value) -> Vec<Violation> {
    let at = |reason: Reason| vec![located(Violation::new(reason), error, data)];
    let rule = |expected: Option<String>| Reason::Schema {
        keyword: error.kind().keyword().to_owned().into(),
        expected,
    };
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            let member = property.as_str().unwrap_or("*");
            vec![located(Violation::new(Reason::Missing).within(member), error, data)]
        }
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => unexpected
            .iter()
            .map(|member| located(Violation::new(rule(None)).within(member), error, data))
            .collect(),
        ValidationErrorKind::Type { kind } => at(Reason::Expected {
            expected: match kind {
                TypeKind::Single(one) => one.to_string(),
                TypeKind::Multiple(several) => {
                    several.iter().map(|one| one.to_string()).collect::<Vec<_>>().join(" or ")
                }
            }
            .into(),
            found: kind_of(error.instance()).into(),
        }),
        ValidationErrorKind::Constant { expected_value } => {
            at(rule(Some(expected_value.to_string())))
        }
        ValidationErrorKind::Enum { options } => at(rule(Some(options.to_string()))),
        ValidationErrorKind::ExclusiveMaximum { limit }
        | ValidationErrorKind::ExclusiveMinimum { limit }
        | ValidationErrorKind::Maximum { limit }
        | ValidationErrorKind::Minimum { limit } => at(rule(Some(limit.to_string()))),
        ValidationErrorKind::MaxItems { limit }
        | ValidationErrorKind::MinItems { limit }
        | ValidationErrorKind::MaxLength { limit }
        | ValidationErrorKind::MinLength { limit }
        | ValidationErrorKind::MaxProperties { limit }
        | ValidationErrorKind::MinProperties { limit } => at(rule(Some(limit.to_string()))),
        ValidationErrorKind::MultipleOf { multiple_of } => at(rule(Some(multiple_of.to_string()))),
        ValidationErrorKind::Pattern { pattern } => at(rule(Some(pattern.clone()))),
        ValidationErrorKind::Format { format } => at(rule(Some(format.clone()))),
        ValidationErrorKind::AdditionalItems { .. }
        | ValidationErrorKind::AnyOf { .. }
        | ValidationErrorKind::BacktrackLimitExceeded { .. }
        | ValidationErrorKind::RegexEngineFailure { .. }
        | ValidationErrorKind::Contains
        | ValidationErrorKind::ContentEncoding { .. }
        | ValidationErrorKind::ContentMediaType { .. }
        | ValidationErrorKind::Custom { .. }
        | ValidationErrorKind::FalseSchema
        | ValidationErrorKind::FromUtf8 { .. }
        | ValidationErrorKind::Not { .. }
        | ValidationErrorKind::OneOfMultipleValid { .. }
        | ValidationErrorKind::OneOfNotValid { .. }
        | ValidationErrorKind::PropertyNames { .. }
        | ValidationErrorKind::UnevaluatedItems { .. }
        | ValidationErrorKind::UniqueItems
        | ValidationErrorKind::Referencing(_) => at(rule(None)),
    }
}

/// The violation at the place of `error` in `data`.
fn located(violation: Violation, error: &ValidationError<'_>, data: &Value) -> Violation {
    let mut value = data;
    let mut steps = Vec::new();
    for segment in error.instance_path().as_str().split('/').skip(1) {
        let segment = segment.replace("~1", "/").replace("~0", "~");
        let index = if value.is_array() { segment.parse::<usize>().ok() } else { None };
        value = match index {
            Some(index) => &value[index],
            None => &value[&segment],
        };
        steps.push((segment, index));
    }
    steps.iter().rev().fold(violation, |violation, (segment, index)| match index {
        Some(index) => violation.within_index(*index),
        None => violation.within(segment),
    })
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
