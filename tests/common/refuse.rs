//! Machines that refuse system calls: seccomp filters, which all processes started under them
//! inherit.

/// One instruction of a filter: code, operand, and how far to jump if true and if not.
type Instruction = (u32, u32, u8, u8);

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const IF_ANY_BIT: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

/// Where the filter finds the number of a system call, and its first argument.
const NUMBER: u32 = 0;
const FIRST_ARGUMENT: u32 = 16;

/// Every kind of namespace but that of time, whose bit is a signal's for `clone`.
const NAMESPACES: i32 = libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP;

/// A system call that fails.
#[derive(Debug, Clone, Copy)]
pub struct Refusal {
    call: libc::c_long,
    errno: i32,
    first_argument: Condition,
}

#[derive(Debug, Clone, Copy)]
enum Condition {
    Any,
    HasBitOf(u32),
    Is(u32),
}

impl Refusal {
    /// The call fails with this error, whatever its arguments.
    pub fn always(call: libc::c_long, errno: i32) -> Self {
        Self { call, errno, first_argument: Condition::Any }
    }

    /// The call fails if its first argument has one of these bits.
    fn with_bits(call: libc::c_long, bits: i32, errno: i32) -> Self {
        Self { call, errno, first_argument: Condition::HasBitOf(bits.cast_unsigned()) }
    }

    /// The call fails if this is its first argument.
    pub fn with_argument(call: libc::c_long, argument: i32, errno: i32) -> Self {
        Self { call, errno, first_argument: Condition::Is(argument.cast_unsigned()) }
    }

    fn instructions(self) -> Vec<Instruction> {
        let number = u32::try_from(self.call).expect("a number");
        let fail = (RETURN, libc::SECCOMP_RET_ERRNO | self.errno.cast_unsigned(), 0, 0);
        let test = match self.first_argument {
            Condition::Any => return vec![(IF_EQUAL, number, 0, 1), fail],
            Condition::HasBitOf(bits) => (IF_ANY_BIT, bits, 0, 1),
            Condition::Is(argument) => (IF_EQUAL, argument, 0, 1),
        };
        // what follows needs the number again
        vec![(IF_EQUAL, number, 0, 4), (LOAD, FIRST_ARGUMENT, 0, 0), test, fail, (LOAD, NUMBER, 0, 0)]
    }
}

/// What a machine may lack.
pub const MACHINES: [&str; 6] = ["landlock", "namespaces", "pidfd", "close_range", "seccomp", "all"];

/// What such a machine refuses, with this error. For `clone3` it is always the one at which the C
/// library goes back to `clone`.
pub fn machine(name: &str, errno: i32) -> Option<Vec<Refusal>> {
    let all = |calls: &[libc::c_long]| calls.iter().map(|call| Refusal::always(*call, errno)).collect();
    Some(match name {
        "landlock" => all(&[
            libc::SYS_landlock_create_ruleset,
            libc::SYS_landlock_add_rule,
            libc::SYS_landlock_restrict_self,
        ]),
        "namespaces" => vec![
            Refusal::always(libc::SYS_clone3, libc::ENOSYS),
            Refusal::with_bits(libc::SYS_clone, NAMESPACES, errno),
            Refusal::with_bits(libc::SYS_unshare, NAMESPACES, errno),
            Refusal::always(libc::SYS_setns, errno),
        ],
        "pidfd" => all(&[libc::SYS_pidfd_open, libc::SYS_pidfd_send_signal, libc::SYS_pidfd_getfd]),
        "close_range" => all(&[libc::SYS_close_range]),
        "seccomp" => vec![
            Refusal::always(libc::SYS_seccomp, errno),
            Refusal::with_argument(libc::SYS_prctl, libc::PR_SET_SECCOMP, libc::EINVAL),
        ],
        "all" => {
            let parts = MACHINES.iter().filter(|part| !["all", "seccomp"].contains(part));
            parts.filter_map(|part| machine(part, errno)).flatten().collect()
        }
        _ => return None,
    })
}

/// Refuses these calls to this thread, and to all that it starts from now on.
pub fn refuse(refusals: &[Refusal]) {
    let mut program = vec![(LOAD, NUMBER, 0, 0)];
    program.extend(refusals.iter().flat_map(|refusal| refusal.instructions()));
    program.push((RETURN, libc::SECCOMP_RET_ALLOW, 0, 0));
    let mut program: Vec<_> = program
        .into_iter()
        .map(|(code, k, jt, jf)| libc::sock_filter { code: u16::try_from(code).expect("a code"), jt, jf, k })
        .collect();
    let length = u16::try_from(program.len()).expect("a length");
    let filter = libc::sock_fprog { len: length, filter: program.as_mut_ptr() };
    // SAFETY: the filter and its program live until the call returns.
    unsafe {
        let install = || libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter);
        // root may without, and then its programs still find what an ordinary machine would give them
        if install() != 0 {
            assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
            assert_eq!(install(), 0);
        }
    }
}

/// Runs `work` on a thread of its own to which these calls are refused.
pub fn with_refused<T: Send + 'static>(
    refusals: Vec<Refusal>,
    work: impl Future<Output = T> + Send + 'static,
) -> T {
    let thread = std::thread::spawn(move || {
        refuse(&refusals);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(work)
    });
    thread.join().expect("the test")
}

/// Runs `work` where there are no new namespaces. What the C library forks with is `clone` too.
pub fn without_namespaces<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    with_refused(vec![Refusal::with_bits(libc::SYS_clone, NAMESPACES, libc::EPERM)], work)
}
