//! Giving up capabilities, for good.

use std::io;

const VERSION_3: u32 = 0x2008_0522;

/// More capabilities than any kernel has.
const MOST: libc::c_ulong = 64;

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Sets {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Gives up all capabilities of the calling process, and, as far as it may, those that a program
/// of root's would get by exec.
///
/// # Errors
/// Of the system, and where some are left all the same.
pub fn drop_all() -> io::Result<()> {
    let header = Header { version: VERSION_3, pid: 0 };
    let none = [Sets::default(); 2];
    let mut left = none;
    // SAFETY: header and sets have the layout that version 3 has, and live until the calls return.
    unsafe {
        libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
        for capability in 0..MOST {
            // without CAP_SETPCAP this stays as it is, and no_new_privs sees to it
            if libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 {
                break;
            }
        }
        check(libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr()))?;
        check(libc::syscall(libc::SYS_capget, &raw const header, left.as_mut_ptr()))?;
    }
    if left == none { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::EPERM)) }
}

/// Lets no exec give the calling process or its children new privileges.
///
/// # Errors
/// Of the system.
pub fn no_new_privileges() -> io::Result<()> {
    // SAFETY: no memory is involved.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }.into())
}

fn check(result: libc::c_long) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
