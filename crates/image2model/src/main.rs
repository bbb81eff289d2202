use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    share_heaps();
    image2model::cli::main()
}

/// Lets threads share a few heaps. glibc gives each thread one of its own, up to eight for each core, and what
/// is freed in one is of no use to the others: a server's memory would grow with every thread that has ever worked.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "no safe call sets this")]
fn share_heaps() {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let heaps = i32::try_from(cores.div_ceil(4).max(2)).unwrap_or(2);
    // SAFETY: it changes a number that is read when a thread first allocates, and no other thread runs yet. An old
    // glibc that does not know it answers 0, and then all stays as it was.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, heaps);
    }
}
