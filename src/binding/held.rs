//! The caller's values, kept alive as long as a native object.

use napi::Env;
use napi::bindgen_prelude::{ObjectRef, Unknown};

use super::catch::{LetThrough, Result};
use super::js_values::as_object;

/// One JavaScript object whose properties are what a native object holds by reference. Let go
/// with [`Held::release`] when the native object is collected.
pub struct Held(ObjectRef<false>);

impl Held {
    pub fn new(object: &Unknown) -> Result<Self> {
        as_object(object).create_ref().map(Self).let_through()
    }

    /// A property.
    pub fn get<'env>(&self, env: &'env Env, name: &str) -> Result<Unknown<'env>> {
        use napi::bindgen_prelude::JsObjectValue;
        self.0.get_value(env).and_then(|object| object.get_named_property_unchecked(name)).let_through()
    }

    pub fn release(self, env: &Env) -> napi::Result<()> {
        self.0.unref(env)
    }
}

/// Makes a native class let go of what it holds when it is collected.
macro_rules! release_when_collected {
    ($class:ty) => {
        impl napi::bindgen_prelude::ObjectFinalize for $class {
            fn finalize(self, env: napi::Env) -> napi::Result<()> {
                self.held.release(&env)
            }
        }
    };
}
pub(super) use release_when_collected;
