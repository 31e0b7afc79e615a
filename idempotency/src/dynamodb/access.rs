use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Table, table::SortKey};

/// Use that a service makes of its guard, for the permissions that it needs.
///
/// A transaction needs the permissions of the actions in it, so those of a commit are the guard's
/// own and, for the tables of the caller's writes, the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// Runs, replays, extends and releases; also pure deduplication.
    ///
    /// It is enough where no result is larger than what is [kept on the
    /// record](crate::Keep::inline_up_to), 400 bytes by default. A larger one is written with it, but
    /// each replay of it fails without [`LargeResults`](Self::LargeResults).
    Guard,
    /// Commits together with writes of the caller, after a claim.
    Commit,
    /// Commits together with writes of the caller, in one request, and looks at the record when
    /// the answer was lost.
    CommitOnce,
    /// Replays results that are too large for the record, and kept beside it.
    LargeResults,
    /// Waits for another call with the same key, or looks before it writes.
    Wait,
    /// Looks at records, releases and resolves them.
    Operate,
    /// Forgets records.
    Forget,
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Guard,
        Self::Commit,
        Self::CommitOnce,
        Self::LargeResults,
        Self::Wait,
        Self::Operate,
        Self::Forget,
    ];

    /// The IAM actions that it needs on the table, no more and no less.
    #[must_use]
    pub const fn actions(self) -> &'static [&'static str] {
        match self {
            Self::Guard | Self::Commit => &["dynamodb:UpdateItem"],
            Self::CommitOnce | Self::LargeResults | Self::Wait | Self::Operate => {
                &["dynamodb:GetItem", "dynamodb:UpdateItem"]
            }
            Self::Forget => &["dynamodb:DeleteItem", "dynamodb:GetItem"],
        }
    }
}

impl Table {
    /// The statement of an IAM policy that allows `modes` on the table with the ARN `table_arn`,
    /// in JSON.
    ///
    /// With `prefixes`, it is limited to the records whose stored keys begin with one of them. A
    /// prefix should end with the separator: `pay` would allow `payments#`, too. In the [composite
    /// mode](super::TableBuilder::composite_key) all keys are in one partition, which is what the
    /// statement is limited to then, whatever the prefixes.
    ///
    /// ```
    /// use setpiece_idempotency::dynamodb::{Mode, Table};
    ///
    /// let arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/idempotency";
    /// let table = Table::new("idempotency");
    /// let statement = table.policy_statement(arn, &[Mode::Guard], &["payments#charge#"]);
    /// assert!(statement.contains(r#""dynamodb:UpdateItem""#));
    /// assert!(statement.contains(r#""payments#charge#*""#));
    /// ```
    #[must_use]
    pub fn policy_statement(&self, table_arn: &str, modes: &[Mode], prefixes: &[&str]) -> String {
        let actions: BTreeSet<_> = modes.iter().flat_map(|mode| mode.actions()).collect();
        let mut statement = json!({ "Effect": "Allow", "Action": actions, "Resource": table_arn });
        let keys: Vec<Value> = match &self.sort_key {
            SortKey::Record { partition, .. } => vec![literal(partition).into()],
            SortKey::None | SortKey::Constant { .. } => {
                prefixes.iter().map(|prefix| format!("{}*", literal(prefix)).into()).collect()
            }
        };
        if !keys.is_empty() {
            // A condition on all values holds where there are none. All of these actions have a
            // key, and the second condition keeps it so.
            statement["Condition"] = json!({
                "ForAllValues:StringLike": { "dynamodb:LeadingKeys": keys },
                "Null": { "dynamodb:LeadingKeys": "false" },
            });
        }
        format!("{statement:#}")
    }
}

/// A text for `StringLike` that means itself.
fn literal(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut literal, character| {
        match character {
            '*' | '?' | '$' => literal.extend(["${", character.encode_utf8(&mut [0; 4]), "}"]),
            _ => literal.push(character),
        }
        literal
    })
}
