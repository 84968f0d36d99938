//! Landlock by its three system calls: rules are made before the fork, and only what names the
//! child itself is added after it.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Rights over files, as the kernel numbers them.
mod right {
    pub const EXECUTE: u64 = 1 << 0;
    pub const WRITE_FILE: u64 = 1 << 1;
    pub const READ_FILE: u64 = 1 << 2;
    pub const READ_DIR: u64 = 1 << 3;
    pub const REMOVE_DIR: u64 = 1 << 4;
    pub const REMOVE_FILE: u64 = 1 << 5;
    pub const MAKE_CHAR: u64 = 1 << 6;
    pub const MAKE_DIR: u64 = 1 << 7;
    pub const MAKE_REG: u64 = 1 << 8;
    pub const MAKE_SOCK: u64 = 1 << 9;
    pub const MAKE_FIFO: u64 = 1 << 10;
    pub const MAKE_BLOCK: u64 = 1 << 11;
    pub const MAKE_SYM: u64 = 1 << 12;
    pub const REFER: u64 = 1 << 13;
    pub const TRUNCATE: u64 = 1 << 14;
    pub const IOCTL_DEV: u64 = 1 << 15;
}

/// To read: also to run, since what is run is confined all the same.
const READ: u64 = right::READ_FILE | right::READ_DIR | right::EXECUTE;

/// To write.
const WRITE: u64 = right::WRITE_FILE
    | right::REMOVE_DIR
    | right::REMOVE_FILE
    | right::MAKE_DIR
    | right::MAKE_REG
    | right::MAKE_SOCK
    | right::MAKE_FIFO
    | right::MAKE_SYM
    | right::REFER
    | right::TRUNCATE;

/// What is granted nowhere.
const NEVER: u64 = right::MAKE_CHAR | right::MAKE_BLOCK;

/// The rights that concern a file that is no folder.
const OF_FILES: u64 =
    right::EXECUTE | right::WRITE_FILE | right::READ_FILE | right::TRUNCATE | right::IOCTL_DEV;

const CONNECT_TCP: u64 = 1 << 1;
const SCOPE_ABSTRACT_SOCKETS: u64 = 1 << 0;
const SCOPE_SIGNALS: u64 = 1 << 1;

const RULE_PATH: libc::c_int = 1;
const RULE_PORT: libc::c_int = 2;

/// First versions of Landlock that have these.
mod since {
    pub const REFER: u32 = 2;
    pub const TRUNCATE: u32 = 3;
    pub const PORTS: u32 = 4;
    pub const IOCTL_DEV: u32 = 5;
    pub const SCOPES: u32 = 6;
}

/// As the kernel has it; a shorter one of an older kernel accepts it while the rest is zero.
#[repr(C)]
struct RulesetAttributes {
    files: u64,
    ports: u64,
    scopes: u64,
}

#[repr(C, packed)]
struct PathRule {
    allowed: u64,
    parent: RawFd,
}

#[repr(C)]
struct PortRule {
    allowed: u64,
    port: u64,
}

/// What a ruleset shall restrict.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is by itself")]
pub struct Wanted {
    /// Writing files.
    pub writes: bool,
    /// Reading files.
    pub reads: bool,
    /// Connecting by TCP.
    pub ports: bool,
    /// Sending signals.
    pub signals: bool,
    /// Connecting to abstract unix sockets.
    pub abstract_sockets: bool,
}

impl Wanted {
    /// The kernel takes no empty ruleset.
    pub fn anything(self) -> bool {
        self.writes || self.reads || self.ports || self.signals || self.abstract_sockets
    }
}

/// Rules that are not in force yet.
#[derive(Debug)]
pub struct Ruleset {
    descriptor: OwnedFd,
    files: u64,
}

/// Whether this version knows ports.
pub fn has_ports(version: u32) -> bool {
    version >= since::PORTS
}

/// Whether this version knows scopes.
pub fn has_scopes(version: u32) -> bool {
    version >= since::SCOPES
}

/// What a version leaves open of the files.
pub fn gap_in_files(version: u32) -> Option<&'static str> {
    (version < since::TRUNCATE).then_some("truncate() is not covered before Linux 6.2")
}

impl Ruleset {
    /// A ruleset under which nothing of what is wanted is allowed.
    ///
    /// # Errors
    /// Of the system.
    pub fn new(wanted: Wanted, version: u32) -> io::Result<Self> {
        let mut files = 0;
        if wanted.writes {
            files |= WRITE | NEVER;
        }
        if wanted.reads {
            files |= READ | right::IOCTL_DEV;
        }
        for (right, first) in [
            (right::REFER, since::REFER),
            (right::TRUNCATE, since::TRUNCATE),
            (right::IOCTL_DEV, since::IOCTL_DEV),
        ] {
            if version < first {
                files &= !right;
            }
        }
        let mut scopes = 0;
        if wanted.signals {
            scopes |= SCOPE_SIGNALS;
        }
        if wanted.abstract_sockets {
            scopes |= SCOPE_ABSTRACT_SOCKETS;
        }
        let attributes =
            RulesetAttributes { files, ports: if wanted.ports { CONNECT_TCP } else { 0 }, scopes };
        // SAFETY: the struct lives until the call returns, and its size is its own.
        let descriptor = unsafe {
            libc::syscall(
                libc::SYS_landlock_create_ruleset,
                &raw const attributes,
                std::mem::size_of::<RulesetAttributes>(),
                0,
            )
        };
        let descriptor = i32::try_from(descriptor).map_err(io::Error::other)?;
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call has just made it, for nobody else.
        Ok(Self { descriptor: unsafe { OwnedFd::from_raw_fd(descriptor) }, files })
    }

    /// Allows to read a file, or a folder with all that is in it. One that is not there, or may
    /// not be seen, needs no rule.
    pub fn allow_reading(&self, path: &str) -> io::Result<()> {
        self.allow_path(path, READ)
    }

    /// The same to read and write.
    pub fn allow_writing(&self, path: &str) -> io::Result<()> {
        self.allow_path(path, READ | WRITE)
    }

    /// The same of what is open: to read it, or also to write it.
    pub fn allow_opened(&self, place: BorrowedFd<'_>, is_written: bool) -> io::Result<()> {
        self.allow(place.as_raw_fd(), if is_written { READ | WRITE } else { READ })
    }

    fn allow_path(&self, path: &str, rights: u64) -> io::Result<()> {
        use rustix::fs::{Mode, OFlags, open};
        match open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) {
            Ok(parent) => self.allow(parent.as_raw_fd(), rights),
            Err(_) => Ok(()),
        }
    }

    /// The same by a name that ends with NUL, for the time between fork and exec.
    pub fn allow_reading_of(&self, path: &CStr) -> io::Result<()> {
        // SAFETY: the name ends with NUL; the descriptor is closed below and used by nobody else.
        let parent = unsafe { libc::open(path.as_ptr(), libc::O_PATH | libc::O_CLOEXEC) };
        if parent < 0 {
            return Ok(());
        }
        // SAFETY: as above.
        let parent = unsafe { OwnedFd::from_raw_fd(parent) };
        self.allow(parent.as_raw_fd(), READ)
    }

    fn allow(&self, parent: RawFd, rights: u64) -> io::Result<()> {
        // SAFETY: all zeroes is a valid value, and fstat fills it in.
        let is_folder = unsafe {
            let mut stat: libc::stat = std::mem::zeroed();
            check(libc::fstat(parent, &raw mut stat).into())?;
            stat.st_mode & libc::S_IFMT == libc::S_IFDIR
        };
        let fitting = if is_folder { rights } else { rights & OF_FILES };
        let allowed = fitting & self.files;
        if allowed == 0 {
            return Ok(());
        }
        let rule = PathRule { allowed, parent };
        // SAFETY: the rule lives until the call returns.
        check(unsafe {
            libc::syscall(
                libc::SYS_landlock_add_rule,
                self.descriptor.as_raw_fd(),
                RULE_PATH,
                &raw const rule,
                0,
            )
        })
    }

    /// Allows to connect to this port.
    pub fn allow_port(&self, port: u16) -> io::Result<()> {
        let rule = PortRule { allowed: CONNECT_TCP, port: port.into() };
        // SAFETY: as above.
        check(unsafe {
            libc::syscall(
                libc::SYS_landlock_add_rule,
                self.descriptor.as_raw_fd(),
                RULE_PORT,
                &raw const rule,
                0,
            )
        })
    }

    /// Puts the rules in force for the calling process and all its children. Needs `no_new_privs`.
    pub fn restrict_self(&self) -> io::Result<()> {
        // SAFETY: no memory is involved.
        check(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, self.descriptor.as_raw_fd(), 0) })
    }
}

fn check(result: libc::c_long) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
