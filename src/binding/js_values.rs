//! Node's handles as the core's [`Values`].

use napi::bindgen_prelude::{Function, JsObjectValue, Object, ToNapiValue, Unknown};
use napi::{Env, JsValue, Property, PropertyAttributes, ValueType, sys};

use super::catch::{JsError, LetThrough, Result};
use crate::config::{Field, Kind, Values};

/// A JavaScript function that makes an empty object. New objects are made in the caller's realm,
/// where `toStrictEqual` and `instanceof Object` expect them.
pub type MakeObject<'env> = Function<'env, (), Unknown<'env>>;

/// Access to the values of one call.
#[derive(Clone, Copy)]
pub struct JsValues<'env> {
    env: &'env Env,
    make_object: MakeObject<'env>,
}

impl<'env> JsValues<'env> {
    pub fn new(env: &'env Env, make_object: MakeObject<'env>) -> Self {
        Self { env, make_object }
    }

    /// A property by name; also of primitives, as in JavaScript.
    pub fn member(&self, value: &Unknown<'env>, name: &str) -> Result<Unknown<'env>> {
        as_object(value).get_named_property_unchecked(name).let_through()
    }

    /// What the rules need to know of a property.
    pub fn field(&self, value: &Unknown<'env>, name: &str) -> Result<Field> {
        let member = self.member(value, name)?;
        Ok(Field { kind: self.kind(&member)?, truthy: self.truthy(&member)? })
    }

    /// Defines a property by name.
    pub fn define_member(&self, object: &Unknown<'env>, name: &str, value: &Unknown<'env>) -> Result<()> {
        self.define(object, &self.text(name)?, value)
    }

    /// `undefined`.
    pub fn undefined(&self) -> Result<Unknown<'env>> {
        self.unknown(())
    }

    fn unknown<T: ToNapiValue>(&self, value: T) -> Result<Unknown<'env>> {
        // SAFETY: the handle was made for this environment in this call.
        unsafe {
            let raw = T::to_napi_value(self.env.raw(), value).let_through()?;
            Ok(Unknown::from_raw_unchecked(self.env.raw(), raw))
        }
    }
}

/// The same handle, for napi's functions on objects; they make an object of a primitive as
/// JavaScript does.
pub fn as_object<'env>(value: &Unknown<'env>) -> Object<'env> {
    let raw = value.value();
    Object::from_raw(raw.env, raw.value)
}

/// Whether JavaScript takes the value for true.
pub fn is_truthy(value: &Unknown) -> Result<bool> {
    value.coerce_to_bool().let_through()
}

/// The text of a string, or of what `String(value)` makes of it.
pub fn text_of(value: &Unknown) -> Result<String> {
    value.coerce_to_string().and_then(|text| text.into_utf8()?.into_owned()).let_through()
}

/// What `Object.keys` gives. napi's own wrapper cannot combine the two filters.
fn own_names<'env>(object: &Unknown<'env>) -> napi::Result<Object<'env>> {
    let object = object.value();
    let mut names = std::ptr::null_mut();
    // SAFETY: the handle belongs to this call, and the result is checked before it is used.
    let status = unsafe {
        sys::napi_get_all_property_names(
            object.env,
            object.value,
            sys::KeyCollectionMode::own_only,
            sys::KeyFilter::enumerable | sys::KeyFilter::skip_symbols,
            sys::KeyConversion::numbers_to_strings,
            &raw mut names,
        )
    };
    napi::check_status!(status, "failed to read an object's keys")?;
    Ok(Object::from_raw(object.env, names))
}

impl<'env> Values for JsValues<'env> {
    type Value = Unknown<'env>;
    type Error = JsError;

    fn kind(&self, value: &Unknown<'env>) -> Result<Kind> {
        Ok(match value.get_type().let_through()? {
            ValueType::Undefined => Kind::Undefined,
            ValueType::Null => Kind::Null,
            ValueType::String => Kind::String,
            ValueType::Object if value.is_array().let_through()? => Kind::Array,
            ValueType::Object | ValueType::External => Kind::Object,
            _ => Kind::Other,
        })
    }

    fn truthy(&self, value: &Unknown<'env>) -> Result<bool> {
        is_truthy(value)
    }

    fn has_own(&self, object: &Unknown<'env>, name: &str) -> Result<bool> {
        as_object(object).has_own_property(name).let_through()
    }

    fn keys(&self, object: &Unknown<'env>) -> Result<Vec<Unknown<'env>>> {
        let names = own_names(object).let_through()?;
        let count = names.get_array_length().let_through()?;
        (0..count).map(|index| names.get_element(index).let_through()).collect()
    }

    fn get(&self, object: &Unknown<'env>, key: &Unknown<'env>) -> Result<Unknown<'env>> {
        as_object(object).get_property_unchecked(*key).let_through()
    }

    fn object(&self) -> Result<Unknown<'env>> {
        self.make_object.apply((), ()).let_through()
    }

    fn text(&self, text: &str) -> Result<Unknown<'env>> {
        self.unknown(text)
    }

    fn define(&self, object: &Unknown<'env>, key: &Unknown<'env>, value: &Unknown<'env>) -> Result<()> {
        let attributes =
            PropertyAttributes::Writable | PropertyAttributes::Enumerable | PropertyAttributes::Configurable;
        let property = Property::new()
            .with_name(self.env, *key)
            .let_through()?
            .with_value(value)
            .with_property_attributes(attributes);
        as_object(object).define_properties(&[property]).let_through()
    }
}
