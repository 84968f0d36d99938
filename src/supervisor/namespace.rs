//! A PID namespace for the process and its tree: when its first process ends, the kernel kills
//! all others in it, daemons and what forks meanwhile included. So nothing outlives the
//! supervisor, even when that is killed itself.
//!
//! Systems refuse parts of this for many reasons (a container, `AppArmor`, a limit), and some only
//! at the last step. So the namespace is made and its `/proc` mounted before this process joins,
//! and whatever fails leaves this process as it was.

use std::ffi::CString;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use rustix::process::{Pid, PidfdFlags, Resource, Rlimit, Signal, WaitOptions, setrlimit};

/// Says over the control socket that the identity of users is in place.
const MAPPED: u8 = b'm';
/// The answer: the namespace is ready.
const READY: u8 = b'r';
/// The same, and it holds only so many processes.
const READY_AND_BOUNDED: u8 = b'b';
/// Asks for SIGTERM to everything in the namespace.
const TERMINATE: u8 = b't';
/// The same with SIGKILL.
const KILL: u8 = b'k';

/// A namespace that this process has joined: its next child lives there.
#[derive(Debug)]
pub struct PidNamespace {
    /// The first process of the namespace, a child of this one.
    pub init: Pid,
    /// Whether it holds at most [`MOST_PROCESSES`].
    pub bounded: bool,
    /// Whether that is by a limit that its processes have to carry.
    carries_limit: bool,
    pidfd: Option<OwnedFd>,
    control: UnixStream,
    mounts: File,
}

impl PidNamespace {
    /// Makes a namespace and joins it for future children.
    ///
    /// # Errors
    /// Which step the system refused. Nothing of this process has changed then.
    pub fn create() -> Result<Self, String> {
        let identity = Identity::of_this_process();
        let plain = libc::CLONE_NEWPID | libc::CLONE_NEWNS;
        // A privileged host needs no user namespace, and keeps all that it may do.
        let first = if identity.is_root { Self::with(plain, &identity) } else { Err(String::new()) };
        first.or_else(|_| Self::with(plain | libc::CLONE_NEWUSER, &identity))
    }

    fn with(flags: i32, identity: &Identity) -> Result<Self, String> {
        let step = |name: &'static str| move |error: io::Error| format!("{name}: {error}");
        let (control, theirs) = UnixStream::pair().map_err(step("socketpair"))?;
        // SAFETY: this process has one thread, so that the copy may do whatever this one may.
        let init = match unsafe { libc::syscall(libc::SYS_clone, flags | libc::SIGCHLD, 0, 0, 0, 0) } {
            -1 => return Err(step("clone")(io::Error::last_os_error())),
            0 => {
                drop(control);
                init_main(theirs)
            }
            pid => pid,
        };
        let init = i32::try_from(init).ok().and_then(Pid::from_raw).ok_or("clone: no process id")?;
        drop(theirs);
        match Self::join(init, control, flags, identity) {
            Ok(namespace) => Ok(namespace),
            Err(reason) => {
                let _ = rustix::process::kill_process(init, Signal::KILL);
                let _ = rustix::process::waitpid(Some(init), WaitOptions::empty());
                Err(reason)
            }
        }
    }

    fn join(init: Pid, mut control: UnixStream, flags: i32, identity: &Identity) -> Result<Self, String> {
        let step = |name: &'static str| move |error: io::Error| format!("{name}: {error}");
        let process = format!("/proc/{}", init.as_raw_pid());
        let with_user = flags & libc::CLONE_NEWUSER != 0;
        if with_user {
            identity.map(&process).map_err(step("mapping of users"))?;
        }
        control.write_all(&[MAPPED]).map_err(step("namespace init"))?;
        let mut answer = [0; 5];
        control.read_exact(&mut answer[..1]).map_err(step("namespace init"))?;
        let is_bounded = answer[0] == READY_AND_BOUNDED;
        if answer[0] != READY && !is_bounded {
            control.read_exact(&mut answer[1..]).map_err(step("namespace init"))?;
            let errno = i32::from_le_bytes([answer[1], answer[2], answer[3], answer[4]]);
            return Err(step("mount of /proc")(io::Error::from_raw_os_error(errno)));
        }
        let open = |name: &str| File::open(format!("{process}/ns/{name}")).map_err(step("namespace files"));
        let (mounts, pids) = (open("mnt")?, open("pid")?);
        if with_user {
            set_namespace(open("user")?.as_raw_fd(), libc::CLONE_NEWUSER).map_err(step("setns user"))?;
        }
        set_namespace(pids.as_raw_fd(), libc::CLONE_NEWPID).map_err(step("setns pid"))?;
        let pidfd = rustix::process::pidfd_open(init, PidfdFlags::empty()).ok();
        // In a user namespace of its own the limit counts nobody else's processes.
        let carries_limit = with_user && !is_bounded;
        Ok(Self { init, bounded: is_bounded || carries_limit, carries_limit, pidfd, control, mounts })
    }

    /// What the child itself has to do between fork and exec, before anything that takes rights
    /// away: it only makes system calls.
    pub fn entrance(
        &self,
        directory: &str,
    ) -> io::Result<impl FnMut() -> io::Result<()> + Send + Sync + 'static> {
        let mounts = self.mounts.as_raw_fd();
        let directory = CString::new(directory)?;
        let carries_limit = self.carries_limit;
        Ok(move || {
            set_namespace(mounts, libc::CLONE_NEWNS)?;
            if carries_limit {
                let most = Some(MOST_PROCESSES);
                setrlimit(Resource::Nproc, Rlimit { current: most, maximum: most })?;
            }
            // joining has led to the root directory
            // SAFETY: the path ends with NUL and lives as long as this closure.
            check(unsafe { libc::chdir(directory.as_ptr()) })
        })
    }

    /// SIGTERM to everything in the namespace, by its first process: whoever is there gets it
    /// exactly once, and nobody else.
    pub fn terminate(&mut self) {
        let _ = self.control.write_all(&[TERMINATE]);
    }

    /// SIGKILL to everything in the namespace but its first process, which takes what the others
    /// have used of the system's resources into its own account.
    pub fn kill(&mut self) {
        let _ = self.control.write_all(&[KILL]);
    }

    /// SIGKILL to the first process: the kernel kills all others and waits for them.
    pub fn end(&self) {
        // The first process is an unreaped child of this one, so that its id is still its own.
        let _ = match &self.pidfd {
            Some(pidfd) => rustix::process::pidfd_send_signal(pidfd, Signal::KILL),
            None => rustix::process::kill_process(self.init, Signal::KILL),
        };
    }
}

/// Who this process is, and who its children shall be in a user namespace: the same.
struct Identity {
    is_root: bool,
    users: String,
    groups: String,
}

impl Identity {
    fn of_this_process() -> Self {
        let user = rustix::process::geteuid();
        let group = rustix::process::getegid();
        if user.is_root() {
            let all =
                |name: &str| identical(&fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default());
            return Self { is_root: true, users: all("uid_map"), groups: all("gid_map") };
        }
        let one = |id: u32| format!("{id} {id} 1\n");
        Self { is_root: false, users: one(user.as_raw()), groups: one(group.as_raw()) }
    }

    fn map(&self, process: &str) -> io::Result<()> {
        if !self.is_root {
            fs::write(format!("{process}/setgroups"), "deny")?; // asked of the unprivileged
        }
        fs::write(format!("{process}/uid_map"), &self.users)?;
        fs::write(format!("{process}/gid_map"), &self.groups)
    }
}

/// A map under which every id that exists here stays what it is.
fn identical(map: &str) -> String {
    let mut same = String::new();
    for line in map.lines() {
        if let [first, _, count] = line.split_whitespace().collect::<Vec<_>>()[..] {
            let _ = writeln!(same, "{first} {first} {count}");
        }
    }
    same
}

/// The first process of the namespace: mounts its `/proc`, takes in orphans, and ends with the
/// supervisor.
fn init_main(mut control: UnixStream) -> ! {
    // SAFETY: system calls without memory of ours, and a name that lives as long as the program.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        libc::prctl(libc::PR_SET_NAME, c"connector-init".as_ptr());
    }
    close_all_but(control.as_raw_fd());
    let mut message = [0];
    if control.read_exact(&mut message).is_err() || message[0] != MAPPED {
        leave();
    }
    let answered = match mount_proc() {
        Ok(()) => control.write_all(&[if bound_processes() { READY_AND_BOUNDED } else { READY }]),
        Err(error) => {
            let mut answer = [0; 5];
            answer[1..].copy_from_slice(&error.raw_os_error().unwrap_or(libc::EIO).to_le_bytes());
            let _ = control.write_all(&answer);
            leave();
        }
    };
    if answered.is_err() {
        leave();
    }
    serve(&mut control)
}

/// Most processes and threads of a run: more than any connector needs, and few enough that the
/// machine stays usable.
pub const MOST_PROCESSES: u64 = 2048;

/// First Linux in which the highest process id belongs to a namespace.
const OWN_HIGHEST_ID: (u32, u32) = (6, 14);

/// Lets the namespace have only so many ids. In older kernels the number is the whole machine's,
/// and not to be touched.
fn bound_processes() -> bool {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split('.').map_while(|number| number.parse().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    version >= OWN_HIGHEST_ID && fs::write("/proc/sys/kernel/pid_max", MOST_PROCESSES.to_string()).is_ok()
}

/// Waits for the supervisor's words and for orphans that end.
fn serve(control: &mut UnixStream) -> ! {
    extern "C" fn wake_up(_: libc::c_int) {}
    // SAFETY: all zeroes is a valid value of both structs, the calls below fill them in, and the
    // handler does nothing but interrupt `ppoll`, outside of which the signal is blocked.
    let open_mask = unsafe {
        let mut blocked: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut blocked);
        libc::sigaddset(&raw mut blocked, libc::SIGCHLD);
        libc::sigprocmask(libc::SIG_BLOCK, &raw const blocked, &raw mut before);
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = wake_up as extern "C" fn(libc::c_int) as libc::sighandler_t;
        libc::sigaction(libc::SIGCHLD, &raw const action, std::ptr::null_mut());
        libc::sigdelset(&raw mut before, libc::SIGCHLD);
        before
    };
    loop {
        while let Ok(Some(_)) = rustix::process::wait(WaitOptions::NOHANG) {}
        let mut watched = libc::pollfd { fd: control.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one descriptor, and a mask that was filled in above.
        let ready = unsafe { libc::ppoll(&raw mut watched, 1, std::ptr::null(), &raw const open_mask) };
        if ready < 1 {
            continue; // a child has ended
        }
        let mut message = [0];
        match control.read(&mut message) {
            Ok(1..) => {
                let signal = if message[0] == TERMINATE { libc::SIGTERM } else { libc::SIGKILL };
                // SAFETY: from the first process of a namespace this reaches all others in it.
                unsafe { libc::kill(-1, signal) };
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            _ => leave(), // the supervisor is gone
        }
    }
}

fn leave() -> ! {
    // SAFETY: ends the process, and with it the namespace.
    unsafe { libc::_exit(0) }
}

/// Holding the process's pipes open would keep its readers waiting.
fn close_all_but(kept: RawFd) {
    let close = |first: u32, last: u32| {
        // SAFETY: this process never returns to where the other descriptors are owned.
        unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) == 0 }
    };
    let number = kept.cast_unsigned();
    if (number == 0 || close(0, number - 1)) && close(number + 1, u32::MAX) {
        return;
    }
    // before Linux 5.9, or refused by a sandbox
    for number in super::start::open_descriptors().into_iter().filter(|number| *number != kept) {
        // SAFETY: as above.
        unsafe { libc::close(number) };
    }
}

/// A `/proc` that shows this namespace, seen only by those who join its mounts.
fn mount_proc() -> io::Result<()> {
    let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    // SAFETY: all texts end with NUL and live as long as the program.
    unsafe {
        check(libc::mount(
            std::ptr::null(),
            c"/".as_ptr(),
            std::ptr::null(),
            libc::MS_REC | libc::MS_SLAVE,
            std::ptr::null(),
        ))?;
        check(libc::mount(c"proc".as_ptr(), c"/proc".as_ptr(), c"proc".as_ptr(), flags, std::ptr::null()))
    }
}

fn set_namespace(descriptor: RawFd, kind: i32) -> io::Result<()> {
    // SAFETY: the kernel checks descriptor and kind.
    check(unsafe { libc::setns(descriptor, kind) })
}

fn check(result: i32) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_that_exists_keeps_its_number() {
        assert_eq!(identical("         0          0 4294967295\n"), "0 0 4294967295\n");
        assert_eq!(identical("0 1000 1\n1 100000 65536\n"), "0 0 1\n1 1 65536\n");
    }
}
