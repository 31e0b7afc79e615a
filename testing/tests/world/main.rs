//! A whole choreography, in worlds of many seeds.

mod engine;
mod faults;
mod mutants;
mod quick;
mod replay;
mod shop;
mod transport;
