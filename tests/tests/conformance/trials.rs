//! The list of tests: every program under every engine.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use frng_tests::cases;
use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::oracle::{self, Oracle};
use crate::outcome::{End, Outcome, User};
use crate::scratch::Scratch;
use crate::{diff, differences, fooled};

/// The engines that are compared with root. `FRNG_TEST_ENGINES` names others; `native` compares root
/// with itself, which shows whether the cases are deterministic.
const ENGINES: &[&str] = &["seccomp", "ptrace"];

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What is run: a case, or a shell script.
#[derive(Clone)]
pub enum Program {
    Case { name: String, expected: Option<&'static str> },
    Script { name: String, text: String },
}

impl Program {
    fn name(&self) -> String {
        match self {
            Self::Case { name, .. } => name.clone(),
            Self::Script { name, .. } => format!("programs::{name}"),
        }
    }

    /// Its command line.
    pub fn words(&self, tools: &Tools) -> Vec<OsString> {
        match self {
            Self::Case { name, .. } => vec![tools.case.clone().into(), "run".into(), name.into()],
            Self::Script { text, .. } => vec!["sh".into(), "-c".into(), text.into()],
        }
    }

    /// What a script needs and this machine has not, from its line `# needs: tar cpio`.
    fn missing(&self) -> Vec<String> {
        let Self::Script { text, .. } = self else {
            return Vec::new();
        };
        let needs = text.lines().find_map(|line| line.strip_prefix("# needs:")).unwrap_or_default();
        let found = |name: &str| env::split_paths(PATH).any(|dir| dir.join(name).is_file());
        needs.split_whitespace().filter(|name| !found(name)).map(str::to_owned).collect()
    }
}

/// The binaries, where the unprivileged user can reach them.
pub struct Tools {
    pub frng: PathBuf,
    case: PathBuf,
    /// The same program, which only root can read.
    closed: PathBuf,
    _place: Scratch,
}

impl Tools {
    fn new(frng: &Path) -> std::io::Result<Self> {
        let place = Scratch::new(User::ROOT)?;
        let case = place.path().join("frng-case");
        fs::copy(installed("frng-case").unwrap_or_else(|| env!("CARGO_BIN_EXE_frng-case").into()), &case)?;
        let closed = place.path().join("closed");
        fs::copy(&case, &closed)?;
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o711))?;
        let copy = place.path().join("frng");
        fs::copy(frng, &copy)?;
        Ok(Self { frng: copy, case, closed, _place: place })
    }

    /// A command with the environment that all runs share.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", PATH).env("HOME", "/").env("LC_ALL", "C.UTF-8").env("TZ", "UTC");
        command.env("SHELL", "/bin/sh").env("FRNG_CASE", &self.case);
        command.env("FRNG_CASE_CLOSED", &self.closed);
        command
    }
}

/// The tests, together with what must outlive them.
pub struct Trials {
    pub list: Vec<Trial>,
}

/// Makes the list. Nothing is built or looked for when tests are only to be listed.
pub fn all(arguments: &Arguments) -> Result<Trials, String> {
    let chosen = env::var("FRNG_TEST_ENGINES").unwrap_or_else(|_| ENGINES.join(","));
    let engines: Vec<&str> = chosen.split(',').filter(|name| !name.is_empty()).collect();
    let absent = Oracle::absent();
    let run = if absent.is_none() && !arguments.list { Some(Arc::new(Run::new(&engines)?)) } else { None };
    let mut list = Vec::new();
    for engine in engines {
        for program in programs()? {
            let (engine, run) = (engine.to_owned(), run.clone());
            let name = format!("{engine}::{}", program.name());
            list.push(Trial::ignorable_test(name, move || match run {
                Some(run) => run.compare(&engine, &program),
                None => Ok(Completion::ignored_with(absent.unwrap_or("only listed"))),
            }));
        }
    }
    Ok(Trials { list })
}

/// All cases, and all scripts of `tests/programs/`.
fn programs() -> Result<Vec<Program>, String> {
    let cases = cases::all().map(|case| Program::Case { name: case.name(), expected: case.expected });
    let dir = installed("programs").unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("programs"));
    let mut scripts = Vec::new();
    for entry in fs::read_dir(&dir).map_err(|e| format!("{}: {e}", dir.display()))? {
        let path = entry.map_err(|e| e.to_string())?.path();
        if path.extension() == Some(OsStr::new("sh")) {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            scripts.push(Program::Script { name, text: script(&path)? });
        }
    }
    scripts.sort_by_key(Program::name);
    Ok(cases.chain(scripts).collect())
}

/// A script's text, behind that of `NAME.inc` for each NAME in its line `# with: NAME`.
fn script(path: &Path) -> Result<String, String> {
    let read = |path: &Path| fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()));
    let text = read(path)?;
    let parts = text.lines().find_map(|line| line.strip_prefix("# with:")).unwrap_or_default();
    let parts: Result<String, String> =
        parts.split_whitespace().map(|name| read(&path.with_file_name(format!("{name}.inc")))).collect();
    Ok(parts? + &text)
}

/// What all tests of one run share.
struct Run {
    tools: Tools,
    oracle: Oracle,
    limit: Duration,
}

impl Run {
    fn new(engines: &[&str]) -> Result<Self, String> {
        let frng = if engines == ["native"] { PathBuf::from("/bin/true") } else { find_frng()? };
        let tools = Tools::new(&frng).map_err(|e| format!("cannot copy {}: {e}", frng.display()))?;
        let seconds = env::var("FRNG_TEST_DEADLINE").ok().and_then(|s| s.parse().ok()).unwrap_or(20);
        Ok(Self { tools, oracle: Oracle::default(), limit: Duration::from_secs(seconds) })
    }

    /// One test.
    fn compare(&self, engine: &str, program: &Program) -> Result<Completion, Failed> {
        let missing = program.missing();
        if !missing.is_empty() {
            return Ok(Completion::ignored_with(format!("skipped: not installed: {}", missing.join(" "))));
        }
        let expected = match program {
            Program::Case { expected: Some(_), .. } if engine == "native" => {
                return Ok(Completion::ignored_with("skipped: root's kernel answers otherwise"));
            }
            Program::Case { expected: Some(stdout), .. } => {
                Outcome { stdout: stdout.as_bytes().to_vec(), stderr: Vec::new(), end: End::Exit(0) }
            }
            _ => self.oracle.ask(&program.name(), program, &self.tools, self.limit)?,
        };
        if let End::Deadline(_) = expected.end {
            return Err("as root it did not end within the deadline".into());
        }
        let mut complaints = Vec::new();
        let seen = if engine == "native" {
            oracle::native(program, &self.tools, self.limit)?
        } else {
            let fooled = fooled::run(engine, program, &self.tools, self.limit)?;
            complaints = fooled.complaints;
            fooled.outcome
        };
        let difference = diff::between(&expected, &seen);
        let known = differences::reason(&program.name()).filter(|_| engine != "native");
        match (known, difference.is_none()) {
            (Some(_), true) => complaints.push("no longer differs from root: take it off differences.rs".into()),
            (Some(reason), false) if complaints.is_empty() => {
                return Ok(Completion::ignored_with(format!("known difference: {reason}")));
            }
            _ => match differences::excuse(&program.name()).filter(|_| engine != "native" && complaints.is_empty()) {
                Some(reason) if difference.is_some() => {
                    return Ok(Completion::ignored_with(format!("known difference on this kernel: {reason}")));
                }
                _ => complaints.extend(difference),
            },
        }
        if complaints.is_empty() { Ok(Completion::Completed) } else { Err(complaints.join("\n").into()) }
    }
}

/// What is beside this test on a machine that has not built it: `frng`, `frng-case` and `programs` in `FRNG_TEST_HOME`.
fn installed(name: &str) -> Option<PathBuf> {
    Some(Path::new(&env::var_os("FRNG_TEST_HOME")?).join(name))
}

/// `FRNG_BIN`, or that of `FRNG_TEST_HOME`, or the binary that was built with this test, or one built now.
fn find_frng() -> Result<PathBuf, String> {
    if let Some(path) = env::var_os("FRNG_BIN").map(PathBuf::from).or_else(|| installed("frng")) {
        return Ok(path);
    }
    let exe = env::current_exe().map_err(|e| e.to_string())?;
    // target/PROFILE/deps/conformance-HASH
    let profile = exe.ancestors().nth(2).ok_or("this test is in no target directory")?;
    let frng = profile.join("frng");
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "-p", "frng-cli", "--bin", "frng"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    if profile.file_name() == Some(OsStr::new("release")) {
        build.arg("--release");
    }
    if let Some(target_dir) = profile.parent() {
        build.arg("--target-dir").arg(target_dir);
    }
    match build.status() {
        Ok(status) if status.success() && frng.is_file() => Ok(frng),
        Ok(status) => Err(format!("frng could not be built ({status}); FRNG_BIN can name one")),
        Err(e) => Err(format!("cargo: {e}; FRNG_BIN can name a frng")),
    }
}
