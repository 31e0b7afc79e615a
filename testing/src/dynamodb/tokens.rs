//! The tokens of transactions, by which a repeated one is recognised.
//!
//! The engine has them as well, but forgets them by the clock of the machine and not by that of the
//! test, and looks at all of them whenever one comes, which makes long worlds slow.

use std::collections::{BTreeMap, HashMap, VecDeque};

use dynoxide::DynoxideError;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fingerprint::fingerprint;

/// Time for which DynamoDB remembers a token, in seconds. See
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>.
const WINDOW: u64 = 600;

/// Longer ones are refused.
const LONGEST: usize = 36;

/// The transactions of the last ten minutes.
#[derive(Default)]
pub(super) struct Tokens {
    done: HashMap<String, Done>,
    /// In the order in which they were done.
    order: VecDeque<(u64, String)>,
}

struct Done {
    items: u128,
    answer: String,
}

/// A request, as far as its token is about it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    client_request_token: Option<String>,
    #[serde(default)]
    transact_items: Sorted,
}

/// JSON, in which the order of members means nothing.
#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum Sorted {
    Object(BTreeMap<String, Self>),
    List(Vec<Self>),
    Other(Value),
}

impl Default for Sorted {
    fn default() -> Self {
        Self::Other(Value::Null)
    }
}

impl Tokens {
    /// Makes a transaction, or gives the answer that its token had before.
    pub(super) fn once(
        &mut self,
        body: &str,
        now: u64,
        make: impl FnOnce() -> dynoxide::Result<String>,
    ) -> dynoxide::Result<String> {
        let request: Option<Request> = serde_json::from_str(body).ok();
        let Some(Request { client_request_token: Some(token), transact_items }) = request else {
            return make();
        };
        if token.len() > LONGEST {
            return Err(DynoxideError::ValidationException(format!(
                "a clientRequestToken has at most {LONGEST} characters"
            )));
        }
        let items = serde_json::to_string(&transact_items).unwrap_or_default();
        let items = fingerprint(&[items.as_bytes()]);
        while let Some((_, old)) = self.order.pop_front_if(|(at, _)| *at + WINDOW <= now) {
            self.done.remove(&old);
        }
        match self.done.get(&token) {
            Some(done) if done.items == items => Ok(done.answer.clone()),
            Some(_) => Err(DynoxideError::IdempotentParameterMismatchException(
                "the token was used for another transaction".to_owned(),
            )),
            None => {
                let answer = make()?;
                self.order.push_back((now, token.clone()));
                self.done.insert(token, Done { items, answer: answer.clone() });
                Ok(answer)
            }
        }
    }
}
