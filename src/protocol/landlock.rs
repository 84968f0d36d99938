//! Which Landlock a kernel has. Both sides ask: the supervisor to use it, the host for what is to
//! take its place.

use std::io;

/// The version of Landlock.
///
/// # Errors
/// `ENOSYS` where it is not built in, `EOPNOTSUPP` where it is switched off.
pub fn version() -> io::Result<u32> {
    const VERSION: u32 = 1;
    // SAFETY: asks for a number; no memory is involved.
    let version = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<libc::c_void>(), 0, VERSION)
    };
    u32::try_from(version).map_err(|_| io::Error::last_os_error())
}
