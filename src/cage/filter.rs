//! The filter of system calls. A refused call fails with `EPERM`.
//!
//! It names what is refused and lets the rest pass. A list of what is allowed would be shorter to reason about, and would end a
//! restore in ten years, when another C library does the same by a call that is not known today. What opens files is Landlock's;
//! this is about what Landlock does not cover.

use libc::*;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
    apply_filter, apply_filter_all_threads,
};
use std::collections::BTreeMap;

/// Whom the filter holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// This thread.
    Thread,
    /// All threads of the process.
    Process,
}

/// Refused always.
const REFUSED: &[c_long] = &[
    // Another program.
    SYS_execve,
    SYS_execveat,
    // Other computers, and other processes of this one. What is written to a socket that was inherited still arrives.
    SYS_socket,
    SYS_socketpair,
    SYS_connect,
    SYS_bind,
    SYS_listen,
    SYS_accept,
    SYS_accept4,
    SYS_sendmsg,
    SYS_sendmmsg,
    // The tree of folders, and other views of it.
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_open_tree,
    SYS_move_mount,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_mount_setattr,
    OPEN_TREE_ATTR,
    SYS_open_by_handle_at,
    SYS_unshare,
    SYS_setns,
    // The memory and the files of other processes.
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_process_madvise,
    SYS_pidfd_getfd,
    SYS_kcmp,
    // Large and little used parts of the kernel, and calls that pass by this filter.
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    SYS_fanotify_init,
    // What Landlock does not cover before its third version. Open files are cut by another call.
    SYS_truncate,
    // The host itself.
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_kexec_file_load,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_acct,
    SYS_quotactl,
    SYS_quotactl_fd,
    SYS_syslog,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_adjtimex,
    SYS_clock_adjtime,
];

/// Newer than the C library's list.
const OPEN_TREE_ATTR: c_long = 467;

/// Refused where nothing is restored: attributes of a file that is named, which Landlock does not cover. Those of an open file can
/// still be set.
const BY_PATH: &[c_long] = &[
    SYS_fchmodat,
    SYS_fchmodat2,
    SYS_fchownat,
    SYS_setxattr,
    SYS_lsetxattr,
    SYS_removexattr,
    SYS_lremovexattr,
    SETXATTRAT,
    REMOVEXATTRAT,
    FILE_SETATTR,
];

const SETXATTRAT: c_long = 463;
const REMOVEXATTRAT: c_long = 466;
const FILE_SETATTR: c_long = 469;

#[cfg(target_arch = "x86_64")]
mod of_processor {
    use libc::*;

    /// Calls that only this processor has.
    pub const REFUSED: &[c_long] = &[SYS_iopl, SYS_ioperm, SYS_uselib];
    pub const BY_PATH: &[c_long] = &[SYS_chmod, SYS_chown, SYS_lchown, SYS_utime, SYS_utimes, SYS_futimesat];

    /// The same kernel has a second table of calls, for programs with short pointers: the same numbers with this bit, and a few others.
    const X32: c_long = 0x4000_0000;
    /// execve, ptrace, sendmsg, sendmmsg, kexec_load, process_vm_readv, process_vm_writev, execveat.
    const OTHERS: [c_long; 8] = [520, 521, 518, 538, 528, 539, 540, 545];

    pub fn also(calls: &mut Vec<c_long>) {
        let others: Vec<c_long> = calls.iter().copied().chain(OTHERS).map(|call| call | X32).collect();
        calls.extend(others);
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod of_processor {
    use libc::c_long;

    pub const REFUSED: &[c_long] = &[];
    pub const BY_PATH: &[c_long] = &[];

    pub fn also(_: &mut Vec<c_long>) {}
}

/// Namespaces: in one of its own a process may do what is refused to it here.
const NAMESPACES: [c_int; 7] =
    [CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP];

/// Typing into the terminal that the program was started from: its shell would read it as if a person had.
/// `TIOCSTI` and `TIOCLINUX`.
const TYPING: [u64; 2] = [0x5412, 0x541C];

/// Enters. False where the kernel, or this processor, has no filters.
pub fn enter(changes_attributes: bool, reach: Reach) -> bool {
    let enter = |program: &BpfProgram| match reach {
        Reach::Thread => apply_filter(program).is_ok(),
        // A thread may have a filter of its own already.
        Reach::Process => apply_filter_all_threads(program).is_ok() || apply_filter(program).is_ok(),
    };
    let programs = main_filter(changes_attributes).zip(new_clone_filter());
    programs.is_some_and(|(main, new_clone)| enter(&main) && enter(&new_clone))
}

/// Whether the filter refuses what it should.
pub fn is_active() -> bool {
    rustix::process::chroot("/").is_err_and(|e| e == rustix::io::Errno::PERM)
        && std::process::Command::new("/").spawn().is_err_and(|e| e.raw_os_error() == Some(EPERM))
}

fn main_filter(changes_attributes: bool) -> Option<BpfProgram> {
    let mut calls = [REFUSED, of_processor::REFUSED].concat();
    if !changes_attributes {
        calls.extend([BY_PATH, of_processor::BY_PATH].concat());
    }
    of_processor::also(&mut calls);
    let mut rules: BTreeMap<c_long, Vec<SeccompRule>> = calls.into_iter().map(|call| (call, Vec::new())).collect();
    let is = |argument, op, value| {
        let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, op, value).ok()?;
        SeccompRule::new(vec![condition]).ok()
    };
    rules.insert(SYS_ioctl, TYPING.iter().map(|typing| is(1, SeccompCmpOp::Eq, *typing)).collect::<Option<_>>()?);
    let flag = |flag: &c_int| is(0, SeccompCmpOp::MaskedEq(*flag as u64), *flag as u64);
    rules.insert(SYS_clone, NAMESPACES.iter().map(flag).collect::<Option<_>>()?);
    if !changes_attributes {
        // Without a path it is about an open file.
        let named = SeccompCondition::new(1, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, 0).ok()?;
        rules.insert(SYS_utimensat, vec![SeccompRule::new(vec![named]).ok()?]);
    }
    compiled(rules, EPERM)
}

/// The arguments of `clone3` lie in memory, where no filter sees them. C libraries that are told that the kernel does not have it
/// use `clone`.
fn new_clone_filter() -> Option<BpfProgram> {
    compiled(BTreeMap::from([(SYS_clone3, Vec::new())]), ENOSYS)
}

fn compiled(rules: BTreeMap<c_long, Vec<SeccompRule>>, answer: c_int) -> Option<BpfProgram> {
    let processor = match () {
        () if cfg!(target_arch = "x86_64") => TargetArch::x86_64,
        () if cfg!(target_arch = "aarch64") => TargetArch::aarch64,
        () if cfg!(target_arch = "riscv64") => TargetArch::riscv64,
        () => return None,
    };
    SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(answer as u32), processor).ok()?.try_into().ok()
}
