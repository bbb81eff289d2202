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
    const FREE: &[i64] = &[
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
    ];

    /// # Errors
    /// A rule is none, which a test would have shown.
    pub(super) fn filter(here: TargetArch) -> Result<BpfProgram, BackendError> {
        let mut rules: Vec<(i64, Vec<SeccompRule>)> =
            FREE.iter().map(|call| (*call, Vec::new())).collect();
        // Its pipes, and nothing else that it may have inherited.
        rules.push((libc::SYS_read, vec![all([is(0, 0)?])?]));
        for call in [libc::SYS_write, libc::SYS_writev] {
            rules.push((call, vec![all([is(0, 1)?])?, all([is(0, 2)?])?]));
        }
        rules.push((libc::SYS_close, Vec::new()));
        // Memory of no file, and never run.
        let (run, anonymous) = (libc::PROT_EXEC as u64, libc::MAP_ANONYMOUS as u64);
        let (not_run, of_no_file) = (masked(2, run, 0)?, masked(3, anonymous, anonymous)?);
        rules.push((libc::SYS_mmap, vec![all([not_run.clone(), of_no_file])?]));
        rules.push((libc::SYS_mprotect, vec![all([not_run])?]));
        // An abort signals itself; nobody else is signalled.
        let own = u64::from(std::process::id());
        rules.push((libc::SYS_tgkill, vec![all([is(0, own)?])?]));
        SeccompFilter::new(
            rules.into_iter().collect(),
            SeccompAction::Errno(libc::EPERM as u32),
            SeccompAction::Allow,
            here,
        )?
        .try_into()
    }

    fn all<const N: usize>(conditions: [SeccompCondition; N]) -> Result<SeccompRule, BackendError> {
        SeccompRule::new(conditions.into())
    }

    fn is(argument: u8, value: u64) -> Result<SeccompCondition, BackendError> {
        let length = SeccompCmpArgLen::Dword;
        SeccompCondition::new(argument, length, SeccompCmpOp::Eq, value)
    }

    fn masked(argument: u8, mask: u64, value: u64) -> Result<SeccompCondition, BackendError> {
        let length = SeccompCmpArgLen::Dword;
        SeccompCondition::new(argument, length, SeccompCmpOp::MaskedEq(mask), value)
    }
}

#[cfg(test)]
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod tests {
    use std::{
        fs::{self, File},
        io::Read as _,
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
        let mut open_before = File::open("/etc/passwd").unwrap();
        let confined = thread::spawn(move || {
            apply_filter(&filter).unwrap();
            // What is left: memory and the end of a thread.
            let memory = vec![1_u8; 100 << 20];
            let inherited = open_before.read(&mut [0; 8]);
            (let_through(), memory.len(), inherited)
        });
        let (let_through, memory, inherited) = confined.join().unwrap();
        assert!(let_through.is_empty(), "not refused: {let_through:?}");
        assert_eq!(memory, 100 << 20);
        assert_eq!(inherited.unwrap_err().raw_os_error(), Some(libc::EPERM));
    }
}
