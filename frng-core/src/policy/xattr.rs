//! Extended attributes: xattr(7), `fs/xattr.c`.
//!
//! | namespace | where an xattr of it is kept |
//! |---|---|
//! | `user.` | on the real file, so that it is there without frng too; a lie where only root could write |
//! | `trusted.`, `security.` | a lie |
//! | `system.posix_acl_*` | a lie, see `acl.rs` |
//!
//! A lie hides an xattr of the same name on the real file; what is no lie is read from there (SELinux labels, say). Lies
//! are accepted on filesystems that could not store them.
//!
//! What is wrong with the arguments, and paths that lead nowhere, are left to the real kernel: the program's own call
//! then fails, with all checks in the right order.

use super::permission::{self, READ, Subject, WRITE};
use super::xattr_name::{CAPABILITY, Name, Namespace, namespace};
use super::xattr_target::{ARGS_LEN, REST_LEN, Target};
use super::{Answer, Outcome, Tracee, TraceeExt, acl, file_capability, view};
use crate::call::{Arg, Call, TraceeAddr};
use crate::creds::{CAP_SETFCAP, CAP_SYS_ADMIN};
use crate::errno::Errno;
use crate::inode::InodeId;
use crate::lie::{Lie, LieTable};
use crate::stat::{S_IFDIR, S_IFMT, S_IFREG, S_ISVTX, Statx};

/// `XATTR_SIZE_MAX` and `XATTR_LIST_MAX` (`include/uapi/linux/limits.h`), in bytes.
const SIZE_MAX: usize = 65536;

/// Forgets a file's capabilities. The kernel does so at each chown(2) that succeeds, of whatever is no directory, at
/// truncation and at writes: `fs/attr.c: notify_change` with `ATTR_KILL_PRIV`, `security/commoncap.c: cap_inode_killpriv`.
pub fn killed_by_chown<T: Tracee>(tracee: &T, inode: &InodeId) {
    // That there are none is no error.
    let _ = tracee.lies().remove_xattr(inode, CAPABILITY);
}

/// setxattr, lsetxattr, fsetxattr and setxattrat.
pub async fn set<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let Some((request, value)) = Request::of_set(tracee, call).await else {
        return Ok(Answer::Pass);
    };
    match request.name.namespace() {
        Namespace::User => set_user(tracee, call, &request, &value).await,
        Namespace::Acl => {
            let name = request.name.as_bytes();
            acl::set(tracee, &request.target, &request.real, name, value.addr, value.len).await
        }
        Namespace::Unknown => unsupported(tracee, call, &request, WRITE).await,
        _ => set_lie(tracee, &request, &value).await,
    }
}

/// getxattr, lgetxattr, fgetxattr and getxattrat.
pub async fn get<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    if !tracee.lies().may_have_xattrs() && is_told_truly(tracee, call) {
        return Ok(Answer::Pass);
    }
    let Some((request, value)) = Request::of_get(tracee, call).await else {
        return Ok(Answer::Pass);
    };
    match request.name.namespace() {
        Namespace::User => {
            if !has_user_xattrs(&request.seen) {
                return request.refuse(tracee, Errno::ENODATA).await;
            }
            if !request.allows(tracee, READ).await {
                return request.refuse(tracee, Errno::EACCES).await;
            }
        }
        Namespace::Trusted if !tracee.creds().has(CAP_SYS_ADMIN) => {
            return request.refuse(tracee, Errno::ENODATA).await;
        }
        // The real kernel says ENODATA to all who are not root.
        Namespace::Trusted if request.name.is_bare_prefix() => return request.refuse(tracee, Errno::EINVAL).await,
        Namespace::Unknown => return unsupported(tracee, call, &request, READ).await,
        _ => {}
    }
    let (lies, id, name) = (tracee.lies(), request.real.id(), request.name.as_bytes());
    let Ok(len) = lies.xattr(&id, name, &mut |_| ()) else {
        return Ok(Answer::Pass);
    };
    request.look_up(tracee).await?;
    if len == 0 && request.name.namespace() == Namespace::Capability {
        // It can be set, but what it says can not be told.
        return Err(Errno::EINVAL);
    }
    if value.len == 0 {
        return Ok(Answer::Value(len as u64));
    }
    let room = value.len.min(SIZE_MAX);
    if len > room {
        return Err(Errno::ERANGE);
    }
    let mut done = 0;
    let mut written = Ok(());
    lies.xattr(&id, name, &mut |piece| {
        if written.is_ok() && done + piece.len() <= room {
            written = tracee.write(value.addr.add(done as u64), piece);
        }
        done += piece.len();
    })?;
    written?;
    Ok(Answer::Value(len as u64))
}

/// Whether an xattr of this name, if it is no lie, is what the real kernel says. Every `ls -l` and `cp -a` asks for those.
fn is_told_truly<T: Tracee>(tracee: &T, call: &Call) -> bool {
    Name::read(tracee, call.addr(Arg::Name))
        .is_ok_and(|name| matches!(name.namespace(), Namespace::Security | Namespace::Capability | Namespace::Acl))
}

/// removexattr, lremovexattr, fremovexattr and removexattrat.
pub async fn remove<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let Some(request) = Request::of_remove(tracee, call).await else {
        return Ok(Answer::Pass);
    };
    let creds = tracee.creds();
    match request.name.namespace() {
        Namespace::Acl => return acl::remove(tracee, &request.target, &request.real, request.name.as_bytes()).await,
        Namespace::Unknown => return unsupported(tracee, call, &request, WRITE).await,
        Namespace::User => {
            if let Err(error) = request.may_write_user(tracee).await {
                return request.refuse(tracee, error).await;
            }
        }
        Namespace::Capability if creds.has(CAP_SETFCAP) && !view::is_immutable(&request.real) => {}
        Namespace::Trusted | Namespace::Security if creds.has(CAP_SYS_ADMIN) && !view::is_immutable(&request.real) => {}
        _ => return request.refuse(tracee, Errno::EPERM).await,
    }
    let (lies, id, name) = (tracee.lies(), request.real.id(), request.name.as_bytes());
    if lies.xattr(&id, name, &mut |_| ()).is_ok() {
        request.target.probe_write(tracee).await?;
        lies.remove_xattr(&id, name)?;
        view::forget_if_plain(tracee, &request.real);
        return Ok(Answer::Value(0));
    }
    if request.name.namespace() == Namespace::User && request.is_ours(tracee, 0o200) {
        return Ok(Answer::Pass);
    }
    match tracee.run(call).await {
        // The real kernel refuses before it looks. What is not there root cannot remove either.
        Err(Errno::EPERM | Errno::EACCES) if request.name.is_bare_prefix() => Err(Errno::EINVAL),
        Err(Errno::EPERM | Errno::EACCES) if !request.is_on_disk(tracee).await => Err(Errno::ENODATA),
        result => result.map(Answer::Value),
    }
}

/// listxattr, llistxattr, flistxattr and listxattrat: first the names on disk, in the filesystem's order, then those of
/// lies that hide none of them. A real filesystem has an order of its own, which nobody may rely on.
pub async fn list<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let target = Target::of_call(call);
    if target.file.flags & !AT_FLAGS != 0 || !tracee.lies().may_have_xattrs() {
        return Ok(Answer::Pass);
    }
    let Ok(real) = tracee.stat(target.file).await else {
        return Ok(Answer::Pass);
    };
    let (id, trusted) = (real.id(), tracee.creds().has(CAP_SYS_ADMIN));
    let mut faked = 0;
    for_each_faked_name(tracee, &id, trusted, &mut |name| faked += name.len() + 1);
    if faked == 0 {
        return Ok(Answer::Pass);
    }
    let (out, size) = (call.addr(Arg::Out), (call.word(Arg::Length) as usize).min(SIZE_MAX));
    // The real list goes where there is room for it.
    let (from, room) = if size > REST_LEN { (out, size) } else { (Target::room(tracee)?, REST_LEN) };
    let real_len = match target.list(tracee, from, room).await {
        Ok(len) => len as usize,
        // Too long for us, but all that was asked for is how long: at most so.
        Err(Errno::ERANGE) if size == 0 => {
            let len = target.list(tracee, TraceeAddr::NULL, 0).await?;
            return Ok(Answer::Value(len + faked as u64));
        }
        Err(Errno::EOPNOTSUPP) => 0,
        Err(error) => return Err(error),
    };
    let mut len = faked;
    for_each_name(tracee, from, real_len, &mut |name| {
        if !is_faked(tracee, &id, name) {
            len += name.len() + 1;
        }
        Ok(())
    })?;
    if size == 0 {
        return Ok(Answer::Value(len as u64));
    }
    if len > size {
        return Err(if size == SIZE_MAX { Errno::E2BIG } else { Errno::ERANGE });
    }
    let mut done = 0;
    let mut append = |name: &[u8]| {
        // Names on disk are moved to the front at most, so none is overwritten that is still to be read.
        tracee.write(out.add(done), name)?;
        tracee.write(out.add(done + name.len() as u64), &[0])?;
        done += name.len() as u64 + 1;
        Ok(())
    };
    for_each_name(tracee, from, real_len, &mut |name| {
        if is_faked(tracee, &id, name) { Ok(()) } else { append(name) }
    })?;
    let mut written = Ok(());
    for_each_faked_name(tracee, &id, trusted, &mut |name| {
        if written.is_ok() {
            written = append(name);
        }
    });
    written?;
    Ok(Answer::Value(len as u64))
}

/// What a call is about, once its arguments are found right and its file is found.
struct Request {
    target: Target,
    name: Name,
    real: Statx,
    seen: Lie,
    writes: bool,
}

/// The value of a call.
struct Value {
    addr: TraceeAddr,
    len: usize,
    flags: u32,
}

/// The `AT_*` flags that the *xattrat calls take.
const AT_FLAGS: i32 = libc::AT_SYMLINK_NOFOLLOW | libc::AT_EMPTY_PATH;

impl Request {
    /// Decodes a setxattr; `None` if the kernel will find an error. `fs/xattr.c: setxattr_copy`.
    async fn of_set<T: Tracee>(tracee: &T, call: &Call) -> Option<(Request, Value)> {
        const FLAGS: u32 = (libc::XATTR_CREATE | libc::XATTR_REPLACE) as u32;
        let value = if call.row().args.contains(&Arg::AtFlags) {
            Value::of_structure(tracee, call)?
        } else {
            let len = call.word(Arg::Length) as usize;
            Value { addr: call.addr(Arg::In), len, flags: call.int(Arg::Flags) }
        };
        if value.flags & !FLAGS != 0 || value.len > SIZE_MAX {
            return None;
        }
        let name = Name::read(tracee, call.addr(Arg::Name)).ok()?;
        acl::for_each_piece(tracee, value.addr, value.len, &mut |_| ()).ok()?;
        Some((Request::of_name(tracee, call, name, true).await?, value))
    }

    /// Decodes a getxattr; `None` if the kernel will find an error.
    async fn of_get<T: Tracee>(tracee: &T, call: &Call) -> Option<(Request, Value)> {
        let value = if call.row().args.contains(&Arg::AtFlags) {
            Value::of_structure(tracee, call)?
        } else {
            Value { addr: call.addr(Arg::Out), len: call.word(Arg::Length) as usize, flags: 0 }
        };
        if value.flags != 0 {
            return None;
        }
        let name = Name::read(tracee, call.addr(Arg::Name)).ok()?;
        Some((Request::of_name(tracee, call, name, false).await?, value))
    }

    /// Decodes a removexattr; `None` if the kernel will find an error.
    async fn of_remove<T: Tracee>(tracee: &T, call: &Call) -> Option<Request> {
        let name = Name::read(tracee, call.addr(Arg::Name)).ok()?;
        Request::of_name(tracee, call, name, true).await
    }

    async fn of_name<T: Tracee>(tracee: &T, call: &Call, name: Name, writes: bool) -> Option<Request> {
        let target = Target::of_call(call);
        if target.file.flags & !AT_FLAGS != 0 {
            return None;
        }
        let real = tracee.stat(target.file).await.ok()?;
        let seen = view::seen(tracee, &real);
        Some(Request { target, name, real, seen, writes })
    }

    /// Answers with an error that the kernel would find only after it has found the file.
    async fn refuse<T: Tracee>(&self, tracee: &T, error: Errno) -> Outcome {
        if self.writes {
            self.target.probe_write(tracee).await?
        } else {
            self.look_up(tracee).await?
        }
        Err(error)
    }

    /// Fails where the kernel would not find the file although [`Tracee::stat`] does.
    async fn look_up<T: Tracee>(&self, tracee: &T) -> Result<(), Errno> {
        let Target { file, .. } = self.target;
        if self.target.is_descriptor() && tracee.descriptor_flags(file.dirfd).await? & libc::O_PATH as u32 != 0 {
            return Err(Errno::EBADF);
        }
        if self.target.is_at() {
            match self.target.list(tracee, TraceeAddr::NULL, 0).await {
                Ok(_) | Err(Errno::EOPNOTSUPP | Errno::E2BIG) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whether the thread may read or write the file.
    async fn allows<T: Tracee>(&self, tracee: &T, want: u32) -> bool {
        let who = Subject::acting(&tracee.creds());
        permission::allows(tracee, &who, &self.target, &self.real, &self.seen, want).await
    }

    /// Whether the thread may change xattrs of the namespace `user.`. `fs/xattr.c: xattr_permission`.
    async fn may_write_user<T: Tracee>(&self, tracee: &T) -> Result<(), Errno> {
        let sticky_directory = self.seen.mode & (S_IFMT | S_ISVTX) == S_IFDIR | S_ISVTX;
        if view::is_immutable(&self.real)
            || !has_user_xattrs(&self.seen)
            || sticky_directory && !view::is_owner_or_capable(tracee, &self.seen)
        {
            return Err(Errno::EPERM);
        }
        if self.allows(tracee, WRITE).await { Ok(()) } else { Err(Errno::EACCES) }
    }

    /// Whether the file is the real user's, with this permission.
    fn is_ours<T: Tracee>(&self, tracee: &T, permission: u16) -> bool {
        self.real.uid == tracee.settings().real_uid && self.real.mode & permission != 0
    }

    /// Whether the real file has an xattr of this name, as far as the real user is told.
    async fn is_on_disk<T: Tracee>(&self, tracee: &T) -> bool {
        let Ok(room) = Target::room(tracee) else { return false };
        let Ok(len) = self.target.list(tracee, room, REST_LEN).await else { return false };
        let mut found = false;
        let all = for_each_name(tracee, room, len as usize, &mut |name| {
            found |= name == self.name.as_bytes();
            Ok(())
        });
        all.is_ok() && found
    }

    /// Remembers a value as a lie. `on_disk`: whether the real file may have it.
    async fn store<T: Tracee>(&self, tracee: &T, value: &Value, on_disk: bool) -> Outcome {
        let (lies, id, name) = (tracee.lies(), self.real.id(), self.name.as_bytes());
        if value.flags != 0 {
            let exists = lies.xattr(&id, name, &mut |_| ()).is_ok() || on_disk && self.is_on_disk(tracee).await;
            if exists && value.flags & libc::XATTR_CREATE as u32 != 0 {
                return Err(Errno::EEXIST);
            }
            if !exists && value.flags & libc::XATTR_REPLACE as u32 != 0 {
                return Err(Errno::ENODATA);
            }
        }
        view::remember(tracee, &self.real, &self.seen, self.seen)?;
        let stored = match self.name.namespace() {
            Namespace::Capability if value.len > 0 => value
                .as_capability(tracee, &mut [0; file_capability::MAX_LEN])
                .and_then(file_capability::shown)
                .and_then(|shown| lies.set_xattr(&id, name, shown.as_bytes().len(), &mut copier(shown.as_bytes()))),
            _ => {
                let mut from = value.addr;
                lies.set_xattr(&id, name, value.len, &mut |room| {
                    tracee.read(from, room)?;
                    from = from.add(room.len() as u64);
                    Ok(())
                })
            }
        };
        if stored.is_err() {
            view::forget_if_plain(tracee, &self.real);
        }
        stored.map(|()| Answer::Value(0))
    }
}

impl Value {
    /// Reads a `struct xattr_args`; `None` if the kernel will find an error. `include/linux/uaccess.h:
    /// copy_struct_from_user`.
    fn of_structure<T: Tracee>(tracee: &T, call: &Call) -> Option<Value> {
        const PAGE_SIZE: usize = 4096;
        let (from, len) = (call.addr(Arg::In), call.word(Arg::Length) as usize);
        if !(ARGS_LEN..=PAGE_SIZE).contains(&len) {
            return None;
        }
        let mut zero = true;
        let rest = from.add(ARGS_LEN as u64);
        acl::for_each_piece(tracee, rest, len - ARGS_LEN, &mut |piece| zero &= piece.iter().all(|byte| *byte == 0))
            .ok()?;
        let (mut addr, mut size, mut flags) = ([0; 8], [0; 4], [0; 4]);
        tracee.read(from, &mut addr).ok()?;
        tracee.read(from.add(8), &mut size).ok()?;
        tracee.read(from.add(12), &mut flags).ok()?;
        zero.then_some(Value {
            addr: TraceeAddr(u64::from_ne_bytes(addr)),
            len: u32::from_ne_bytes(size) as usize,
            flags: u32::from_ne_bytes(flags),
        })
    }

    /// The value, if it has the length of a file's capabilities.
    fn as_capability<'b, T: Tracee>(
        &self,
        tracee: &T,
        bytes: &'b mut [u8; file_capability::MAX_LEN],
    ) -> Result<&'b [u8], Errno> {
        let bytes = bytes.get_mut(..self.len).ok_or(Errno::EINVAL)?;
        tracee.read(self.addr, bytes)?;
        Ok(bytes)
    }
}

/// Whether xattrs of the namespace `user.` can be on a file shown so.
fn has_user_xattrs(seen: &Lie) -> bool {
    matches!(seen.mode & S_IFMT, S_IFREG | S_IFDIR)
}

async fn set_user<T: Tracee>(tracee: &T, call: &Call, request: &Request, value: &Value) -> Outcome {
    if let Err(error) = request.may_write_user(tracee).await {
        return request.refuse(tracee, error).await;
    }
    if tracee.lies().xattr(&request.real.id(), request.name.as_bytes(), &mut |_| ()).is_ok() {
        request.target.probe_write(tracee).await?;
        return request.store(tracee, value, false).await;
    }
    if request.is_ours(tracee, 0o200) {
        return Ok(Answer::Pass);
    }
    match tracee.run(call).await {
        Err(Errno::EPERM | Errno::EACCES) if request.name.is_bare_prefix() => Err(Errno::EINVAL),
        // Another real user's file, or one of ours that we may not write.
        Err(Errno::EPERM | Errno::EACCES) => request.store(tracee, value, true).await,
        result => result.map(Answer::Value),
    }
}

/// setxattr of what is always a lie. `security/commoncap.c: cap_inode_setxattr, cap_convert_nscap`.
async fn set_lie<T: Tracee>(tracee: &T, request: &Request, value: &Value) -> Outcome {
    let creds = tracee.creds();
    let namespace = request.name.namespace();
    let verdict = match namespace {
        // Nobody is refused to make the value empty.
        Namespace::Capability if value.len == 0 => Ok(()),
        Namespace::Capability => match value.as_capability(tracee, &mut [0; file_capability::MAX_LEN]) {
            Ok(bytes) if !file_capability::has_known_form(bytes) => Err(Errno::EINVAL),
            Ok(_) if !creds.has(CAP_SETFCAP) => Err(Errno::EPERM),
            Ok(bytes) => file_capability::shown(bytes).map(drop),
            Err(error) => Err(error),
        },
        _ if !creds.has(CAP_SYS_ADMIN) => Err(Errno::EPERM),
        _ if request.name.is_bare_prefix() => Err(Errno::EINVAL),
        _ => Ok(()),
    };
    match verdict {
        Ok(()) if view::is_immutable(&request.real) => request.refuse(tracee, Errno::EPERM).await,
        Ok(()) => {
            request.target.probe_write(tracee).await?;
            request.store(tracee, value, namespace != Namespace::Trusted).await
        }
        Err(error) => request.refuse(tracee, error).await,
    }
}

/// A name of no namespace: the kernel looks at the file's permissions first, the real ones.
async fn unsupported<T: Tracee>(tracee: &T, call: &Call, request: &Request, want: u32) -> Outcome {
    // `xattr_permission` asks for none in `system.`.
    let any = request.name.as_bytes().starts_with(b"system.");
    if !any && !request.allows(tracee, want).await {
        return request.refuse(tracee, Errno::EACCES).await;
    }
    match tracee.run(call).await {
        Err(Errno::EACCES) => Err(Errno::EOPNOTSUPP),
        result => result.map(Answer::Value),
    }
}

/// Hands out bytes piece by piece.
fn copier(bytes: &[u8]) -> impl FnMut(&mut [u8]) -> Result<(), Errno> + '_ {
    let mut left = bytes.iter();
    move |room| {
        for slot in room {
            *slot = *left.next().ok_or(Errno::EINVAL)?;
        }
        Ok(())
    }
}

/// Whether there is a lie about an xattr.
fn is_faked<T: Tracee>(tracee: &T, inode: &InodeId, name: &[u8]) -> bool {
    tracee.lies().xattr(inode, name, &mut |_| ()).is_ok()
}

/// Calls `each` with the names of lies that the thread is told of.
fn for_each_faked_name<T: Tracee>(tracee: &T, inode: &InodeId, trusted: bool, each: &mut dyn FnMut(&[u8])) {
    tracee.lies().xattr_names(inode, &mut |name| {
        if trusted || namespace(name) != Namespace::Trusted {
            each(name);
        }
    });
}

/// Calls `each` with the names of a list in the tracee's memory.
fn for_each_name<T: Tracee>(
    tracee: &T,
    from: TraceeAddr,
    len: usize,
    each: &mut dyn FnMut(&[u8]) -> Result<(), Errno>,
) -> Result<(), Errno> {
    let mut done = 0;
    while done < len {
        let name = Name::read(tracee, from.add(done as u64))?;
        each(name.as_bytes())?;
        done += name.as_bytes().len() + 1;
    }
    Ok(())
}
