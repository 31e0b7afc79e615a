use std::{borrow::Cow, collections::HashMap, fmt, ops::Range};

use super::{
    error::{EventError, EventReason},
    number::Comparable,
};
use crate::json::{Reader, Token};

/// An event, laid out once for matching against any number of patterns.
///
/// It is the whole event as EventBridge delivers it, with `source`, `detail-type` and `detail`, and
/// borrows from the bytes it was read from. As AWS does, it reads a member that appears twice as
/// two values of one field, and `{"a.b": 1}` as `{"a": {"b": 1}}`.
///
/// ```
/// use setpiece_bus::{EventPattern, ParsedEvent};
///
/// let event = ParsedEvent::parse(r#"{ "source": "retail.orders", "detail": { "total": 3.0e2 } }"#)?;
/// assert!(EventPattern::parse(r#"{ "detail": { "total": [300] } }"#)?.matches(&event)?);
/// assert!(!EventPattern::parse(r#"{ "detail": { "total": ["300"] } }"#)?.matches(&event)?);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct ParsedEvent<'a> {
    /// The path of each key; the first is that of the event itself.
    paths: Vec<Path<'a>>,
    /// Paths by the path above and the step below it.
    steps: HashMap<(PathId, Cow<'a, str>), PathId>,
    /// The values, those of one path side by side.
    leaves: Vec<Leaf<'a>>,
    /// The objects and arrays that are elements of arrays, in their order. The first stands for the
    /// event itself.
    elements: Vec<Element>,
    /// Which elements each array has, counting those within them.
    arrays: Vec<Range<ElementId>>,
}

/// An index of [`ParsedEvent::paths`].
pub(crate) type PathId = usize;

/// An index of [`ParsedEvent::elements`].
pub(crate) type ElementId = usize;

/// The element in which everything lies that is in no other.
pub(crate) const ROOT: usize = 0;

struct Path<'a> {
    above: PathId,
    step: Cow<'a, str>,
    leaves: Range<usize>,
}

/// A value that is neither an object nor an array, with its place.
pub(crate) struct Leaf<'a> {
    path: PathId,
    pub(crate) value: Value<'a>,
    /// The innermost element in which it lies. A value that is an element itself does not count.
    pub(crate) element: ElementId,
    /// Whether a key on the way to it is empty.
    pub(crate) below_empty_key: bool,
}

pub(crate) enum Value<'a> {
    Text(Cow<'a, str>),
    Number { text: &'a str, comparable: Option<Comparable> },
    Boolean(bool),
    Null,
}

struct Element {
    /// The element in which its array lies.
    outer: ElementId,
    array: usize,
    /// The first element after it that does not lie within it.
    end: ElementId,
}

impl<'a> ParsedEvent<'a> {
    /// The most bytes of an event: twice the limit of `PutEvents`, which does not count all that is
    /// delivered.
    pub const MAX_BYTES: usize = 2 * 1024 * 1024;

    /// The most objects and arrays within each other: the 1000 that `PutEvents` allows in a detail,
    /// and the event around it.
    pub const MAX_DEPTH: usize = 1001;

    /// Reads an event.
    ///
    /// Time and space are linear in the bytes.
    ///
    /// # Errors
    ///
    /// [`EventError`] where the bytes are not a JSON object within the bounds above.
    pub fn parse(json: &'a (impl AsRef<[u8]> + ?Sized)) -> Result<Self, EventError> {
        let json = json.as_ref();
        if json.len() > Self::MAX_BYTES {
            return Err(EventError::new(
                EventReason::TooLarge { limit: Self::MAX_BYTES },
                Self::MAX_BYTES,
            ));
        }
        let text = std::str::from_utf8(json)
            .map_err(|error| EventError::new(EventReason::NotUtf8, error.valid_up_to()))?;
        Layout::new().read(text)
    }

    /// Finds a path by its steps.
    pub(crate) fn find(&self, path: &str) -> Option<PathId> {
        path.split('.')
            .try_fold(ROOT, |above, step| self.steps.get(&(above, Cow::Borrowed(step))).copied())
    }

    /// The values of a path.
    pub(crate) fn leaves(&self, path: PathId) -> &[Leaf<'a>] {
        self.paths.get(path).map_or(&[], |path| &self.leaves[path.leaves.clone()])
    }

    /// All paths but that of the event itself: the path above, its last step, and its values. A
    /// path comes after the one above it.
    pub(crate) fn paths(&self) -> impl Iterator<Item = (PathId, &str, &[Leaf<'a>])> {
        let paths = self.paths.iter().skip(1);
        paths.map(|path| (path.above, &*path.step, &self.leaves[path.leaves.clone()]))
    }

    /// The element in which the array of an element lies; `None` for the event itself.
    pub(crate) fn outer(&self, element: ElementId) -> Option<ElementId> {
        (element != ROOT).then(|| self.elements[element].outer)
    }

    /// The array of an element that is not the event itself.
    pub(crate) fn array(&self, element: ElementId) -> usize {
        self.elements[element].array
    }

    /// An element and those within it.
    pub(crate) fn within(&self, element: ElementId) -> Range<ElementId> {
        element..self.elements[element].end
    }

    /// The elements of an array and those within them.
    pub(crate) fn within_array(&self, array: usize) -> Range<ElementId> {
        self.arrays[array].clone()
    }
}

/// Shows no values: an event may hold personal data.
impl fmt::Debug for ParsedEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParsedEvent").field("values", &self.leaves.len()).finish_non_exhaustive()
    }
}

/// Lays an event out while it is being read.
struct Layout<'a> {
    event: ParsedEvent<'a>,
    open: Vec<Open>,
    /// How many of the open keys are empty.
    empty_keys: usize,
    /// The element in which the reader is.
    element: ElementId,
}

/// An object or array that is being read.
struct Open {
    /// Its own path.
    path: PathId,
    array: Option<usize>,
    /// Whether it is an element of an array itself.
    is_element: bool,
    /// Whether its own key is empty.
    empty_key: bool,
}

impl<'a> Layout<'a> {
    fn new() -> Self {
        let event = ParsedEvent {
            paths: vec![Path { above: ROOT, step: Cow::Borrowed(""), leaves: 0..0 }],
            steps: HashMap::new(),
            leaves: Vec::new(),
            elements: vec![Element { outer: ROOT, array: 0, end: 0 }],
            arrays: Vec::new(),
        };
        Self { event, open: Vec::new(), empty_keys: 0, element: ROOT }
    }

    fn read(mut self, text: &'a str) -> Result<ParsedEvent<'a>, EventError> {
        let mut reader = Reader::new(text, ParsedEvent::MAX_DEPTH);
        // The path of the value that comes, and whether its own key is empty.
        let mut path = ROOT;
        let mut empty_key = false;
        loop {
            let token = reader.next().map_err(|flaw| {
                let reason = EventReason::of(flaw, ParsedEvent::MAX_DEPTH);
                EventError::new(reason, reader.offset())
            })?;
            let value = match token {
                Token::Name(name) => {
                    empty_key = name.is_empty();
                    path = self.step(self.open.last().map_or(ROOT, |open| open.path), name);
                    continue;
                }
                Token::StartObject | Token::StartArray => {
                    let is_array = token == Token::StartArray;
                    self.start(path, is_array, empty_key);
                    empty_key = false;
                    if self.open.len() == 1 && is_array {
                        return Err(EventError::new(EventReason::NotAnObject, reader.offset()));
                    }
                    continue;
                }
                Token::EndObject | Token::EndArray => {
                    self.end();
                    if let Some(open) = self.open.last() {
                        path = open.path;
                    }
                    continue;
                }
                Token::End => break,
                Token::Text(text) => Value::Text(text),
                Token::Number(text) => Value::Number { text, comparable: Comparable::parse(text) },
                Token::Boolean(value) => Value::Boolean(value),
                Token::Null => Value::Null,
            };
            if self.open.is_empty() {
                return Err(EventError::new(EventReason::NotAnObject, reader.offset()));
            }
            let below_empty_key = self.empty_keys > 0 || empty_key;
            self.event.leaves.push(Leaf { path, value, element: self.element, below_empty_key });
            empty_key = false;
        }
        Ok(self.finish())
    }

    /// The path below `above` by a key, whose dots count as steps.
    fn step(&mut self, above: PathId, key: Cow<'a, str>) -> PathId {
        let paths = &mut self.event.paths;
        let mut step = |above, step: Cow<'a, str>| {
            *self.event.steps.entry((above, step)).or_insert_with_key(|(_, step)| {
                paths.push(Path { above, step: step.clone(), leaves: 0..0 });
                paths.len() - 1
            })
        };
        match key {
            Cow::Borrowed(key) => key.split('.').map(Cow::Borrowed).fold(above, &mut step),
            Cow::Owned(key) => {
                key.split('.').map(|part| Cow::Owned(part.to_owned())).fold(above, &mut step)
            }
        }
    }

    fn start(&mut self, path: PathId, is_array: bool, empty_key: bool) {
        let event = &mut self.event;
        let outer_array = self.open.last().and_then(|open| open.array);
        if let Some(array) = outer_array {
            event.elements.push(Element { outer: self.element, array, end: 0 });
            self.element = event.elements.len() - 1;
        }
        let array = is_array.then(|| {
            let first = event.elements.len();
            event.arrays.push(first..first);
            event.arrays.len() - 1
        });
        self.empty_keys += usize::from(empty_key);
        self.open.push(Open { path, array, is_element: outer_array.is_some(), empty_key });
    }

    fn end(&mut self) {
        let event = &mut self.event;
        let Some(open) = self.open.pop() else { return };
        let end = event.elements.len();
        self.empty_keys -= usize::from(open.empty_key);
        if let Some(array) = open.array {
            event.arrays[array].end = end;
        }
        if open.is_element {
            let element = &mut event.elements[self.element];
            element.end = end;
            self.element = element.outer;
        }
    }

    fn finish(self) -> ParsedEvent<'a> {
        let mut event = self.event;
        event.elements[ROOT].end = event.elements.len();
        // An element that is alone in its array rules nothing out, so what lies in it may as well
        // lie around it.
        let is_alone = |event: &ParsedEvent<'_>, element: ElementId| {
            element != ROOT && event.within(element) == event.within_array(event.array(element))
        };
        for element in 0..event.elements.len() {
            let outer = event.elements[element].outer;
            if is_alone(&event, outer) {
                event.elements[element].outer = event.elements[outer].outer;
            }
        }
        for index in 0..event.leaves.len() {
            let element = event.leaves[index].element;
            if is_alone(&event, element) {
                event.leaves[index].element = event.elements[element].outer;
            }
        }
        event.leaves.sort_by_key(|leaf| leaf.path);
        let mut start = 0;
        for same in event.leaves.chunk_by(|left, right| left.path == right.path) {
            let end = start + same.len();
            event.paths[same[0].path].leaves = start..end;
            start = end;
        }
        event
    }
}
