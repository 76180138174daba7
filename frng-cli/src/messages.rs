//! Help and version.

/// `-v`.
pub const VERSION: &str = concat!(
    "frng ",
    env!("CARGO_PKG_VERSION"),
    "\nCopyright (C) 2026 the authors of frng",
    "\nLicence GPL-2.0-or-later. This is free software; there is no warranty.\n",
);

/// `-h`.
pub const SHORT_HELP: &str = "\
usage: frng [-p STATE] [-l LOG [-f]] [-d] [-v] [OPTIONS] [--] COMMAND [ARG...]

  -p, --persist STATE   load lies from STATE, share and save them
  -l, --log LOG         write a log
  -f, --flush           flush it after each line
  -d, --no-daemonize    stay with the terminal and the working directory
      --engine ENGINE   inline, seccomp, ptrace or auto
      --stats FILE      write to FILE how often each call was intercepted and what it cost
      --unknown RULE    owner of files without a lie: self, root or real
      --no-sync         let fsync and the like succeed without waiting for the disk
      --accounts DIR    look users and groups up in DIR/etc/passwd and DIR/etc/group
      --leave DIR       leave the files below DIR as they are: show their owners, remember nothing
      --off             run COMMAND unfooled, within a command that is fooled
      --root DIR        run COMMAND with DIR as /
  -b, --bind HOST[:GUEST]
                        with --root: show HOST at GUEST
      --qemu EMULATOR   what runs programs for other CPUs in another root
      --doctor          say what works here, and what to do about the rest
  -v, --version         version and copyright
  -h                    this help; --help tells more
";

/// `--help`.
pub fn long_help() -> String {
    format!("{SHORT_HELP}{MORE}")
}

const MORE: &str = "
frng runs COMMAND, the shell without one, so that it and all it starts believe they run as root. Changes that need
privilege are not made but remembered (as lies) and shown wherever somebody looks.

Options end at the first word that is none: frng ls -l needs no --.

-p STATE   Lies are loaded from the file STATE, which need not exist, and saved to it when the last command that uses
           it ends. Commands that run at the same time share them. Without -p they are forgotten. If STATE cannot be
           saved you are told on stderr where it was left; the exit status is still that of COMMAND.
-l LOG     The log is the daemon's: of several commands with the same STATE, the first one's -l, -f and -d count.
           SIGALRM makes the daemon list its processes there. SIGTERM, SIGHUP and SIGINT end it and its commands,
           after it has saved STATE.
-d         For debugging frng itself: the daemon can dump core where it was started.
--engine   auto: the best that works here; seccomp if there is a log, which has each call then. inline: most calls are
           answered inside the programs, and do not stop. seccomp: only calls that matter stop. ptrace: all calls stop;
           slower, but works where seccomp is refused.
--stats    Written when the last process ends. All commands that share a daemon are counted together, so of several
           with the same STATE only the first one may have this option.
--unknown  self: your own files are shown as root's, others as they are (the default). root: all as root's. real: all
           as they are.
--no-sync  Of use where what is made can be made again: a root tree, a package. sync, syncfs, fsync, fdatasync and
           sync_file_range return 0 at once.
--accounts Names of DIR, a root tree, for chown, tar, install and whoever else looks them up. Each call that names a
           file stops then, which takes its time. Not with --root, inside of which the root's own are seen.
--leave    May be given several times; FRNG_LEAVE names more. What is below DIR, which need not be there yet, is shown
           as it really is, and what you may not do there fails. Each call about a file stops, to find out where it is.
--off      For a part of a script that has to know who it really is. It and all it starts run as if there were no frng,
           but that set-user-ID programs get nothing by it, debuggers do not work, and calls that would have been
           answered still stop for a moment. frng -p STATE, with the same STATE, turns frng on again.
--doctor   Tries each engine on a command, and looks at what may hinder it. The exit status is 0 if frng can work here.
--root     As chroot does: COMMAND and all it needs come from DIR, and / is the working directory.
--bind     HOST is a file or directory outside; GUEST, the same path without it, must be there inside, for HOST to be
           seen in its place. May be given several times: -b /proc -b /dev -b $HOME/src:/src
--qemu     Programs for other CPUs in another root (--root, chroot) are run by the static emulator qemu-CPU-static of
           the host, or qemu-CPU, which is looked for in PATH, or by this one. Of several commands with the same STATE
           the first one decides.

Called by the name fakeroot, it takes the options of fakeroot(1) instead: see fakeroot --help.

Environment
  FAKEROOT_TMPDIR: a directory for the memory that is shared with each process, which is a file without a name. It must
  be writable and not mounted noexec. Without it that memory is of no directory (memfd_create); where the kernel
  refuses that, it is in TMPDIR, else /tmp.
  FRNG_LEAVE: directories to leave alone, as --leave does; several with colons between them.
  SHELL: what is run without COMMAND, else /bin/sh.

Exit status
  That of COMMAND, which frng becomes by exec; 125 if frng itself fails, 126 if COMMAND cannot be executed, 127 if it
  is not found.
";
