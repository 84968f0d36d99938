//! Mode and times of files, which no rule of Landlock covers: the filter hands these calls to the
//! supervisor, which makes them itself where a file is one that the run may write.
//!
//! It only ever acts on what it has opened, and asks where that is after it has opened it: so it
//! does not matter what the process changes meanwhile.

use std::ffi::{CStr, CString};
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use libc::{c_int, c_long};

use crate::protocol::policy::Policy;

/// Calls that come here. Older ones of the same purpose are refused; the C libraries use these.
pub const CALLS: &[c_long] = &[
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    FCHMODAT2,
    libc::SYS_utimensat,
];

/// Younger than the C library's list; the same on all architectures.
const FCHMODAT2: c_long = 452;

/// Longest path, with its NUL.
const PATH_BYTES: usize = 4096;

const SET_ID_BITS: u64 = 0o6000;

/// Hears of these calls.
#[derive(Debug)]
pub struct Attributes {
    listener: OwnedFd,
    /// Where the run may write, without symlinks.
    writable: Vec<PathBuf>,
    /// The same, by descriptor.
    places: Vec<Arc<OwnedFd>>,
}

/// One call.
struct Call {
    id: u64,
    pid: u32,
    number: c_long,
    arguments: [u64; 6],
}

/// Where a call points.
enum Target {
    Path { folder: c_int, address: u64, follows: bool },
    Descriptor(c_int),
}

/// What it is to do.
enum Change {
    Mode(u64),
    /// The address of two times; now, where it is null.
    Times(u64),
}

impl AsFd for Attributes {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl Attributes {
    /// Listens for a process that has this policy.
    pub fn new(listener: OwnedFd, policy: &Policy) -> Self {
        let writable = policy.writes.iter().filter_map(|path| fs::canonicalize(path).ok()).collect();
        let places = policy.places().filter(|(opened, _)| opened.is_written);
        Self { listener, writable, places: places.map(|(_, descriptor)| descriptor.clone()).collect() }
    }

    /// Whether the run may write a file. Where its folders are is asked each time: others may move them.
    fn holds(&self, real: &Path) -> bool {
        let places = self.places.iter().filter_map(|place| fs::read_link(own(place)).ok());
        self.writable.iter().any(|folder| real.starts_with(folder))
            || places.into_iter().any(|folder| real.starts_with(folder))
    }

    /// Answers the next call. An error means that no more will come.
    pub fn answer(&self) -> io::Result<()> {
        // SAFETY: all zeroes is what the kernel wants to find, and it fills the struct in.
        let heard = unsafe {
            let mut heard: libc::seccomp_notif = std::mem::zeroed();
            if libc::ioctl(self.listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut heard) != 0 {
                let error = io::Error::last_os_error();
                // the one who called is gone, or was interrupted
                let is_passing =
                    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EINTR | libc::EAGAIN));
                return if is_passing { Ok(()) } else { Err(error) };
            }
            heard
        };
        let call =
            Call { id: heard.id, pid: heard.pid, number: heard.data.nr.into(), arguments: heard.data.args };
        let error = match self.perform(&call) {
            Ok(()) => 0,
            Err(error) => -error.raw_os_error().unwrap_or(libc::EPERM),
        };
        let mut reply = libc::seccomp_notif_resp { id: call.id, val: 0, error, flags: 0 };
        // SAFETY: the struct lives until the call returns. One who is gone needs no answer.
        unsafe { libc::ioctl(self.listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut reply) };
        Ok(())
    }

    fn perform(&self, call: &Call) -> io::Result<()> {
        let (target, change) = call.meaning()?;
        let file = match target {
            Target::Descriptor(descriptor) => open(call.file(&format!("fd/{descriptor}")), true)?,
            Target::Path { folder, address, follows } => {
                let path = call.text(address)?;
                let path = Path::new(std::ffi::OsStr::from_bytes(path.to_bytes()));
                if path.as_os_str().is_empty() {
                    return Err(io::Error::from_raw_os_error(libc::ENOENT));
                }
                let absolute = if path.is_absolute() {
                    path.to_owned()
                } else {
                    let name = if folder == libc::AT_FDCWD { "cwd".into() } else { format!("fd/{folder}") };
                    fs::read_link(call.file(&name))?.join(path)
                };
                // C libraries name a descriptor of the caller's in this way
                let meant = match absolute.strip_prefix("/proc/self") {
                    Ok(rest) => PathBuf::from(call.file("")).join(rest),
                    Err(_) => absolute,
                };
                open(meant.as_os_str().as_bytes(), follows)?
            }
        };
        let times = match change {
            Change::Times(address) if address != 0 => Some(call.times(address)?),
            _ => None,
        };
        // what was read is that of this call, and not of a process that has got its id
        call.is_still_waiting(&self.listener)?;

        let own = own(&file);
        let real = fs::read_link(&own)?;
        let metadata = fs::metadata(&own)?;
        let own = CString::new(own)?;
        // devices that everybody may write are not anybody's to change
        let is_device = metadata.file_type().is_char_device() || metadata.file_type().is_block_device();
        let is_inside = !is_device && self.holds(&real);
        // this process may have rights that the other has given up
        let is_owner = metadata.uid() == rustix::process::geteuid().as_raw();
        if !is_inside || !is_owner {
            return Err(refused());
        }
        // SAFETY: the name ends with NUL, and name and times live until the calls return.
        let result = unsafe {
            match change {
                Change::Mode(mode) if mode & SET_ID_BITS != 0 => return Err(refused()),
                #[expect(clippy::cast_possible_truncation, reason = "as the kernel does")]
                Change::Mode(mode) => libc::chmod(own.as_ptr(), mode as libc::mode_t & 0o7777),
                Change::Times(_) => {
                    let times = times.as_ref().map_or(std::ptr::null(), |times| times.as_ptr());
                    libc::utimensat(libc::AT_FDCWD, own.as_ptr(), times, 0)
                }
            }
        };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

impl Call {
    /// What the call asks for. Numbers that the kernel takes as `int` are the lower half.
    fn meaning(&self) -> io::Result<(Target, Change)> {
        let [first, second, third, fourth, ..] = self.arguments;
        #[expect(clippy::cast_possible_truncation, reason = "as the kernel does")]
        let int = |value: u64| value as c_int;
        #[cfg(target_arch = "x86_64")]
        if self.number == libc::SYS_chmod {
            let target = Target::Path { folder: libc::AT_FDCWD, address: first, follows: true };
            return Ok((target, Change::Mode(second)));
        }
        if self.number == libc::SYS_fchmod {
            return Ok((Target::Descriptor(int(first)), Change::Mode(second)));
        }
        if self.number == libc::SYS_utimensat && second == 0 {
            return Ok((Target::Descriptor(int(first)), Change::Times(third)));
        }
        let flags = if self.number == libc::SYS_fchmodat { 0 } else { int(fourth) };
        if flags & !libc::AT_SYMLINK_NOFOLLOW != 0 {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        let follows = flags & libc::AT_SYMLINK_NOFOLLOW == 0;
        let target = Target::Path { folder: int(first), address: second, follows };
        let change =
            if self.number == libc::SYS_utimensat { Change::Times(third) } else { Change::Mode(third) };
        Ok((target, change))
    }

    /// The name of a file in the folder of the caller.
    fn file(&self, name: &str) -> String {
        format!("/proc/{}/{name}", self.pid)
    }

    fn read(&self, address: u64, buffer: &mut [u8]) -> io::Result<usize> {
        use std::os::unix::fs::FileExt;
        fs::File::open(self.file("mem"))?
            .read_at(buffer, address)
            .map_err(|_| io::Error::from_raw_os_error(libc::EFAULT))
    }

    /// The text at an address.
    fn text(&self, address: u64) -> io::Result<CString> {
        let mut bytes = Vec::with_capacity(256);
        // not beyond a page at a time: the next one may not be there
        let mut at = address;
        while bytes.len() < PATH_BYTES {
            let in_page = 4096 - usize::try_from(at % 4096).unwrap_or(0);
            let mut part = vec![0; in_page];
            let count = self.read(at, &mut part)?;
            if let Some(end) = part[..count].iter().position(|byte| *byte == 0) {
                bytes.extend_from_slice(&part[..end]);
                return CString::new(bytes).map_err(Into::into);
            }
            if count < in_page {
                return Err(io::Error::from_raw_os_error(libc::EFAULT));
            }
            bytes.extend_from_slice(&part);
            at += in_page as u64;
        }
        Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG))
    }

    fn times(&self, address: u64) -> io::Result<[libc::timespec; 2]> {
        let mut bytes = [0; 32];
        if self.read(address, &mut bytes)? != bytes.len() {
            return Err(io::Error::from_raw_os_error(libc::EFAULT));
        }
        let number = |at: usize| i64::from_ne_bytes(std::array::from_fn(|index| bytes[at + index]));
        let time = |at: usize| libc::timespec { tv_sec: number(at), tv_nsec: number(at + 8) };
        Ok([time(0), time(16)])
    }

    fn is_still_waiting(&self, listener: &OwnedFd) -> io::Result<()> {
        // SAFETY: the number lives until the call returns.
        let result = unsafe {
            libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ID_VALID, &raw const self.id)
        };
        if result == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::ENOENT)) }
    }
}

/// The name of a descriptor of this process's.
fn own(descriptor: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", descriptor.as_raw_fd())
}

fn refused() -> io::Error {
    io::Error::from_raw_os_error(libc::EPERM)
}

/// Names a file without opening what it is.
fn open(path: impl AsRef<[u8]>, follows: bool) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_ref())?;
    open_named(&path, if follows { 0 } else { libc::O_NOFOLLOW })
}

fn open_named(path: &CStr, flags: c_int) -> io::Result<OwnedFd> {
    // SAFETY: the name ends with NUL; the descriptor is new and nobody else's.
    unsafe {
        let descriptor = libc::open(path.as_ptr(), libc::O_PATH | libc::O_CLOEXEC | flags);
        if descriptor < 0 { Err(io::Error::last_os_error()) } else { Ok(OwnedFd::from_raw_fd(descriptor)) }
    }
}
