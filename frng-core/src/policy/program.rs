//! execve(2), execveat(2): programs that could not be fooled are not executed.
//!
//! A kernel may run programs of conventions that nobody has registered here (a 64-bit one those of 32 bits). When such a
//! program has been loaded it is too late to refuse it, so its file is looked at before: it is `ENOEXEC`, as on a kernel
//! without that convention. Of a script the interpreter is looked at (`fs/binfmt_script.c`). Everything else about exec is
//! seen to afterwards, by [`super::exec`].

use super::{Answer, Outcome, PATH_MAX, Tracee, TraceeExt};
use crate::binfmt::{HEAD_LEN, INTERPRETERS_MAX, audit_arch, interpreter};
use crate::call::Call;
use crate::errno::Errno;

/// execve(2) and execveat(2).
pub async fn execute<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let file = call.file();
    let (mut name, mut head) = ([0; PATH_MAX], [0; HEAD_LEN]);
    let Ok(path) = tracee.read_cstr(file.path, &mut name) else { return Ok(Answer::Pass) };
    let mut have = tracee.program_head(file.dirfd, path, file.flags, &mut head).await;
    let mut path_len = path.len();
    for _ in 0..=INTERPRETERS_MAX {
        let Some(bytes) = have.and_then(|have| head.get(..have)) else { break };
        let Some(interpreter) = interpreter(bytes) else {
            let path = name.get(..path_len).unwrap_or_default();
            let foreign = audit_arch(bytes).is_some_and(|arch| tracee.refuses_program(path, arch));
            return if foreign { Err(Errno::ENOEXEC) } else { Ok(Answer::Pass) };
        };
        path_len = interpreter.len();
        let Some(room) = name.get_mut(..path_len) else { break };
        room.copy_from_slice(interpreter);
        have = tracee.program_head(libc::AT_FDCWD, room, 0, &mut head).await;
    }
    Ok(Answer::Pass)
}
