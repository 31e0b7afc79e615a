use std::{collections::BTreeSet, fmt::Write as _};

use setpiece_envelope::{Category, DomainEvent, EventVersion};

use super::{
    EventPattern, Filter, compile,
    error::{PatternError, PatternReason},
};
use crate::json::write_text;

/// Builds the pattern of an event's consumer; [`EventPattern::of`] begins one.
///
/// All filters must match.
#[derive(Clone, Debug)]
pub struct PatternBuilder {
    /// Whole paths, each with its filter.
    fields: Vec<(String, Filter)>,
}

impl EventPattern {
    /// The pattern that a consumer of `E` needs: the source, and the detail-type.
    ///
    /// Where the detail-type is not the event's name, other events may share it, and the name is
    /// asked for as well.
    ///
    /// ```
    /// use serde::{Deserialize, Serialize};
    /// use setpiece_bus::{EventPattern, Filter};
    /// use setpiece_envelope::{DomainEvent, ServiceId};
    ///
    /// const ORDERS: ServiceId = ServiceId::new("retail", "checkout", "orders");
    ///
    /// #[derive(Serialize, Deserialize, DomainEvent)]
    /// #[event(service = ORDERS, name = "order_submitted", version = 2, view)]
    /// struct OrderSubmitted {
    ///     total: f64,
    ///     currency: String,
    /// }
    ///
    /// let pattern = EventPattern::of::<OrderSubmitted>().build()?;
    /// assert_eq!(
    ///     pattern.to_json(),
    ///     r#"{"detail-type":["order_submitted"],"source":["retail.checkout.orders"]}"#
    /// );
    ///
    /// let pattern = EventPattern::of::<OrderSubmitted>()
    ///     .tenant("acme")
    ///     .field("total", Filter::numeric(100.0..))
    ///     .field("currency", Filter::one_of(["EUR", "USD"]))
    ///     .build()?;
    /// assert!(pattern.matches_json(
    ///     r#"{ "source": "retail.checkout.orders", "detail-type": "order_submitted", "detail": {
    ///         "metadata": { "event_id": "e-1", "name": "order_submitted", "version": "2", "tenant": "acme" },
    ///         "data": { "total": 129.99, "currency": "USD" } } }"#
    /// )?);
    ///
    /// // What AWS refuses is not built.
    /// let error = EventPattern::of::<OrderSubmitted>().field("total", Filter::numeric(5.0..1.0)).build();
    /// assert_eq!(error.unwrap_err().path(), "detail.data.total[0].numeric");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn of<E: DomainEvent>() -> PatternBuilder {
        let mut fields = vec![
            ("source".to_owned(), E::SOURCE.into()),
            ("detail-type".to_owned(), E::DETAIL_TYPE.into()),
        ];
        if E::DETAIL_TYPE != E::NAME {
            fields.push(("detail.metadata.name".to_owned(), E::NAME.into()));
        }
        PatternBuilder { fields }
    }

    /// The pattern of a rule for all that these patterns match, and nothing else.
    ///
    /// Each keeps all of its fields: those of an event's source are never matched with the
    /// detail-type of another. To find out which of them match, use [`Patterns`](crate::Patterns).
    ///
    /// ```
    /// use setpiece_bus::EventPattern;
    ///
    /// let cancelled = EventPattern::parse(r#"{ "source": ["retail.orders"], "detail-type": ["cancelled"] }"#)?;
    /// let failed = EventPattern::parse(r#"{ "source": ["retail.payments"], "detail-type": ["failed"] }"#)?;
    /// let either = EventPattern::any_of([&cancelled, &failed])?;
    ///
    /// assert!(either.matches_json(r#"{ "source": "retail.orders", "detail-type": "cancelled" }"#)?);
    /// assert!(!either.matches_json(r#"{ "source": "retail.orders", "detail-type": "failed" }"#)?);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When there are no patterns, when together they exceed the
    /// [limits](crate::PatternLimits), and when one has a field that AWS does not take within `$or`.
    pub fn any_of<'p>(patterns: impl IntoIterator<Item = &'p Self>) -> Result<Self, PatternError> {
        let patterns: Vec<_> = patterns.into_iter().collect();
        if let [only] = patterns[..] {
            return Ok(only.clone());
        }
        let patterns: Vec<_> = patterns.iter().map(|pattern| pattern.to_json()).collect();
        compile::assembled(&format!("{{\"$or\":[{}]}}", patterns.join(",")))
    }
}

impl PatternBuilder {
    /// Asks for one of these versions, in every form that readers take: `"2"`, `"2.0"` and `2`.
    ///
    /// Without this, events of all versions come. That is what a consumer wants that is to find
    /// out about a version that it cannot read; what a rule leaves out is lost in silence.
    ///
    /// ```
    /// # use setpiece_envelope::{DomainEvent, EventVersion, First, ServiceId};
    /// # struct OrderSubmitted;
    /// # impl DomainEvent for OrderSubmitted {
    /// #     type Previous = First;
    /// #     const SERVICE: ServiceId = ServiceId::new("retail", "checkout", "orders");
    /// #     const NAME: &'static str = "order_submitted";
    /// #     const VERSION: EventVersion = EventVersion::new(2);
    /// # }
    /// use setpiece_bus::EventPattern;
    ///
    /// let pattern =
    ///     EventPattern::of::<OrderSubmitted>().versions([OrderSubmitted::VERSION]).build()?;
    /// # let event = |version: &str| format!(r#"{{ "source": "retail.checkout.orders",
    /// #     "detail-type": "order_submitted", "detail": {{ "metadata": {{ "version": {version} }} }} }}"#);
    /// for (version, expected) in [("\"2\"", true), ("\"2.0\"", true), ("2", true), ("\"20\"", false)] {
    ///     assert_eq!(pattern.matches_json(event(version))?, expected);
    /// }
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn versions(self, versions: impl IntoIterator<Item = EventVersion>) -> Self {
        let forms = |version: EventVersion| {
            let major = version.get();
            let numbers = Filter::numeric(f64::from(major)..f64::from(major) + 1.0);
            Filter::from(major.to_string()).or(Filter::prefix(format!("{major}."))).or(numbers)
        };
        self.metadata("version", Filter::one_of(versions.into_iter().map(forms)))
    }

    /// Asks for events of this category.
    #[must_use]
    pub fn category(self, category: &Category) -> Self {
        self.metadata("category", category.as_str())
    }

    /// Asks for events of flows that run for this tenant.
    #[must_use]
    pub fn tenant(self, tenant: impl Into<String>) -> Self {
        self.metadata("tenant", tenant.into())
    }

    /// Filters by a member of `metadata`.
    #[must_use]
    pub fn metadata(self, member: &str, filter: impl Into<Filter>) -> Self {
        self.at("detail.metadata", member, filter.into())
    }

    /// Filters by a field of `data`: the names of members on the wire, joined by dots.
    ///
    /// A list matches if one of its values does; what lies in the objects of a list is named as if
    /// there was no list. The empty path is the whole of `data`.
    #[must_use]
    pub fn field(self, path: &str, filter: impl Into<Filter>) -> Self {
        self.at("detail.data", path, filter.into())
    }

    fn at(mut self, above: &str, path: &str, filter: Filter) -> Self {
        let dot = if path.is_empty() { "" } else { "." };
        self.fields.push((format!("{above}{dot}{path}"), filter));
        self
    }

    /// The pattern.
    ///
    /// # Errors
    ///
    /// [`PatternError`] with AWS's reason where AWS refuses a filter, and
    /// [`PatternReason::RepeatedField`] where a field has two. Its offset is one in JSON that
    /// nobody sees.
    pub fn build(&self) -> Result<EventPattern, PatternError> {
        let mut json = String::from("{");
        let mut known = BTreeSet::new();
        for (path, filter) in &self.fields {
            if !known.is_empty() {
                json.push(',');
            }
            // A whole path as the key is never taken for an operator.
            write_text(&mut json, path);
            json.push(':');
            if !known.insert(path) {
                let path = path.clone();
                return Err(PatternError::new(PatternReason::RepeatedField, path, json.len()));
            }
            if let Some((place, number)) = filter.not_finite() {
                let mut path = path.clone();
                let _ = write!(path, "[{place}]");
                let number = number.to_string();
                let reason = PatternReason::NotComparable { number };
                return Err(PatternError::new(reason, path, json.len()));
            }
            filter.write(&mut json);
        }
        json.push('}');
        compile::assembled(&json)
    }
}
