//! What the process may do, decided between fork and exec.

use std::io;

use rustix::process::{Resource, Rlimit, setrlimit};

/// Restricts the calling process. A core file would hold the secrets of the run.
pub fn confine() -> io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    Ok(())
}
