//! How parameters as people write them become parameters as connectors read them.

use super::{Kind, Section, Values};
use crate::error::{Code, RunnerError};

/// Deepest nesting of one-of choices. Deeper ones are taken for a cycle.
const MAX_DEPTH: usize = 200;

/// What becomes of one parameter.
#[derive(Debug, PartialEq, Eq)]
enum Shape {
    /// It stays the same reference.
    Keep,
    /// It becomes `{ value: it }`.
    Wrap,
    /// It is a one-of: its first key is the choice.
    OneOf,
}

fn shape(section: Section, kind: Kind, has_value: bool, has_keys: bool) -> Shape {
    match (section, kind) {
        (Section::Source, Kind::Object) if has_keys && !has_value => Shape::OneOf,
        (_, Kind::Object) | (Section::Storage, Kind::Array) => Shape::Keep,
        _ => Shape::Wrap,
    }
}

/// A new object with each parameter of `parameters` in the form that connectors read.
/// Objects that already have that form stay the same reference, so transforming twice changes
/// nothing.
///
/// # Errors
/// `INVALID_CONFIG` for one-of choices nested deeper than 200 levels (or in a cycle), and
/// whatever a getter of the caller throws.
pub fn transform<V: Values>(
    values: &V,
    section: Section,
    parameters: &V::Value,
) -> Result<V::Value, V::Error> {
    transform_at(values, section, parameters, 0)
}

fn transform_at<V: Values>(
    values: &V,
    section: Section,
    parameters: &V::Value,
    depth: usize,
) -> Result<V::Value, V::Error> {
    if depth > MAX_DEPTH {
        return Err(RunnerError::new(
            Code::InvalidConfig,
            format!(
                "{} config nests one-of choices more than {MAX_DEPTH} levels deep; \
                 does an object refer to itself?",
                section.title()
            ),
        )
        .into());
    }
    let transformed = values.object()?;
    for key in values.keys(parameters)? {
        let value = parameter(values, section, &values.get(parameters, &key)?, depth)?;
        values.define(&transformed, &key, &value)?;
    }
    Ok(transformed)
}

fn parameter<V: Values>(
    values: &V,
    section: Section,
    value: &V::Value,
    depth: usize,
) -> Result<V::Value, V::Error> {
    let kind = values.kind(value)?;
    let is_object = kind == Kind::Object;
    let has_value = is_object && values.has_own(value, "value")?;
    let choice = if is_object && !has_value { values.keys(value)?.into_iter().next() } else { None };
    match (shape(section, kind, has_value, choice.is_some()), choice) {
        (Shape::OneOf, Some(choice)) => one_of(values, section, value, &choice, depth),
        (Shape::Wrap, _) => {
            let wrapped = values.object()?;
            values.define(&wrapped, &values.text("value")?, value)?;
            Ok(wrapped)
        }
        _ => Ok(value.clone()),
    }
}

/// `{ choice: { … } }` becomes `{ value: choice, items: { … } }`; a choice that is not an object
/// has no items.
fn one_of<V: Values>(
    values: &V,
    section: Section,
    value: &V::Value,
    choice: &V::Value,
    depth: usize,
) -> Result<V::Value, V::Error> {
    let chosen = values.get(value, choice)?;
    let items = match values.kind(&chosen)? {
        Kind::Object | Kind::Array => transform_at(values, section, &chosen, depth + 1)?,
        _ => values.object()?,
    };
    let transformed = values.object()?;
    values.define(&transformed, &values.text("value")?, choice)?;
    values.define(&transformed, &values.text("items")?, &items)?;
    Ok(transformed)
}
