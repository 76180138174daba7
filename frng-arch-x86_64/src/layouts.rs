//! Layouts: `struct stat` of `arch/x86/include/uapi/asm/stat.h`, filled as `fs/stat.c: cp_new_stat` does.

use frng_core::arch::{Related, StatBytes};
use frng_core::call::Sys;
use frng_core::errno::Errno;
use frng_core::stat::{Statx, Timestamp, make_dev};

/// Bytes of a pointer, of a `long` and of an auxv word.
pub const WORD_LEN: usize = 8;

/// 32-bit programs, which `CONFIG_IA32_EMULATION` and `CONFIG_X86_X32_ABI` run. The files of the latter have this
/// machine and 32 bits (`arch/x86/include/asm/elf.h: elf_check_arch_ia32, compat_elf_check_arch`).
pub const RELATED: &[Related] = &[
    Related { audit_arch: 0x4000_0003, name: "i386", getpid: None },
    // `__X32_SYSCALL_BIT` and the number of getpid.
    Related { audit_arch: 0x4000_003e, name: "x32", getpid: Some(0x4000_0000 + 39) },
];

/// Bytes of a `struct stat`.
pub const STAT_LEN: usize = 144;

/// The `struct stat` of stat, lstat, fstat and newfstatat: all four fill the same one. Every value fits.
///
/// # Errors
/// `ENOSYS` for a call that fills none.
pub fn encode_stat(sys: Sys, stat: &Statx, out: &mut StatBytes) -> Result<usize, Errno> {
    if !matches!(sys, Sys::Stat | Sys::Lstat | Sys::Fstat | Sys::Newfstatat) {
        return Err(Errno::ENOSYS);
    }
    out.fill(0);
    put_u64(out, 0, make_dev(stat.dev_major, stat.dev_minor));
    put_u64(out, 8, stat.ino);
    put_u64(out, 16, u64::from(stat.nlink));
    put_u32(out, 24, u32::from(stat.mode));
    put_u32(out, 28, stat.uid);
    put_u32(out, 32, stat.gid);
    // 36: padding.
    put_u64(out, 40, stat.rdev());
    put_u64(out, 48, stat.size);
    put_u64(out, 56, u64::from(stat.blksize));
    put_u64(out, 64, stat.blocks);
    put_time(out, 72, &stat.atime);
    put_time(out, 88, &stat.mtime);
    put_time(out, 104, &stat.ctime);
    // 120: three unused words.
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
    use zerocopy::FromZeros;

    #[test]
    fn a_call_that_fills_no_struct_stat_is_refused() {
        let mut out = [0; 256];
        assert_eq!(encode_stat(Sys::Statx, &Statx::new_zeroed(), &mut out), Err(Errno::ENOSYS));
    }

    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    fn encoded(stat: &Statx) -> [u8; STAT_LEN] {
        let mut out = [0xaa; 256];
        assert_eq!(encode_stat(Sys::Newfstatat, stat, &mut out), Ok(STAT_LEN));
        out[..STAT_LEN].try_into().unwrap()
    }

    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    #[test]
    fn the_hosts_kernel_fills_the_same_bytes() {
        use std::ffi::CStr;
        for path in [c"/", c"/dev/null", c"/dev/tty", c"/proc/self/exe", c"/proc/version", c"/usr/bin/env"] {
            let mut stat = Statx::new_zeroed();
            let mut theirs = [0xaau8; STAT_LEN];
            // SAFETY: the path is terminated, the buffers are as long as the kernel's structures.
            let results = unsafe {
                let path: &CStr = path;
                let (at, mask) = (libc::AT_FDCWD, libc::STATX_BASIC_STATS);
                let statx = &raw mut stat;
                [
                    libc::syscall(libc::SYS_statx, at, path.as_ptr(), libc::AT_SYMLINK_NOFOLLOW, mask, statx),
                    libc::syscall(
                        libc::SYS_newfstatat,
                        at,
                        path.as_ptr(),
                        theirs.as_mut_ptr(),
                        libc::AT_SYMLINK_NOFOLLOW,
                    ),
                ]
            };
            if results != [0, 0] {
                continue;
            }
            assert_eq!(encoded(&stat), theirs, "{path:?}");
        }
    }
}
