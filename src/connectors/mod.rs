//! The connectors package: where it is, and which sources and storages it has.

mod catalog;
mod locate;
mod reader;
mod remembered;

pub use catalog::{
    Catalog, Choice, Depth, Manifests, Parameter, check_source, is_constructed, parameters,
    read as read_catalog, secret_names, storage_dependencies,
};
pub use locate::{Package, locate};
