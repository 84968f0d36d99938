//! Memory for what is large: lines of megabytes that others print. It comes from the system itself and
//! goes back to it at once. The C library keeps what it has freed for later, and copies what grows: a
//! host whose connectors print a few long lines would keep many times their size.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;

/// Bytes from which on memory is the system's own.
const LARGE: usize = 1024 * 1024;

/// Whatever alignment anybody asks for; the system's pages are as large at least.
const PAGE: usize = 4096;

/// The allocator of everything in Rust.
struct Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// Whether this memory is the system's own. A layout says, and those who give memory back know it.
fn is_large(layout: Layout) -> bool {
    layout.size() >= LARGE && layout.align() <= PAGE
}

/// Pages that nobody has written to.
fn map(size: usize) -> *mut u8 {
    let rights = libc::PROT_READ | libc::PROT_WRITE;
    let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a new mapping, wherever there is room.
    let pages = unsafe { libc::mmap(ptr::null_mut(), size, rights, kind, -1, 0) };
    if pages == libc::MAP_FAILED { ptr::null_mut() } else { pages.cast() }
}

// SAFETY: each piece of memory is given back to where its layout says that it came from; where a
// change of size moves it from one to the other, it is copied.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        if is_large(layout) { map(layout.size()) } else { unsafe { System.alloc(layout) } }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        if is_large(layout) { map(layout.size()) } else { unsafe { System.alloc_zeroed(layout) } }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe {
            if is_large(layout) {
                libc::munmap(memory.cast(), layout.size());
            } else {
                System.dealloc(memory, layout);
            }
        }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises, the new layout is one.
        unsafe {
            let new = Layout::from_size_align_unchecked(size, layout.align());
            match (is_large(layout), is_large(new)) {
                (true, true) => {
                    let moved = libc::mremap(memory.cast(), layout.size(), size, libc::MREMAP_MAYMOVE);
                    if moved == libc::MAP_FAILED { ptr::null_mut() } else { moved.cast() }
                }
                (false, false) => System.realloc(memory, layout, size),
                _ => {
                    let moved = self.alloc(new);
                    if !moved.is_null() {
                        ptr::copy_nonoverlapping(memory, moved, layout.size().min(size));
                        self.dealloc(memory, layout);
                    }
                    moved
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of a mapping's pages that are in memory, by its first page.
    fn resident(memory: *const u8) -> bool {
        let page = memory as usize & !(PAGE - 1);
        let mut state = 0_u8;
        // SAFETY: asks about a page, which need not be there.
        unsafe { libc::mincore(page as *mut _, 1, &raw mut state) == 0 }
    }

    #[test]
    fn what_is_large_goes_back_to_the_system_and_small_to_the_library() {
        let mut bytes: Vec<u8> = (0..=250).cycle().take(200_000).collect();
        for size in [LARGE - 1, LARGE, 3 * LARGE + 1, 40 * LARGE, LARGE, LARGE - 1, 5000, 2 * LARGE] {
            bytes.resize(size.max(5000), 7);
            bytes.shrink_to_fit();
            assert!(bytes[..5000].iter().copied().eq((0..=250).cycle().take(5000)), "{size}");
        }
        drop(bytes);
        // another thread may be given the same place at once
        let goes_back = || {
            let bytes = vec![7_u8; 2 * LARGE];
            let place = bytes.as_ptr();
            assert!(resident(place));
            drop(bytes);
            !resident(place)
        };
        assert!((0..100).any(|_| goes_back()), "it was kept");
        assert!(vec![0_u8; 2 * LARGE].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn odd_alignments_are_the_librarys() {
        let layout = Layout::from_size_align(2 * LARGE, 4 * PAGE).unwrap();
        // SAFETY: given back as it was asked for.
        unsafe {
            let memory = std::alloc::alloc(layout);
            assert!(!memory.is_null() && (memory as usize).is_multiple_of(4 * PAGE));
            std::alloc::dealloc(memory, layout);
        }
    }
}
