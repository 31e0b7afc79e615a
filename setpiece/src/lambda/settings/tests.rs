use std::collections::HashMap;

use super::*;

fn over(settings: Settings, variables: &[(&str, &str)]) -> Result<Settings, StartError> {
    let variables: HashMap<&str, &str> = variables.iter().copied().collect();
    settings.over(|name| variables.get(name).map(|value| (*value).to_owned()))
}

const IN_LAMBDA: (&str, &str) = ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001");

#[test]
fn a_program_outside_of_lambda_says_how_to_run_it() {
    let error = over(Settings::default(), &[]).unwrap_err();
    // Rust prints the `Debug` text of an error that `main` returns.
    let line = format!("{error:?}");
    assert!(line.contains("cargo lambda watch") && line.lines().count() == 1, "{line}");
}

#[test]
fn the_environment_goes_before_the_code() {
    let code = || Settings {
        bus: Some("shop".to_owned()),
        table: Some(Table::builder("records").key("pk").build().unwrap()),
        ..Settings::default()
    };
    let plain = over(code(), &[IN_LAMBDA]).unwrap();
    assert_eq!((plain.bus().unwrap(), plain.table().unwrap().name()), ("shop", "records"));

    let staged = [IN_LAMBDA, (BUS, "shop-staging"), (TABLE, "records-staging")];
    let staged = over(code(), &staged).unwrap();
    assert_eq!(staged.bus().unwrap(), "shop-staging");
    let table = staged.table().unwrap();
    assert_eq!((table.name(), table.own_key()), ("records-staging", "pk"));
}

#[test]
fn a_missing_name_is_asked_for_by_its_variable() {
    let settings = over(Settings::default(), &[IN_LAMBDA]).unwrap();
    assert_eq!(
        settings.bus().unwrap_err().to_string(),
        "the function has no name of an event bus: set SETPIECE_BUS",
    );
    assert_eq!(
        settings.table().unwrap_err().to_string(),
        "the function has no name of a table: set SETPIECE_TABLE",
    );
}

#[test]
fn checks_are_left_out_by_name() {
    let skipping = |names| over(Settings::default(), &[IN_LAMBDA, (SKIP, names)]);
    assert_eq!(skipping("bus, expiry").unwrap().skipped, [Check::Bus, Check::Expiry]);
    let error = skipping("buss").unwrap_err().to_string();
    assert!(error.contains("`buss`"), "{error}");
}
