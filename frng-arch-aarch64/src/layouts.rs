//! Layouts: `struct stat` of `include/uapi/asm-generic/stat.h`, filled as `fs/stat.c: cp_new_stat` does.

use frng_core::arch::{Related, StatBytes};
use frng_core::call::Sys;
use frng_core::errno::Errno;
use frng_core::stat::{Statx, Timestamp, make_dev};

/// Bytes of a pointer, of a `long` and of an auxv word.
pub const WORD_LEN: usize = 8;

/// `AUDIT_ARCH_ARM`: 32-bit programs, which some cores execute.
pub const RELATED: &[Related] = &[Related { audit_arch: 0x4000_0028, name: "arm", getpid: None }];

/// Bytes of a `struct stat`.
pub const STAT_LEN: usize = 128;

/// The `struct stat` of fstat and newfstatat: both fill the same one. Every value fits.
///
/// # Errors
/// `ENOSYS` for a call that fills none.
pub fn encode_stat(sys: Sys, stat: &Statx, out: &mut StatBytes) -> Result<usize, Errno> {
    if !matches!(sys, Sys::Fstat | Sys::Newfstatat) {
        return Err(Errno::ENOSYS);
    }
    out.fill(0);
    put_u64(out, 0, make_dev(stat.dev_major, stat.dev_minor));
    put_u64(out, 8, stat.ino);
    put_u32(out, 16, u32::from(stat.mode));
    put_u32(out, 20, stat.nlink);
    put_u32(out, 24, stat.uid);
    put_u32(out, 28, stat.gid);
    put_u64(out, 32, stat.rdev());
    // 40: padding.
    put_u64(out, 48, stat.size);
    put_u32(out, 56, stat.blksize);
    // 60: padding.
    put_u64(out, 64, stat.blocks);
    put_time(out, 72, &stat.atime);
    put_time(out, 88, &stat.mtime);
    put_time(out, 104, &stat.ctime);
    // 120: two unused halves.
    Ok(STAT_LEN)
}

fn put_u32(out: &mut StatBytes, offset: usize, value: u32) {
    if let Some(bytes) = out.get_mut(offset..offset + 4) {
        bytes.copy_from_slice(&value.to_le_bytes());
    }
}

fn put_u64(out: &mut StatBytes, offset: usize, value: u64) {
    if let Some(bytes) = out.get_mut(offset..offset + 8) {
        bytes.copy_from_slice(&value.to_le_bytes());
    }
}

fn put_time(out: &mut StatBytes, offset: usize, time: &Timestamp) {
    put_u64(out, offset, time.sec as u64);
    put_u64(out, offset + 8, u64::from(time.nsec));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_fills_no_struct_stat_is_refused() {
        let zeros = zerocopy::FromZeros::new_zeroed();
        assert_eq!(encode_stat(Sys::Statx, &zeros, &mut [0; 256]), Err(Errno::ENOSYS));
    }
}
