//! The supervisor helper, shipped beside the addon and started by it for each process.

fn main() -> std::process::ExitCode {
    owox_connector_runner::supervisor::main()
}
