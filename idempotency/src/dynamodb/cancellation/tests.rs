use setpiece_policy::FaultKind;

use super::*;

const CODES: [&str; 10] = [
    "None",
    "ConditionalCheckFailed",
    "TransactionConflict",
    "TransactionInProgress",
    "ThrottlingError",
    "ProvisionedThroughputExceeded",
    "ValidationError",
    "ItemCollectionSizeLimitExceeded",
    "AccessDenied",
    "SomethingNew",
];

fn reasons(codes: &[&str]) -> Vec<CancellationReason> {
    codes.iter().map(|code| CancellationReason::builder().code(*code).build()).collect()
}

fn judged(codes: &[&str]) -> Result<Cancelled, Fault> {
    judge(&reasons(codes), codes.len())
}

/// Every mix of three reasons, against the promise in one sentence each.
#[test]
fn a_write_is_blamed_only_where_the_record_was_looked_at_and_held() {
    let mut blamed = 0;
    for record in CODES {
        for first in CODES {
            for second in CODES {
                let codes = [record, first, second];
                let said = judged(&codes);
                let all_looked_at = codes.iter().all(|code| {
                    matches!(
                        *code,
                        "None"
                            | "ConditionalCheckFailed"
                            | "ValidationError"
                            | "ItemCollectionSizeLimitExceeded"
                    )
                });
                match said {
                    // The record's own condition is always believed when it was evaluated.
                    Ok(Cancelled::RecordRefused) => {
                        assert_eq!(record, "ConditionalCheckFailed", "{codes:?}");
                    }
                    Ok(Cancelled::Unwritten(unwritten)) => {
                        blamed += 1;
                        assert_eq!(record, "None", "{codes:?}");
                        assert!(all_looked_at, "{codes:?}");
                        let refused = codes.iter().position(|it| *it == "ConditionalCheckFailed");
                        match (unwritten, refused) {
                            (Unwritten::Refused(index), Some(position)) => {
                                assert_eq!(index + 1, position, "{codes:?}");
                            }
                            (Unwritten::Impossible(write), None) => {
                                let index = write.index.unwrap();
                                let code = codes[index + 1];
                                assert!(
                                    matches!(
                                        code,
                                        "ValidationError" | "ItemCollectionSizeLimitExceeded"
                                    ),
                                    "{codes:?}"
                                );
                            }
                            other => panic!("{codes:?}: {other:?}"),
                        }
                    }
                    Ok(Cancelled::Contended) => {
                        assert!(codes.iter().any(|it| it.starts_with("Transaction")), "{codes:?}");
                    }
                    Err(fault) => {
                        // What passes comes again; what is not known is handed back.
                        assert!(!fault.may_have_happened(), "{codes:?}");
                        let passing = codes.iter().any(|it| {
                            matches!(*it, "ThrottlingError" | "ProvisionedThroughputExceeded")
                        });
                        let strange =
                            codes.iter().any(|it| matches!(*it, "AccessDenied" | "SomethingNew"));
                        let record_is_impossible =
                            matches!(record, "ValidationError" | "ItemCollectionSizeLimitExceeded");
                        let nothing = codes == ["None"; 3];
                        assert!(passing || strange || record_is_impossible || nothing, "{codes:?}");
                    }
                }
                if record == "ConditionalCheckFailed" {
                    assert_eq!(judged(&codes).unwrap(), Cancelled::RecordRefused, "{codes:?}");
                }
            }
        }
    }
    // Of the 16 mixes that were looked at and held for the record, one says nothing.
    assert_eq!(blamed, 15);
}

#[test]
fn a_throttled_record_is_throttled_whatever_the_writes_say() {
    for code in ["ThrottlingError", "ProvisionedThroughputExceeded"] {
        for write in ["ConditionalCheckFailed", "ValidationError", "None"] {
            let fault = judged(&[code, write]).unwrap_err();
            assert_eq!((fault.kind(), fault.code()), (FaultKind::Throttled, Some(code)));
        }
        let fault = judged(&["None", "ConditionalCheckFailed", code]).unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Throttled);
    }
}

#[test]
fn reasons_that_do_not_fit_the_actions_prove_nothing() {
    for (codes, actions) in [
        (&[][..], 2),
        (&["None"], 2),
        (&["None", "ConditionalCheckFailed"], 3),
        (&["None", "ConditionalCheckFailed", "None"], 2),
        (&["None", "None"], 2),
    ] {
        let fault = judge(&reasons(codes), actions).unwrap_err();
        assert_eq!(fault.code(), Some("TransactionCanceledException"), "{codes:?}");
    }
    // An action without a reason has none: its condition held.
    let silent = [
        CancellationReason::builder().build(),
        CancellationReason::builder().code("ConditionalCheckFailed").build(),
    ];
    assert_eq!(judge(&silent, 2).unwrap(), Cancelled::Unwritten(Unwritten::Refused(0)));
}

#[test]
fn messages_of_dynamodb_have_names() {
    for (message, expected) in [
        (
            "Item size to update has exceeded the maximum allowed size",
            ImpossibleReason::ItemTooLarge,
        ),
        ("Item size has exceeded the maximum allowed size", ImpossibleReason::ItemTooLarge),
        (
            "An operand in the update expression has an incorrect data type",
            ImpossibleReason::WrongType,
        ),
        ("The provided key element does not match the schema", ImpossibleReason::WrongKey),
        (
            "One or more parameter values were invalid: Missing the key id in the item",
            ImpossibleReason::WrongKey,
        ),
        (
            "One or more parameter values were invalid: Type mismatch for key id expected: S actual: N",
            ImpossibleReason::WrongKey,
        ),
        (
            "Number overflow. Attempting to store a number with magnitude larger than supported range",
            ImpossibleReason::Number,
        ),
        ("Something that is new", ImpossibleReason::Invalid),
    ] {
        assert_eq!(reason(message), expected, "{message}");
    }
}
