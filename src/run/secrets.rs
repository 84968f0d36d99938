//! The way of a run's configuration to its process: a descriptor, never the environment or argv,
//! which every process of the same user can read.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::OwnedFd;

use rustix::fs::{MemfdFlags, SealFlags};
use zeroize::Zeroize;

use crate::context::Variables;
use crate::error::{Code, Result, RunnerError};

/// The variables that go this way.
const DELIVERED: [&str; 2] = ["OW_CONFIG", "OW_RUN_CONFIG"];

/// Takes the run's configuration out of the variables and into a sealed file in memory. None
/// where there is none.
///
/// # Errors
/// `SPAWN_FAILED` when the system has no memory for it.
pub fn take(variables: &mut Variables) -> Result<Option<OwnedFd>> {
    let mut delivered = serde_json::Map::new();
    for (name, value) in variables.extract_if(.., |(name, _)| DELIVERED.contains(&name.as_str())) {
        delivered.insert(name, value.into());
    }
    if delivered.is_empty() {
        return Ok(None);
    }
    let mut text = serde_json::to_vec(&delivered).unwrap_or_default();
    for value in delivered.values_mut() {
        if let serde_json::Value::String(value) = value {
            value.zeroize();
        }
    }
    let file = into_file(&text);
    text.zeroize();
    file.map(Some).map_err(|cause| {
        RunnerError::new(
            Code::SpawnFailed,
            format!("Failed to start connector process: its configuration cannot be handed over: {cause}"),
        )
    })
}

fn into_file(text: &[u8]) -> io::Result<OwnedFd> {
    let memory = rustix::fs::memfd_create("configuration", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut file = File::from(memory);
    file.write_all(text)?;
    file.rewind()?;
    rustix::fs::fcntl_add_seals(
        &file,
        SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL,
    )?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn the_configuration_leaves_the_variables_and_nothing_else_does() {
        let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut variables =
            vec![variable("A", "1"), variable("OW_CONFIG", "{\"a\":1}"), variable("OW_RUN_ID", "r")];
        let mut text = String::new();
        let mut file = File::from(take(&mut variables).unwrap().unwrap());
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, r#"{"OW_CONFIG":"{\"a\":1}"}"#);
        assert_eq!(variables, [variable("A", "1"), variable("OW_RUN_ID", "r")]);
        assert!(file.write_all(b"x").is_err(), "it is sealed");
        assert!(take(&mut variables).unwrap().is_none());
    }
}
