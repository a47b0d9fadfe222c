//! How the process uses memory.

/// Makes the C library's allocator give memory back.
///
/// Left alone it keeps up to eight arenas a core and learns to keep buffers of the size of a block, so that a node
/// peaks a quarter higher than it needs. Must be called before the process has a second thread.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn give_memory_back() {
    /// One for the threads of the runtime, one for those that check signatures.
    const ARENAS: libc::c_int = 2;
    /// Buffers of this size and above come from the system and go back to it.
    const MAPPED_BYTES: libc::c_int = 128 << 10;
    // SAFETY: mallopt only sets two numbers of the allocator, and no other thread allocates yet. A number that it
    // refuses leaves the default.
    #[allow(unsafe_code)]
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, ARENAS);
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_BYTES);
    }
}

/// Makes the allocator give back, now and then, what lies free between blocks in use: opening many channels, and
/// every burst of work, leaves much of it behind, for which a node that is idle has no use.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn give_memory_back_regularly() {
    const INTERVAL: std::time::Duration = std::time::Duration::from_secs(20);
    std::thread::spawn(|| {
        loop {
            std::thread::sleep(INTERVAL);
            // SAFETY: malloc_trim locks what it works on, and touches no block that is in use.
            #[allow(unsafe_code)]
            unsafe {
                libc::malloc_trim(0);
            }
        }
    });
}

/// Other allocators are left as they are.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn give_memory_back_regularly() {}

/// Other allocators are left as they are.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn give_memory_back() {}
