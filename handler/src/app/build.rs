use std::{error::Error as StdError, fmt, sync::Arc, time::Duration};

use setpiece_bus::{Bus, Publisher};
use setpiece_envelope::{Clock, ServiceId};
use setpiece_idempotency::{ConfigError, Guard, GuardBuilder, OnBusy};
use setpiece_policy::{Random, Retry, Sleep};

use super::{App, Guarded, Inner, lease};
use crate::{
    Allow, Applier, Binding, ContentKind, EffectStore, Handlers, Quarantine, Report,
    apply::Answering, handlers::Bound,
};

/// Longer than any queue keeps a message, which is 14 days.
const RETENTION: Duration = Duration::from_hours(15 * 24);

type GuardOf<X> = Box<
    dyn Fn(
        &Arc<<X as EffectStore>::Records>,
        &str,
        &str,
        OnBusy,
    ) -> GuardBuilder<<X as EffectStore>::Records>,
>;

/// Puts an [`App`] together.
#[must_use = "an app does nothing before it is built"]
pub struct AppBuilder<S, X: EffectStore, B> {
    service: ServiceId,
    /// The service under whose id keys are made.
    keys_of: ServiceId,
    name: Option<Box<str>>,
    /// Handlers with the names that their keys have.
    renamed: Vec<(Box<str>, Box<str>)>,
    handlers: Handlers<S>,
    effects: Arc<X>,
    guard: GuardOf<X>,
    answering: Answering<X, B>,
    app: Parts<B>,
}

struct Parts<B> {
    publisher: Publisher<B>,
    retry: Retry,
    quarantine: Option<Arc<dyn Quarantine>>,
    allow: Allow,
    max_depth: u32,
    concurrency: usize,
    reserve: Duration,
    whole_batches: bool,
    clock: Arc<dyn Clock>,
    sleep: super::SleepFn,
    observer: Option<super::Observer>,
}

impl<S, X, B> App<S, X, B>
where
    S: Send + Sync + 'static,
    X: EffectStore,
    B: Bus,
{
    /// Begins the app of `service`: what `handlers` decide is kept in `effects`, and published by
    /// `publisher`.
    ///
    /// Time, randomness and waiting come from the other three. In a Lambda function they are those
    /// of [`App::system`].
    pub fn builder(
        service: ServiceId,
        handlers: Handlers<S>,
        effects: X,
        publisher: Publisher<B>,
        clock: impl Clock,
        random: impl Random,
        sleep: impl Sleep,
    ) -> AppBuilder<S, X, B> {
        let (clock, random, sleep) = (Arc::new(clock), Arc::new(random), Arc::new(sleep));
        let guard: GuardOf<X> = {
            let (clock, random, sleep) =
                (Arc::clone(&clock), Arc::clone(&random), Arc::clone(&sleep));
            Box::new(move |records, namespace, operation, on_busy| {
                let (clock, random, sleep) =
                    (Arc::clone(&clock), Arc::clone(&random), Arc::clone(&sleep));
                Guard::builder(Arc::clone(records), namespace, operation, clock, random, sleep)
                    .retention(RETENTION)
                    .on_busy(on_busy)
            })
        };
        AppBuilder {
            service,
            keys_of: service,
            name: None,
            renamed: Vec::new(),
            handlers,
            effects: Arc::new(effects),
            guard,
            answering: Applier::claimed,
            app: Parts {
                publisher,
                retry: Retry::new(Arc::clone(&clock), random, Arc::clone(&sleep)),
                quarantine: None,
                allow: Allow::new(),
                max_depth: 32,
                concurrency: 10,
                reserve: Duration::from_secs(1),
                whole_batches: false,
                clock,
                sleep: Box::new(move |duration| {
                    let sleep = Arc::clone(&sleep);
                    Box::pin(async move { sleep.sleep(duration).await })
                }),
                observer: None,
            },
        }
    }

    /// Begins an app that takes time and randomness from the operating system, and waits on tokio's
    /// timer. Its [name](AppBuilder::named) is that of the Lambda function, which it reads from the
    /// environment variable `AWS_LAMBDA_FUNCTION_NAME`.
    #[cfg(feature = "tokio")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
    pub fn system(
        service: ServiceId,
        handlers: Handlers<S>,
        effects: X,
        publisher: Publisher<B>,
    ) -> AppBuilder<S, X, B> {
        let app = Self::builder(
            service,
            handlers,
            effects,
            publisher,
            setpiece_envelope::SystemClock,
            setpiece_policy::SystemRandom,
            setpiece_policy::TokioSleep,
        );
        #[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
        let name = std::env::var("AWS_LAMBDA_FUNCTION_NAME");
        match name {
            Ok(name) if !name.is_empty() => app.named(name),
            _ => app,
        }
    }
}

impl<S, X, B> AppBuilder<S, X, B>
where
    S: Send + Sync + 'static,
    X: EffectStore,
    B: Bus,
{
    /// Names the function. The name is part of the key of every record, so that two functions of
    /// one service can share a table although their handlers have the same names.
    ///
    /// [`App::system`] takes the name of the Lambda function. An app without a name takes the path
    /// of each handler in the program's code instead, such as `orders::billing::on_order`, or the
    /// name alone of one that [was given one](crate::Handlers::on_named). So two apps without names
    /// share records where they run the very same function, or say the same name.
    ///
    /// # Other names
    ///
    /// A key is made of the service, the function, the handler and the event. While one of the first
    /// three is another, nothing is known of what was done before: what is delivered again then is
    /// handled again, and emits events under new ids. So before a function, a handler or a service
    /// is renamed, say here what it was called:
    ///
    /// | what gets another name | what keeps its keys |
    /// |---|---|
    /// | the Lambda function, also where `CloudFormation` replaces it | `named` with the former name |
    /// | a handler | [`renamed`](Self::renamed) |
    /// | the module of a handler in an app without a name | nothing: name the app before that |
    /// | the service | [`formerly`](Self::formerly) with the former id |
    ///
    /// After as long as [records are kept](Self::guards), 15 days by default, it may be left out.
    pub fn named(mut self, function: impl Into<String>) -> Self {
        self.name = Some(function.into().into());
        self
    }

    /// Keeps the records of the handler that is called `now` under the name that it had `before`;
    /// see [`named`](Self::named).
    pub fn renamed(mut self, now: impl Into<String>, before: impl Into<String>) -> Self {
        self.renamed.push((now.into().into(), before.into().into()));
        self
    }

    /// Keeps the records and the outbox of the service under the id that it had before; see
    /// [`named`](Self::named). Its events are those of its present id.
    pub fn formerly(mut self, service: ServiceId) -> Self {
        self.keys_of = service;
        self
    }

    /// Sets the place for deliveries that can never be handled. Without a quarantine such a
    /// delivery fails, so that it ends in the dead-letter queue of its source. One that came over
    /// HTTP or by a direct invocation fails in any case.
    pub fn quarantine(mut self, quarantine: impl Quarantine) -> Self {
        self.app.quarantine = Some(Arc::new(quarantine));
        self
    }

    /// Limits the origins of events; by default, they may come from anywhere.
    pub fn allow(mut self, allow: Allow) -> Self {
        self.app.allow = allow;
        self
    }

    /// Limits the hops of a chain of events; the default is 32. A deeper event is put into
    /// quarantine, for it is most likely part of a loop.
    pub fn max_depth(mut self, depth: u32) -> Self {
        self.app.max_depth = depth;
        self
    }

    /// Limits the deliveries of one invocation that are handled at the same time; the default is
    /// 10. Those of one message group or shard wait for each other in any case.
    pub fn concurrency(mut self, deliveries: usize) -> Self {
        self.app.concurrency = deliveries.max(1);
        self
    }

    /// Sets the time before the end of an invocation at which its handlers are cancelled and no
    /// other begins; the default is a second, and never more than a quarter of the time that there
    /// is.
    pub fn reserve(mut self, reserve: Duration) -> Self {
        self.app.reserve = reserve;
        self
    }

    /// Fails a batch as a whole when one of its deliveries fails.
    ///
    /// Lambda ignores what a function answers unless the event source mapping has
    /// `ReportBatchItemFailures`, and takes everything for done. So it is for mappings without it,
    /// where failures would be lost otherwise; those that are done are not done again.
    pub fn whole_batches(mut self) -> Self {
        self.app.whole_batches = true;
        self
    }

    /// Runs handlers without claiming their events first, which saves one request of each.
    ///
    /// It is for handlers that only decide. Two deliveries of an event at the same time both run
    /// the handler; the effects of one of them are applied, and the other one is dropped. So a
    /// handler must not call what has an effect of its own.
    pub fn optimistic(mut self) -> Self {
        self.answering = Applier::unclaimed;
        self
    }

    /// Changes how handlers are guarded, such as how long it is remembered that they ran: 15 days
    /// by default, which is longer than SQS keeps a message.
    ///
    /// What comes again after that is handled again. An archive can replay older events, and so can
    /// somebody who sends again what was in quarantine or in a dead-letter queue; each day more
    /// costs what a day's records cost to store.
    pub fn guards(
        mut self,
        change: impl Fn(GuardBuilder<X::Records>) -> GuardBuilder<X::Records> + 'static,
    ) -> Self {
        let guard = self.guard;
        self.guard = Box::new(move |records, namespace, operation, on_busy| {
            change(guard(records, namespace, operation, on_busy))
        });
        self
    }

    /// Is told how each delivery ends, for metrics. It must not block.
    pub fn observer(mut self, observer: impl Fn(&Report<'_>) + Send + Sync + 'static) -> Self {
        self.app.observer = Some(Box::new(observer));
        self
    }

    /// Builds the app.
    ///
    /// # Errors
    ///
    /// The handlers cannot be told apart, or the configuration of their guards is refused.
    pub fn build(self) -> Result<App<S, X, B>, AppError> {
        let Handlers { state, routes, unhandled, middleware } = self.handlers;
        let namespace = self.keys_of.to_string();
        if let Some(name) = &self.name
            && (name.is_empty() || name.contains(['/', '#']))
        {
            return Err(AppError::FunctionName);
        }
        let mut guarded = Vec::with_capacity(routes.len());
        let mut operations = Vec::with_capacity(routes.len());
        for Bound { route, to: bound_to } in routes {
            if let Some(place) = bound_to.as_ref().filter(|place| !place.is_possible()) {
                return Err(AppError::NoPlace { place: place.clone() });
            }
            let name = Arc::clone(route.name());
            if name.is_empty() {
                return Err(AppError::Unnamed { takes: route.takes() });
            }
            let before = self.renamed.iter().find(|(now, _)| **now == *name);
            let of_key = before.map_or(&*name, |(_, before)| before);
            let function = self.name.as_deref().or_else(|| route.path());
            let operation = match function {
                Some(function) => format!("{function}/{of_key}"),
                None => of_key.to_owned(),
            };
            let guard = |on_busy| {
                let guard = (self.guard)(self.effects.records(), &namespace, &operation, on_busy);
                guard.build().map_err(AppError::Guard)
            };
            let (guard, patient) =
                (guard(OnBusy::Fail)?, guard(OnBusy::Wait(lease::LONGEST_WAIT))?);
            let same = |it: &Guarded<S, X>| *it.route.name() == name;
            if guarded.iter().any(same) || operations.contains(&operation) {
                return Err(AppError::SameName { name });
            }
            operations.push(operation);
            guarded.push(Guarded { route, bound_to, guard, patient });
        }
        for one in guarded.iter().filter(|it| it.route.answers()) {
            if guarded.iter().filter(|it| it.takes_the_same(one)).count() > 1 {
                return Err(AppError::SeveralAnswers { takes: one.route.takes() });
            }
        }
        for (index, one) in guarded.iter().enumerate() {
            let Some(kind) = one.route.content().filter(|kind| kind.is_plain()) else { continue };
            if let Some(other) = guarded[..index].iter().find(|it| it.takes_the_same(one)) {
                let names = [other, one].map(|it| Arc::clone(it.route.name()));
                return Err(AppError::Undecided { kind, handlers: names });
            }
        }
        let app = self.app;
        let applier = Applier::new(&namespace, self.effects, app.publisher, app.retry);
        Ok(App {
            inner: Arc::new(Inner {
                state,
                routes: guarded,
                middleware,
                unhandled,
                applier,
                answering: self.answering,
                quarantine: app.quarantine,
                allow: app.allow,
                max_depth: app.max_depth,
                concurrency: app.concurrency,
                reserve: app.reserve,
                whole_batches: app.whole_batches,
                clock: app.clock,
                sleep: app.sleep,
                observer: app.observer,
            }),
        })
    }
}

impl<S, X: EffectStore> Guarded<S, X> {
    /// Says whether there can be content that both are given.
    fn takes_the_same(&self, other: &Self) -> bool {
        let Some(kind) = self.route.content() else { return false };
        other.route.content() == Some(kind)
            && match (&self.bound_to, &other.bound_to) {
                (None, None) => true,
                (Some(one), Some(other)) => one.overlaps(other),
                // What is plain is for the one that is bound.
                (None, Some(_)) | (Some(_), None) => !kind.is_plain(),
            }
    }
}

impl<S, X: EffectStore, B> fmt::Debug for AppBuilder<S, X, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppBuilder")
            .field("service", &self.service)
            .field("handlers", &self.handlers)
            .finish_non_exhaustive()
    }
}

/// Error of an app that cannot be built.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AppError {
    /// A handler has no name: it is a closure. Add it by
    /// [`on_named`](crate::Handlers::on_named).
    Unnamed {
        /// Input that the handler takes.
        takes: &'static str,
    },
    /// The name of the function is empty, or has a slash or a number sign in it, which stand between
    /// the parts of keys.
    FunctionName,
    /// Two handlers have the same name, so that they would have the same idempotency keys.
    SameName {
        /// The name.
        name: Arc<str>,
    },
    /// Several handlers take the same kind of payload, and one of them answers.
    SeveralAnswers {
        /// Input that the answering handler takes.
        takes: &'static str,
    },
    /// Two handlers take JSON of any kind, or both text or bytes, and nothing says which of them a
    /// message is for: each would refuse what is the other one's. Bind them to where their messages
    /// come from, such as by [`on_queue`](crate::Handlers::on_queue).
    Undecided {
        /// The kind that both take.
        kind: ContentKind,
        /// Their names.
        handlers: [Arc<str>; 2],
    },
    /// A handler is bound to what is neither a name nor an ARN of such a place.
    NoPlace {
        /// The place as it was given.
        place: Binding,
    },
    /// A guard refuses its configuration.
    Guard(ConfigError),
}

impl fmt::Display for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unnamed { takes } => write!(f, "the handler of `{takes}` has no name"),
            Self::FunctionName => {
                f.write_str("the name of the function is empty, or has `/` or `#` in it")
            }
            Self::SameName { name } => write!(f, "two handlers have the name `{name}`"),
            Self::SeveralAnswers { takes } => {
                write!(f, "the handler that answers `{takes}` is not the only one that takes it")
            }
            Self::Undecided { kind, handlers: [one, other] } => {
                let kind = match kind {
                    ContentKind::Text => "text",
                    ContentKind::Bytes => "bytes",
                    _ => "JSON",
                };
                write!(
                    f,
                    "the handlers `{one}` and `{other}` both take {kind}, and nothing says which of \
                     them a message is for: bind each to its queue, topic or stream with \
                     `on_queue`, `on_topic` or `on_stream`"
                )
            }
            Self::NoPlace { place } => {
                write!(f, "a handler is bound to {place}, which is neither its name nor its ARN")
            }
            Self::Guard(error) => error.fmt(f),
        }
    }
}

impl StdError for AppError {}
