use std::{any::type_name, fmt, sync::Arc};

use futures_util::future::BoxFuture;
use serde::{Serialize, de::DeserializeOwned};
use setpiece_envelope::{DomainEvent, Metadata, RawEnvelope};
use setpiece_idempotency::{Key, KeyError, KeyPart};
use setpiece_policy::Fault;

use crate::{
    Binding, BusFacts, Content, ContentKind, Cx, Effects, Facts, HttpForm, HttpResponse,
    InvalidResponse, Json, NaturalKey, Opened, Payload, Received, RequestKey,
    binding::Place,
    request_key::{Asked, NotServed},
};

/// Handlers of a service, and the state that they share.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// # use setpiece_envelope::{DomainEvent, ServiceId};
/// # use setpiece_policy::Fault;
/// # const PRODUCTS: ServiceId = ServiceId::new("shop", "catalog", "products");
/// # const LOYALTY: ServiceId = ServiceId::new("shop", "customers", "loyalty");
/// use setpiece_handler::{Cx, Effects, Handlers, Received, Write};
///
/// #[derive(Serialize, Deserialize, DomainEvent)]
/// #[event(service = PRODUCTS, name = "product_registered", version = 1, view)]
/// struct ProductRegistered {
///     customer_id: String,
/// }
///
/// #[derive(Serialize, Deserialize, DomainEvent)]
/// #[event(service = LOYALTY, name = "points_awarded", version = 1)]
/// struct PointsAwarded {
///     points: u32,
/// }
///
/// struct Loyalty {
///     table: String,
/// }
///
/// async fn award_points(
///     cx: &Cx<Loyalty>,
///     event: Received<ProductRegistered>,
/// ) -> Result<Effects, Fault> {
///     let customer = ("customer", event.data.customer_id);
///     Ok(Effects::new()
///         .write(Write::update(&cx.state.table, customer).add("points", 100))
///         .emit(PointsAwarded { points: 100 }))
/// }
///
/// let handlers = Handlers::new(Loyalty { table: "loyalty".to_owned() }).on(award_points);
/// ```
///
/// # Which handler
///
/// The type of the event decides: its source and its name. Where the event came over a bus, the
/// source is what the bus says; where it came without one, it is what its metadata say. Several
/// handlers may take the same event, each in a type of its own and each under its own idempotency
/// key. The event is done when all of them are.
///
/// What is no event goes to those who take what it is. It is known by its form:
///
/// | what came | payload |
/// |---|---|
/// | an event of EventBridge without an envelope | [`OtherEvent`](crate::OtherEvent), [`ScheduledEvent`](crate::ScheduledEvent) |
/// | a notification of a bucket | [`S3Change`](crate::S3Change) |
/// | a record of the stream of a table | [`ItemChange`](crate::ItemChange) |
/// | a request | [`HttpRequest`](crate::HttpRequest) |
/// | a direct invocation | [`Json`] |
/// | any other JSON in a message or a record: an object, an array, a number, a text in quotes | [`Json`], else [`Text`](crate::Text), else [`Bytes`](crate::Bytes) |
/// | other text in a message or a record | [`Text`](crate::Text), else [`Bytes`](crate::Bytes) |
/// | bytes in a record of Kinesis that are no text | [`Bytes`](crate::Bytes) |
///
/// What is known for one of the first rows is never handed over as one of the last three, so that
/// an event without a handler is not taken for somebody's text.
///
/// # Places
///
/// Nothing in a message of the last three rows says what it is. So one function has one handler of
/// each of [`Json`], [`Text`](crate::Text) and [`Bytes`](crate::Bytes), or handlers that are bound to
/// the place that their messages come from: by [`on_queue`](Self::on_queue),
/// [`on_topic`](Self::on_topic) or [`on_stream`](Self::on_stream). Of several that could take it, a
/// message is for the one that is bound to the source that the function has it from, else for the
/// one that is bound to the topic it came by, else for the one that is bound to nothing; among equals,
/// for the one that is first in the table.
///
/// Handlers of anything else can be bound, too. They then take only what comes from there, and those
/// that are bound to nothing take it as well.
///
/// # Which events are the same
///
/// Those of one handler with the same id, of the same source, for the same tenant, published by the
/// same account, as far as the envelope of EventBridge says which. What another account or tenant
/// sends under the same id is another event, and cannot keep the right one from being handled.
///
/// - The account is part of the envelope. An event that reaches the function without it, such as by
///   a rule with an `InputPath`, has none; where the same event comes with and without its envelope,
///   it is handled on both ways.
/// - In a queue, a topic or a stream, whoever may send there writes the envelope, account and all:
///   [`Allow`](crate::Allow) says which of them are believed.
/// - The tenant and the id are the producer's word. Within one account and source, a producer can
///   send what it likes.
///
/// # Names
///
/// A handler's name is part of its idempotency key: the name of the function, without its path. It
/// is not to be changed while deliveries of the time before may still come, or they are handled
/// anew; [`on_named`](Self::on_named) keeps a name over a change of the function's.
#[must_use = "handlers do nothing before an app is built of them"]
pub struct Handlers<S> {
    pub(crate) state: Arc<S>,
    pub(crate) routes: Vec<Bound<S>>,
    pub(crate) unhandled: Unhandled,
    pub(crate) middleware: Middleware<S>,
}

/// A handler and the place that it is bound to.
pub(crate) struct Bound<S> {
    pub(crate) route: Arc<dyn Route<S>>,
    pub(crate) to: Option<Binding>,
}

impl<S> Bound<S> {
    fn anywhere(route: impl Route<S> + 'static) -> Self {
        Self { route: Arc::new(route), to: None }
    }
}

/// Treatment of what no handler takes.
///
/// What is neither an event nor JSON is unreadable then: [`Ignore`](Self::Ignore) acknowledges it,
/// and otherwise it is put into [quarantine](crate::Quarantine), and fails only where there is none.
/// What looks like an event that broke on its way is never ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Unhandled {
    /// Its delivery fails, so that it comes again and ends in a dead-letter queue: for a service
    /// that is only sent what it has handlers for. JSON that is no event is put aside as by
    /// `Quarantine` where others would wait behind it: in a shard, and in a group of a FIFO queue.
    #[default]
    Fail,
    /// It is put aside with its bytes.
    Quarantine,
    /// Acknowledges it: for a service that is sent more than it cares about. HTTP requests and direct
    /// invocations fail all the same, because their caller would take the answer for success.
    Ignore,
}

impl<S: Send + Sync + 'static> Handlers<S> {
    /// Handlers that share `state`, of which there are none yet.
    pub fn new(state: impl Into<Arc<S>>) -> Self {
        Self {
            state: state.into(),
            routes: Vec::new(),
            unhandled: Unhandled::default(),
            middleware: Middleware::none(),
        }
    }

    /// Adds a handler for the event type that it takes: an `async fn(&Cx<S>, Received<E>)`.
    pub fn on<E, F>(self, handler: F) -> Self
    where
        E: DomainEvent + DeserializeOwned + Send + 'static,
        F: for<'a> Handler<'a, S, Received<E>, Effects>,
    {
        self.add(function_name::<F>().into(), Some(type_name::<F>()), handler)
    }

    /// Adds a handler under a name of its own: a closure, which has none, or a function that had
    /// another one.
    pub fn on_named<E, F>(self, name: impl Into<Arc<str>>, handler: F) -> Self
    where
        E: DomainEvent + DeserializeOwned + Send + 'static,
        F: for<'a> Handler<'a, S, Received<E>, Effects>,
    {
        self.add(name.into(), None, handler)
    }

    fn add<E, F>(mut self, name: Arc<str>, path: Option<&'static str>, handler: F) -> Self
    where
        E: DomainEvent + DeserializeOwned + Send + 'static,
        F: for<'a> Handler<'a, S, Received<E>, Effects>,
    {
        let handler = Arc::new(handler);
        self.routes.push(Bound::anywhere(EventRoute::<S, E, F> {
            name,
            path,
            handler,
            types: PhantomTypes::NEW,
        }));
        self
    }

    /// Adds a handler for what reaches Lambda and is no event of ours: a scheduled call, a change
    /// of an object or an item, an event of AWS.
    ///
    /// It is guarded by what the payload [is named by](NaturalKey). Several handlers may take the
    /// same kind of payload, and each of them takes all of that kind.
    pub fn on_payload<P, F>(self, handler: F) -> Self
    where
        P: NaturalKey,
        F: for<'a> Handler<'a, S, P, Effects>,
    {
        self.on_payload_by(natural_key, handler)
    }

    /// Adds a handler for a payload that does not name itself, such as [`Json`] in a queue: `key`
    /// says which of them are the same. Those of HTTP requests are kept apart by
    /// [route and caller](RequestKey).
    pub fn on_payload_by<P, K, F>(
        self,
        key: impl Fn(&P) -> Result<K, KeyError> + Send + Sync + 'static,
        handler: F,
    ) -> Self
    where
        P: Payload,
        K: Into<RequestKey>,
        F: for<'a> Handler<'a, S, P, Effects>,
    {
        let decide = |effects, _| Ok(Decision { effects, response: None });
        self.on_content(Some(key_of(key)), false, handler, decide)
    }

    /// Adds a handler that answers: a request over HTTP, a task of Step Functions, a direct call.
    ///
    /// `key` says which requests are the same. A later one is answered with what the first one was.
    /// Those of HTTP requests are kept apart by [route and caller](RequestKey), so that nobody is
    /// given somebody else's answer. Nothing else can take the same kind of payload.
    ///
    /// ```
    /// # use setpiece_handler::{Cx, Handlers, HttpRequest, HttpResponse, Reply};
    /// # use setpiece_policy::Fault;
    /// async fn pay(_: &Cx<()>, _: HttpRequest) -> Result<Reply<HttpResponse>, Fault> {
    ///     Ok(Reply::new(HttpResponse::new(201)))
    /// }
    ///
    /// let handlers = Handlers::new(()).on_request(HttpRequest::idempotency_key, pay);
    /// ```
    pub fn on_request<P, K, R, F>(
        self,
        key: impl Fn(&P) -> Result<K, KeyError> + Send + Sync + 'static,
        handler: F,
    ) -> Self
    where
        P: Payload,
        K: Into<RequestKey>,
        R: Respond,
        F: for<'a> Handler<'a, S, P, Reply<R>>,
    {
        let decide = |Reply { response, effects }: Reply<R>, form| {
            Ok(Decision { effects, response: Some(response.to_json(form)?) })
        };
        self.on_content(Some(key_of(key)), true, handler, decide)
    }

    /// Adds a handler that answers and changes nothing, so that it needs no guard. Nothing else can
    /// take the same kind of payload.
    pub fn on_query<P, R, F>(self, handler: F) -> Self
    where
        P: Payload,
        R: Respond,
        F: for<'a> Handler<'a, S, P, R>,
    {
        let decide = |response: R, form| {
            Ok(Decision { effects: Effects::new(), response: Some(response.to_json(form)?) })
        };
        self.on_content(None, true, handler, decide)
    }

    /// Adds a handler of payloads, with what makes a decision out of what it returns.
    fn on_content<P, O, F>(
        mut self,
        key: Option<KeyOf<P>>,
        answers: bool,
        handler: F,
        decide: impl Fn(O, Option<HttpForm>) -> Result<Decision, Fault> + Copy + Send + Sync + 'static,
    ) -> Self
    where
        P: Payload,
        O: 'static,
        F: for<'a> Handler<'a, S, P, O>,
    {
        let handler = Arc::new(handler);
        let handle = move |payload: P, form| -> Decide<S> {
            let handler = Arc::clone(&handler);
            Box::new(move |cx: Cx<S>| {
                Box::pin(async move { decide(handler.handle(&cx, payload).await?, form) })
            })
        };
        let name = function_name::<F>().into();
        self.routes.push(Bound::anywhere(PayloadRoute {
            name,
            path: type_name::<F>(),
            key,
            answers,
            handle: Box::new(handle),
        }));
        self
    }

    /// Binds the handlers that `add` adds to a queue, by its name or its ARN: they take what comes
    /// from there and nothing else. [Which handler](Self#which-handler) says what that decides.
    ///
    /// ```
    /// # use setpiece_handler::{Cx, Effects, Handlers, Json};
    /// # use setpiece_idempotency::Key;
    /// # use setpiece_policy::Fault;
    /// # #[derive(serde::Deserialize)]
    /// # struct Refund { id: String }
    /// # #[derive(serde::Deserialize)]
    /// # struct Invoice { number: String }
    /// # async fn refund(_: &Cx<()>, _: Json<Refund>) -> Result<Effects, Fault> { Ok(Effects::new()) }
    /// # async fn file(_: &Cx<()>, _: Json<Invoice>) -> Result<Effects, Fault> { Ok(Effects::new()) }
    /// let handlers = Handlers::new(())
    ///     .on_queue("refunds", |it| it.on_payload_by(|Json(it): &Json<Refund>| Key::of(&it.id), refund))
    ///     .on_queue("arn:aws:sqs:eu-west-1:111122223333:invoices", |it| {
    ///         it.on_payload_by(|Json(it): &Json<Invoice>| Key::of(&it.number), file)
    ///     });
    /// ```
    pub fn on_queue(self, queue: impl Into<Box<str>>, add: impl FnOnce(Self) -> Self) -> Self {
        self.bound_to(&Binding::new(Place::Queue, queue), add)
    }

    /// Binds the handlers that `add` adds to a topic, by its name or its ARN, whether it invokes the
    /// function or is behind a queue; with raw message delivery, a queue does not say which topic is
    /// before it.
    ///
    /// Whoever may send to the queue can write there that a message is of any topic.
    pub fn on_topic(self, topic: impl Into<Box<str>>, add: impl FnOnce(Self) -> Self) -> Self {
        self.bound_to(&Binding::new(Place::Topic, topic), add)
    }

    /// Binds the handlers that `add` adds to a stream of Kinesis, by its name or its ARN, for all of
    /// its consumers.
    pub fn on_stream(self, stream: impl Into<Box<str>>, add: impl FnOnce(Self) -> Self) -> Self {
        self.bound_to(&Binding::new(Place::Stream, stream), add)
    }

    /// Binds the handlers that `add` adds to the DynamoDB stream of a table, by the table's name or
    /// ARN.
    pub fn on_table(self, table: impl Into<Box<str>>, add: impl FnOnce(Self) -> Self) -> Self {
        self.bound_to(&Binding::new(Place::Table, table), add)
    }

    fn bound_to(mut self, place: &Binding, add: impl FnOnce(Self) -> Self) -> Self {
        let mut routes = std::mem::take(&mut self.routes);
        let added = add(self);
        routes.extend(added.routes.into_iter().map(|it| {
            // Within another place, the inner one stands.
            let to = it.to.or_else(|| Some(place.clone()));
            Bound { to, ..it }
        }));
        Self { routes, ..added }
    }

    /// Says what to do about events that no handler takes. Their deliveries fail by default.
    pub fn unhandled(mut self, unhandled: Unhandled) -> Self {
        self.unhandled = unhandled;
        self
    }
}

impl<S> fmt::Debug for Handlers<S> {
    /// Shows the names of the handlers. The state may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.routes.iter().map(|it| it.route.name()).collect();
        f.debug_struct("Handlers")
            .field("handlers", &names)
            .field("unhandled", &self.unhandled)
            .finish_non_exhaustive()
    }
}

/// Handler of an input: `async fn(&Cx<S>, I) -> Result<O, Fault>`, as a function or a closure.
///
/// It is implemented for all of these, and for nothing else.
///
/// A closure has a [name given to it](Handlers::on_named). One that is `async |cx: &Cx<S>, …|` can
/// capture nothing; one that captures clones what it needs of `cx` and returns an `async move`
/// block.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler",
    label = "needs to be `async fn(&Cx<S>, {I}) -> Result<{O}, Fault>`",
    note = "its future has to be `Send`: nothing that is not may be held over an `await`"
)]
pub trait Handler<'a, S, I, O>: Send + Sync + 'static {
    /// Begins to handle `input`.
    fn handle(&self, cx: &'a Cx<S>, input: I) -> BoxFuture<'a, Result<O, Fault>>;
}

impl<'a, S, I, O, F, Fut> Handler<'a, S, I, O> for F
where
    S: 'a,
    F: Fn(&'a Cx<S>, I) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, Fault>> + Send + 'a,
{
    fn handle(&self, cx: &'a Cx<S>, input: I) -> BoxFuture<'a, Result<O, Fault>> {
        Box::pin(self(cx, input))
    }
}

/// Answer of a handler, with its effects.
///
/// ```
/// use setpiece_handler::{Effects, Reply};
///
/// let reply = Reply::new("created").with(Effects::new());
/// assert_eq!(reply.response, "created");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a reply does nothing until it is returned"]
#[non_exhaustive]
pub struct Reply<R> {
    /// The answer. It is kept with the record of the request, to be given again.
    pub response: R,
    /// Effects of the request.
    pub effects: Effects,
}

impl<R> Reply<R> {
    /// An answer, and nothing that changes.
    pub fn new(response: R) -> Self {
        Self { response, effects: Effects::new() }
    }

    /// Returns the answer with effects.
    pub fn with(self, effects: Effects) -> Self {
        Self { effects, ..self }
    }
}

/// Answers of handlers: [`HttpResponse`], or [`Json`] of anything.
pub trait Respond: Send + 'static {
    /// The answer as JSON, in the form that goes with the request where that came over HTTP.
    ///
    /// # Errors
    ///
    /// It has no JSON form.
    fn to_json(&self, form: Option<HttpForm>) -> Result<String, Fault>;
}

impl Respond for HttpResponse {
    fn to_json(&self, form: Option<HttpForm>) -> Result<String, Fault> {
        Ok(self.to_json(form.unwrap_or(HttpForm::V2))?)
    }
}

impl<T: Serialize + Send + 'static> Respond for Json<T> {
    fn to_json(&self, form: Option<HttpForm>) -> Result<String, Fault> {
        // What its own code says of it may quote it, so it is no source.
        let unwritten = |_: serde_json::Error| Fault::permanent("an answer that cannot be written");
        match form {
            None => serde_json::to_string(&self.0).map_err(unwritten),
            Some(form) => Ok(HttpResponse::json(200, &self.0).map_err(unwritten)?.to_json(form)?),
        }
    }
}

impl From<InvalidResponse> for Fault {
    /// A permanent fault: the request is not at fault.
    fn from(error: InvalidResponse) -> Self {
        Self::permanent("an answer that is no HTTP response").with_source(error)
    }
}

/// Decision of a handler of any kind.
pub struct Decision {
    pub(crate) effects: Effects,
    /// The answer as JSON.
    pub(crate) response: Option<String>,
}

impl Decision {
    /// Returns the effects of the decision.
    pub fn effects(&self) -> &Effects {
        &self.effects
    }
}

impl fmt::Debug for Decision {
    /// Shows whether there is an answer, and not what it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decision")
            .field("effects", &self.effects)
            .field("answers", &self.response.is_some())
            .finish()
    }
}

/// A handler that is ready to run, on something that it takes.
pub(crate) type Decide<S> =
    Box<dyn FnOnce(Cx<S>) -> BoxFuture<'static, Result<Decision, Fault>> + Send>;

/// Ways to guard a handler.
pub(crate) enum Guarding {
    /// Under that key.
    Key(Key),
    /// Not at all, since it changes nothing.
    Query,
}

/// A handler and something that it takes.
pub(crate) struct Ready<S> {
    pub(crate) guarding: Guarding,
    pub(crate) decide: Decide<S>,
}

/// A handler whose types are forgotten.
pub(crate) trait Route<S>: Send + Sync {
    /// The handler's name.
    fn name(&self) -> &Arc<str>;

    /// The path of the function, unless the handler was given a name of its own.
    fn path(&self) -> Option<&'static str>;

    /// Returns the input that the handler takes, for messages.
    fn takes(&self) -> &'static str;

    /// Returns true if the handler takes the event of which the bus and its own metadata say this.
    fn takes_event(&self, _: Option<&BusFacts>, _: &Metadata) -> bool {
        false
    }

    /// The source of the events that it takes.
    fn source(&self) -> Option<&'static str> {
        None
    }

    /// Returns true if source and detail-type are those of the events that the handler takes.
    fn expects(&self, _: &BusFacts) -> bool {
        false
    }

    /// Makes an event ready for the handler.
    ///
    /// # Errors
    ///
    /// The event is not what the handler's type says.
    fn ready_for_event(&self, _: &RawEnvelope<'_>, _: &Facts, _: &Opened<'_>) -> Prepared<S> {
        Err(Fault::contract("an event for a handler of something else"))
    }

    /// Of which content the payloads are made that it takes.
    fn content(&self) -> Option<ContentKind> {
        None
    }

    /// Returns true if the handler answers, so that it has to be the only one.
    fn answers(&self) -> bool {
        false
    }

    /// Makes a payload ready for the handler.
    ///
    /// # Errors
    ///
    /// The content is not what the handler's type says.
    fn ready_for_payload(&self, _: Content<'_>) -> Prepared<S> {
        Err(Fault::contract("a payload for a handler of something else"))
    }
}

type Prepared<S> = Result<Ready<S>, Fault>;

type KeyOf<P> = Box<dyn Fn(&P) -> Result<RequestKey, KeyError> + Send + Sync>;

fn key_of<P, K: Into<RequestKey>>(
    key: impl Fn(&P) -> Result<K, KeyError> + Send + Sync + 'static,
) -> KeyOf<P> {
    Box::new(move |payload| key(payload).map(Into::into))
}

/// Names types without having them, so that a route is `Sync` whatever they are.
struct PhantomTypes<T>(std::marker::PhantomData<fn() -> T>);

impl<T> PhantomTypes<T> {
    const NEW: Self = Self(std::marker::PhantomData);
}

struct EventRoute<S, E, F> {
    name: Arc<str>,
    path: Option<&'static str>,
    handler: Arc<F>,
    types: PhantomTypes<(S, E)>,
}

impl<S, E, F> Route<S> for EventRoute<S, E, F>
where
    S: Send + Sync + 'static,
    E: DomainEvent + DeserializeOwned + Send + 'static,
    F: for<'a> Handler<'a, S, Received<E>, Effects>,
{
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn path(&self) -> Option<&'static str> {
        self.path
    }

    fn takes(&self) -> &'static str {
        let PhantomTypes(_) = self.types;
        E::NAME
    }

    fn takes_event(&self, bus: Option<&BusFacts>, metadata: &Metadata) -> bool {
        let is = |part: Option<&str>, of: &str| part.is_none_or(|part| part == of);
        metadata.name == E::NAME
            && match bus {
                Some(bus) => &*bus.source == E::SOURCE,
                None => {
                    is(metadata.domain.as_deref(), E::SERVICE.domain())
                        && is(metadata.subdomain.as_deref(), E::SERVICE.subdomain())
                        && is(metadata.service.as_deref(), E::SERVICE.service())
                }
            }
    }

    fn source(&self) -> Option<&'static str> {
        Some(E::SOURCE)
    }

    fn expects(&self, bus: &BusFacts) -> bool {
        &*bus.source == E::SOURCE && &*bus.detail_type == E::DETAIL_TYPE
    }

    fn ready_for_event(
        &self,
        raw: &RawEnvelope<'_>,
        facts: &Facts,
        opened: &Opened<'_>,
    ) -> Prepared<S> {
        let envelope = raw.clone().decode::<E>()?;
        let key = event_key(E::SOURCE, &envelope.metadata, opened.bus.as_ref())
            .map_err(|error| Fault::from(error).with_context("an event that has no key"))?;
        let event = Received {
            data: envelope.data,
            metadata: envelope.metadata,
            facts: facts.clone(),
            bus: opened.bus.clone(),
            notification: opened.notification.clone(),
        };
        let handler = Arc::clone(&self.handler);
        let decide = move |cx: Cx<S>| -> BoxFuture<'static, _> {
            Box::pin(async move {
                let effects = handler.handle(&cx, event).await?;
                Ok(Decision { effects, response: None })
            })
        };
        Ok(Ready { guarding: Guarding::Key(key), decide: Box::new(decide) })
    }
}

/// Handles a payload, whose answer has the form of the request.
type HandlePayload<S, P> = Box<dyn Fn(P, Option<HttpForm>) -> Decide<S> + Send + Sync>;

struct PayloadRoute<S, P> {
    name: Arc<str>,
    path: &'static str,
    /// Without one, nothing changes and nothing is guarded.
    key: Option<KeyOf<P>>,
    answers: bool,
    handle: HandlePayload<S, P>,
}

impl<S: Send + Sync + 'static, P: Payload> Route<S> for PayloadRoute<S, P> {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn path(&self) -> Option<&'static str> {
        Some(self.path)
    }

    fn takes(&self) -> &'static str {
        type_name::<P>()
    }

    fn content(&self) -> Option<ContentKind> {
        Some(P::KIND)
    }

    fn answers(&self) -> bool {
        self.answers
    }

    fn ready_for_payload(&self, content: Content<'_>) -> Prepared<S> {
        let form = match &content {
            Content::Http(request) => Some(request.form),
            _ => None,
        };
        let asked = match &content {
            Content::Http(request) if self.key.is_some() => Some(Asked::from(request)),
            _ => None,
        };
        let payload = P::read(content)?;
        let guarding = match &self.key {
            None => Guarding::Query,
            Some(key) => {
                let key = key(&payload).map_err(|error| {
                    Fault::contract("a payload that has no key")
                        .with_remedy("look at what the key is made of, and at the caller")
                        .with_shown_source(NotServed::NoKey(error))
                })?;
                Guarding::Key(key.of_request(asked.as_ref())?)
            }
        };
        Ok(Ready { guarding, decide: (self.handle)(payload, form) })
    }
}

/// The key of an event: the account that published it, its source, its tenant and its id.
///
/// Ids are unique in what one service of one account publishes for one tenant, not beyond. The
/// account is what the envelope of the bus says, in whatever it is wrapped, so that a redrive from a
/// queue and a replay from an archive come to the same key. An event without that envelope has no
/// account.
fn event_key(source: &str, metadata: &Metadata, bus: Option<&BusFacts>) -> Result<Key, KeyError> {
    let event_id = &metadata.event_id;
    let key = match bus.and_then(|bus| bus.account.as_deref()) {
        Some(account) => Key::from_parts(&[&account, &source, event_id])?,
        None => Key::from_parts(&[&source, event_id])?,
    };
    match &metadata.correlation.tenant {
        Some(tenant) => key.for_tenant(tenant),
        None => Ok(key),
    }
}

/// The key of a payload that names itself, for [`Handlers::on_request`].
///
/// # Errors
///
/// [`KeyError::Missing`] if nothing names it.
pub fn natural_key<P: NaturalKey>(payload: &P) -> Result<Key, KeyError> {
    let parts = payload.natural_key().ok_or(KeyError::Missing)?;
    let parts: Vec<&dyn KeyPart> = parts.iter().map(|part| part as &dyn KeyPart).collect();
    Key::from_parts(&parts)
}

/// The name of a function without its path; empty for what has none, such as a closure or a pointer
/// to a function.
fn function_name<F>() -> &'static str {
    let path = type_name::<F>();
    // Type parameters have paths of their own.
    let path = path.split_once('<').map_or(path, |(path, _)| path);
    let Some((module, name)) = path.rsplit_once("::") else { return "" };
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_name && !module.contains(['(', ' ']) { name } else { "" }
}

/// Layer between an app and its handlers.
pub(crate) struct Middleware<S> {
    around: Option<Arc<dyn Around<S>>>,
}

/// A handler that is about to run, for middleware.
#[non_exhaustive]
pub struct Handling<S> {
    /// Context of the handler.
    pub cx: Cx<S>,
    /// The handler's name.
    pub handler: Arc<str>,
    decide: Decide<S>,
}

/// A middleware whose types are forgotten.
pub(crate) trait Around<S>: Send + Sync {
    fn call(&self, handling: Handling<S>) -> BoxFuture<'static, Result<Decision, Fault>>;
}

impl<S> Middleware<S> {
    const fn none() -> Self {
        Self { around: None }
    }

    #[cfg(feature = "tower")]
    pub(crate) fn of(around: Arc<dyn Around<S>>) -> Self {
        Self { around: Some(around) }
    }

    pub(crate) fn run(&self, handling: Handling<S>) -> BoxFuture<'static, Result<Decision, Fault>> {
        match &self.around {
            None => (handling.decide)(handling.cx),
            Some(around) => around.call(handling),
        }
    }
}

impl<S> Clone for Middleware<S> {
    fn clone(&self) -> Self {
        Self { around: self.around.clone() }
    }
}

impl<S> Handling<S> {
    pub(crate) fn new(cx: Cx<S>, handler: &Arc<str>, decide: Decide<S>) -> Self {
        Self { cx, handler: Arc::clone(handler), decide }
    }
}

impl<S> fmt::Debug for Handling<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handling")
            .field("cx", &self.cx)
            .field("handler", &self.handler)
            .finish_non_exhaustive()
    }
}
