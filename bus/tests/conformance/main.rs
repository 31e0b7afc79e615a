//! What every EventBridge must do, whichever it is: the fake one, and the adapter on the AWS SDK
//! before a server that does what the fake does, in the protocol of AWS.
//!
//! Each test is written once and run against both. Those about requests that no [`OutgoingEvent`]
//! can make are run against moto, too, as far as moto is right: `.ci/run moto`.
//!
//! [`OutgoingEvent`]: setpiece_bus::OutgoingEvent

#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

/// Runs each of these tests against each bus.
macro_rules! on_each_bus {
    ($($test:ident,)+) => {
        mod fake_bus {
            $(#[test]
            fn $test() {
                crate::worlds::run(super::$test::<crate::worlds::InMemory>);
            })+
        }

        mod event_bridge {
            $(#[test]
            fn $test() {
                crate::worlds::run(super::$test::<crate::worlds::OverHttp>);
            })+
        }
    };
}

mod calls;
mod delivery;
mod entries;
mod events;
mod many;
#[cfg(feature = "moto")]
mod moto;
mod preflight;
mod publishing;
mod wire;
mod worlds;
