use std::{
    collections::{BTreeMap, HashMap},
    error::Error,
    fmt,
};

use serde::{Deserialize, Serialize};
use tracing::{error, info, info_span, trace};
use tracing_core::LevelFilter;

use super::{Mask, Omit, Pseudonym, PseudonymKey, Sensitive};
use crate::{Config, Invocation, captured::Captured, redact::REDACTED};

const SECRET: &str = "Wilhelmina";

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Customer {
    name: Sensitive<String>,
    #[serde(rename = "alias")]
    other: Option<Sensitive<String, Omit>>,
    all: Vec<Sensitive<String>>,
    by_id: BTreeMap<u8, Sensitive<String>>,
    #[serde(flatten)]
    nested: Nested,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Nested {
    deep: (u8, Option<Box<Sensitive<String>>>),
}

fn customer() -> Customer {
    let secret = || Sensitive::new(SECRET.to_owned());
    Customer {
        name: secret(),
        other: Some(Sensitive::new(SECRET.to_owned())),
        all: vec![secret(), secret()],
        by_id: [(1, secret())].into(),
        nested: Nested { deep: (1, Some(Box::new(secret()))) },
    }
}

#[derive(Debug)]
struct NotFound(Sensitive<String>);

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no customer {}", self.0)
    }
}

impl Error for NotFound {}

#[test]
fn it_is_in_no_text_whatever_the_format() {
    let customer = customer();
    let name = &customer.name;
    let map: HashMap<_, _> = [(name.clone(), 1)].into();
    for text in [
        format!("{customer:?}"),
        format!("{customer:#?}"),
        format!("{name} {name:>40} {name:.3} {name:?} {name:#?} {name:02x?}"),
        format!("{:?}", Some(&[name])),
        format!("{map:?}"),
        serde_json::to_string(&customer).unwrap(),
        serde_json::to_string(&map).unwrap(),
        NotFound(name.clone()).to_string(),
        format!("{:?}", NotFound(name.clone())),
    ] {
        assert!(!text.contains("Wil"), "{text}");
        assert!(text.contains(REDACTED), "{text}");
    }
    assert_eq!(Sensitive::<_, Omit>::new(SECRET).to_string(), "");
}

#[test]
fn it_is_in_no_line() {
    let config = Config::new("orders").with_level(LevelFilter::TRACE);
    let (captured, telemetry, _default) = Captured::telemetry(config);
    let customer = customer();
    let failed = NotFound(customer.name.clone());
    telemetry.invocation(Invocation::new("1")).enter(|| {
        let _span = info_span!("span", ?customer, name = %customer.name).entered();
        trace!(?customer, name = %customer.name, "{customer:?} {}", customer.name);
        error!(error = &failed as &(dyn Error + 'static), debugged = ?failed, "{failed}");
        info!("{:?}", Err::<(), _>(&failed));
    });
    let text = captured.take();
    assert_eq!(text.lines().count(), 3);
    assert!(!text.contains(SECRET), "{text}");
}

#[test]
fn it_is_read_and_given_out_in_clear() {
    let read: Sensitive<String> = serde_json::from_str(r#""Wilhelmina""#).unwrap();
    assert_eq!((read.expose().as_str(), read.clone().into_exposed().as_str()), (SECRET, SECRET));
    assert_eq!(read, Sensitive::<_, Mask>::from(SECRET.to_owned()));
}

#[test]
fn a_pseudonym_joins_lines_under_one_key() {
    let show = |key: Option<u8>, name: &str| {
        let mut config = Config::new("orders");
        if let Some(key) = key {
            config = config.with_pseudonym_key(PseudonymKey::new([key; 32]));
        }
        assert!(!format!("{config:?}").contains("[7,"), "the key is never shown");
        let (_, telemetry, _default) = Captured::telemetry(config);
        let name = Sensitive::<_, Pseudonym>::new(name.to_owned());
        telemetry.invocation(Invocation::new("1")).enter(|| format!("{name} {name:?}"))
    };
    // Computed by another implementation of HMAC-SHA-256.
    let first = show(Some(7), SECRET);
    assert_eq!(first, "0efde596be92ae26 0efde596be92ae26");
    assert_eq!(show(Some(7), SECRET), first);
    assert_ne!(show(Some(8), SECRET), first);
    assert_ne!(show(Some(7), "Friederike"), first);
    assert_eq!(show(None, SECRET), "[redacted] [redacted]");
    assert_eq!(Sensitive::<_, Pseudonym>::new(SECRET).to_string(), REDACTED);
}
