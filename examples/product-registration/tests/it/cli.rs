//! The program itself.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Output, Stdio},
};

use expect_test::expect;
use serde_json::Value;
use tempfile::NamedTempFile;

use crate::registration;

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_product-registration"))
}

fn run(arguments: &[&str]) -> Output {
    program().args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn run_on_stdin(arguments: &[&str], input: &str) -> Output {
    let mut child = program()
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn file(content: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(content.as_bytes()).unwrap();
    file
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Checks the exit status and what was said on standard error.
fn check_end(output: &Output, status: i32, errors: &str) {
    assert_eq!(text(&output.stderr), errors);
    assert_eq!(output.status.code(), Some(status));
}

#[test]
fn without_arguments_the_sample_is_run() {
    let output = run(&[]);
    check_end(&output, 0, "");
    let report = text(&output.stdout);
    assert!(report.starts_with("registration 1 (line 1)\n└─ product_registered  "), "{report}");
    assert_eq!(report.matches("\nregistration ").count() + 1, 20);
    let document = run(&["--json"]);
    check_end(&document, 0, "");
    let document: Value = serde_json::from_slice(&document.stdout).unwrap();
    assert_eq!(document["registrations"], 20);
    assert_eq!(document["rejected"], Value::Array(Vec::new()));
}

#[test]
fn a_file_and_standard_input_are_read_alike() {
    let input = format!("{}\r\n{}\r\n", registration(1), registration(2));
    let file = file(&input);
    let path = file.path().to_str().unwrap();
    for output in
        [run(&["--json", path]), run(&[path, "--json"]), run_on_stdin(&["--json", "-"], &input)]
    {
        check_end(&output, 0, "");
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(document["flows"].as_array().unwrap().len(), 2);
    }
}

#[test]
fn ids_are_new_in_every_run() {
    let root = || {
        let document: Value = serde_json::from_slice(&run(&["--json"]).stdout).unwrap();
        document["flows"][0]["correlation_id"].as_str().unwrap().to_owned()
    };
    assert_ne!(root(), root());
}

#[test]
fn rejected_lines_are_told_by_the_exit_status() {
    let input = format!("{}\nx\n{}\n{{}}\n", registration(1), registration(2));
    let output = run_on_stdin(&["-"], &input);
    check_end(
        &output,
        1,
        "line 2 rejected: the line is not JSON at byte 0: expected a value\n\
         line 4 rejected: `customer_id` is missing\n",
    );
    assert!(text(&output.stdout).contains("├─ rejected lines                    2\n"));
    let output = run_on_stdin(&["-", "--json"], &input);
    check_end(&output, 1, "");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["rejected"][0]["line"], 2);
    assert_eq!(document["rejected"][1]["line"], 4);
}

#[test]
fn an_empty_input_is_no_mistake() {
    check_end(&run_on_stdin(&["-"], ""), 0, "");
}

#[test]
fn help_is_shown_on_standard_output() {
    let output = run(&["--help"]);
    check_end(&output, 0, "");
    expect![[r#"
        usage: product-registration [OPTION]... [FILE]

        Lets six services react to product registrations in a world in this process,
        shows what caused what, and checks from the tables and the bus that no effect
        happened twice and no event was lost.

        FILE has one registration in JSON on each line; `-` is standard input. Without
        FILE, twenty registrations that come with the program are taken.

        What goes wrong, each with a probability such as 0.3 or 30%:
          --duplicates P      deliveries that come twice
          --crashes P         invocations whose process dies
          --freezes P         invocations whose process stands still until after its
                              deadline, and then goes on
          --throttle P        requests that are throttled
          --lost P            requests whose answer is lost after they were done
          --reorder           deliveries overtake each other

        In which world:
          --seed N            of this seed, and so the same one again
          --seeds A..B        in the world of each seed from A to before B, until a
                              promise is broken; shows totals, or what happened there
          --store STORE       tables in `dynamodb`, a DynamoDB engine in this process,
                              or in `memory`
          --per-world N       registrations that share a world (100); one world comes
                              after the other

          --json              writes one JSON document
          -h, --help          shows this

        Exit status: 0 when all lines were registrations, 1 when some were not, 2 when
        the run could not be completed, and 3 when a promise was broken.
    "#]]
    .assert_eq(text(&output.stdout));
    assert_eq!(run(&["-h"]).stdout, output.stdout);
}

#[test]
fn a_mistake_in_the_arguments_shows_how_it_is_done() {
    for (arguments, error) in [
        (&["--yaml"][..], "invalid option '--yaml'"),
        (&["--json=yes"], "unexpected argument for option '--json': \"yes\""),
        (&["a", "b"], "unexpected argument \"b\""),
        (
            &["--lost", "often"],
            "cannot parse argument \"often\": expected a probability such as 0.3 or 30%",
        ),
        (&["--crashes", "130%"], "cannot parse argument \"130%\": a probability is from 0 to 1"),
        (&["--throttle=nan"], "cannot parse argument \"nan\": a probability is from 0 to 1"),
        (&["--seeds", "7"], "cannot parse argument \"7\": expected seeds such as 0..1000"),
        (&["--seeds", "7..7"], "cannot parse argument \"7..7\": there are no such seeds"),
        (
            &["--per-world", "0"],
            "cannot parse argument \"0\": number would be zero for non-zero type",
        ),
        (&["--store", "s3"], "cannot parse argument \"s3\": expected `dynamodb` or `memory`"),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let expected = format!("product-registration: {error}\n\nusage: product-registration ");
        assert!(text(&output.stderr).starts_with(&expected), "{}", text(&output.stderr));
        assert_eq!(text(&output.stdout), "");
    }
}

#[test]
fn a_missing_file_is_named() {
    let output = run(&["no/such.jsonl", "--json"]);
    assert_eq!(output.status.code(), Some(2));
    let error = text(&output.stderr);
    assert!(error.starts_with("product-registration: no/such.jsonl cannot be opened: "), "{error}");
    assert_eq!(text(&output.stdout), "");
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_cannot_be_read_still_gives_a_whole_document() {
    let output = run(&["--json", "/"]);
    assert_eq!(output.status.code(), Some(2));
    let error = text(&output.stderr);
    assert!(error.starts_with("product-registration: line 1 cannot be read: "), "{error}");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["registrations"], 0);
}

#[cfg(target_os = "linux")]
#[test]
fn a_report_that_cannot_be_written_is_a_failure() {
    let full = File::create("/dev/full").unwrap();
    let output =
        program().stdout(full).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let error = text(&output.stderr);
    let expected = "product-registration: the report cannot be written: ";
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn a_reader_that_has_seen_enough_ends_the_program_quietly() {
    // Far more than a pipe holds.
    let input: String = (0..5000).map(|number| registration(number) + "\n").collect();
    let file = file(&input);
    for format in [None, Some("--json")] {
        let mut child = program()
            .arg(file.path())
            .args(["--store", "memory"])
            .args(format)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        assert!(!first.is_empty());
        check_end(&child.wait_with_output().unwrap(), 0, "");
    }
}
