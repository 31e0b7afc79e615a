use super::Number;

fn number(text: &str) -> Number {
    Number::parse(text).unwrap()
}

#[test]
fn numbers_have_one_form() {
    for (text, form) in [
        ("0", "0"),
        ("-0.00", "0"),
        ("007", "7"),
        ("1.50", "1.5"),
        ("1.5e1", "15"),
        ("1E3", "1000"),
        ("0.001", "0.001"),
        ("-12.30", "-12.3"),
        ("1E-130", "1E-130"),
    ] {
        assert_eq!(number(text).to_string(), form, "{text}");
        assert_eq!(number(form), number(text), "{text}");
    }
}

#[test]
fn what_dynamodb_takes_for_no_number_is_none() {
    let digits = "1".repeat(39);
    for text in ["", "-", "NaN", "inf", "1e", "1e126", "1e-131", "0x1", "1 ", &digits] {
        assert_eq!(Number::parse(text), None, "{text}");
    }
}

#[test]
fn numbers_are_ordered_by_what_they_are_worth() {
    let ascending = [
        "-1e20", "-2", "-1.5", "-0.1", "0", "1E-130", "0.1", "0.11", "1", "1.5", "9", "10", "1e20",
    ];
    for pair in ascending.windows(2) {
        assert!(number(pair[0]) < number(pair[1]), "{pair:?}");
    }
}

#[test]
fn sums_are_exact_or_refused() {
    let sum = |one, other| number(one).add(number(other)).map(|sum| sum.to_string());
    assert_eq!(sum("0.1", "0.2").as_deref(), Some("0.3"));
    assert_eq!(sum("-5", "5").as_deref(), Some("0"));
    assert_eq!(
        sum("99999999999999999999999999999999999999", "1").as_deref(),
        Some("100000000000000000000000000000000000000").map(|_| "1E+38")
    );
    assert_eq!(sum("1e38", "0.1"), None);
}
