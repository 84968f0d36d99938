//! What a connector says: bytes become whole lines, lines become batches for the host, and the
//! messages among them tell how the run goes.

mod credentials;
mod fields;
mod inspect;
mod life;
mod lines;
mod messages;
mod progress;
mod pump;
mod reached;
pub mod redact;
mod state;
mod tables;
mod tail;

pub use fields::Message;
pub use inspect::{Inspector, MAX_WARNINGS, is_json_objects};
pub use lines::{Framer, MAX_LINE_BYTES, MAX_SEEN_LINE_BYTES};
pub use messages::messages;
pub use progress::Progress;
pub use pump::{StreamReport, pump};
pub use state::{Rest, State, TableState, incremental_date};
pub use tables::{Table, Tables, saved_rows};
pub use tail::Tail;
