//! Metrics as CloudWatch's embedded metric format: one JSON object a line, from which CloudWatch
//! makes metrics without a request.
//!
//! A metric is a constant, and one with a name that CloudWatch would drop does not compile. Values
//! belong to the [`Scope`] in which they are recorded, and are written when it ends,
//! or before where there is no room for another: a document has at most 100 metrics with 100 values
//! each. So no value is dropped, and none is counted for another invocation.
//!
//! Ids of the invocation and of the flow are properties of the document: a query finds them, and
//! they make no metrics of their own, as dimensions would.
//!
//! ```
//! use setpiece_envelope::SystemClock;
//! use setpiece_observability::{Config, Invocation, Stdout, Telemetry};
//! use setpiece_observability::metrics::{self, Metric, Unit};
//!
//! const ORDERS: Metric = Metric::new("OrdersPlaced", Unit::Count);
//! const LATENCY: Metric = Metric::new("PaymentLatency", Unit::Milliseconds).high_resolution();
//!
//! let config = Config::new("orders").with_namespace("Shop")?.with_dimension("stage", "prod")?;
//! let telemetry = Telemetry::new(config, SystemClock, Stdout);
//! telemetry.invocation(Invocation::new("8476a536")).enter(|| {
//!     metrics::record(ORDERS, 1.0)?;
//!     metrics::record(LATENCY, 12.5)
//! })?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

use std::{
    error::Error,
    fmt::{self, Write as _},
};

use setpiece_envelope::Timestamp;

use crate::{Scope, json, log, telemetry::Shared};

mod unit;

pub use self::unit::Unit;

/// The most metrics of a document.
const MAX_METRICS: usize = 100;
/// The most values of a metric in a document.
const MAX_VALUES: usize = 100;
/// The most dimensions, `service` among them.
const MAX_DIMENSIONS: usize = 30;
/// The most bytes of values and names, so that a document is one line of Lambda.
const MAX_BYTES: usize = 128 * 1024;
/// The largest value, and the most negative one: 2³⁶⁰.
const MAX_VALUE: f64 = 2.348_542_582_773_833_3e108;

/// A metric by its name and unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    name: &'static str,
    unit: Unit,
    is_high_resolution: bool,
}

impl Metric {
    /// A metric with one value a minute at best.
    ///
    /// # Panics
    ///
    /// When the name does not have 1 to 255 printable characters of ASCII or begins with a colon, and
    /// when it is a member of lines, such as `requestId`. In a constant that is an error of the
    /// compiler.
    #[must_use]
    pub const fn new(name: &'static str, unit: Unit) -> Self {
        assert!(is_name(name), "a metric's name has 1 to 255 printable characters of ASCII");
        let mut at = 0;
        while at < log::MEMBERS.len() {
            assert!(!equals(name, log::MEMBERS[at]), "a metric has the name of a line's member");
            at += 1;
        }
        Self { name, unit, is_high_resolution: false }
    }

    /// Makes the metric one with a value each second, which costs more.
    #[must_use]
    pub const fn high_resolution(self) -> Self {
        Self { is_high_resolution: true, ..self }
    }

    /// The name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The unit.
    #[must_use]
    pub const fn unit(&self) -> Unit {
        self.unit
    }
}

/// Records a value in the current scope.
///
/// # Errors
///
/// [`Unrecorded`], which is no reason to fail.
pub fn record(metric: Metric, value: f64) -> Result<(), Unrecorded> {
    Scope::with_current(|scope| scope.ok_or(Unrecorded::NoScope)?.record_metric(metric, value))
}

/// A value was not recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unrecorded {
    /// The code runs in no scope, so nobody would write it.
    NoScope,
    /// It is no number that CloudWatch takes: NaN, infinite, or beyond 2³⁶⁰.
    NotANumber,
    /// The scope has values of a metric of this name with another unit or resolution.
    OtherMetric,
    /// A dimension has the name.
    Dimension,
}

impl fmt::Display for Unrecorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoScope => "a metric outside of a scope",
            Self::NotANumber => "the value of a metric is no number that CloudWatch takes",
            Self::OtherMetric => "a metric of this name has another unit or resolution",
            Self::Dimension => "a metric has the name of a dimension",
        })
    }
}

impl Error for Unrecorded {}

/// A namespace or dimension that CloudWatch would not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidDimension {
    /// A namespace has 1 to 255 letters and digits of ASCII or `.-_/#:`, and does not begin with
    /// `AWS/`, which is for AWS.
    Namespace,
    /// The name of a dimension has 1 to 255 printable characters of ASCII, and does not begin with a
    /// colon.
    Name,
    /// The value of a dimension has 1 to 1024 printable characters of ASCII, one of them not blank.
    Value,
    /// The name is a member of lines; an id as a dimension would make a metric of each value.
    Member,
    /// There are 30 dimensions, `service` among them.
    TooMany,
}

impl fmt::Display for InvalidDimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Namespace => "not a namespace of metrics",
            Self::Name => "not the name of a dimension",
            Self::Value => "not the value of a dimension",
            Self::Member => "a dimension has the name of a line's member",
            Self::TooMany => "more than 30 dimensions",
        })
    }
}

impl Error for InvalidDimension {}

/// Dimensions of all metrics of a process, besides `service`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dimensions(Vec<(String, String)>);

impl Dimensions {
    pub(crate) fn add(&mut self, name: String, value: String) -> Result<(), InvalidDimension> {
        if !is_name(&name) {
            return Err(InvalidDimension::Name);
        }
        if log::MEMBERS.contains(&&*name) {
            return Err(InvalidDimension::Member);
        }
        if !is_dimension_value(&value) {
            return Err(InvalidDimension::Value);
        }
        let has_room = self.0.len() + 1 < MAX_DIMENSIONS;
        match self.0.iter_mut().find(|known| known.0 == name) {
            Some(known) => known.1 = value,
            None if !has_room => return Err(InvalidDimension::TooMany),
            None => self.0.push((name, value)),
        }
        Ok(())
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|known| known.0 == name)
    }
}

/// Values that a scope has recorded and not written.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    metrics: Vec<(Metric, Vec<f64>)>,
    bytes: usize,
    /// When the first of them was recorded.
    since: Option<Timestamp>,
}

impl Recorded {
    /// Adds a value. Where there is no room, what was there is given back, to be written.
    pub(crate) fn add(
        &mut self,
        shared: &Shared,
        metric: Metric,
        value: f64,
    ) -> Result<Option<Self>, Unrecorded> {
        if !value.is_finite() || value.abs() > MAX_VALUE {
            return Err(Unrecorded::NotANumber);
        }
        if shared.config.dimensions.has(metric.name) {
            return Err(Unrecorded::Dimension);
        }
        let known = self.metrics.iter().position(|known| known.0.name == metric.name);
        let is_full = match known.and_then(|known| self.metrics.get(known)) {
            Some((known, _)) if *known != metric => return Err(Unrecorded::OtherMetric),
            Some((_, values)) => values.len() == MAX_VALUES,
            None => self.metrics.len() == MAX_METRICS,
        };
        let full = (is_full || self.bytes > MAX_BYTES).then(|| std::mem::take(self));
        self.since.get_or_insert_with(|| shared.clock.now());
        // A number has at most 24 bytes, and a name stands there twice.
        self.bytes += 25;
        let known = self.metrics.iter_mut().find(|known| known.0.name == metric.name);
        if let Some((_, values)) = known {
            values.push(value);
        } else {
            self.bytes += 2 * metric.name.len() + 64;
            self.metrics.push((metric, vec![value]));
        }
        Ok(full)
    }

    /// Writes the values as a document, if there are any.
    pub(crate) fn write(self, scope_members: &[&str], shared: &Shared) {
        let Some(since) = self.since else { return };
        let config = &shared.config;
        let mut line = format!(
            "{{\"_aws\":{{\"Timestamp\":{},\"CloudWatchMetrics\":[{{\"Namespace\":",
            since.unix_millis(),
        );
        json::push_str(&mut line, config.namespace());
        line.push_str(",\"Dimensions\":[[\"service\"");
        for (name, _) in &config.dimensions.0 {
            line.push(',');
            json::push_str(&mut line, name);
        }
        line.push_str("]],\"Metrics\":[");
        for (place, (metric, _)) in self.metrics.iter().enumerate() {
            line.push_str(if place == 0 { "{\"Name\":" } else { ",{\"Name\":" });
            json::push_str(&mut line, metric.name);
            json::push_member(&mut line, "Unit", metric.unit.as_str());
            line.push_str(if metric.is_high_resolution {
                ",\"StorageResolution\":1}"
            } else {
                "}"
            });
        }
        line.push_str("]}]}");
        json::push_member(&mut line, "service", config.service_dimension());
        for (name, value) in &config.dimensions.0 {
            json::push_member(&mut line, name, value);
        }
        line.extend(scope_members.iter().copied());
        for (metric, values) in &self.metrics {
            json::push_name(&mut line, metric.name);
            match &**values {
                [value] => push_number(&mut line, *value),
                values => {
                    line.push('[');
                    for (place, value) in values.iter().enumerate() {
                        line.push_str(if place == 0 { "" } else { "," });
                        push_number(&mut line, *value);
                    }
                    line.push(']');
                }
            }
        }
        line.push_str("}\n");
        shared.lines.write(&line);
    }
}

/// Appends a number, a whole one without a fraction.
fn push_number(line: &mut String, value: f64) {
    if value.fract().abs() <= 0.0 && value.abs() < 9_007_199_254_740_992.0 {
        #[expect(clippy::cast_possible_truncation, reason = "it is a whole number of 53 bits")]
        let whole = value as i64;
        _ = write!(line, "{whole}");
    } else {
        json::push_f64(line, value);
    }
}

pub(crate) fn is_namespace(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_/#:".contains(&byte);
    (1..=255).contains(&name.len())
        && name.bytes().all(is_allowed)
        && !name.starts_with("AWS/")
        && !name.starts_with(':')
}

pub(crate) fn is_dimension_value(value: &str) -> bool {
    let is_printable = |byte: u8| matches!(byte, b' '..=b'~');
    (1..=1024).contains(&value.len())
        && value.bytes().all(is_printable)
        && value.bytes().any(|byte| byte != b' ')
}

const fn is_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let mut blank = true;
    let mut at = 0;
    while at < bytes.len() {
        if !matches!(bytes[at], b' '..=b'~') {
            return false;
        }
        blank = blank && bytes[at] == b' ';
        at += 1;
    }
    !blank && bytes.len() <= 255 && bytes[0] != b':'
}

const fn equals(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut at = 0;
    while at < one.len() && at < other.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    one.len() == other.len()
}

#[cfg(test)]
mod tests;
