//! The abstract base classes that users extend (contract, section 1).

use napi_derive::napi;

use super::catch::{JsError, Result};
use crate::error::{Code, RunnerError};

fn unimplemented(method: &str) -> JsError {
    RunnerError::new(Code::Internal, format!("{method} method must be implemented")).into()
}

/// An abstract class: each method throws until it is overridden.
macro_rules! abstract_class {
    ($class:ident { $($method:ident => $name:literal),+ $(,)? }) => {
        #[napi]
        pub struct $class;

        #[napi]
        impl $class {
            // napi needs a constructor to let JavaScript extend the class
            #[napi(constructor)]
            #[allow(clippy::new_without_default)]
            pub fn new() -> Self {
                Self
            }

            $(
                #[napi(js_name = $name)]
                pub fn $method(&self) -> Result<()> {
                    Err(unimplemented($name))
                }
            )+
        }
    };
}

abstract_class!(ExecutionEnvironment {
    create_environment => "createEnvironment",
    execute_connector => "executeConnector",
    cleanup => "cleanup",
});

abstract_class!(DependencyManager {
    install_dependencies => "installDependencies",
    get_default_dependencies => "getDefaultDependencies",
    generate_package_json => "generatePackageJson",
});

abstract_class!(TemplateRenderer { render => "render" });
