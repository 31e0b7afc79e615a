//! A whole choreography, in worlds of many seeds.

mod deploys;
mod engine;
mod faults;
mod mutants;
mod quick;
mod relay;
mod replay;
mod shop;
mod transport;
