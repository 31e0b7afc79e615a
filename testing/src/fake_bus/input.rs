//! Input of a target in place of the event: a part of it, or a text made of parts.

mod path;

use std::fmt::Write as _;

use self::path::JsonPath;
use super::CallError;

/// Input of a target.
///
/// Recorded from AWS: an input path that leads to a text delivers it with its quotes; so does a
/// template of one or several lines that are texts. A placeholder that stands for nothing is `""` in
/// a template that is an object, and nothing within a text. An object or a list loses its quotes in
/// a template of texts; within a text of an object it keeps them, so that the result is no JSON and
/// nothing is [delivered](super::FakeBus::undelivered). The error of a placeholder that nobody
/// defined is recorded as well. From memory: an input path that leads nowhere delivers `null`, and
/// all other errors.
///
/// ```
/// use setpiece_testing::{FakeBus, Input, PutEventsEntry, Rule, Target};
///
/// let bus = FakeBus::new();
/// let summary = Input::template(
///     [("total", "$.detail.total"), ("source", "$.source")],
///     r#"{ "text": "<source> says <total>", "total": <total>, "by": <aws.events.rule-name> }"#,
/// );
/// bus.put_rule(Rule::parse("totals", r#"{ "detail": { "total": [{ "exists": true }] } }"#)?)?;
/// bus.put_targets("totals", [Target::new("loyalty").with_input(summary)])?;
/// _ = bus.put_events(vec![PutEventsEntry::new("retail", "order_submitted", r#"{ "total": 7 }"#)]);
///
/// assert_eq!(
///     bus.next_delivery().unwrap().text(),
///     r#"{ "text": "retail says 7", "total": 7, "by": "totals" }"#,
/// );
/// # Ok::<_, setpiece_testing::CallError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "give it to a target"]
pub enum Input {
    /// The whole event.
    Whole,
    /// `Input`: this JSON, whatever the event is.
    Constant(String),
    /// `InputPath`: the part of the event to which this JSON path leads.
    Path(String),
    /// `InputTransformer`.
    Template {
        /// `InputPathsMap`: names for parts of the event.
        paths: Vec<(String, String)>,
        /// `InputTemplate`: a text with these names in angle brackets.
        template: String,
    },
}

/// Facts about an event beside its own text.
#[derive(Clone, Copy)]
pub(super) struct Facts<'a> {
    /// The event as it is delivered to a target that gets it whole.
    pub(super) event: &'a str,
    pub(super) rule_name: &'a str,
    pub(super) rule_arn: &'a str,
    pub(super) ingestion_time: &'a str,
}

const RULE_ARN: &str = "aws.events.rule-arn";
const RULE_NAME: &str = "aws.events.rule-name";
const INGESTION_TIME: &str = "aws.events.event.ingestion-time";
const EVENT: &str = "aws.events.event";
const EVENT_JSON: &str = "aws.events.event.json";

impl Input {
    /// The part of the event to which a JSON path leads: `$`, `.name`, `[0]`, `[*]` and `.*`.
    pub fn path(path: &str) -> Self {
        Self::Path(path.to_owned())
    }

    /// A text in which names in angle brackets stand for parts of the event.
    pub fn template<'a>(
        paths: impl IntoIterator<Item = (&'a str, &'a str)>,
        template: &str,
    ) -> Self {
        let owned = |(name, path): (&str, &str)| (name.to_owned(), path.to_owned());
        let paths = paths.into_iter().map(owned).collect();
        Self::Template { paths, template: template.to_owned() }
    }

    pub(super) fn check(&self, target: &str) -> Result<(), CallError> {
        const MAX_PATHS: usize = 100;
        const MAX_TEMPLATE_CHARS: usize = 8192;
        let error = |message: String| Err(CallError::validation(message));
        match self {
            Self::Whole => Ok(()),
            Self::Constant(json) if is_json(json) => Ok(()),
            Self::Constant(_) => error(format!("JSON syntax error in input for target {target}.")),
            Self::Path(path) if JsonPath::parse(path).is_some() => Ok(()),
            Self::Path(_) => error(format!("Invalid InputPath for target {target}.")),
            Self::Template { paths, template } => {
                let path = |(_, path): &&(String, String)| JsonPath::parse(path).is_none();
                if let Some((name, _)) = paths.iter().find(path) {
                    return error(format!(
                        "Invalid InputPathsMap value {name} for target {target}."
                    ));
                }
                let reserved =
                    |(name, _): &&(String, String)| name.to_lowercase().starts_with("aws");
                if let Some((name, _)) = paths.iter().find(reserved) {
                    return error(format!("Invalid InputPathsMap key {name} for target {target}."));
                }
                if paths.len() > MAX_PATHS {
                    return error(format!(
                        "InputPathsMap for target {target} has more than {MAX_PATHS} values."
                    ));
                }
                if template.is_empty() || template.chars().count() > MAX_TEMPLATE_CHARS {
                    return error(format!(
                        "InputTemplate for target {target} must have 1 to {MAX_TEMPLATE_CHARS} \
                         characters."
                    ));
                }
                check_template(target, paths, template)
            }
        }
    }

    /// Makes what a target gets of an event, or says why it gets nothing.
    pub(super) fn render(&self, facts: Facts<'_>) -> Result<String, String> {
        let rendered = match self {
            Self::Whole => facts.event.to_owned(),
            Self::Constant(json) => json.clone(),
            Self::Path(path) => find(path, facts.event).unwrap_or_else(|| "null".to_owned()),
            Self::Template { paths, template } => fill(template, |name| match name {
                RULE_ARN => Some(text(facts.rule_arn)),
                RULE_NAME => Some(text(facts.rule_name)),
                INGESTION_TIME => Some(text(facts.ingestion_time)),
                EVENT => Some(without_detail(facts.event)),
                EVENT_JSON => Some(facts.event.to_owned()),
                name => {
                    let path = paths.iter().find(|(known, _)| known == name);
                    path.and_then(|(_, path)| find(path, facts.event))
                }
            }),
        };
        match self {
            Self::Template { template, .. } if is_object(template) && !is_json(&rendered) => {
                Err("The input template gave no JSON for the event.".to_owned())
            }
            _ => Ok(rendered),
        }
    }
}

/// Recorded for a name that is not defined; the rest is from memory.
fn check_template(
    target: &str,
    paths: &[(String, String)],
    template: &str,
) -> Result<(), CallError> {
    for piece in pieces(template) {
        let Piece::Name { name, .. } = piece else { continue };
        let is_known = [RULE_ARN, RULE_NAME, INGESTION_TIME, EVENT, EVENT_JSON].contains(&name)
            || paths.iter().any(|(known, _)| known == name);
        if !is_known {
            let message =
                format!("InputTemplate for target {target} contains invalid placeholder {name}.");
            return Err(CallError::validation(message));
        }
    }
    // A text would do as the name of a member, which no placeholder can be (documented).
    let number = |_: &str| Some("0".to_owned());
    let filled = fill(template, number);
    let is_valid = if is_object(template) {
        is_json(&filled)
    } else {
        !template.trim_start().starts_with('"') || are_json(&filled)
    };
    if !is_valid {
        let message = format!("Invalid InputTemplate for target {target}: not JSON.");
        return Err(CallError::validation(message));
    }
    Ok(())
}

/// Tells whether a template is an object. Anything else is taken for texts.
fn is_object(template: &str) -> bool {
    template.trim_start().starts_with('{')
}

/// Tells whether a text is JSON, or several lines of it.
fn are_json(text: &str) -> bool {
    is_json(text) || text.lines().filter(|line| !line.trim().is_empty()).all(is_json)
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok()
}

fn find(path: &str, event: &str) -> Option<String> {
    JsonPath::parse(path)?.find(event)
}

fn text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The event without its detail, in the order and with the names that were recorded.
fn without_detail(event: &str) -> String {
    const MEMBERS: [(&str, &str); 8] = [
        ("id", "$.id"),
        ("account", "$.account"),
        ("detailType", "$.detail-type"),
        ("time", "$.time"),
        ("source", "$.source"),
        ("region", "$.region"),
        ("resources", "$.resources"),
        ("version", "$.version"),
    ];
    let mut json = String::new();
    for (name, path) in MEMBERS {
        let Some(value) = find(path, event) else { continue };
        json.push(if json.is_empty() { '{' } else { ',' });
        // Writing to a text does not fail.
        _ = write!(json, "\"{name}\":{value}");
    }
    json + "}"
}

enum Piece<'a> {
    Text(&'a str),
    /// Name in angle brackets, and its place within a text or outside of one.
    Name {
        name: &'a str,
        in_text: bool,
    },
}

fn pieces(template: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = template;
    let (mut in_text, mut is_escaped) = (false, false);
    while let Some(start) = rest.find('<')
        && let Some(length) = rest[start..].find('>')
    {
        let (before, name) = (&rest[..start], &rest[start + 1..start + length]);
        for char in before.chars() {
            match char {
                _ if is_escaped => is_escaped = false,
                '\\' => is_escaped = in_text,
                '"' => in_text = !in_text,
                _ => {}
            }
        }
        pieces.extend([Piece::Text(before), Piece::Name { name, in_text }]);
        rest = &rest[start + length + 1..];
    }
    pieces.push(Piece::Text(rest));
    pieces
}

/// Puts the JSON that belongs to each name in its place.
fn fill(template: &str, value: impl Fn(&str) -> Option<String>) -> String {
    // In anything else, names outside of quotes are taken for a text, too.
    let is_object = is_object(template);
    let mut filled = String::with_capacity(template.len());
    for piece in pieces(template) {
        match piece {
            Piece::Text(text) => filled.push_str(text),
            Piece::Name { name, in_text: false } if is_object => {
                filled.push_str(value(name).as_deref().unwrap_or("\"\""));
            }
            Piece::Name { name, in_text: _ } => {
                let value = value(name).unwrap_or_default();
                match value.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
                    // Escaped as it was in the event.
                    Some(text) => filled.push_str(text),
                    None if is_object => filled.push_str(&value),
                    None => filled.extend(value.chars().filter(|char| *char != '"')),
                }
            }
        }
    }
    filled
}

#[cfg(test)]
mod tests;
