use serde_json::value::RawValue;

use crate::json_lines::Members;

/// The JSON paths that EventBridge understands (documented): `$`, names after dots, indices, and
/// `*` in the place of either.
pub(super) struct JsonPath<'p>(Vec<Step<'p>>);

enum Step<'p> {
    Member(&'p str),
    Element(usize),
    All,
}

impl<'p> JsonPath<'p> {
    /// `None` when it is no such path.
    pub(super) fn parse(path: &'p str) -> Option<Self> {
        let mut rest = path.strip_prefix('$')?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if let Some(member) = rest.strip_prefix('.') {
                let end = member.find(['.', '[']).unwrap_or(member.len());
                let (name, after) = member.split_at(end);
                let is_name = |char: char| char.is_alphanumeric() || "-_/".contains(char);
                match name {
                    "*" => steps.push(Step::All),
                    name if !name.is_empty() && name.chars().all(is_name) => {
                        steps.push(Step::Member(name));
                    }
                    _ => return None,
                }
                rest = after;
            } else {
                let (index, after) = rest.strip_prefix('[')?.split_once(']')?;
                steps.push(match index {
                    "*" => Step::All,
                    index => Step::Element(index.parse().ok()?),
                });
                rest = after;
            }
        }
        Some(Self(steps))
    }

    /// The JSON to which it leads; with a `*`, an array of all that it finds.
    pub(super) fn find(&self, json: &str) -> Option<String> {
        let is_many = self.0.iter().any(|step| matches!(step, Step::All));
        let mut found: Vec<&RawValue> = vec![serde_json::from_str(json).ok()?];
        for step in &self.0 {
            found = found.into_iter().flat_map(|value| step.of(value)).collect();
        }
        if is_many {
            let all: Vec<&str> = found.iter().map(|value| value.get()).collect();
            return (!all.is_empty()).then(|| format!("[{}]", all.join(",")));
        }
        found.first().map(|value| value.get().to_owned())
    }
}

impl Step<'_> {
    fn of<'v>(&self, value: &'v RawValue) -> Vec<&'v RawValue> {
        let members = || serde_json::from_str(value.get()).map_or(Vec::new(), |Members(all)| all);
        let elements = || serde_json::from_str::<Vec<&RawValue>>(value.get()).unwrap_or_default();
        match self {
            // Of members with one name, the last one counts.
            Self::Member(name) => {
                let member = members().into_iter().rev().find(|(known, _)| known == name);
                member.map(|(_, value)| value).into_iter().collect()
            }
            Self::Element(index) => elements().get(*index).copied().into_iter().collect(),
            Self::All => {
                let members = members().into_iter().map(|(_, value)| value);
                members.chain(elements()).collect()
            }
        }
    }
}
