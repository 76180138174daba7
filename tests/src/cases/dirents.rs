//! getdents: the type of an entry must be that of the lie.

use libc::{AT_FDCWD, S_IFBLK, S_IFCHR, S_IFIFO, S_IFREG, S_IFSOCK, makedev};

use super::cases;
use crate::stage::{dir, file, open_dir, open_rw, symlink};
use crate::sys::{self, BAD, errno};

cases![
    getdents64_tells_the_type_of_faked_nodes,
    getdents_tells_the_type_of_faked_nodes,
    getdents64_of_a_large_directory,
    getdents64_after_lseek_tells_all_again,
    getdents64_with_a_small_buffer,
    getdents_errors_are_the_kernels,
    type_is_gone_with_the_node,
    type_follows_a_rename,
    type_follows_a_hard_link,
];

fn one_of_each() {
    file(c"regular");
    dir(c"directory");
    symlink(c"regular", c"link");
    must!(mknodat(AT_FDCWD, c"null", S_IFCHR | 0o666, makedev(1, 3)));
    must!(mknodat(AT_FDCWD, c"disk", S_IFBLK | 0o660, makedev(8, 0)));
    must!(mknodat(AT_FDCWD, c"fifo", S_IFIFO | 0o644, 0));
    must!(mknodat(AT_FDCWD, c"socket", S_IFSOCK | 0o755, 0));
    must!(mknodat(AT_FDCWD, c"made", S_IFREG | 0o644, 0));
}

/// Every entry of an open directory with its type, sorted: `(name, DT_*)`.
fn read64(fd: i32, room: usize) -> sys::Result<Vec<(String, u8)>> {
    let mut entries = Vec::new();
    let mut buffer = vec![0u8; room];
    loop {
        let filled = quiet!(getdents64(fd, &mut buffer[..], room))?;
        if filled == 0 {
            break;
        }
        let mut rest = &buffer[..filled];
        while !rest.is_empty() {
            // struct linux_dirent64: ino 8, off 8, reclen 2, type 1, name.
            let length = usize::from(u16::from_ne_bytes([rest[16], rest[17]]));
            entries.push((name(&rest[19..length]), rest[18]));
            rest = &rest[length..];
        }
    }
    entries.sort();
    Ok(entries)
}

/// The same through the old call, which hides the type in the record's last byte.
fn read_old(fd: i32) -> sys::Result<Vec<(String, u8)>> {
    const WORD: usize = size_of::<usize>();
    let mut entries = Vec::new();
    let mut buffer = vec![0u8; 4096];
    loop {
        let filled = quiet!(getdents(fd, &mut buffer[..], 4096))?;
        if filled == 0 {
            break;
        }
        let mut rest = &buffer[..filled];
        while !rest.is_empty() {
            let length = usize::from(u16::from_ne_bytes([rest[2 * WORD], rest[2 * WORD + 1]]));
            entries.push((name(&rest[2 * WORD + 2..length - 1]), rest[length - 1]));
            rest = &rest[length..];
        }
    }
    entries.sort();
    Ok(entries)
}

fn name(field: &[u8]) -> String {
    let end = field.iter().position(|&b| b == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

fn tell(entries: sys::Result<Vec<(String, u8)>>) {
    match entries {
        Err(e) => println!("{}", errno::name(e)),
        Ok(entries) => {
            for (name, kind) in entries {
                let kind = match kind {
                    libc::DT_REG => "file",
                    libc::DT_DIR => "dir",
                    libc::DT_LNK => "link",
                    libc::DT_CHR => "char",
                    libc::DT_BLK => "block",
                    libc::DT_FIFO => "fifo",
                    libc::DT_SOCK => "socket",
                    libc::DT_UNKNOWN => "unknown",
                    _ => "???",
                };
                println!("{name}: {kind}");
            }
        }
    }
}

fn getdents64_tells_the_type_of_faked_nodes() {
    one_of_each();
    tell(read64(open_dir(c"."), 4096));
}

fn getdents_tells_the_type_of_faked_nodes() {
    one_of_each();
    tell(read_old(open_dir(c".")));
}

fn getdents64_of_a_large_directory() {
    for i in 0..300 {
        let path = std::ffi::CString::new(format!("node-{i:03}")).expect("no NUL");
        let kind = if i % 2 == 0 { S_IFCHR } else { S_IFBLK };
        must!(mknodat(AT_FDCWD, &*path, kind | 0o600, makedev(i, i)));
    }
    tell(read64(open_dir(c"."), 32768));
}

fn getdents64_after_lseek_tells_all_again() {
    one_of_each();
    let fd = open_dir(c".");
    println!("{:?}", read64(fd, 4096).map(|e| e.len()));
    println!("{:?}", read64(fd, 4096).map(|e| e.len()));
    must!(lseek(fd, 0, libc::SEEK_SET));
    tell(read64(fd, 4096));
}

fn getdents64_with_a_small_buffer() {
    one_of_each();
    tell(read64(open_dir(c"."), 32));
    tell(read64(open_dir(c"."), 8));
}

fn getdents_errors_are_the_kernels() {
    let fd = open_rw(c"f");
    let mut buffer = [0u8; 256];
    let _ = call!(getdents64(fd, &mut buffer, 256));
    let _ = call!(getdents64(-1, &mut buffer, 256));
    let _ = call!(getdents64(open_dir(c"."), BAD, 256));
    let _ = call!(getdents(fd, &mut buffer, 256));
    let _ = call!(getdents(open_dir(c"."), BAD, 256));
}

fn type_is_gone_with_the_node() {
    must!(mknodat(AT_FDCWD, c"n", S_IFCHR | 0o666, makedev(1, 3)));
    must!(unlinkat(AT_FDCWD, c"n", 0));
    file(c"n");
    tell(read64(open_dir(c"."), 4096));
}

fn type_follows_a_rename() {
    dir(c"d");
    must!(mknodat(AT_FDCWD, c"n", S_IFBLK | 0o666, makedev(1, 3)));
    must!(renameat2(AT_FDCWD, c"n", AT_FDCWD, c"d/m", 0));
    tell(read64(open_dir(c"d"), 4096));
}

fn type_follows_a_hard_link() {
    must!(mknodat(AT_FDCWD, c"a", S_IFBLK | 0o666, makedev(1, 3)));
    must!(linkat(AT_FDCWD, c"a", AT_FDCWD, c"b", 0));
    must!(unlinkat(AT_FDCWD, c"a", 0));
    tell(read64(open_dir(c"."), 4096));
}
