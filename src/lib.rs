//! Runs OWOX Data Marts connectors, each in a Node.js process of its own.
//!
//! The modules read in the order of a run: `config` (is it valid?) → `context` (what is the
//! child told?) → `connectors` and `environment` (where does it live?) → `process` (start it,
//! watch it, end it) → `output` (what did it say?) → `run` (how did it end?). Only `binding`
//! knows napi.

#![deny(clippy::unwrap_used)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

#[cfg(feature = "napi")]
mod binding;
pub mod cancellation;
pub mod cli;
pub mod config;
pub mod connectors;
pub mod context;
pub mod environment;
pub mod error;
mod foreign;
#[cfg(test)]
mod fuzz;
pub mod host;
pub mod isolation;
mod large;
pub mod manifest;
mod numbers;
pub mod observer;
pub mod options;
pub mod output;
pub mod process;
pub mod protocol;
mod removal;
pub mod report;
pub mod run;
pub mod service;
pub mod specifier;
pub mod state;
pub mod suggest;
pub mod template;
