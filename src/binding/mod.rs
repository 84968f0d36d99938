//! The only place that knows napi: one file for each class that JavaScript sees.
//!
//! The core decides, the binding moves values. The thin JavaScript layer in `js/` subclasses
//! these classes for what a native class cannot do; README says why.

// napi's macros make the exported items; they are documented in index.d.ts.
#![allow(missing_docs)]
// napi decides how arguments arrive: by value, and methods with a receiver.
#![allow(clippy::needless_pass_by_value, clippy::trivially_copy_pass_by_ref, clippy::unused_self)]

mod catch;
mod cli;
mod config;
mod connector_execution_service;
mod connector_runner;
mod door;
mod held;
mod interfaces;
mod js_values;
mod node_js_environment;
mod node_js_template_renderer;
mod npm_dependency_manager;
mod outcome;
mod port;
mod refusal;
mod request;
mod run_config;
mod run_context;
mod state_runs;
mod storage_type;
