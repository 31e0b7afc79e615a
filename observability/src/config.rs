use std::io::IsTerminal as _;

use tracing_core::LevelFilter;
use tracing_subscriber::filter::Targets;

use crate::{
    SampleRate,
    metrics::{Dimensions, InvalidDimension, is_dimension_value, is_namespace},
};

/// Settings of a process's telemetry.
///
/// # Environment
///
/// [`from_env`](Self::from_env) reads these variables. Where several are named the first that is
/// set counts, and one that cannot be read is as good as none.
///
/// | variable | sets | otherwise |
/// |---|---|---|
/// | `SETPIECE_SERVICE`, `POWERTOOLS_SERVICE_NAME`, `AWS_LAMBDA_FUNCTION_NAME` | the service | `service_undefined` |
/// | `AWS_LAMBDA_FUNCTION_NAME`, `AWS_LAMBDA_FUNCTION_MEMORY_SIZE` | what [function members](Self::with_function_members) say | they are left out |
/// | `AWS_LAMBDA_LOG_LEVEL`, `SETPIECE_LOG`, `POWERTOOLS_LOG_LEVEL`, `RUST_LOG` | the level, or for targets: `info,hyper=warn` | `info` |
/// | `SETPIECE_LOG_FORMAT`, `AWS_LAMBDA_LOG_FORMAT` | `json` or `text`, in any case | JSON in Lambda and where the output is no terminal |
/// | `SETPIECE_SAMPLE_RATE`, `POWERTOOLS_LOGGER_SAMPLE_RATE` | the share of flows with detailed telemetry, 0 to 1 | 0 |
/// | `SETPIECE_LOG_BUFFER_BYTES` | bytes of lines that a scope keeps, at most 204,800 | 20,480 |
/// | `SETPIECE_METRICS_NAMESPACE`, `POWERTOOLS_METRICS_NAMESPACE` | the namespace of metrics | the service |
/// | `AWS_LAMBDA_INITIALIZATION_TYPE` | other than `on-demand`: no invocation is a cold start | the first one is |
///
/// Lambda's own level stands above that of the code, since Lambda drops what is below it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    pub(crate) service: String,
    pub(crate) function_name: Option<String>,
    pub(crate) function_memory_size: Option<String>,
    pub(crate) function_members: bool,
    pub(crate) on_demand: bool,
    pub(crate) format: Format,
    pub(crate) written: Targets,
    pub(crate) kept: Targets,
    pub(crate) bundle: bool,
    pub(crate) buffer_bytes: usize,
    pub(crate) sample_rate: SampleRate,
    namespace: Option<String>,
    pub(crate) dimensions: Dimensions,
    #[cfg(feature = "pseudonym")]
    pub(crate) pseudonym_key: Option<crate::redact::PseudonymKey>,
}

/// A form of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// One line for people.
    Text {
        /// With colours, for a terminal.
        color: bool,
    },
}

impl Config {
    /// The most bytes of lines that a scope keeps.
    pub const MAX_BUFFER_BYTES: usize = 204_800;

    /// Settings of `service`, with JSON lines from the level `INFO`, and with lines of `DEBUG` kept
    /// in 20,480 bytes for each scope.
    #[must_use]
    pub fn new(service: impl Into<String>) -> Self {
        Self {
            service: service.into(),
            function_name: None,
            function_memory_size: None,
            function_members: false,
            on_demand: true,
            format: Format::Json,
            written: Targets::new().with_default(LevelFilter::INFO),
            kept: kept(LevelFilter::DEBUG),
            bundle: false,
            buffer_bytes: 20_480,
            sample_rate: SampleRate::NONE,
            namespace: None,
            dimensions: Dimensions::default(),
            #[cfg(feature = "pseudonym")]
            pseudonym_key: None,
        }
    }

    /// Settings from the environment, as the [type](Self) lists them.
    #[must_use]
    pub fn from_env() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
        let read = |name: &str| std::env::var(name).ok();
        Self::from_lookup(read, std::io::stdout().is_terminal())
    }

    fn from_lookup(read: impl Fn(&str) -> Option<String>, is_terminal: bool) -> Self {
        let first = |names: &[&str]| {
            names.iter().find_map(|name| read(name).filter(|value| !value.trim().is_empty()))
        };
        let function_name = first(&["AWS_LAMBDA_FUNCTION_NAME"]);
        let service = first(&["SETPIECE_SERVICE", "POWERTOOLS_SERVICE_NAME"])
            .or_else(|| function_name.clone())
            .unwrap_or_else(|| "service_undefined".to_owned());
        let mut config = Self::new(service);
        let levels = ["AWS_LAMBDA_LOG_LEVEL", "SETPIECE_LOG", "POWERTOOLS_LOG_LEVEL", "RUST_LOG"];
        if let Some(written) =
            levels.iter().find_map(|name| levels_of(&read(name).unwrap_or_default()))
        {
            config.written = written;
        }
        let format = ["SETPIECE_LOG_FORMAT", "AWS_LAMBDA_LOG_FORMAT"]
            .iter()
            .filter_map(|name| read(name))
            .find_map(|format| match format.trim().to_ascii_lowercase().as_str() {
                "json" => Some(Format::Json),
                "text" => Some(Format::Text { color: is_terminal && function_name.is_none() }),
                _ => None,
            });
        config.format = format.unwrap_or(match &function_name {
            None if is_terminal => Format::Text { color: true },
            _ => Format::Json,
        });
        let rate = ["SETPIECE_SAMPLE_RATE", "POWERTOOLS_LOGGER_SAMPLE_RATE"]
            .iter()
            .find_map(|name| SampleRate::new(read(name)?.trim().parse().ok()?));
        config.sample_rate = rate.unwrap_or(SampleRate::NONE);
        if let Some(bytes) = read("SETPIECE_LOG_BUFFER_BYTES").and_then(|it| it.trim().parse().ok())
        {
            config = config.with_buffer_bytes(bytes);
        }
        config.namespace = ["SETPIECE_METRICS_NAMESPACE", "POWERTOOLS_METRICS_NAMESPACE"]
            .iter()
            .find_map(|name| read(name).filter(|namespace| is_namespace(namespace)));
        config.on_demand =
            first(&["AWS_LAMBDA_INITIALIZATION_TYPE"]).is_none_or(|it| it.trim() == "on-demand");
        config.function_memory_size = first(&["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]);
        config.function_name = function_name;
        config
    }

    /// Sets the function's name, and its memory in MiB.
    #[must_use]
    pub fn with_function(self, name: impl Into<String>, memory_size: impl Into<String>) -> Self {
        let (name, memory_size) = (Some(name.into()), Some(memory_size.into()));
        Self { function_name: name, function_memory_size: memory_size, ..self }
    }

    /// Adds `function_name`, `function_memory_size` and `function_arn` to each line, as Powertools
    /// does. They cost some 150 bytes a line; a function has a log group of its own anyway, and the
    /// ARN tells its aliases apart.
    #[must_use]
    pub fn with_function_members(self) -> Self {
        Self { function_members: true, ..self }
    }

    /// Sets the form of lines.
    #[must_use]
    pub fn with_format(self, format: Format) -> Self {
        Self { format, ..self }
    }

    /// Sets the lowest level that is written, for all targets.
    #[must_use]
    pub fn with_level(self, level: LevelFilter) -> Self {
        Self { written: Targets::new().with_default(level), ..self }
    }

    /// Sets the lowest level that is kept while a scope may still fail; `OFF` keeps nothing. It is
    /// also the level from which lines of sampled flows are written.
    ///
    /// Of HTTP and AWS clients nothing below `INFO` is kept, since it would fill the room.
    #[must_use]
    pub fn with_buffer_level(self, level: LevelFilter) -> Self {
        Self { kept: kept(level), ..self }
    }

    /// Sets how many bytes of lines a scope keeps, at most
    /// [`MAX_BUFFER_BYTES`](Self::MAX_BUFFER_BYTES). The oldest lines go first, and are counted.
    #[must_use]
    pub fn with_buffer_bytes(self, bytes: usize) -> Self {
        Self { buffer_bytes: bytes.min(Self::MAX_BUFFER_BYTES), ..self }
    }

    /// Writes kept lines as one line of level `ERROR`, so that Lambda's level filter lets them
    /// pass: its member `buffered` is an array of them. Lines for people stay as they are.
    #[must_use]
    pub fn with_bundles(self) -> Self {
        Self { bundle: true, ..self }
    }

    /// Sets the namespace of metrics. Without one it is the service, or `setpiece` where CloudWatch
    /// would not take that.
    ///
    /// # Errors
    ///
    /// [`InvalidDimension::Namespace`].
    pub fn with_namespace(self, namespace: impl Into<String>) -> Result<Self, InvalidDimension> {
        let namespace = namespace.into();
        if !is_namespace(&namespace) {
            return Err(InvalidDimension::Namespace);
        }
        Ok(Self { namespace: Some(namespace), ..self })
    }

    /// Adds a dimension to all metrics, besides `service`. Each value makes metrics of its own, so it
    /// is for what has few of them.
    ///
    /// # Errors
    ///
    /// [`InvalidDimension`].
    pub fn with_dimension(
        mut self,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<Self, InvalidDimension> {
        self.dimensions.add(name.into(), value.into())?;
        Ok(self)
    }

    pub(crate) fn namespace(&self) -> &str {
        let service = Some(&*self.service).filter(|service| is_namespace(service));
        self.namespace.as_deref().or(service).unwrap_or("setpiece")
    }

    pub(crate) fn service_dimension(&self) -> &str {
        if is_dimension_value(&self.service) { &self.service } else { "service_undefined" }
    }

    /// Sets the key under which values have pseudonyms.
    #[cfg(feature = "pseudonym")]
    #[cfg_attr(docsrs, doc(cfg(feature = "pseudonym")))]
    #[must_use]
    pub fn with_pseudonym_key(self, key: crate::redact::PseudonymKey) -> Self {
        Self { pseudonym_key: Some(key), ..self }
    }

    /// Sets the share of flows with detailed telemetry.
    #[must_use]
    pub fn with_sample_rate(self, rate: SampleRate) -> Self {
        Self { sample_rate: rate, ..self }
    }
}

/// Crates below the AWS SDK, which say much at `DEBUG`.
const CLIENTS: [&str; 9] = [
    "aws_config",
    "aws_runtime",
    "aws_sdk",
    "aws_sigv4",
    "aws_smithy",
    "h2",
    "hyper",
    "lambda_runtime",
    "rustls",
];

fn kept(level: LevelFilter) -> Targets {
    let quiet = level.min(LevelFilter::INFO);
    Targets::new().with_targets(CLIENTS.map(|client| (client, quiet))).with_default(level)
}

/// Reads `info`, `FATAL`, `info,hyper=warn` and the like.
fn levels_of(text: &str) -> Option<Targets> {
    let level = match text.trim().to_ascii_uppercase().as_str() {
        "" => return None,
        // Levels of Lambda and Powertools that `tracing` does not have.
        "FATAL" | "CRITICAL" => LevelFilter::ERROR,
        "WARNING" => LevelFilter::WARN,
        "SILENT" => LevelFilter::OFF,
        // Any word is the name of a target to the parser of directives.
        word if !word.contains(['=', ',']) => word.parse().ok()?,
        _ => {
            let targets: Targets = text.trim().parse().ok()?;
            let default = targets.default_level().unwrap_or(LevelFilter::INFO);
            return Some(targets.with_default(default));
        }
    };
    Some(Targets::new().with_default(level))
}

#[cfg(test)]
mod tests;
