//! Layouts: the structures of `arch/arm/include/uapi/asm/stat.h`, filled as `fs/stat.c` does (`cp_new_stat64`; under a
//! 64-bit kernel, which has them in `arch/arm64/include/asm/{stat,compat}.h`, `cp_compat_stat`).

use frng_core::arch::StatBytes;
use frng_core::call::Sys;
use frng_core::errno::Errno;
use frng_core::stat::{Statx, make_dev};

/// Bytes of a pointer, of a `long` and of an auxv word.
pub const WORD_LEN: usize = 4;

/// Bytes of a `struct stat`.
pub const STAT_LEN: usize = 64;
/// Bytes of a `struct stat64`.
pub const STAT64_LEN: usize = 104;

/// What 16-bit ids show for an id that does not fit: `/proc/sys/kernel/overflowuid`, taken to be the kernel's default.
const OVERFLOW_ID: u16 = 65534;

/// The structure of stat or of stat64 and their relatives.
///
/// # Errors
/// `EOVERFLOW` if inode number, number of links or size do not fit; `ENOSYS` for a call that fills none of them.
pub fn encode_stat(sys: Sys, stat: &Statx, out: &mut StatBytes) -> Result<usize, Errno> {
    out.fill(0);
    match sys {
        Sys::Stat | Sys::Lstat | Sys::Fstat => encode_new(stat, out),
        Sys::Stat64 | Sys::Lstat64 | Sys::Fstat64 | Sys::Fstatat64 => Ok(encode_64(stat, out)),
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

/// `struct stat64`: everything fits but times, which are cut to 32 bits. Values of 64 bits are aligned to as many.
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
    put_u64(out, 48, stat.size);
    put_u32(out, 56, stat.blksize);
    // 60: padding.
    put_u64(out, 64, stat.blocks);
    for (offset, time) in [(72, &stat.atime), (80, &stat.mtime), (88, &stat.ctime)] {
        put_u32(out, offset, time.sec as u32);
        put_u32(out, offset + 4, time.nsec);
    }
    put_u64(out, 96, stat.ino);
    STAT64_LEN
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
            [Sys::Stat, Sys::Stat64].map(|sys| encoded(sys, &stat).is_ok())
        };
        assert_eq!(changed(|stat| stat.size = 0x7fff_ffff), [true, true]);
        assert_eq!(changed(|stat| stat.size = 0x8000_0000), [false, true]);
        assert_eq!(changed(|stat| stat.nlink = 0xffff), [true, true]);
        assert_eq!(changed(|stat| stat.nlink = 0x1_0000), [false, true]);
        assert_eq!(changed(|stat| stat.ino = 0xffff_ffff), [true, true]);
        assert_eq!(changed(|stat| stat.ino = 0x1_0000_0000), [false, true]);
    }

    #[test]
    fn a_call_that_fills_none_of_them_is_refused() {
        assert_eq!(encoded(Sys::Statx, &small()), Err(Errno::ENOSYS));
        assert_eq!(encoded(Sys::Newfstatat, &small()), Err(Errno::ENOSYS));
    }
}
