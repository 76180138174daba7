//! Writing by io_submit(2), which takes set-ID bits as write(2) does (see `dropped`).

use std::ffi::CStr;

use libc::{AT_FDCWD, O_RDONLY, O_RDWR, O_WRONLY};

use super::cases;
use super::dropped::set_id_files;
use crate::seen::show;
use crate::stage::{as_user, in_child};
use crate::sys::{BAD, NULL, ok_or_errno, try_};

cases![
    a_request_to_write_clears_suid,
    a_request_to_write_parts_clears_suid,
    requests_of_root_leave_suid,
    requests_that_do_not_write_leave_suid,
    requests_to_write_nothing_leave_suid,
    a_request_to_write_from_nowhere_clears_suid,
    requests_behind_a_bad_one_are_not_done,
    requests_that_cannot_be_read,
    requests_without_fsetid_clear_suid,
];

/// `IOCB_CMD_*` (`include/uapi/linux/aio_abi.h`).
const PREAD: u64 = 0;
const PWRITE: u64 = 1;
const FSYNC: u64 = 2;
const PWRITEV: u64 = 8;

/// A `struct iocb`.
type Request = [u64; 8];

fn request(opcode: u64, fd: i32, from: usize, count: u64) -> Request {
    [0, 0, opcode | (fd as u32 as u64) << 32, from as u64, count, 0, 0, 0]
}

fn text() -> usize {
    c"text".as_ptr() as usize
}

fn opened(name: &CStr, flags: i32) -> i32 {
    must!(openat(AT_FDCWD, name, flags, 0)) as i32
}

/// Has all requests done at once, and tells what came of it.
fn submit(requests: &[Request]) {
    let mut context = 0usize;
    must!(io_setup(16, &mut context));
    let pointers: Vec<usize> = requests.iter().map(|request| request.as_ptr() as usize).collect();
    if let Ok(taken) = try_("io_submit", quiet!(io_submit(context, pointers.len(), &pointers[..]))) {
        let mut events = [[0u64; 4]; 16];
        must!(io_getevents(context, taken, 16, &mut events, NULL));
        let mut results: Vec<i64> = events.iter().take(taken).map(|event| event[2] as i64).collect();
        results.sort_unstable();
        println!("results: {results:?}");
    }
    must!(io_destroy(context));
}

/// One request for each file with set-ID bits, of `uid`.
fn to_each_as(uid: u32, flags: i32, request: impl Fn(i32) -> Request) {
    let files = set_id_files();
    as_user(uid, || {
        let requests: Vec<Request> = files.iter().map(|name| request(opened(name, flags))).collect();
        submit(&requests);
        files.iter().for_each(|name| show(name));
    });
    files.iter().for_each(|name| show(name));
}

fn a_request_to_write_clears_suid() {
    to_each_as(1000, O_WRONLY, |fd| request(PWRITE, fd, text(), 4));
    to_each_as(1001, O_RDWR, |fd| request(PWRITE, fd, text(), 1));
}

fn a_request_to_write_parts_clears_suid() {
    let parts = [text(), 0, text(), 0, text(), 2];
    to_each_as(1000, O_WRONLY, |fd| request(PWRITEV, fd, parts.as_ptr() as usize, 3));
}

fn requests_of_root_leave_suid() {
    to_each_as(0, O_WRONLY, |fd| request(PWRITE, fd, text(), 4));
}

fn requests_that_do_not_write_leave_suid() {
    let mut buffer = [0u8; 4];
    let to = buffer.as_mut_ptr() as usize;
    to_each_as(1000, O_RDONLY, |fd| request(PREAD, fd, to, 4));
    to_each_as(1000, O_WRONLY, |fd| request(FSYNC, fd, NULL, 0));
    to_each_as(1000, O_RDONLY, |fd| request(PWRITE, fd, text(), 4));
}

fn requests_to_write_nothing_leave_suid() {
    let parts = [text(), 0, text(), 0];
    to_each_as(1000, O_WRONLY, |fd| request(PWRITE, fd, text(), 0));
    to_each_as(1000, O_WRONLY, |fd| request(PWRITEV, fd, parts.as_ptr() as usize, 0));
    to_each_as(1000, O_WRONLY, |fd| request(PWRITEV, fd, parts.as_ptr() as usize, 2));
}

/// The bits go before anything is written.
fn a_request_to_write_from_nowhere_clears_suid() {
    to_each_as(1000, O_WRONLY, |fd| request(PWRITE, fd, BAD, 4));
    to_each_as(1000, O_WRONLY, |fd| request(PWRITEV, fd, BAD, 1));
}

fn requests_behind_a_bad_one_are_not_done() {
    let files = set_id_files();
    as_user(1000, || {
        let fds = files.map(|name| opened(name, O_WRONLY));
        let requests = [fds[0], 77, fds[1]].map(|fd| request(PWRITE, fd, text(), 4));
        submit(&requests);
        files.iter().for_each(|name| show(name));
        let mut before = request(PWRITE, fds[2], text(), 4);
        before[5] = u64::MAX;
        submit(&[before, request(PWRITE, fds[1], text(), 4)]);
    });
    files.iter().for_each(|name| show(name));
}

fn requests_that_cannot_be_read() {
    let files = set_id_files();
    as_user(1000, || {
        let mut context = 0usize;
        must!(io_setup(16, &mut context));
        let good = request(PWRITE, opened(files[0], O_WRONLY), text(), 4);
        let pointers = [good.as_ptr() as usize, BAD];
        let _ = call!(io_submit(context, 2, &pointers));
        show(files[0]);
        let _ = call!(io_submit(context, 1, BAD));
        let _ = call!(io_submit(context, 0, BAD));
        let _ = call!(io_submit(context, -1, &pointers));
        let _ = ok_or_errno("no context", quiet!(io_submit(0, 1, &pointers)));
        must!(io_destroy(context));
    });
}

/// Root without one capability.
fn requests_without_fsetid_clear_suid() {
    let files = set_id_files();
    in_child(|| {
        const FSETID: u32 = 1 << 4;
        let header = [0x2008_0522u32, 0];
        let mut caps = [0u32; 6];
        must!(capget(&header, &mut caps));
        caps[0] &= !FSETID;
        must!(capset(&header, &caps));
        let requests: Vec<Request> =
            files.iter().map(|name| request(PWRITE, opened(name, O_WRONLY), text(), 4)).collect();
        submit(&requests);
    });
    files.iter().for_each(|name| show(name));
}
