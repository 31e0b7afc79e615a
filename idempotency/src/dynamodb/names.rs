//! The attributes that only this store writes.
//!
//! Their names have an underscore or are `attempt`, and no reserved word of DynamoDB is like that,
//! so expressions name them as they are.

pub(super) const OWNER: &str = "owner_token";
pub(super) const ATTEMPT: &str = "attempt";
/// Is there only while the work is not done.
pub(super) const TRIES: &str = "try_count";
pub(super) const VERSION: &str = "record_version";
pub(super) const CREATED: &str = "created_at";
pub(super) const UPDATED: &str = "updated_at";
/// Is there only while the record is released. To Powertools it is in progress with a lease that
/// ended in 1970.
pub(super) const RELEASED: &str = "released_at";
pub(super) const SALT: &str = "record_salt";
pub(super) const ENCODING: &str = "result_encoding";
pub(super) const SPILL: &str = "result_spill";
pub(super) const TYPE: &str = "result_type";

pub(super) const OWN: [&str; 11] =
    [OWNER, ATTEMPT, TRIES, VERSION, CREATED, UPDATED, RELEASED, SALT, ENCODING, SPILL, TYPE];
