//! Reading what JavaScript asks for.

use std::os::fd::RawFd;
use std::path::PathBuf;

use napi::Env;
use napi::bindgen_prelude::{JsObjectValue, Object, Unknown};
use napi::{JsValue, ValueType};

use super::catch::{LetThrough, Result};
use super::js_values::{JsValues, as_object, is_truthy, text_of};
use super::run_context::read_variables;
use crate::cancellation::{Cancellation, StopReason};
use crate::config::{Kind, Values};
use crate::error::{Code, RunnerError};
use crate::host::{HelpersRead, Host};
use crate::options::{OptionValue, Options};
use crate::process::{Reserved, Source, StdioSpec};

/// Access to one request object.
pub struct Request<'env> {
    pub values: JsValues<'env>,
    object: Unknown<'env>,
}

impl<'env> Request<'env> {
    pub fn new(env: &'env Env, object: &Object<'env>) -> Result<Self> {
        let make_object = object.get_named_property("makeObject").let_through()?;
        Ok(Self { values: JsValues::new(env, make_object), object: object.to_unknown() })
    }

    pub fn member(&self, name: &str) -> Result<Unknown<'env>> {
        self.values.member(&self.object, name)
    }

    pub fn text(&self, name: &str) -> Result<String> {
        text_of(&self.member(name)?)
    }

    pub fn flag(&self, name: &str) -> Result<bool> {
        is_truthy(&self.member(name)?)
    }

    /// A whole number; none where it is anything else.
    pub fn number(&self, name: &str) -> Result<Option<u32>> {
        let value = self.member(name)?;
        if value.get_type().let_through()? != ValueType::Number {
            return Ok(None);
        }
        // SAFETY: it is a number
        unsafe { value.cast() }.let_through().map(Some)
    }

    /// Calls a method of the request; what it throws reaches the caller.
    pub fn call(&self, name: &str) -> Result<Unknown<'env>> {
        // SAFETY: js/ always passes a function under these names.
        let function: napi::bindgen_prelude::Function<(), Unknown> =
            unsafe { self.member(name)?.cast() }.let_through()?;
        function.apply((), ()).let_through()
    }

    pub fn host(&self) -> Result<Host> {
        let host = self.member("host")?;
        let path = |name: &str| -> Result<Option<PathBuf>> {
            let value = self.values.member(&host, name)?;
            Ok(if is_truthy(&value)? { Some(PathBuf::from(text_of(&value)?)) } else { None })
        };
        Ok(Host {
            variables: read_variables(&self.values, &self.values.member(&host, "variables")?)?,
            exec_path: path("execPath")?.unwrap_or_default(),
            runtime: path("runtime")?.map(|name| name.display().to_string()),
            node_path: path("nodePath")?,
            cwd: path("cwd")?.unwrap_or_default(),
            node_abi: text_of(&self.values.member(&host, "nodeAbi")?)?,
            program_dir: path("programDir")?,
            package_root: path("packageRoot")?.unwrap_or_default(),
            supervisor: path("supervisor")?.unwrap_or_default(),
            helpers_read: HelpersRead::default(),
        })
    }

    /// The host, as these options want what works for it.
    pub fn host_for(&self, options: &Options) -> Result<Host> {
        Ok(Host { helpers_read: options.isolation.helpers_read(), ..self.host()? })
    }

    /// The options of all layers, later ones taking precedence.
    pub fn options(&self) -> Result<Options> {
        let layers = as_object(&self.member("options")?);
        let mut options = Options::default();
        for index in 0..layers.get_array_length().let_through()? {
            let layer: Unknown = layers.get_element(index).let_through()?;
            options = options.with(read_options(&self.values, &layer)?)?;
        }
        Ok(options)
    }

    /// Asks a run to stop whose signal is aborted already: nothing shall be started for it.
    pub fn stop_if_aborted(&self, cancellation: &Cancellation) -> Result<()> {
        if self.flag("isAborted")? {
            cancellation.request(StopReason::Cancelled, None);
        }
        Ok(())
    }

    /// `stdio`, and the caller's descriptors held.
    pub fn stdio_for(&self, options: &Options) -> Result<Reserved> {
        let spec = self.stdio()?;
        if options.limits.stall.is_some() && !spec.is_read() {
            return Err(RunnerError::new(
                Code::InvalidConfig,
                "option stallTimeoutMs cannot be used with descriptors or streams in stdio: what goes straight \
                 to them is not seen here",
            )
            .into());
        }
        Ok(Reserved::new(&spec, options.inherit_stdin())?)
    }

    /// Text of an id.
    ///
    /// # Errors
    /// `INVALID_ID` where it is falsy, with the original's message.
    pub fn id(&self, name: &str, missing: &str) -> Result<String> {
        let value = self.member(name)?;
        if !is_truthy(&value)? {
            return Err(RunnerError::new(Code::InvalidId, missing).into());
        }
        text_of(&value)
    }

    /// Text of an id that has to fit into a variable and a name.
    pub fn safe_id(&self, name: &str, missing: &str) -> Result<String> {
        let id = self.id(name, missing)?;
        if id.contains('\0') {
            let message = format!("{name} contains a NUL character, which no environment variable can hold");
            return Err(RunnerError::new(Code::InvalidId, message).into());
        }
        Ok(id)
    }

    pub fn stdio(&self) -> Result<StdioSpec> {
        let stdio = self.member("stdio")?;
        match self.values.kind(&stdio)? {
            Kind::String => Ok(StdioSpec::from_text(&text_of(&stdio)?)?),
            Kind::Array => {
                let entries = as_object(&stdio);
                let count = entries.get_array_length().let_through()?;
                let sources: Result<Vec<_>> =
                    (0..count).map(|index| self.source(&entries.get_element(index).let_through()?)).collect();
                Ok(StdioSpec::from_array(&sources?)?)
            }
            Kind::Object if is_truthy(&self.values.member(&stdio, "logCapture")?)? => Ok(StdioSpec::Capture),
            _ => Ok(StdioSpec::default()),
        }
    }

    fn source(&self, entry: &Unknown<'env>) -> Result<Source> {
        Ok(match entry.get_type().let_through()? {
            ValueType::String => Source::Text(text_of(entry)?),
            ValueType::Undefined | ValueType::Null => Source::Absent,
            ValueType::Number => descriptor(entry)?,
            ValueType::Object => descriptor(&self.values.member(entry, "fd")?)?,
            _ => Source::Other,
        })
    }
}

fn descriptor(value: &Unknown) -> Result<Source> {
    if value.get_type().let_through()? != ValueType::Number {
        return Ok(Source::Other);
    }
    let number = number_of(value)?;
    #[expect(clippy::cast_possible_truncation, reason = "compared with the original right after")]
    let descriptor = number as RawFd;
    let is_descriptor = (f64::from(descriptor) - number).abs() < f64::EPSILON;
    Ok(if is_descriptor { Source::Descriptor(descriptor) } else { Source::Other })
}

fn number_of(value: &Unknown) -> Result<f64> {
    value.coerce_to_number().and_then(|number| number.get_double()).let_through()
}

/// The names and values of an options object; undefined counts as left out.
pub fn read_options<'env>(
    values: &JsValues<'env>,
    object: &Unknown<'env>,
) -> Result<Vec<(String, OptionValue)>> {
    match values.kind(object)? {
        Kind::Undefined | Kind::Null => Ok(Vec::new()),
        Kind::Object => read_fields(values, object, 0),
        _ => Err(RunnerError::new(Code::InvalidConfig, "options must be an object").into()),
    }
}

/// How deep options may be nested.
const MAX_DEPTH: usize = 3;

fn read_fields<'env>(
    values: &JsValues<'env>,
    object: &Unknown<'env>,
    depth: usize,
) -> Result<Vec<(String, OptionValue)>> {
    let mut entries = Vec::new();
    for key in values.keys(object)? {
        let value = values.get(object, &key)?;
        let read = match values.kind(&value)? {
            Kind::Undefined => continue,
            Kind::Object if is_signal(values, &value)? => OptionValue::Signal,
            Kind::String => OptionValue::Text(text_of(&value)?),
            Kind::Array => array(values, &value)?,
            Kind::Object if depth < MAX_DEPTH => OptionValue::Fields(read_fields(values, &value, depth + 1)?),
            _ => match value.get_type().let_through()? {
                ValueType::Function => OptionValue::Function,
                ValueType::Boolean => OptionValue::Flag(is_truthy(&value)?),
                ValueType::Number => OptionValue::Number(number_of(&value)?),
                _ => OptionValue::Other,
            },
        };
        entries.push((text_of(&key)?, read));
    }
    Ok(entries)
}

/// Whether JavaScript can listen to it as to an `AbortSignal`, of whatever realm.
fn is_signal<'env>(values: &JsValues<'env>, value: &Unknown<'env>) -> Result<bool> {
    let type_of = |name: &str| values.member(value, name)?.get_type().let_through();
    Ok(type_of("aborted")? == ValueType::Boolean
        && type_of("addEventListener")? == ValueType::Function
        && type_of("removeEventListener")? == ValueType::Function)
}

/// An array of strings or of numbers.
fn array<'env>(values: &JsValues<'env>, given: &Unknown<'env>) -> Result<OptionValue> {
    let array = as_object(given);
    let (mut texts, mut numbers) = (Vec::new(), Vec::new());
    for index in 0..array.get_array_length().let_through()? {
        let element: Unknown = array.get_element(index).let_through()?;
        if values.kind(&element)? == Kind::String {
            texts.push(text_of(&element)?);
        } else if element.get_type().let_through()? == ValueType::Number {
            numbers.push(number_of(&element)?);
        } else {
            return Ok(OptionValue::Other);
        }
    }
    Ok(match (texts.is_empty(), numbers.is_empty()) {
        (_, true) => OptionValue::Texts(texts),
        (true, false) => OptionValue::Numbers(numbers),
        (false, false) => OptionValue::Other,
    })
}
