//! Proofs, by trying: each claimed layer must refuse something that went well without it.

use std::ffi::CStr;
use std::io;

#[expect(clippy::cast_possible_truncation, reason = "a small number")]
const INTERNET: libc::sa_family_t = libc::AF_INET as libc::sa_family_t;

/// What came of a try, by its error number.
pub type Tried = Result<(), i32>;

fn tried(result: libc::c_long) -> Tried {
    if result < 0 { Err(io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)) } else { Ok(()) }
}

/// Opens a file. `flags` as `open` has them.
pub fn open(path: &CStr, flags: libc::c_int) -> Tried {
    // SAFETY: the name ends with NUL; the descriptor is closed at once.
    unsafe {
        let descriptor = libc::open(path.as_ptr(), flags | libc::O_CLOEXEC | libc::O_NONBLOCK);
        let outcome = tried(descriptor.into());
        if descriptor >= 0 {
            libc::close(descriptor);
        }
        outcome
    }
}

/// Asks whether a process could be signalled, without a signal.
pub fn signal(pid: i32) -> Tried {
    // SAFETY: no memory is involved.
    tried(unsafe { libc::kill(pid, 0) }.into())
}

/// Makes a unix socket.
pub fn unix_socket() -> Tried {
    // SAFETY: no memory is involved; the descriptor is closed at once.
    unsafe {
        let descriptor = libc::socket(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0);
        let outcome = tried(descriptor.into());
        if descriptor >= 0 {
            libc::close(descriptor);
        }
        outcome
    }
}

/// Connects to a port of this machine, whether or not anybody is there. Without a socket there is
/// nothing to be tried.
pub fn connect(port: u16) -> Option<Tried> {
    // SAFETY: the address lives until the call returns, and its length is its own; the descriptor
    // is closed at once.
    unsafe {
        let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        let descriptor = libc::socket(libc::AF_INET, kind, 0);
        if descriptor < 0 {
            return None;
        }
        let mut address: libc::sockaddr_in = std::mem::zeroed();
        address.sin_family = INTERNET;
        address.sin_port = port.to_be();
        address.sin_addr.s_addr = u32::from_be_bytes([127, 0, 0, 1]).to_be();
        #[expect(clippy::cast_possible_truncation, reason = "16 bytes")]
        let length = std::mem::size_of::<libc::sockaddr_in>() as libc::socklen_t;
        let outcome = tried(libc::connect(descriptor, (&raw const address).cast(), length).into());
        libc::close(descriptor);
        Some(outcome)
    }
}

/// Asks for what every process may ask for, and the filter alone refuses: the signal that it gets
/// at the death of its parent. It is set to what it is.
pub fn parent_death_signal(signal: i32) -> Tried {
    // SAFETY: no memory is involved.
    tried(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal, 0, 0, 0) }.into())
}
