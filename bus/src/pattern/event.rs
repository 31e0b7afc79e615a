use std::{borrow::Cow, collections::HashMap, fmt, ops::Range};

use super::{
    error::{EventError, EventReason},
    number::Comparable,
};
use crate::json::{Flaw, Reader, Token};

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
    /// The bytes, from which a value is read when a pattern looks at it.
    text: &'a str,
    /// The path of each key; the first is that of the event itself.
    paths: Vec<Path<'a>>,
    /// Paths by the path above and the step below it.
    steps: HashMap<(PathId, Cow<'a, str>), PathId>,
    /// The values, those of one path side by side.
    leaves: Vec<Leaf>,
    /// The objects and arrays that are elements of arrays, in their order. The first stands for the
    /// event itself.
    elements: Vec<Element>,
    /// The elements of each array that has several, counting those within them.
    arrays: Vec<Range<u32>>,
}

/// An index of [`ParsedEvent::paths`].
pub(crate) type PathId = usize;

/// An index of [`ParsedEvent::elements`].
pub(crate) type ElementId = usize;

/// The element in which everything lies that is in no other.
pub(crate) const ROOT: usize = 0;

/// The array of an element that is alone in it.
const ALONE: u32 = u32::MAX;

struct Path<'a> {
    above: PathId,
    step: Cow<'a, str>,
    leaves: Range<usize>,
}

/// A value that is neither an object nor an array, with its place.
///
/// There may be one for two bytes of an event, so it holds no more than offsets, which fit since an
/// event is bounded by [`ParsedEvent::MAX_BYTES`].
pub(crate) struct Leaf {
    path: u32,
    /// The offset of its first byte.
    at: u32,
    /// The innermost element in which it lies, shifted by one bit; the lowest bit tells that a key
    /// on the way to it is empty.
    place: u32,
}

impl Leaf {
    /// The innermost element in which it lies. A value that is an element itself does not count.
    pub(crate) fn element(&self) -> ElementId {
        (self.place >> 1) as ElementId
    }

    /// Tells that a key on the way to it is empty.
    pub(crate) fn below_empty_key(&self) -> bool {
        self.place & 1 == 1
    }
}

pub(crate) enum Value<'a> {
    Text(Cow<'a, str>),
    Number { text: &'a str, comparable: Option<Comparable> },
    Boolean(bool),
    Null,
}

struct Element {
    /// The element in which its array lies.
    outer: u32,
    /// An index of [`ParsedEvent::arrays`], or [`ALONE`].
    array: u32,
    /// The first element after it that does not lie within it.
    end: u32,
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
    /// Time and space are linear in the bytes. Values, objects and arrays take at most 10 bytes for
    /// each byte of the event; each step of a path that the event has, dots in keys included, takes
    /// about 200 bytes more, once.
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
        Layout::new(text)?.read()
    }

    /// Finds a path by its steps.
    pub(crate) fn find(&self, path: &str) -> Option<PathId> {
        path.split('.')
            .try_fold(ROOT, |above, step| self.steps.get(&(above, Cow::Borrowed(step))).copied())
    }

    /// The values of a path.
    pub(crate) fn leaves(&self, path: PathId) -> &[Leaf] {
        self.paths.get(path).map_or(&[], |path| &self.leaves[path.leaves.clone()])
    }

    /// Reads the value of a leaf.
    pub(crate) fn value(&self, leaf: &Leaf) -> Value<'a> {
        // It has been read once, so it is there.
        match Reader::value_at(self.text, leaf.at as usize) {
            Ok(Token::Text(text)) => Value::Text(text),
            Ok(Token::Number(text)) => Value::Number { text, comparable: Comparable::parse(text) },
            Ok(Token::Boolean(value)) => Value::Boolean(value),
            _ => Value::Null,
        }
    }

    /// All paths but that of the event itself: the path above, its last step, and its values. A
    /// path comes after the one above it.
    pub(crate) fn paths(&self) -> impl Iterator<Item = (PathId, &str, &[Leaf])> {
        let paths = self.paths.iter().skip(1);
        paths.map(|path| (path.above, &*path.step, &self.leaves[path.leaves.clone()]))
    }

    /// The element in which the array of an element lies; `None` for the event itself.
    pub(crate) fn outer(&self, element: ElementId) -> Option<ElementId> {
        (element != ROOT).then(|| self.elements[element].outer as ElementId)
    }

    /// The array of an element that is not the event itself.
    pub(crate) fn array(&self, element: ElementId) -> usize {
        self.elements[element].array as usize
    }

    /// An element and those within it.
    pub(crate) fn within(&self, element: ElementId) -> Range<ElementId> {
        element..self.elements[element].end as ElementId
    }

    /// The elements of an array and those within them.
    pub(crate) fn within_array(&self, array: usize) -> Range<ElementId> {
        let elements = &self.arrays[array];
        elements.start as ElementId..elements.end as ElementId
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
    /// Number of the open keys that are empty.
    empty_keys: usize,
    /// The element in which the reader is.
    element: ElementId,
}

/// An object or array that is being read.
struct Open {
    /// Its own path.
    path: PathId,
    /// Of an array, the elements that it has so far.
    array: Option<Siblings>,
    /// Tells that it is an element of an array itself.
    is_element: bool,
    /// Tells that its own key is empty.
    empty_key: bool,
}

/// The elements that an open array has so far.
#[derive(Clone, Copy)]
enum Siblings {
    None,
    One(u32),
    Several { array: u32 },
}

/// The number of an index or offset, none of which exceeds the bytes of an event.
fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn error(flaw: Flaw, reader: &Reader<'_>) -> EventError {
    EventError::new(EventReason::of(flaw, ParsedEvent::MAX_DEPTH), reader.offset())
}

impl<'a> Layout<'a> {
    /// Counts what the event has, so that the space for it is taken once and not doubled.
    fn new(text: &'a str) -> Result<Self, EventError> {
        let (mut leaves, mut elements) = (0, 1);
        // Whether each open value is an array.
        let mut open = Vec::new();
        let mut reader = Reader::new(text, ParsedEvent::MAX_DEPTH);
        loop {
            let token = reader.next().map_err(|flaw| error(flaw, &reader))?;
            match token {
                Token::StartObject | Token::StartArray => {
                    elements += usize::from(open.last() == Some(&true));
                    open.push(token == Token::StartArray);
                    if open == [true] {
                        return Err(EventError::new(EventReason::NotAnObject, reader.offset()));
                    }
                }
                Token::EndObject | Token::EndArray => {
                    open.pop();
                }
                Token::Name(_) => {}
                Token::End => break,
                Token::Text(_) | Token::Number(_) | Token::Boolean(_) | Token::Null => {
                    if open.is_empty() {
                        return Err(EventError::new(EventReason::NotAnObject, reader.offset()));
                    }
                    leaves += 1;
                }
            }
        }
        let mut event = ParsedEvent {
            text,
            paths: vec![Path { above: ROOT, step: Cow::Borrowed(""), leaves: 0..0 }],
            steps: HashMap::new(),
            leaves: Vec::with_capacity(leaves),
            elements: Vec::with_capacity(elements),
            arrays: Vec::new(),
        };
        event.elements.push(Element { outer: 0, array: ALONE, end: 0 });
        Ok(Self { event, open: Vec::new(), empty_keys: 0, element: ROOT })
    }

    fn read(mut self) -> Result<ParsedEvent<'a>, EventError> {
        let mut reader = Reader::new(self.event.text, ParsedEvent::MAX_DEPTH);
        // The path of the value that comes, and whether its own key is empty.
        let mut path = ROOT;
        let mut empty_key = false;
        loop {
            let token = reader.next().map_err(|flaw| error(flaw, &reader))?;
            match token {
                Token::Name(name) => {
                    empty_key = name.is_empty();
                    path = self.step(self.open.last().map_or(ROOT, |open| open.path), name);
                }
                Token::StartObject | Token::StartArray => {
                    self.start(path, token == Token::StartArray, empty_key);
                    empty_key = false;
                }
                Token::EndObject | Token::EndArray => {
                    self.end();
                    if let Some(open) = self.open.last() {
                        path = open.path;
                    }
                }
                Token::End => break,
                Token::Text(_) | Token::Number(_) | Token::Boolean(_) | Token::Null => {
                    let below_empty_key = self.empty_keys > 0 || empty_key;
                    self.event.leaves.push(Leaf {
                        path: narrow(path),
                        at: narrow(reader.offset()),
                        place: narrow(self.element) << 1 | u32::from(below_empty_key),
                    });
                    empty_key = false;
                }
            }
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
        let siblings = self.open.last_mut().and_then(|open| open.array.as_mut());
        let is_element = siblings.is_some();
        if let Some(siblings) = siblings {
            let element = narrow(event.elements.len());
            let array = match *siblings {
                Siblings::None => {
                    *siblings = Siblings::One(element);
                    ALONE
                }
                Siblings::One(first) => {
                    let array = narrow(event.arrays.len());
                    event.arrays.push(first..first);
                    event.elements[first as ElementId].array = array;
                    *siblings = Siblings::Several { array };
                    array
                }
                Siblings::Several { array } => array,
            };
            event.elements.push(Element { outer: narrow(self.element), array, end: 0 });
            self.element = element as ElementId;
        }
        self.empty_keys += usize::from(empty_key);
        let array = is_array.then_some(Siblings::None);
        self.open.push(Open { path, array, is_element, empty_key });
    }

    fn end(&mut self) {
        let event = &mut self.event;
        let Some(open) = self.open.pop() else { return };
        let end = narrow(event.elements.len());
        self.empty_keys -= usize::from(open.empty_key);
        if let Some(Siblings::Several { array }) = open.array {
            event.arrays[array as usize].end = end;
        }
        if open.is_element {
            let element = &mut event.elements[self.element];
            element.end = end;
            self.element = element.outer as ElementId;
        }
    }

    fn finish(self) -> ParsedEvent<'a> {
        let mut event = self.event;
        event.elements[ROOT].end = narrow(event.elements.len());
        // An element that is alone in its array rules nothing out, so what lies in it may as well
        // lie around it.
        let is_alone = |event: &ParsedEvent<'_>, element: ElementId| {
            element != ROOT && event.elements[element].array == ALONE
        };
        for element in 0..event.elements.len() {
            let outer = event.elements[element].outer as ElementId;
            if is_alone(&event, outer) {
                event.elements[element].outer = event.elements[outer].outer;
            }
        }
        for index in 0..event.leaves.len() {
            let Leaf { place, .. } = event.leaves[index];
            let element = (place >> 1) as ElementId;
            if is_alone(&event, element) {
                event.leaves[index].place = event.elements[element].outer << 1 | place & 1;
            }
        }
        // By offset, too, which keeps their order without the space of a stable sort.
        event.leaves.sort_unstable_by_key(|leaf| (leaf.path, leaf.at));
        let mut start = 0;
        for same in event.leaves.chunk_by(|left, right| left.path == right.path) {
            let end = start + same.len();
            event.paths[same[0].path as PathId].leaves = start..end;
            start = end;
        }
        event
    }
}
