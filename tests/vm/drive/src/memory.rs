//! Memory that is shared with the kernel: the only unsafe code here.

#![expect(unsafe_code, reason = "memory that another party writes cannot be had in safe Rust")]

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::ptr::{copy_nonoverlapping, null_mut};
use std::sync::atomic::{AtomicU32, Ordering};

/// A shared mapping of a file or device. Every access is compared with its length; a place outside of it is an error, not a crash.
pub struct Memory {
    start: *mut u8,
    length: usize,
}

impl Memory {
    /// Maps the first `length` bytes of `file`. A regular file must be that long.
    pub fn map(file: &File, length: usize) -> io::Result<Self> {
        // SAFETY: the kernel chooses an unused place, so no memory that is in use is touched.
        let start = unsafe { mmap(null_mut(), length, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, file, 0)? };
        Ok(Self { start: start.cast(), length })
    }

    /// Copies bytes out, from `at` on.
    pub fn read(&self, at: usize, into: &mut [u8]) -> io::Result<()> {
        let from = self.place(at, into.len())?;
        // SAFETY: `place` has checked that the bytes lie in the mapping. `into` cannot overlap it, for no reference into the mapping
        // is ever made. The kernel does not write what it has handed over until the tail has moved past it; were it to do so, bytes
        // would be mixed, all of which are valid.
        unsafe { copy_nonoverlapping(from, into.as_mut_ptr(), into.len()) };
        Ok(())
    }

    /// Copies bytes in, from `at` on.
    pub fn write(&mut self, at: usize, from: &[u8]) -> io::Result<()> {
        let into = self.place(at, from.len())?;
        // SAFETY: as for `read`.
        unsafe { copy_nonoverlapping(from.as_ptr(), into, from.len()) };
        Ok(())
    }

    /// A number that the other side writes when all that it announces is written.
    pub fn acquire(&self, at: usize) -> io::Result<u32> {
        Ok(self.atomic(at)?.load(Ordering::Acquire))
    }

    /// Writes a number that announces all that was written before.
    pub fn release(&mut self, at: usize, value: u32) -> io::Result<()> {
        self.atomic(at)?.store(value, Ordering::Release);
        Ok(())
    }

    fn atomic(&self, at: usize) -> io::Result<&AtomicU32> {
        let place = self.place(at, size_of::<u32>())?.cast::<u32>();
        if !place.is_aligned() {
            return Err(io::Error::other(format!("no number can lie at {at} of the shared memory")));
        }
        // SAFETY: `place` lies in the mapping, is aligned, and lives as long as `self`. Both sides access the two numbers of the mailbox
        // as one word only.
        Ok(unsafe { AtomicU32::from_ptr(place) })
    }

    fn place(&self, at: usize, length: usize) -> io::Result<*mut u8> {
        if at.checked_add(length).is_none_or(|end| end > self.length) {
            return Err(io::Error::other(format!(
                "{length} bytes at {at} do not lie in the {} shared with the kernel",
                self.length
            )));
        }
        // SAFETY: just compared with the length of the mapping.
        Ok(unsafe { self.start.add(at) })
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: mapped by `map` with this length, and nothing that points into it outlives `self`. Nothing can be done if it fails.
        let _ = unsafe { munmap(self.start.cast::<c_void>(), self.length) };
    }
}
