//! What the rules need to know of JavaScript values, and how they make new ones.

/// The kinds of JavaScript values that the rules tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `undefined`.
    Undefined,
    /// `null`.
    Null,
    /// A string.
    String,
    /// A number, boolean, bigint, symbol or function: whatever is neither text nor an object.
    Other,
    /// An array.
    Array,
    /// Any other object, also a Date or an instance of a class.
    Object,
}

/// Access to JavaScript values. The binding implements it over Node's handles, the tests over a
/// small tree. Keys are values too, since a JavaScript key need not be valid UTF-8 text.
pub trait Values {
    /// A handle of a value.
    type Value: Clone;
    /// What can go wrong: a getter or proxy of the caller may throw.
    type Error: From<crate::error::RunnerError>;

    /// The kind of a value.
    fn kind(&self, value: &Self::Value) -> Result<Kind, Self::Error>;
    /// Whether JavaScript takes the value for true.
    fn truthy(&self, value: &Self::Value) -> Result<bool, Self::Error>;
    /// Whether an object has an own property of this name.
    fn has_own(&self, object: &Self::Value, name: &str) -> Result<bool, Self::Error>;
    /// The keys that `Object.keys` gives, in its order.
    fn keys(&self, object: &Self::Value) -> Result<Vec<Self::Value>, Self::Error>;
    /// The property's value.
    fn get(&self, object: &Self::Value, key: &Self::Value) -> Result<Self::Value, Self::Error>;
    /// A new empty object.
    fn object(&self) -> Result<Self::Value, Self::Error>;
    /// A new string.
    fn text(&self, text: &str) -> Result<Self::Value, Self::Error>;
    /// Defines an own, enumerable, writable property; never runs a setter such as `__proto__`.
    fn define(&self, object: &Self::Value, key: &Self::Value, value: &Self::Value)
    -> Result<(), Self::Error>;
}
