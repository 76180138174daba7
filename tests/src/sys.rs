//! Kernel calls by number.
//!
//! `call!(fchownat(AT_FDCWD, c"f", 1, 2, 0))` issues the call and prints it with its result, as
//! strace would; `quiet!(...)` only issues it; `must!(...)` is for setting a scene: it prints only a
//! failure. The name is looked up in [`nr`], where this ABI may lack a call: it
//! prints `(not on this ABI)` and returns ENOSYS.

pub mod errno;
pub mod gate;
pub mod nr;

use std::ffi::CStr;

/// A kernel call's result: its value, or its errno.
pub type Result<T = usize> = std::result::Result<T, i32>;

/// A null pointer argument.
pub const NULL: usize = 0;
/// An address that no program has mapped.
pub const BAD: usize = 0x10;

/// Whatever can stand in an argument register.
pub trait Word {
    /// The register's value.
    fn word(self) -> usize;
}

macro_rules! integer_words {
    ($($int:ty),*) => {$(
        impl Word for $int {
            fn word(self) -> usize { self as usize }
        }
    )*};
}
integer_words!(i32, u32, i64, u64, usize, isize);

impl Word for &CStr {
    fn word(self) -> usize {
        self.as_ptr() as usize
    }
}
impl<T> Word for &T {
    fn word(self) -> usize {
        std::ptr::from_ref(self) as usize
    }
}
impl<T> Word for &mut T {
    fn word(self) -> usize {
        std::ptr::from_mut(self) as usize
    }
}
impl<T> Word for &[T] {
    fn word(self) -> usize {
        self.as_ptr() as usize
    }
}
impl<T> Word for &mut [T] {
    fn word(self) -> usize {
        self.as_mut_ptr() as usize
    }
}

/// Issues call `nr` of this ABI with `args`.
pub fn invoke(nr: nr::Number, args: &[usize]) -> Result {
    let Some(nr) = nr.get() else {
        return Err(libc::ENOSYS);
    };
    let mut a = [0usize; 6];
    a[..args.len()].copy_from_slice(args);
    // SAFETY: a case hands the kernel its own buffers, made from references that outlive the call,
    // with lengths that fit; pointers made from integers (NULL, BAD) are meant to fault.
    let value = unsafe { libc::syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]) };
    if value == -1 { Err(last_errno()) } else { Ok(value as usize) }
}

/// The errno of the last libc call in this thread.
pub fn last_errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// Turns a libc function's `-1` into its errno.
pub fn libc_result(value: i64) -> Result {
    if value == -1 { Err(last_errno()) } else { Ok(value as usize) }
}

/// Prints `what = RESULT` and hands the result back.
pub fn try_(what: &str, result: Result) -> Result {
    match result {
        Ok(value) => println!("{what} = {}", value as isize),
        Err(e) => println!("{what} = {}", errno::name(e)),
    }
    result
}

/// Prints `what = ok` or the errno: for calls whose value (a descriptor, an address) says nothing.
pub fn ok_or_errno(what: &str, result: Result) -> Result {
    match result {
        Ok(_) => println!("{what} = ok"),
        Err(e) => println!("{what} = {}", errno::name(e)),
    }
    result
}

/// Issues a call by its kernel name and prints nothing.
#[macro_export]
macro_rules! quiet {
    ($name:ident($($arg:expr),* $(,)?)) => {
        $crate::sys::invoke($crate::sys::nr::$name, &[$($crate::sys::Word::word($arg)),*])
    };
}

/// Issues a call by its kernel name and prints it with its result.
#[macro_export]
macro_rules! call {
    ($name:ident($($arg:expr),* $(,)?)) => {{
        let what = concat!(stringify!($name), "(", $crate::spelled!($($arg),*), ")");
        if $crate::sys::nr::$name.get().is_none() {
            println!("{what} (not on this ABI)");
            Err(libc::ENOSYS)
        } else {
            $crate::sys::try_(what, $crate::quiet!($name($($arg),*)))
        }
    }};
}

/// The source text of call arguments, joined by commas.
#[macro_export]
macro_rules! spelled {
    () => { "" };
    ($first:expr $(, $rest:expr)*) => { concat!(stringify!($first) $(, ", ", stringify!($rest))*) };
}

/// Issues a call that sets the scene: prints it only when it fails, and returns its value or -1.
#[macro_export]
macro_rules! must {
    ($name:ident($($arg:expr),* $(,)?)) => {
        match $crate::quiet!($name($($arg),*)) {
            Ok(value) => value,
            Err(e) => {
                println!(concat!("SETUP FAILED: ", stringify!($name), "(", $crate::spelled!($($arg),*), ") = {}"),
                    $crate::sys::errno::name(e));
                usize::MAX
            }
        }
    };
}
