//! The filter of system calls: what is refused, and the program that refuses it.
//!
//! It is a list of what is refused, since what Node.js and native addons call changes with every
//! version. `EPERM` says that it is not allowed. Where a program has to take another way, the
//! call looks as if the kernel did not have it (`ENOSYS`): a filter cannot see into the
//! arguments of `clone3` and into what `io_uring` is told. Calls by the ABIs of 32 bit programs
//! would go around the numbers that are refused here, so they end the process.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use libc::{c_long, sock_filter};

use crate::supervisor::attributes::CALLS;

/// What a filter shall do beyond what it always does.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is by itself")]
pub struct Wanted {
    /// Refusing what no connector needs.
    pub system_calls: bool,
    /// No unix sockets but connected pairs, with which Node.js talks to its children.
    pub no_unix_sockets: bool,
    /// Nothing that goes around rules for TCP ports.
    pub tcp_only: bool,
    /// Nothing that tells of files that may not be read.
    pub reads_are_limited: bool,
    /// What becomes of calls that change mode and times of files.
    pub attributes: Attributes,
}

/// What becomes of calls that change mode and times of files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Attributes {
    /// Nothing.
    #[default]
    Free,
    /// The supervisor decides.
    Asked,
    /// They are refused.
    Refused,
}

const EPERM: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM.cast_unsigned();
const ENOSYS: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned();

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xC000_00B7;

/// From this number on calls are those of the x32 ABI.
#[cfg(target_arch = "x86_64")]
const X32: u32 = 0x4000_0000;

/// Where a filter finds things, in bytes.
const NUMBER_AT: u32 = 0;
const ARCHITECTURE_AT: u32 = 4;
const ARGUMENTS_AT: u32 = 16;

/// Calls that look as if they were not there.
const MISSING: [c_long; 4] =
    [libc::SYS_clone3, libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register];

/// Calls that are refused whatever their arguments.
const REFUSED: &[c_long] = &[
    // looking into and changing other processes
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_process_mrelease,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    // namespaces and mounts
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    // large parts of the kernel that connectors have no use for
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_fanotify_init,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_lookup_dcookie,
    libc::SYS_nfsservctl,
    // the machine
    libc::SYS_reboot,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_vhangup,
    // memory, semaphores and queues that whoever knows a number can reach
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_shmdt,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semctl,
    libc::SYS_semtimedop,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    libc::SYS_mq_timedsend,
    libc::SYS_mq_timedreceive,
    libc::SYS_mq_notify,
    libc::SYS_mq_getsetattr,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_uselib,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ustat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_sysfs,
];

// Younger than the C library's list; the same on all architectures.
const SETXATTRAT: c_long = 463;
const REMOVEXATTRAT: c_long = 466;
const FILE_SETATTR: c_long = 469;

/// What Landlock does not cover, on files that may be anybody's: refused, since no connector needs
/// them. What they need is in [`CALLS`].
const CHANGING_ATTRIBUTES: &[c_long] = &[
    libc::SYS_fchownat,
    libc::SYS_fchown,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    SETXATTRAT,
    REMOVEXATTRAT,
    FILE_SETATTR,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lchown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utime,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utimes,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_futimesat,
];

fn on_descriptor(call: c_long) -> bool {
    call == libc::SYS_fchmod || call == libc::SYS_utimensat
}

/// What goes to the kernel.
pub type Program = Vec<sock_filter>;

/// Builds a program, instruction by instruction.
#[derive(Debug, Default)]
struct Assembler(Program);

impl Assembler {
    fn add(&mut self, code: u32, operand: u32, if_true: u8, if_false: u8) {
        #[expect(clippy::cast_possible_truncation, reason = "all codes are small constants")]
        let code = code as u16;
        self.0.push(sock_filter { code, jt: if_true, jf: if_false, k: operand });
    }

    fn load(&mut self, at: u32) {
        self.add(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, at, 0, 0);
    }

    fn give(&mut self, action: u32) {
        self.add(libc::BPF_RET | libc::BPF_K, action, 0, 0);
    }

    fn if_equal(&mut self, value: u32, then: u8, otherwise: u8) {
        self.add(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, value, then, otherwise);
    }

    /// Gives `action` for this call, whatever its arguments.
    fn refuse(&mut self, call: c_long, action: u32) {
        self.if_equal(number(call), 0, 1);
        self.give(action);
    }

    /// Looks at the arguments of this call, and otherwise goes on with the number loaded.
    fn on(&mut self, call: c_long, look: impl FnOnce(&mut Self)) {
        self.if_equal(number(call), 1, 0);
        let jump = self.0.len();
        self.add(libc::BPF_JMP | libc::BPF_JA, 0, 0, 0);
        look(self);
        self.give(libc::SECCOMP_RET_ALLOW);
        self.0[jump].k = u32::try_from(self.0.len() - jump - 1).unwrap_or(u32::MAX);
    }

    /// Loads the lower half of an argument: all there is of those that the kernel takes as `int`.
    fn argument(&mut self, index: u32) {
        self.load(ARGUMENTS_AT + 8 * index);
    }

    /// Loads it without some bits.
    fn argument_masked(&mut self, index: u32, mask: u32) {
        self.argument(index);
        self.add(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, mask, 0, 0);
    }

    /// `EPERM` if what is loaded is this.
    fn refuse_if(&mut self, value: u32) {
        self.if_equal(value, 0, 1);
        self.give(EPERM);
    }

    /// `EPERM` unless it is one of these.
    fn refuse_unless(&mut self, values: &[u32]) {
        for (index, value) in values.iter().enumerate() {
            let past_the_rest = u8::try_from(values.len() - index).unwrap_or(u8::MAX);
            self.if_equal(*value, past_the_rest, 0);
        }
        self.give(EPERM);
    }

    /// `EPERM` if it has any of these bits.
    fn refuse_if_any(&mut self, bits: u32) {
        self.add(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, bits, 0, 1);
        self.give(EPERM);
    }
}

fn number(call: c_long) -> u32 {
    u32::try_from(call).unwrap_or(u32::MAX)
}

fn bits(value: i32) -> u32 {
    value.cast_unsigned()
}

/// Every kind of namespace; the last is older than the C library's list.
const NAMESPACES: i32 = libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP;

/// Types of sockets, without their flags.
const SOCKET_TYPE: u32 = 0xf;

/// `ioctl` of terminals that puts words into the mouth of whoever sits there.
const TERMINAL_INPUT: [u32; 2] = [0x5412, 0x541C];

const MPTCP: u32 = 262;
const IOPRIO_WHO_PROCESS: u32 = 1;
const SET_MODE_FILTER: libc::c_uint = 1;
const TCP_FASTOPEN_CONNECT: u32 = 30;

impl Wanted {
    /// The filter; empty where nothing is wanted.
    pub fn program(self) -> Program {
        let mut filter = Assembler::default();
        let anything = self.system_calls || self.no_unix_sockets || self.tcp_only || self.reads_are_limited;
        if !anything && self.attributes == Attributes::Free {
            return filter.0;
        }
        filter.load(ARCHITECTURE_AT);
        filter.if_equal(ARCHITECTURE, 1, 0);
        filter.give(libc::SECCOMP_RET_KILL_PROCESS);
        filter.load(NUMBER_AT);
        #[cfg(target_arch = "x86_64")]
        {
            filter.add(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, X32, 0, 1);
            filter.give(libc::SECCOMP_RET_KILL_PROCESS);
        }
        for call in MISSING {
            filter.refuse(call, ENOSYS);
        }
        let by_path = match self.attributes {
            Attributes::Free => None,
            Attributes::Asked => Some(libc::SECCOMP_RET_USER_NOTIF),
            Attributes::Refused => Some(EPERM),
        };
        if let Some(action) = by_path {
            for call in CHANGING_ATTRIBUTES {
                filter.refuse(*call, EPERM);
            }
            for call in
                CALLS.iter().filter(|call| self.attributes == Attributes::Asked || !on_descriptor(**call))
            {
                filter.refuse(*call, action);
            }
            if self.attributes == Attributes::Refused {
                filter.on(libc::SYS_utimensat, |call| {
                    // without a path it is about a descriptor
                    call.argument(1);
                    call.refuse_unless(&[0]);
                });
            }
        }
        if self.reads_are_limited {
            filter.refuse(libc::SYS_inotify_add_watch, EPERM);
        }
        if self.system_calls {
            for call in REFUSED {
                filter.refuse(*call, EPERM);
            }
            processes(&mut filter);
            filter.on(libc::SYS_ioctl, |call| {
                call.argument(1);
                for request in TERMINAL_INPUT {
                    call.refuse_if(request);
                }
            });
        }
        sockets(&mut filter, self);
        filter.give(libc::SECCOMP_RET_ALLOW);
        filter.0
    }
}

/// Calls with which a process may change itself, but no other.
fn processes(filter: &mut Assembler) {
    filter.on(libc::SYS_clone, |call| {
        call.argument(0);
        call.refuse_if_any(bits(NAMESPACES));
    });
    filter.on(libc::SYS_prctl, |call| {
        // the run's processes would outlive their supervisor
        call.argument(0);
        call.refuse_if(bits(libc::PR_SET_PDEATHSIG));
    });
    for call in
        [libc::SYS_prlimit64, libc::SYS_sched_setscheduler, libc::SYS_sched_setparam, libc::SYS_sched_setattr]
    {
        filter.on(call, |call| {
            call.argument(0);
            call.refuse_unless(&[0]);
        });
    }
    for (call, process) in
        [(libc::SYS_setpriority, libc::PRIO_PROCESS), (libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS)]
    {
        filter.on(call, |call| {
            call.argument(0);
            call.refuse_unless(&[process]);
            call.argument(1);
            call.refuse_unless(&[0]);
        });
    }
}

fn sockets(filter: &mut Assembler, wanted: Wanted) {
    let [stream, datagram, packets] = [libc::SOCK_STREAM, libc::SOCK_DGRAM, libc::SOCK_SEQPACKET].map(bits);
    let [unix, netlink] = [libc::AF_UNIX, libc::AF_NETLINK].map(bits);
    let internet = [libc::AF_INET, libc::AF_INET6].map(bits);
    filter.on(libc::SYS_socket, |call| {
        call.argument(0);
        if wanted.no_unix_sockets {
            call.refuse_if(unix);
        }
        if wanted.system_calls || wanted.tcp_only {
            call.refuse_unless(&[unix, netlink, internet[0], internet[1]]);
        }
        // of netlink only what the C library asks for addresses
        let netlink_only = call.0.len();
        call.if_equal(netlink, 0, 0);
        call.argument(2);
        call.refuse_unless(&[bits(libc::NETLINK_ROUTE)]);
        call.give(libc::SECCOMP_RET_ALLOW);
        call.skip_from(netlink_only);
        call.if_equal(unix, 0, 1);
        call.give(libc::SECCOMP_RET_ALLOW);
        call.argument_masked(1, SOCKET_TYPE);
        if wanted.tcp_only {
            call.refuse_unless(&[stream, datagram]);
            call.argument(2);
            call.refuse_if(MPTCP);
            call.refuse_unless(
                &[0, libc::IPPROTO_TCP, libc::IPPROTO_UDP, libc::IPPROTO_ICMP, libc::IPPROTO_ICMPV6]
                    .map(bits),
            );
        } else if wanted.system_calls {
            call.refuse_if(bits(libc::SOCK_RAW));
        }
    });
    if wanted.no_unix_sockets {
        filter.on(libc::SYS_socketpair, |call| {
            // one of datagrams could be connected to somebody else
            call.argument_masked(1, SOCKET_TYPE);
            call.refuse_unless(&[stream, packets]);
        });
    }
    if wanted.tcp_only {
        let fast_open = bits(libc::MSG_FASTOPEN);
        for (call, flags_at) in [(libc::SYS_sendto, 3), (libc::SYS_sendmsg, 2), (libc::SYS_sendmmsg, 3)] {
            filter.on(call, |call| {
                call.argument(flags_at);
                call.refuse_if_any(fast_open);
            });
        }
        filter.on(libc::SYS_setsockopt, |call| {
            call.argument(1);
            let tcp_only = call.0.len();
            call.if_equal(bits(libc::IPPROTO_TCP), 0, 0);
            call.argument(2);
            call.refuse_if(TCP_FASTOPEN_CONNECT);
            call.skip_from(tcp_only);
        });
    }
}

impl Assembler {
    /// Lets the comparison at this place lead to here where it is not equal.
    fn skip_from(&mut self, comparison: usize) {
        self.0[comparison].jf = u8::try_from(self.0.len() - comparison - 1).unwrap_or(u8::MAX);
    }
}

/// Puts a program in force for the calling thread and its children. Needs `no_new_privs`.
pub fn install(program: &mut [sock_filter]) -> io::Result<()> {
    set_filter(program, 0).map(drop)
}

/// The same with a program that asks; gives whom it asks.
pub fn install_asking(program: &mut [sock_filter]) -> io::Result<OwnedFd> {
    let listener = set_filter(program, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER)?;
    // SAFETY: the call has just made it, for nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(listener) })
}

fn set_filter(program: &mut [sock_filter], flags: libc::c_ulong) -> io::Result<RawFd> {
    let len = u16::try_from(program.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let filter = libc::sock_fprog { len, filter: program.as_mut_ptr() };
    // SAFETY: filter and program live until the call returns, and the kernel checks the program.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, SET_MODE_FILTER, flags, &raw const filter) };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        RawFd::try_from(result).map_err(io::Error::other)
    }
}
