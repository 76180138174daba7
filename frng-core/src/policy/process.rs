//! prctl(2): what has to do with privilege. Everything else runs natively.

use super::capabilities::rules;
use super::identity::{change, commit};
use super::{Answer, Outcome, Process, Tracee, evasion};
use crate::call::{Arg, Call, TraceeAddr};
use crate::creds::Creds;
use crate::errno::Errno;

const GET_DUMPABLE: u32 = libc::PR_GET_DUMPABLE as u32;
const SET_DUMPABLE: u32 = libc::PR_SET_DUMPABLE as u32;
const GET_KEEPCAPS: u32 = libc::PR_GET_KEEPCAPS as u32;
const SET_KEEPCAPS: u32 = libc::PR_SET_KEEPCAPS as u32;
const GET_SECCOMP: u32 = libc::PR_GET_SECCOMP as u32;
const SET_SECCOMP: u32 = libc::PR_SET_SECCOMP as u32;
const CAPBSET_READ: u32 = libc::PR_CAPBSET_READ as u32;
const CAPBSET_DROP: u32 = libc::PR_CAPBSET_DROP as u32;
const GET_SECUREBITS: u32 = libc::PR_GET_SECUREBITS as u32;
const SET_SECUREBITS: u32 = libc::PR_SET_SECUREBITS as u32;
const SET_NO_NEW_PRIVS: u32 = libc::PR_SET_NO_NEW_PRIVS as u32;
const GET_NO_NEW_PRIVS: u32 = libc::PR_GET_NO_NEW_PRIVS as u32;
const CAP_AMBIENT: u32 = libc::PR_CAP_AMBIENT as u32;

/// The operations to stop at. `PR_SET_MM` is not among them: it fails with `EPERM`, as it does for root in a
/// container, and programs that use it do without.
pub const PRCTLS: &[u32] = &[
    GET_DUMPABLE,
    SET_DUMPABLE,
    GET_KEEPCAPS,
    SET_KEEPCAPS,
    GET_SECCOMP,
    SET_SECCOMP,
    CAPBSET_READ,
    CAPBSET_DROP,
    GET_SECUREBITS,
    SET_SECUREBITS,
    SET_NO_NEW_PRIVS,
    GET_NO_NEW_PRIVS,
    CAP_AMBIENT,
];

/// prctl(2) with one of [`PRCTLS`].
pub async fn prctl<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let creds = tracee.creds();
    let last_cap = tracee.settings().last_cap;
    let [a, b, c, d] = [0, 1, 2, 3].map(|nth| call.nth(Arg::Operand, nth));
    let value = match call.int(Arg::Op) {
        CAPBSET_READ => u64::from(rules::bounding_has(&creds, a, last_cap)?),
        CAPBSET_DROP => return change(tracee, rules::drop_bounding(&creds, a, last_cap)),
        GET_SECUREBITS => u64::from(creds.securebits),
        SET_SECUREBITS => return change(tracee, rules::set_securebits(&creds, a)),
        GET_KEEPCAPS => u64::from(rules::keeps_caps(&creds)),
        SET_KEEPCAPS => return change(tracee, rules::set_keep_caps(&creds, a)),
        CAP_AMBIENT => {
            let (new, value) = rules::ambient(&creds, [a, b, c, d], last_cap)?;
            commit(tracee, new);
            value
        }
        GET_NO_NEW_PRIVS if [a, b, c, d] == [0; 4] => u64::from(creds.no_new_privs),
        SET_NO_NEW_PRIVS if [a, b, c, d] == [1, 0, 0, 0] => {
            tracee.set_creds(Creds { no_new_privs: true, ..creds });
            0
        }
        GET_NO_NEW_PRIVS | SET_NO_NEW_PRIVS => return Err(Errno::EINVAL),
        GET_DUMPABLE => u64::from(tracee.process().dumpable),
        SET_DUMPABLE => {
            // 2 can only be set by /proc/sys/fs/suid_dumpable.
            let dumpable = u32::try_from(a).ok().filter(|value| *value <= 1).ok_or(Errno::EINVAL)?;
            tracee.set_process(Process { dumpable, ..tracee.process() });
            0
        }
        GET_SECCOMP => u64::from(creds.seccomp),
        SET_SECCOMP => return evasion::set_seccomp_mode(tracee, a, TraceeAddr(b)),
        _ => return Ok(Answer::Pass),
    };
    Ok(Answer::Value(value))
}
