//! `NodeJsTemplateRenderer` (contract, section 8).

use napi_derive::napi;

use super::catch::Result;
use super::npm_dependency_manager::parse_dependencies;
use crate::template;

#[napi]
pub struct NodeJsTemplateRenderer;

#[napi]
impl NodeJsTemplateRenderer {
    #[napi(constructor)]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self
    }

    /// `dependencies` is their JSON.
    #[napi(catch_unwind)]
    pub fn render(&self, dependencies: String) -> Result<String> {
        Ok(template::render(&parse_dependencies(&dependencies)?, template::Script::default())?)
    }
}
