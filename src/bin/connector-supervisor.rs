//! The supervisor helper, shipped beside the addon and started by it for each process. It shares
//! a few files with the library instead of linking it: small, and without anything of Node.

#![cfg_attr(test, allow(clippy::unwrap_used))]

#[path = "../process/policy.rs"]
pub mod policy;
#[path = "../process/protocol.rs"]
pub mod protocol;
#[path = "../supervisor/mod.rs"]
mod supervisor;

fn main() -> std::process::ExitCode {
    // what is run to see which isolation a machine has
    if std::env::args_os().nth(1).is_some_and(|word| word == "nothing") {
        return std::process::ExitCode::SUCCESS;
    }
    supervisor::main()
}
