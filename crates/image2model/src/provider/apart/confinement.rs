//! What a child takes from itself before it reads anything.
//!
//! Limits come first: no core files, no file written, no descriptor opened, and a bound to its memory and its time on a
//! processor. On Linux a filter of system calls follows, for all its threads and for good: memory, its two pipes and its
//! own end are left, and everything else (files, sockets, processes, threads, other processes' memory) is refused.

use std::io;
#[cfg(unix)]
use std::sync::Arc;

/// What a child may take at most, whatever its single tasks are granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of memory; a task is granted less.
    pub memory: u64,
    /// Seconds on a processor, a net under the parent's clock; `None` is no bound.
    pub processor: Option<u64>,
}

/// Confines this process. True when its system calls are filtered, which only Linux on 64 bits does.
///
/// # Errors
/// A limit or the filter is refused: nothing untrusted may be read then.
pub(super) fn confine(bounds: Bounds) -> io::Result<bool> {
    #[cfg(unix)]
    {
        be_deaf()?;
        limit(bounds)?;
    }
    #[cfg(not(unix))]
    let _ = bounds;
    filter()
}

/// When a whole service is asked to end, its parent drains; this process ends when the parent has no more use for it.
#[cfg(unix)]
fn be_deaf() -> io::Result<()> {
    use signal_hook::{consts::TERM_SIGNALS, flag::register};

    for signal in TERM_SIGNALS {
        register(*signal, Arc::default())?;
    }
    Ok(())
}

#[cfg(unix)]
fn limit(bounds: Bounds) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};

    let limits = [
        (Resource::Core, Some(0)),
        (Resource::Fsize, Some(0)),
        // Input, output and errors are open already.
        (Resource::Nofile, Some(3)),
        (Resource::Cpu, bounds.processor),
        // Where a system counts only the old heap by this, it is no bound, but does no harm.
        (Resource::Data, Some(bounds.memory)),
    ];
    for (resource, most) in limits {
        let Some(most) = most else { continue };
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        setrlimit(resource, limit)?;
    }
    Ok(())
}

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
fn filter() -> io::Result<bool> {
    Ok(false)
}

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
fn filter() -> io::Result<bool> {
    use seccompiler::{TargetArch, apply_filter_all_threads};

    let Ok(here) = TargetArch::try_from(std::env::consts::ARCH) else {
        return Ok(false);
    };
    let filter = calls::filter(here).map_err(io::Error::other)?;
    apply_filter_all_threads(&filter).map_err(io::Error::other)?;
    Ok(true)
}

/// The system calls that are left.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod calls {
    use seccompiler::{
        BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
        SeccompFilter, SeccompRule, TargetArch,
    };

    /// Allowed with any arguments.
    const FREE: [i64; 24] = [
        // The pipes.
        libc::SYS_read,
        libc::SYS_write,
        libc::SYS_writev,
        libc::SYS_close,
        // Memory.
        libc::SYS_brk,
        libc::SYS_madvise,
        libc::SYS_mremap,
        libc::SYS_munmap,
        // The two threads.
        libc::SYS_futex,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sched_getaffinity,
        libc::SYS_sched_yield,
        libc::SYS_sigaltstack,
        // Names of its own, and chance for its tables.
        libc::SYS_getpid,
        libc::SYS_getrandom,
        libc::SYS_gettid,
        // Time, where the kernel's page does not tell it.
        libc::SYS_clock_gettime,
        libc::SYS_clock_nanosleep,
        libc::SYS_nanosleep,
        // The end.
        libc::SYS_exit,
        libc::SYS_exit_group,
        libc::SYS_restart_syscall,
        libc::SYS_set_robust_list,
    ];

    /// # Errors
    /// A rule is none, which a test would have shown.
    pub(super) fn filter(here: TargetArch) -> Result<BpfProgram, BackendError> {
        let mut rules: Vec<(i64, Vec<SeccompRule>)> =
            FREE.into_iter().map(|call| (call, Vec::new())).collect();
        // What is written to is never run.
        for call in [libc::SYS_mmap, libc::SYS_mprotect] {
            let not_run = SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64);
            rules.push((call, vec![only(2, not_run, 0)?]));
        }
        // An abort signals itself; nobody else is signalled.
        let own = u64::from(std::process::id());
        rules.push((libc::SYS_tgkill, vec![only(0, SeccompCmpOp::Eq, own)?]));
        SeccompFilter::new(
            rules.into_iter().collect(),
            SeccompAction::Errno(libc::EPERM as u32),
            SeccompAction::Allow,
            here,
        )?
        .try_into()
    }

    fn only(argument: u8, is: SeccompCmpOp, value: u64) -> Result<SeccompRule, BackendError> {
        let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, is, value)?;
        SeccompRule::new(vec![condition])
    }
}

#[cfg(test)]
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod tests {
    use std::{
        fs::{self, File},
        net::{TcpListener, TcpStream, UdpSocket},
        os::unix::net::UnixStream,
        process::Command,
        thread,
    };

    use seccompiler::apply_filter;

    use super::*;

    type Try = fn() -> io::Result<()>;

    /// Which of these the filter did not refuse with EPERM. A filter holds for the thread that takes it.
    fn let_through() -> Vec<&'static str> {
        let tries: [(&str, Try); 9] = [
            ("to read a file", || File::open("/etc/passwd").map(drop)),
            ("to write a file", || fs::write("/tmp/forbidden", "")),
            ("to list a folder", || fs::read_dir("/").map(drop)),
            ("to listen", || TcpListener::bind("127.0.0.1:0").map(drop)),
            ("to connect", || TcpStream::connect("127.0.0.1:9").map(drop)),
            ("to send", || UdpSocket::bind("127.0.0.1:0").map(drop)),
            ("to connect two", || UnixStream::pair().map(drop)),
            ("to start a program", || {
                Command::new("/bin/true").spawn().map(drop)
            }),
            ("to start a thread", || {
                thread::Builder::new().spawn(|| ()).map(drop)
            }),
        ];
        let refused = |done: io::Result<()>| {
            done.is_err_and(|error| error.raw_os_error() == Some(libc::EPERM))
        };
        tries
            .into_iter()
            .filter(|(_, attempt)| !refused(attempt()))
            .map(|(what, _)| what)
            .collect()
    }

    #[test]
    fn files_sockets_programs_and_threads_are_refused() {
        assert!(!let_through().is_empty(), "this test itself may do more");
        let here = std::env::consts::ARCH.try_into().unwrap();
        let filter = calls::filter(here).unwrap();
        let confined = thread::spawn(move || {
            apply_filter(&filter).unwrap();
            // What is left: memory and the end of a thread.
            let memory = vec![1_u8; 100 << 20];
            (let_through(), memory.len())
        });
        let (let_through, memory) = confined.join().unwrap();
        assert!(let_through.is_empty(), "not refused: {let_through:?}");
        assert_eq!(memory, 100 << 20);
    }
}
