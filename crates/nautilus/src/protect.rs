//! Keeping keys out of core dumps, swap and other processes' reach, as far as the system allows it.
//!
//! A TEE's hardware keeps the host out of its memory; this keeps accidents out: a crash, a debugger, a swap file.

use std::io;

use nix::sys::mman::{MlockAllFlags, mlockall};
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};

/// What could be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protection {
    /// No core is dumped, and no process without privilege can read this one's memory.
    pub undumpable: bool,
    /// No page of this process goes to swap. Needs the right to lock memory without limit.
    pub locked: bool,
}

/// Forbids core dumps and tracing, and locks memory where allowed. To be called before any key is in memory, by a
/// process of its own.
///
/// # Errors
/// When the system refuses to forbid core dumps.
pub fn protect_process() -> io::Result<Protection> {
    // While the files in /proc are still this user's: were a core forced, no memory would be in it.
    std::fs::write("/proc/self/coredump_filter", b"0")?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    prctl::set_dumpable(false)?;
    let undumpable = !prctl::get_dumpable()?;
    Ok(Protection {
        undumpable,
        locked: lock_memory(),
    })
}

/// With a limit, locking what is mapped later would make mapping fail: then only the keys' own pages are locked.
fn lock_memory() -> bool {
    const NO_LIMIT: u64 = nix::libc::RLIM_INFINITY;
    // Pages are locked when they are first touched: nothing is brought into memory for it.
    let on_fault = MlockAllFlags::from_bits_retain(nix::libc::MCL_ONFAULT);
    let flags = MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE | on_fault;
    let unlimited = setrlimit(Resource::RLIMIT_MEMLOCK, NO_LIMIT, NO_LIMIT).is_ok();
    unlimited && mlockall(flags).is_ok()
}
