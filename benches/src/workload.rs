//! What is measured.

use std::ffi::OsStr;
use std::time::Duration;

use crate::stage::Stage;
use crate::tool::Tool;
use crate::tree;

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// One call, again and again in one process: the argument of `frng-bench-worker`.
    Call {
        /// What to show.
        title: &'static str,
        /// What the worker calls it.
        name: &'static str,
    },
    /// A command from its start to its end.
    Command {
        /// What to show.
        title: &'static str,
        /// What sh(1) is given; the tree is `tree`. What it makes is in `copy`, which is removed afterwards.
        script: &'static str,
        /// What has to be done before, and is not measured.
        before: &'static str,
    },
}

const fn call(title: &'static str, name: &'static str) -> Workload {
    Workload::Call { title, name }
}

const fn command(title: &'static str, script: &'static str) -> Workload {
    Workload::Command { title, script, before: "" }
}

const fn prepared(title: &'static str, before: &'static str, script: &'static str) -> Workload {
    Workload::Command { title, script, before }
}

const ARCHIVE: &str = "mkdir copy; test -e tree.tar || tar cf tree.tar tree";
/// A program with the headers that most have.
const SOURCE: &str = "mkdir copy; printf '#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\nint main(void) \
                      { return puts(\"\") < 0; }\n' >copy/main.c";

/// All of them, in the order of the table's rows.
pub const ALL: &[Workload] = &[
    call("`getuid`", "getuid"),
    call("`stat`", "stat"),
    call("`stat` of a file with a lie", "stat-lie"),
    call("`fstat`", "fstat"),
    call("`statx`", "statx"),
    call("`chmod`", "chmod"),
    call("`chown`", "chown"),
    call("`open` for reading and `close`", "open"),
    call("fork and exec of `true`", "spawn"),
    command("start-up: `true`", "exec true"),
    command("`ls -lnR`", "exec ls -lnR tree"),
    // Not %u: looking up a name in the user database would cost more than everything else.
    command("`find -printf %U`", "exec find tree -printf %U"),
    command("`tar c`", "tar c tree | cat >/dev/null"),
    prepared("`tar x`", ARCHIVE, "exec tar xpf tree.tar -C copy"),
    command("`chown -R`", "exec chown -R -h $OWNER tree"),
    command("`cp -a`", "exec cp -a tree copy"),
    prepared("`rm -rf`", "exec cp -a tree copy", "exec rm -rf copy"),
    prepared("`mksquashfs`", "exec mkdir copy", "exec mksquashfs tree copy/image -quiet -no-progress"),
    prepared(
        "10 compilations with `gcc`",
        SOURCE,
        "for n in 0 1 2 3 4 5 6 7 8 9; do gcc -o copy/$n copy/main.c || exit; done",
    ),
    prepared(
        "4 times `tar x` at once",
        "mkdir copy copy/1 copy/2 copy/3 copy/4; test -e tree.tar || tar cf tree.tar tree",
        "for n in 1 2 3 4; do tar xpf tree.tar -C copy/$n & done; wait",
    ),
];

impl Workload {
    /// What to show.
    pub fn title(&self) -> &'static str {
        match self {
            Workload::Call { title, .. } | Workload::Command { title, .. } => title,
        }
    }

    /// Does it `times` times with a tool. Returns the time of all of them, without what had to be prepared.
    ///
    /// # Errors
    /// The tool or the command fails; one line.
    pub fn run(&self, stage: &Stage, tool: Tool, times: u64) -> Result<Duration, String> {
        match self {
            Workload::Call { name, .. } => {
                let times = times.to_string();
                let worker = stage.worker();
                let words = [worker.as_os_str(), OsStr::new(name), OsStr::new(&times)];
                let (written, _) = stage.run(tool, &words)?;
                let nanoseconds = written.trim().parse();
                nanoseconds.map(Duration::from_nanos).map_err(|_| format!("the worker says: {written}"))
            }
            Workload::Command { script, before, .. } => {
                make_tree(stage)?;
                let shell = |script: &str| stage.run(tool, &["sh", "-c", script].map(OsStr::new));
                let mut sum = Duration::ZERO;
                for _ in 0..times {
                    if !before.is_empty() {
                        shell(before)?;
                    }
                    // What was written before must not be written out while this is measured.
                    // SAFETY: a plain call.
                    unsafe { libc::sync() };
                    sum += shell(script)?.1;
                    // By the same tool: pseudo remembers files and minds who touches them.
                    shell("exec rm -rf copy")?;
                }
                Ok(sum)
            }
        }
    }
}

/// Sees to it that the tree exists.
fn make_tree(stage: &Stage) -> Result<(), String> {
    let root = stage.work().join("tree");
    if root.exists() {
        return Ok(());
    }
    tree::make(stage, &root).map_err(|error| format!("cannot make a tree: {error}"))
}
