use tracing_core::Level;

use super::{Config, Format};

fn config(variables: &[(&str, &str)], is_terminal: bool) -> Config {
    let read = |name: &str| {
        let found = variables.iter().find(|variable| variable.0 == name);
        found.map(|variable| variable.1.to_owned())
    };
    Config::from_lookup(read, is_terminal)
}

/// The lowest level that is written for a target.
fn level(config: &Config, target: &str) -> Option<Level> {
    [Level::TRACE, Level::DEBUG, Level::INFO, Level::WARN, Level::ERROR]
        .into_iter()
        .find(|level| config.written.would_enable(target, level))
}

#[test]
fn the_first_variable_that_can_be_read_counts() {
    for (variables, expected) in [
        (&[][..], Some(Level::INFO)),
        (&[("RUST_LOG", "debug")], Some(Level::DEBUG)),
        (&[("RUST_LOG", "debug"), ("POWERTOOLS_LOG_LEVEL", "WARN")], Some(Level::WARN)),
        (&[("SETPIECE_LOG", "TRACE"), ("AWS_LAMBDA_LOG_LEVEL", "ERROR")], Some(Level::ERROR)),
        (&[("AWS_LAMBDA_LOG_LEVEL", "FATAL")], Some(Level::ERROR)),
        (&[("AWS_LAMBDA_LOG_LEVEL", "")], Some(Level::INFO)),
        (&[("AWS_LAMBDA_LOG_LEVEL", "LOUD"), ("RUST_LOG", "warn")], Some(Level::WARN)),
        (&[("POWERTOOLS_LOG_LEVEL", "SILENT")], None),
        (&[("RUST_LOG", "hyper=warn")], Some(Level::INFO)),
        (&[("RUST_LOG", "debug,hyper=warn")], Some(Level::DEBUG)),
        (&[("RUST_LOG", "info,my_crate=loud")], Some(Level::INFO)),
    ] {
        assert_eq!(level(&config(variables, false), "my_crate"), expected, "{variables:?}");
    }
    let config = config(&[("RUST_LOG", "debug,hyper=warn")], false);
    assert_eq!(level(&config, "hyper::proto"), Some(Level::WARN));
}

#[test]
fn lines_are_json_but_on_a_terminal() {
    let text = |color| Format::Text { color };
    let name = ("AWS_LAMBDA_FUNCTION_NAME", "f");
    for (variables, is_terminal, expected) in [
        (&[][..], true, text(true)),
        (&[], false, Format::Json),
        (&[name], true, Format::Json),
        (&[name, ("AWS_LAMBDA_LOG_FORMAT", "JSON")], false, Format::Json),
        (&[name, ("AWS_LAMBDA_LOG_FORMAT", "Text")], false, text(false)),
        (
            &[name, ("AWS_LAMBDA_LOG_FORMAT", "Text"), ("SETPIECE_LOG_FORMAT", "json")],
            false,
            Format::Json,
        ),
        (&[("SETPIECE_LOG_FORMAT", "json")], true, Format::Json),
        (&[("SETPIECE_LOG_FORMAT", "xml")], false, Format::Json),
    ] {
        assert_eq!(config(variables, is_terminal).format, expected, "{variables:?}");
    }
}

#[test]
fn the_rest_is_read_and_bounded() {
    let read = config(
        &[
            ("AWS_LAMBDA_FUNCTION_NAME", "f"),
            ("POWERTOOLS_SERVICE_NAME", "orders"),
            ("SETPIECE_SAMPLE_RATE", "2"),
            ("POWERTOOLS_LOGGER_SAMPLE_RATE", "0.5"),
            ("SETPIECE_LOG_BUFFER_BYTES", "99999999"),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "provisioned-concurrency"),
        ],
        false,
    );
    assert_eq!((&*read.service, read.function_name.as_deref()), ("orders", Some("f")));
    assert!((read.sample_rate.get() - 0.5).abs() < f64::EPSILON);
    assert_eq!((read.buffer_bytes, read.on_demand), (Config::MAX_BUFFER_BYTES, false));
    assert_eq!(config(&[("AWS_LAMBDA_FUNCTION_NAME", "f")], false).service, "f");
    assert_eq!(config(&[], false).service, "service_undefined");
}
