use super::RenameRule;

/// What each rule makes of the names, one line per rule, as serde's own tables have it.
#[test]
fn every_rule_renames_as_serde_does() {
    let variants = ["Outcome", "VeryTasty", "A", "Z42"];
    let fields = ["outcome", "very_tasty", "a", "z42"];
    let table = [
        ("lowercase", ["outcome", "verytasty", "a", "z42"], ["outcome", "very_tasty", "a", "z42"]),
        ("UPPERCASE", ["OUTCOME", "VERYTASTY", "A", "Z42"], ["OUTCOME", "VERY_TASTY", "A", "Z42"]),
        ("PascalCase", ["Outcome", "VeryTasty", "A", "Z42"], ["Outcome", "VeryTasty", "A", "Z42"]),
        ("camelCase", ["outcome", "veryTasty", "a", "z42"], ["outcome", "veryTasty", "a", "z42"]),
        (
            "snake_case",
            ["outcome", "very_tasty", "a", "z42"],
            ["outcome", "very_tasty", "a", "z42"],
        ),
        (
            "SCREAMING_SNAKE_CASE",
            ["OUTCOME", "VERY_TASTY", "A", "Z42"],
            ["OUTCOME", "VERY_TASTY", "A", "Z42"],
        ),
        (
            "kebab-case",
            ["outcome", "very-tasty", "a", "z42"],
            ["outcome", "very-tasty", "a", "z42"],
        ),
        (
            "SCREAMING-KEBAB-CASE",
            ["OUTCOME", "VERY-TASTY", "A", "Z42"],
            ["OUTCOME", "VERY-TASTY", "A", "Z42"],
        ),
    ];
    for (name, expected_variants, expected_fields) in table {
        let rule = RenameRule::parse(name).unwrap();
        assert_eq!(variants.map(|variant| rule.variant(variant)), expected_variants, "{name}");
        assert_eq!(fields.map(|field| rule.field(field)), expected_fields, "{name}");
    }
}

#[test]
fn an_unknown_rule_is_left_to_serde() {
    assert_eq!(RenameRule::parse("Snake_Case"), None);
}

#[test]
fn names_outside_ascii_and_empty_names_are_renamed_without_panic() {
    assert_eq!(RenameRule::Camel.variant("Änderung"), "Änderung");
    assert_eq!(RenameRule::Snake.variant("GroßeÄnderung"), "große_Änderung");
    assert_eq!(RenameRule::Camel.field("__"), "");
}
