//! JavaScript-like values for the tests: JSON, plus `undefined`, shared by reference.

use std::cell::RefCell;
use std::rc::Rc;

use super::{Kind, Values};
use crate::error::RunnerError;

#[derive(Debug)]
pub enum Node {
    Undefined,
    Json(serde_json::Value),
    Array(Vec<Handle>),
    Object(RefCell<Vec<(String, Handle)>>),
}

pub type Handle = Rc<Node>;

pub fn from_json(json: &serde_json::Value) -> Handle {
    Rc::new(match json {
        serde_json::Value::Array(items) => Node::Array(items.iter().map(from_json).collect()),
        serde_json::Value::Object(map) => Node::Object(RefCell::new(
            map.iter().map(|(key, value)| (key.clone(), from_json(value))).collect(),
        )),
        scalar => Node::Json(scalar.clone()),
    })
}

/// The JSON that `JSON.stringify` would show: undefined members are left out.
pub fn to_json(handle: &Handle) -> serde_json::Value {
    match &**handle {
        Node::Undefined => serde_json::Value::Null,
        Node::Json(value) => value.clone(),
        Node::Array(items) => items.iter().map(to_json).collect(),
        Node::Object(entries) => entries
            .borrow()
            .iter()
            .filter(|(_, value)| !matches!(**value, Node::Undefined))
            .map(|(key, value)| (key.clone(), to_json(value)))
            .collect(),
    }
}

pub fn member(object: &Handle, name: &str) -> Handle {
    match &**object {
        Node::Object(entries) => entries
            .borrow()
            .iter()
            .find(|(key, _)| key == name)
            .map_or_else(|| Rc::new(Node::Undefined), |(_, value)| value.clone()),
        Node::Array(items) => name
            .parse::<usize>()
            .ok()
            .and_then(|index| items.get(index).cloned())
            .unwrap_or_else(|| Rc::new(Node::Undefined)),
        _ => Rc::new(Node::Undefined),
    }
}

pub struct Tree;

impl Values for Tree {
    type Value = Handle;
    type Error = RunnerError;

    fn kind(&self, value: &Handle) -> Result<Kind, RunnerError> {
        Ok(match &**value {
            Node::Undefined => Kind::Undefined,
            Node::Json(serde_json::Value::Null) => Kind::Null,
            Node::Json(serde_json::Value::String(_)) => Kind::String,
            Node::Json(_) => Kind::Other,
            Node::Array(_) => Kind::Array,
            Node::Object(_) => Kind::Object,
        })
    }

    fn truthy(&self, value: &Handle) -> Result<bool, RunnerError> {
        Ok(match &**value {
            Node::Undefined => false,
            Node::Json(json) => match json {
                serde_json::Value::Null => false,
                serde_json::Value::Bool(flag) => *flag,
                serde_json::Value::Number(number) => number.as_f64() != Some(0.0),
                serde_json::Value::String(text) => !text.is_empty(),
                _ => true,
            },
            _ => true,
        })
    }

    fn has_own(&self, object: &Handle, name: &str) -> Result<bool, RunnerError> {
        Ok(match &**object {
            Node::Object(entries) => entries.borrow().iter().any(|(key, _)| key == name),
            _ => false,
        })
    }

    fn keys(&self, object: &Handle) -> Result<Vec<Handle>, RunnerError> {
        let names: Vec<String> = match &**object {
            Node::Object(entries) => entries.borrow().iter().map(|(key, _)| key.clone()).collect(),
            Node::Array(items) => (0..items.len()).map(|index| index.to_string()).collect(),
            _ => Vec::new(),
        };
        names.iter().map(|name| self.text(name)).collect()
    }

    fn get(&self, object: &Handle, key: &Handle) -> Result<Handle, RunnerError> {
        Ok(member(object, to_json(key).as_str().unwrap()))
    }

    fn object(&self) -> Result<Handle, RunnerError> {
        Ok(Rc::new(Node::Object(RefCell::default())))
    }

    fn text(&self, text: &str) -> Result<Handle, RunnerError> {
        Ok(Rc::new(Node::Json(text.into())))
    }

    fn define(&self, object: &Handle, key: &Handle, value: &Handle) -> Result<(), RunnerError> {
        let Node::Object(entries) = &**object else { panic!("not an object") };
        let name = to_json(key).as_str().unwrap().to_owned();
        let mut entries = entries.borrow_mut();
        entries.retain(|(known, _)| *known != name);
        entries.push((name, value.clone()));
        Ok(())
    }
}
