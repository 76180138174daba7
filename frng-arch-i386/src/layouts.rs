//! Layouts: the structures of `arch/x86/include/uapi/asm/stat.h` for `__i386__`, filled as `fs/stat.c` does
//! (`cp_new_stat`, `cp_new_stat64`, `cp_old_stat`) and, under a 64-bit kernel, `cp_compat_stat` and
//! `arch/x86/kernel/sys_ia32.c: cp_stat64`.

use frng_core::arch::StatBytes;
use frng_core::call::Sys;
use frng_core::errno::Errno;
use frng_core::stat::{Statx, make_dev};

/// Bytes of a pointer, of a `long` and of an auxv word.
pub const WORD_LEN: usize = 4;

/// Bytes of a `struct stat`.
pub const STAT_LEN: usize = 64;
/// Bytes of a `struct stat64`.
pub const STAT64_LEN: usize = 96;
/// Bytes of a `struct __old_kernel_stat`.
pub const OLDSTAT_LEN: usize = 32;

/// What 16-bit ids show for an id that does not fit: `/proc/sys/kernel/overflowuid`, taken to be the kernel's default.
const OVERFLOW_ID: u16 = 65534;

/// The structure of stat, of stat64 or of oldstat and their relatives.
///
/// # Errors
/// `EOVERFLOW` if inode number, number of links or size do not fit; `ENOSYS` for a call that fills none of them.
pub fn encode_stat(sys: Sys, stat: &Statx, out: &mut StatBytes) -> Result<usize, Errno> {
    out.fill(0);
    match sys {
        Sys::Stat | Sys::Lstat | Sys::Fstat => encode_new(stat, out),
        Sys::Stat64 | Sys::Lstat64 | Sys::Fstat64 | Sys::Fstatat64 => Ok(encode_64(stat, out)),
        Sys::Oldstat | Sys::Oldlstat | Sys::Oldfstat => encode_old(stat, out),
        _ => Err(Errno::ENOSYS),
    }
}

/// `struct stat`. Times are cut to 32 bits.
fn encode_new(stat: &Statx, out: &mut StatBytes) -> Result<usize, Errno> {
    put_u32(out, 0, make_dev(stat.dev_major, stat.dev_minor) as u32);
    put_u32(out, 4, fitting(stat.ino)?);
    put_u16(out, 8, stat.mode);
    put_u16(out, 10, fitting(stat.nlink)?);
    put_u16(out, 12, narrowed(stat.uid));
    put_u16(out, 14, narrowed(stat.gid));
    put_u32(out, 16, stat.rdev() as u32);
    // MAX_NON_LFS: sizes are signed.
    put_u32(out, 20, fitting::<i32, _>(stat.size)? as u32);
    put_u32(out, 24, stat.blksize);
    put_u32(out, 28, stat.blocks as u32);
    for (offset, time) in [(32, &stat.atime), (40, &stat.mtime), (48, &stat.ctime)] {
        put_u32(out, offset, time.sec as u32);
        put_u32(out, offset + 4, time.nsec);
    }
    // 56: two unused words.
    Ok(STAT_LEN)
}

/// `struct stat64`: everything fits but times, which are cut to 32 bits. A 64-bit kernel leaves the padding as it is, a
/// 32-bit kernel clears it; so is it here.
fn encode_64(stat: &Statx, out: &mut StatBytes) -> usize {
    put_u64(out, 0, make_dev(stat.dev_major, stat.dev_minor));
    // 8: padding.
    put_u32(out, 12, stat.ino as u32);
    put_u32(out, 16, u32::from(stat.mode));
    put_u32(out, 20, stat.nlink);
    put_u32(out, 24, stat.uid);
    put_u32(out, 28, stat.gid);
    put_u64(out, 32, stat.rdev());
    // 40: padding.
    put_u64(out, 44, stat.size);
    put_u32(out, 52, stat.blksize);
    put_u64(out, 56, stat.blocks);
    for (offset, time) in [(64, &stat.atime), (72, &stat.mtime), (80, &stat.ctime)] {
        put_u32(out, offset, time.sec as u32);
        put_u32(out, offset + 4, time.nsec);
    }
    put_u64(out, 88, stat.ino);
    STAT64_LEN
}

/// `struct __old_kernel_stat`. Device numbers, sizes and times are cut; a 32-bit kernel refuses a large size instead.
fn encode_old(stat: &Statx, out: &mut StatBytes) -> Result<usize, Errno> {
    put_u16(out, 0, old_dev(stat.dev_major, stat.dev_minor));
    put_u16(out, 2, fitting(stat.ino)?);
    put_u16(out, 4, stat.mode);
    put_u16(out, 6, fitting(stat.nlink)?);
    put_u16(out, 8, narrowed(stat.uid));
    put_u16(out, 10, narrowed(stat.gid));
    put_u16(out, 12, old_dev(stat.rdev_major, stat.rdev_minor));
    // 14: padding.
    put_u32(out, 16, stat.size as u32);
    put_u32(out, 20, stat.atime.sec as u32);
    put_u32(out, 24, stat.mtime.sec as u32);
    put_u32(out, 28, stat.ctime.sec as u32);
    Ok(OLDSTAT_LEN)
}

/// A value in a field that may be too small for it.
fn fitting<To, From>(value: From) -> Result<To, Errno>
where
    To: TryFrom<From>,
{
    To::try_from(value).map_err(|_| Errno::EOVERFLOW)
}

/// `high2lowuid` (`include/linux/highuid.h`).
fn narrowed(id: u32) -> u16 {
    u16::try_from(id).unwrap_or(OVERFLOW_ID)
}

/// `old_encode_dev` (`include/linux/kdev_t.h`), cut to the field.
fn old_dev(major: u32, minor: u32) -> u16 {
    ((major << 8) | minor) as u16
}

fn put_u16(out: &mut StatBytes, offset: usize, value: u16) {
    if let Some(bytes) = out.get_mut(offset..offset + 2) {
        bytes.copy_from_slice(&value.to_le_bytes());
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;
    use zerocopy::FromZeros;

    /// What fits into all structures.
    fn small() -> Statx {
        let mut stat = Statx::new_zeroed();
        (stat.ino, stat.nlink, stat.size) = (7, 1, 5);
        stat
    }

    fn encoded(sys: Sys, stat: &Statx) -> Result<Vec<u8>, Errno> {
        let mut out = [0xaa; 256];
        encode_stat(sys, stat, &mut out).map(|len| out[..len].to_vec())
    }

    #[test]
    fn what_does_not_fit_is_refused_as_by_the_kernel() {
        let changed = |change: fn(&mut Statx)| {
            let mut stat = small();
            change(&mut stat);
            [Sys::Stat, Sys::Stat64, Sys::Oldstat].map(|sys| encoded(sys, &stat).is_ok())
        };
        assert_eq!(changed(|stat| stat.size = 0x7fff_ffff), [true, true, true]);
        assert_eq!(changed(|stat| stat.size = 0x8000_0000), [false, true, true]);
        assert_eq!(changed(|stat| stat.nlink = 0xffff), [true, true, true]);
        assert_eq!(changed(|stat| stat.nlink = 0x1_0000), [false, true, false]);
        assert_eq!(changed(|stat| stat.ino = 0x1_0000), [true, true, false]);
        assert_eq!(changed(|stat| stat.ino = 0x1_0000_0000), [false, true, false]);
    }

    #[test]
    fn a_call_that_fills_no_struct_stat_is_refused() {
        assert_eq!(encoded(Sys::Statx, &small()), Err(Errno::ENOSYS));
        assert_eq!(encoded(Sys::Newfstatat, &small()), Err(Errno::ENOSYS));
    }
}
