//! The records of DynamoDB streams:
//! <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_Record.html>.

use serde_dynamo::{AttributeValue, Item};
use setpiece_envelope::{Reason, Violation, json::Scanner};

use super::{Change, Content, OutboxChange};
use crate::payload::{ItemChange, UserIdentity};

/// The attribute of an item in the outbox that holds the event, as the text of its JSON.
pub(crate) const OUTBOX_EVENT: &str = "outbox_event";

#[derive(Default)]
struct Images {
    keys: Option<Item>,
    new: Option<Item>,
    old: Option<Item>,
}

pub(super) fn read<'a>(record: &str) -> Result<Content<'a>, Violation> {
    let (mut event_id, mut change) = (None, None);
    let mut images = Images::default();
    let mut author = None;
    Scanner::new(record).object(|scanner, member| {
        match member {
            "eventID" => event_id = Some(scanner.string()?),
            "eventName" => {
                change = Some(match &*scanner.string()? {
                    "INSERT" => Change::Insert,
                    "MODIFY" => Change::Modify,
                    "REMOVE" => Change::Remove,
                    _ => {
                        let expected = &["INSERT", "MODIFY", "REMOVE"];
                        return Err(Violation::new(Reason::UnknownVariant { expected }));
                    }
                });
            }
            "userIdentity" => author = user_identity(scanner)?,
            "dynamodb" => scanner.object(|scanner, member| {
                match member {
                    "Keys" => images.keys = item(scanner)?,
                    "NewImage" => images.new = item(scanner)?,
                    "OldImage" => images.old = item(scanner)?,
                    _ => drop(scanner.skip()?),
                }
                Ok(())
            })?,
            _ => drop(scanner.skip()?),
        }
        Ok(())
    })?;
    let missing = |path: &str| Violation::at(path, Reason::Missing);
    let change = change.ok_or_else(|| missing("eventName"))?;
    let Images { keys, new, old } = images;
    let keys = keys.ok_or_else(|| missing("dynamodb.Keys"))?;

    let image = if change == Change::Remove { &old } else { &new };
    if let Some(event) = image.as_ref().and_then(|image| image.get(OUTBOX_EVENT)) {
        // One that cannot be read is in the outbox all the same, and would be lost for those who
        // can read it if the record were put aside.
        let event = match event {
            AttributeValue::S(event) => serde_json::from_str(event).ok(),
            _ => None,
        };
        return Ok(Content::Outbox(OutboxChange { change, key: keys, event }));
    }
    let event_id = event_id.filter(|id| !id.is_empty()).ok_or_else(|| missing("eventID"))?;
    Ok(Content::Item(ItemChange {
        event_id: event_id.into(),
        change,
        keys,
        new_image: new,
        old_image: old,
        user_identity: author,
    }))
}

/// Reads the author of a change. One that cannot be read is none: the change is handled all the same.
fn user_identity(scanner: &mut Scanner<'_>) -> Result<Option<UserIdentity>, Violation> {
    let (_, author) = scanner.attempt(|scanner| {
        let (mut kind, mut principal_id) = (None, None);
        scanner.members(|scanner, member| {
            match member {
                "type" => kind = Some(scanner.string()?),
                "principalId" => principal_id = Some(scanner.string()?),
                _ => drop(scanner.skip()?),
            }
            Ok(())
        })?;
        Ok(kind.zip(principal_id))
    })?;
    Ok(author.ok().flatten().map(|(kind, principal_id)| UserIdentity {
        kind: kind.into(),
        principal_id: principal_id.into(),
    }))
}

/// Reads an item in DynamoDB's JSON; `None` for a `null`, which stands for an image that is not
/// there.
fn item(scanner: &mut Scanner<'_>) -> Result<Option<Item>, Violation> {
    if scanner.is_null() {
        return scanner.value().map(|_| None);
    }
    let json = scanner.value()?;
    serde_json::from_str(json)
        .map(Some)
        .map_err(|_| Violation::new(Reason::NotOfForm { form: "an item in DynamoDB's JSON" }))
}
