//! The supervisor helper, shipped beside the addon and started by it for each process. It shares
//! a few files with the library instead of linking it: small, and without anything of Node.

#![cfg_attr(test, allow(clippy::unwrap_used))]

#[path = "../process/policy.rs"]
pub mod policy;
#[path = "../process/protocol.rs"]
pub mod protocol;
#[path = "../removal.rs"]
mod removal;
#[path = "../supervisor/mod.rs"]
mod supervisor;

fn main() -> std::process::ExitCode {
    let mut args = std::env::args_os().skip(1);
    match (args.next(), args.next()) {
        // what is run to see which isolation a machine has
        (Some(word), _) if word == "nothing" => std::process::ExitCode::SUCCESS,
        (Some(word), Some(folder)) if word == "remove" => {
            removal::main(&folder, args.next().as_deref()).into()
        }
        _ => supervisor::main(),
    }
}
