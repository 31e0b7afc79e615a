//! AWS's own sample events, which come with `aws_lambda_events`.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use setpiece_handler::{ContentKind, HttpForm, Invocation, Source};

/// The folder with the samples in the sources of `aws_lambda_events`.
///
/// `cargo metadata` of the workspace needs every crate of it, also those that `cargo test` never
/// downloads. A package that depends on `aws_lambda_events` alone, with the same lock file and the
/// same features, needs only what this test was built from.
static FIXTURES: LazyLock<PathBuf> = LazyLock::new(|| {
    // Test runners may run each test in a process of its own.
    let asking = format!("samples-of-aws-{}", std::process::id());
    let asking = Path::new(env!("CARGO_TARGET_TMPDIR")).join(asking);
    fs::create_dir_all(asking.join("src")).unwrap();
    fs::write(asking.join("src/lib.rs"), "").unwrap();
    fs::write(
        asking.join("Cargo.toml"),
        r#"
            [package]
            name = "samples-of-aws"
            edition = "2024"

            [workspace]

            [dependencies.aws_lambda_events]
            version = "*"
            default-features = false
            features = ["eventbridge", "sqs"]
        "#,
    )
    .unwrap();
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    fs::copy(workspace.join("Cargo.lock"), asking.join("Cargo.lock")).unwrap();
    let cargo = |arguments: &[&str]| {
        let output =
            Command::new(env!("CARGO")).args(arguments).current_dir(&asking).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "cargo {}: {errors}", arguments.join(" "));
        String::from_utf8(output.stdout).unwrap()
    };
    let version = cargo(&["-vV"]);
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let metadata =
        cargo(&["metadata", "--offline", "--format-version", "1", "--filter-platform", host]);
    fs::remove_dir_all(&asking).unwrap();
    let metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
    let mut packages = metadata["packages"].as_array().unwrap().iter();
    let package = packages.find(|package| package["name"] == "aws_lambda_events").unwrap();
    let manifest = PathBuf::from(package["manifest_path"].as_str().unwrap());
    manifest.parent().unwrap().join("src/fixtures")
});

/// Reads the samples, by name.
fn samples() -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(&*FIXTURES).unwrap().map(|file| file.unwrap().path());
    let samples = files.filter_map(|path| {
        let name = path.file_name()?.to_str()?.strip_prefix("example-")?.strip_suffix(".json")?;
        Some((name.to_owned(), fs::read(&path).unwrap()))
    });
    samples.collect()
}

/// Records and messages of sources that are not handled, by the names of their samples.
const REFUSED: &[&str] = &[
    "apigw-websocket-request",
    "apigw-websocket-request-disconnect-route",
    "apigw-websocket-request-without-method",
    "vpc-lattice-v1-request",
    "activemq-event",
    "activemq-event-null-properties",
    "cloudwatch_logs-event",
    "code_commit-event",
    "documentdb-delete-event",
    "documentdb-drop-database-event",
    "documentdb-drop-event",
    "documentdb-insert-event",
    "documentdb-invalidate-event",
    "documentdb-rename-event",
    "documentdb-replace-event",
    "documentdb-update-event",
    // A record without its batch.
    "dynamodb-event-record-with-optional-fields",
    "firehose-event",
    "kafka-event",
    "kinesis-firehose-event",
    "kinesis-firehose-response",
    "rabbitmq-event",
    "ses-bcc-event",
    "ses-event",
    "ses-lambda-event",
    "ses-s3-event",
    "ses-sns-event",
];

/// What is no invocation of a source that is known here is a direct one, unless it has records that
/// an answer would acknowledge.
#[test]
fn the_samples_of_aws_are_recognised() {
    let (event, v1, v2) =
        (Source::EventBridge, Source::Http(HttpForm::V1), Source::Http(HttpForm::V2));
    let queue = Source::Sqs { fifo: false };
    let lattice = Source::Http(HttpForm::Lattice);
    let known = BTreeMap::from([
        ("alb-lambda-target-request-headers-only", (Source::Http(HttpForm::Alb), 1)),
        (
            "alb-lambda-target-request-multivalue-headers",
            (Source::Http(HttpForm::AlbMultiValue), 1),
        ),
        ("apigw-console-request", (v1, 1)),
        ("apigw-console-test-request", (v1, 1)),
        ("apigw-request", (v1, 1)),
        ("apigw-request-catch-all", (v1, 1)),
        ("apigw-request-multi-value-parameters", (v1, 1)),
        ("apigw-restapi-openapi-request", (v1, 1)),
        ("apigw-sam-http-request", (v2, 1)),
        ("apigw-sam-rest-request", (v1, 1)),
        ("apigw-v2-request-iam", (v2, 1)),
        ("apigw-v2-request-jwt-authorizer", (v2, 1)),
        ("apigw-v2-request-lambda-authorizer", (v2, 1)),
        ("apigw-v2-request-multi-value-parameters", (v2, 1)),
        ("apigw-v2-request-no-authorizer", (v2, 1)),
        ("autoscaling-event-launch-successful", (event, 1)),
        ("autoscaling-event-launch-unsuccessful", (event, 1)),
        ("autoscaling-event-lifecycle-action", (event, 1)),
        ("autoscaling-event-terminate-action", (event, 1)),
        ("autoscaling-event-terminate-successful", (event, 1)),
        ("autoscaling-event-terminate-unsuccessful", (event, 1)),
        ("cloudwatch-alarm-composite-with-suppressor-alarm", (event, 1)),
        ("cloudwatch-alarm-sns-payload-multiple-metrics", (Source::Sns, 2)),
        ("cloudwatch-alarm-sns-payload-single-metric", (Source::Sns, 1)),
        ("codebuild-phase-change", (event, 1)),
        ("codebuild-state-change", (event, 1)),
        ("codedeploy-deployment-event", (event, 1)),
        ("codedeploy-instance-event", (event, 1)),
        ("codepipeline-action-execution-stage-change-event", (event, 1)),
        ("codepipeline-execution-stage-change-event", (event, 1)),
        ("codepipeline-execution-state-change-event", (event, 1)),
        ("dynamodb-event", (Source::DynamoDbStream, 2)),
        ("dynamodb-event-null-items", (Source::DynamoDbStream, 2)),
        ("ecr-image-scan-event", (event, 1)),
        ("ecr-image-scan-event-with-missing-severities", (event, 1)),
        ("eventbridge-event-obj", (event, 1)),
        ("eventbridge-schedule", (event, 1)),
        ("kinesis-event", (Source::Kinesis, 2)),
        ("kinesis-event-encrypted", (Source::Kinesis, 2)),
        ("s3-event", (Source::S3, 1)),
        ("s3-event-with-decoded", (Source::S3, 1)),
        ("sns-event", (Source::Sns, 1)),
        ("sns-event-obj", (Source::Sns, 1)),
        ("sns-event-pascal-case", (Source::Sns, 1)),
        ("sqs-event", (queue, 1)),
        ("sqs-event-obj", (queue, 1)),
        ("vpc-lattice-v2-request", (lattice, 1)),
        ("vpc-lattice-v2-request-base64", (lattice, 1)),
        ("vpc-lattice-v2-request-roles-anywhere", (lattice, 1)),
    ]);
    let samples = samples();
    for name in known.keys().chain(REFUSED) {
        assert!(samples.contains_key(*name), "{name} is gone");
    }
    for (name, bytes) in &samples {
        let read = Invocation::read(bytes);
        let is_refused = REFUSED.contains(&name.as_str());
        match read {
            Ok(invocation) => {
                let found = (invocation.source, invocation.deliveries.len());
                let expected = known.get(name.as_str()).copied().unwrap_or((Source::Direct, 1));
                assert_eq!((found, is_refused), (expected, false), "{name}");
            }
            Err(error) => assert!(is_refused, "{name}: {error}"),
        }
    }
}

#[test]
fn what_is_in_the_samples_of_aws_is_opened() {
    let samples = samples();
    for (name, expected) in [
        ("apigw-request", ContentKind::Http),
        ("apigw-v2-request-iam", ContentKind::Http),
        ("codebuild-state-change", ContentKind::Other),
        ("dynamodb-event", ContentKind::Item),
        ("eventbridge-event-obj", ContentKind::Other),
        ("eventbridge-schedule", ContentKind::Scheduled),
        ("s3-event", ContentKind::S3),
        ("s3-event-with-decoded", ContentKind::S3),
        ("sns-event-obj", ContentKind::Json),
        ("sqs-event-obj", ContentKind::Json),
    ] {
        let invocation = Invocation::read(&samples[name]).unwrap();
        for delivery in &invocation.deliveries {
            assert_eq!(delivery.open().unwrap().content.kind(), expected, "{name}");
        }
    }
}
