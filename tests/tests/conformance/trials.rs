//! The list of tests: every program under every engine, every case as a program of every ABI.

use std::collections::HashMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use frng_cli::abis::AGENT;
use frng_tests::cases;
use frng_tests::sys::gate::Gate;
use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::oracle::{self, Oracle};
use crate::outcome::{End, Outcome, User};
use crate::scratch::Scratch;
use crate::{diff, differences, fooled, foreign};

/// The engines that are compared with root, all that frng has here: it refuses `inline` where there is no agent.
/// `FRNG_TEST_ENGINES` names others; `native` compares root with itself, which shows whether the cases are deterministic.
fn engines() -> Vec<String> {
    match env::var("FRNG_TEST_ENGINES") {
        Ok(names) => names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        Err(_) => {
            let inline = AGENT.map(|_| "inline");
            inline.into_iter().chain(["seccomp", "ptrace"]).map(str::to_owned).collect()
        }
    }
}

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What is run: a case, or a shell script.
#[derive(Clone)]
pub enum Program {
    Case { name: String, expected: Option<&'static str> },
    Script { name: String, text: String },
}

/// The theme of cases that execute programs of another ABI. They run where there is one.
const MIXED: &str = "mixed::";
/// The theme of cases that issue calls of another ABI. They run where there is a way to them.
const INT80: &str = "int80::";

impl Program {
    fn name(&self) -> String {
        match self {
            Self::Case { name, .. } => name.clone(),
            Self::Script { name, .. } => format!("programs::{name}"),
        }
    }

    /// Whether it needs programs of two ABIs: a case of that theme, or a script with the line `# mixed`.
    fn is_mixed(&self) -> bool {
        match self {
            Self::Case { name, .. } => name.starts_with(MIXED),
            Self::Script { text, .. } => text.lines().any(|line| line == "# mixed"),
        }
    }

    /// Whether it is run for programs of this ABI, `None` being frng's own.
    fn is_for(&self, abi: Option<&str>) -> bool {
        match (self, abi) {
            (Self::Case { name, .. }, _) if name.starts_with(INT80) => abi.is_none() && Gate::abi().is_some(),
            (_, None) => !self.is_mixed(),
            (Self::Case { .. }, Some(_)) => true,
            // What a script runs are this machine's own programs.
            (Self::Script { .. }, Some(_)) => self.is_mixed(),
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
    /// The case program.
    case: PathBuf,
    /// The same program, which only root can read.
    closed: PathBuf,
    /// A case program of another ABI, for mixed cases.
    other: Option<PathBuf>,
    _place: Scratch,
}

impl Tools {
    /// Copies the binaries. `abi`: that of the case program, if not frng's own.
    fn new(frng: &Path, abi: Option<&str>) -> Result<Self, String> {
        let own = installed("frng-case").unwrap_or_else(|| env!("CARGO_BIN_EXE_frng-case").into());
        let place = Scratch::new(User::ROOT).map_err(|e| e.to_string())?;
        let copy = |from: &Path, name: &str| {
            let to = place.path().join(name);
            fs::copy(from, &to).map_err(|e| format!("cannot copy {}: {e}", from.display())).map(|_| to)
        };
        let frng = copy(frng, "frng")?;
        let (case, other) = match abi {
            Some(abi) => (copy(&foreign::case(abi)?, "frng-case")?, Some(copy(&own, "frng-case-other")?)),
            None => (copy(&own, "frng-case")?, None),
        };
        let closed = copy(&case, "closed")?;
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o711)).map_err(|e| e.to_string())?;
        Ok(Self { frng, case, closed, other, _place: place })
    }

    /// A command with the environment that all runs share.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", PATH).env("HOME", "/").env("LC_ALL", "C.UTF-8").env("TZ", "UTC");
        command.env("SHELL", "/bin/sh").env("FRNG_CASE", &self.case);
        command.env("FRNG_CASE_CLOSED", &self.closed);
        if let Some(other) = &self.other {
            command.env("FRNG_CASE_OTHER", other);
        }
        command
    }
}

/// The tests, together with what must outlive them.
pub struct Trials {
    pub list: Vec<Trial>,
}

/// Makes the list. Nothing is built or looked for when tests are only to be listed.
pub fn all(arguments: &Arguments) -> Result<Trials, String> {
    let engines = engines();
    let chosen = env::var("FRNG_TEST_ABIS").ok();
    let is_chosen = |abi: &str| chosen.as_ref().is_none_or(|names| names.split(',').any(|name| name == abi));
    let abis = std::iter::once(None).chain(foreign::abis().map(Some));
    let abis: Vec<Option<&str>> = abis.filter(|abi| is_chosen(abi.unwrap_or(foreign::own_abi()))).collect();
    let absent = Oracle::absent();
    let run = if absent.is_none() && !arguments.list { Some(Arc::new(Run::new(&engines)?)) } else { None };
    let programs = programs()?;
    let mut list = Vec::new();
    for abi in abis {
        for engine in &engines {
            for program in programs.iter().filter(|program| program.is_for(abi)) {
                let (engine, program, run) = (engine.clone(), program.clone(), run.clone());
                let prefix = abi.map(|abi| format!("{abi}::")).unwrap_or_default();
                let name = format!("{prefix}{engine}::{}", program.name());
                list.push(Trial::ignorable_test(name, move || match run {
                    Some(run) => run.compare(abi, &engine, &program),
                    None => Ok(Completion::ignored_with(absent.unwrap_or("only listed"))),
                }));
            }
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
    frng: PathBuf,
    /// By ABI, `None` being frng's own; made when the first test needs them. Or why they cannot be made.
    tools: HashMap<Option<&'static str>, OnceLock<Result<Tools, String>>>,
    oracle: Oracle,
    limit: Duration,
}

impl Run {
    fn new(engines: &[String]) -> Result<Self, String> {
        let frng = if engines == ["native"] { PathBuf::from("/bin/true") } else { find_frng()? };
        let tools = std::iter::once(None).chain(foreign::abis().map(Some)).map(|abi| (abi, OnceLock::new())).collect();
        let seconds = env::var("FRNG_TEST_DEADLINE").ok().and_then(|s| s.parse().ok()).unwrap_or(20);
        Ok(Self { frng, tools, oracle: Oracle::default(), limit: Duration::from_secs(seconds) })
    }

    fn tools(&self, abi: Option<&'static str>) -> &Result<Tools, String> {
        self.tools[&abi].get_or_init(|| Tools::new(&self.frng, abi))
    }

    /// One test.
    fn compare(&self, abi: Option<&'static str>, engine: &str, program: &Program) -> Result<Completion, Failed> {
        let missing = program.missing();
        if !missing.is_empty() {
            return Ok(Completion::ignored_with(format!("skipped: not installed: {}", missing.join(" "))));
        }
        let tools = match (abi, self.tools(abi)) {
            (_, Ok(tools)) => tools,
            (Some(_), Err(why)) => return Ok(Completion::ignored_with(format!("skipped: {why}"))),
            (None, Err(why)) => return Err(why.into()),
        };
        let expected = match program {
            Program::Case { expected: Some(_), .. } if engine == "native" => {
                return Ok(Completion::ignored_with("skipped: root's kernel answers otherwise"));
            }
            Program::Case { expected: Some(stdout), .. } => {
                Outcome { stdout: stdout.as_bytes().to_vec(), stderr: Vec::new(), end: End::Exit(0) }
            }
            _ => {
                let name = format!("{} {}", abi.unwrap_or_default(), program.name());
                self.oracle.ask(&name, program, tools, self.limit)?
            }
        };
        if let End::Deadline(_) = expected.end {
            return Err("as root it did not end within the deadline".into());
        }
        let mut complaints = Vec::new();
        let seen = if engine == "native" {
            oracle::native(program, tools, self.limit)?
        } else {
            let fooled = fooled::run(engine, program, tools, self.limit)?;
            complaints = fooled.complaints;
            fooled.outcome
        };
        let difference = diff::between(&expected, &seen);
        let known = differences::reason(&program.name(), engine).filter(|_| engine != "native");
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
pub fn installed(name: &str) -> Option<PathBuf> {
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
