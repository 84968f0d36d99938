//! State: where the next incremental run of a configuration goes on, and how it is kept.

mod value;

pub use value::{Rest, State, TableState};
