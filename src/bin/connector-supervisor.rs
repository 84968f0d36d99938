//! The supervisor helper, shipped beside the addon and started by it for each process. It shares
//! a few files with the library instead of linking it: small, and without anything of Node.

#![cfg_attr(test, allow(clippy::unwrap_used))]

#[path = "../protocol/mod.rs"]
pub mod protocol;
#[path = "../removal.rs"]
mod removal;
#[path = "../supervisor/mod.rs"]
mod supervisor;

/// Removes a folder and then the file of its lock, which is this process's standard input. Exits
/// with the number of what went wrong.
fn remove(folder: &std::path::Path, lock: Option<std::ffi::OsString>) -> std::process::ExitCode {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, raised);
    match removal::remove(folder) {
        Ok(()) => {
            let _ = lock.map(std::fs::remove_file);
            std::process::ExitCode::SUCCESS
        }
        Err(error) => {
            let number = error.raw_os_error().and_then(|number| u8::try_from(number).ok());
            number.unwrap_or(5).into() // EIO
        }
    }
}

fn main() -> std::process::ExitCode {
    let mut args = std::env::args_os().skip(1);
    match (args.next(), args.next()) {
        // what is run to see which isolation a machine has
        (Some(word), _) if word == "nothing" => std::process::ExitCode::SUCCESS,
        (Some(word), Some(folder)) if word == "remove" => remove(folder.as_ref(), args.next()),
        _ => supervisor::main(),
    }
}
