//! What the messages of connectors hold (contract, section 10).

use serde::Deserialize;
use serde_json::value::RawValue;

/// Fields of messages that are worth showing. Raw, since connectors are free in what they put there.
#[derive(Deserialize)]
pub struct Message<'a> {
    /// `type`.
    #[serde(borrow, rename = "type")]
    pub kind: Option<&'a RawValue>,
    /// `message`, the text of a `log`.
    #[serde(borrow, rename = "message")]
    pub text: Option<&'a RawValue>,
    /// `warning`.
    #[serde(borrow)]
    pub warning: Option<&'a RawValue>,
    /// `error`.
    #[serde(borrow)]
    pub error: Option<&'a RawValue>,
    /// `status`.
    #[serde(borrow)]
    pub status: Option<&'a RawValue>,
    /// `date`.
    #[serde(borrow)]
    pub date: Option<&'a RawValue>,
    /// `progress` of the reference package.
    #[serde(borrow)]
    pub progress: Option<&'a RawValue>,
    /// `summary` of the reference package.
    #[serde(borrow)]
    pub summary: Option<&'a RawValue>,
}
