//! The two readers, and what they answer.

use super::Call;
use crate::machine::skipped;
use crate::world::{Hospital, tree};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

impl Call {
    /// The options of a verification.
    fn common(&self) -> Vec<String> {
        let pair = |name: &str, value: Option<&String>| value.map(|v| [name.to_owned(), v.clone()]);
        [pair("--set", self.set.as_ref()), pair("--expect", self.expect.as_ref())].into_iter().flatten().flatten().collect()
    }

    fn of_restore(&self) -> Vec<String> {
        let generation = self.generation.map(|n| ["--generation".to_owned(), n.to_string()]);
        generation.into_iter().flatten().chain(self.common()).collect()
    }
}

/// Whether programs are missing that the reference reader needs; says so.
pub fn is_reader_missing() -> bool {
    let missing = ["python3", "age", "zstd", "b3sum"].into_iter().any(|p| Command::new(p).arg("--version").output().is_err());
    if missing {
        skipped("forged media: the reference reader needs python3, age, zstd and b3sum");
    }
    missing
}

/// The keys of a hospital, as a file has them.
pub fn key_text(h: &Hospital) -> String {
    h.identity.texts().iter().map(|t| format!("{}\n", **t)).collect()
}

/// Writes that file.
pub fn key_file(h: &Hospital) -> PathBuf {
    let key = h.path("key");
    std::fs::write(&key, key_text(h)).expect("a key");
    key
}

/// Where each of them restores to.
pub const BY_THE_PROGRAM: &str = "by the program";
pub const BY_THE_READER: &str = "by the reader";

/// What a reader says of a medium.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub verify: i32,
    pub restore: i32,
    pub files: Vec<(PathBuf, Option<Vec<u8>>)>,
}

pub fn by_the_program(h: &Hospital, key: &Path, call: &Call) -> (Answer, String) {
    let run = |arguments: &[&str], more: &[String], paths: &[&Path]| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_azekura"));
        program.env("AZEKURA_STATE", h.path("no state")).env("LANG", "C").args(arguments).args(more);
        for pair in paths.chunks(2) {
            program.args(pair);
        }
        let output = program.output().expect("the program");
        let said = [&output.stdout[..], &output.stderr[..]].map(|b| String::from_utf8_lossy(b).into_owned()).concat();
        (output.status.code().unwrap_or(-1), said)
    };
    let (verify, first) = run(&["verify"], &call.common(), &[&h.medium()]);
    // That memory cannot be read past the cache is no answer about the medium.
    let verify = if verify == 3 { 0 } else { verify };
    let to = h.path(BY_THE_PROGRAM);
    let named = [Path::new("--from"), &h.medium(), Path::new("--identity"), key, Path::new("--to"), &to];
    let (restore, second) = run(&["restore", "--no-owners", "--privileged", "--no-provisional"], &call.of_restore(), &named);
    // Nor are attributes that could not be set.
    let restore = if restore == 3 { 0 } else { restore };
    (Answer { verify, restore, files: restored(&to) }, format!("{first}\n{second}"))
}

/// The reference reader, which answers one call after another: most of its time is the start of Python.
pub struct ReferenceReader {
    process: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

/// Each line in is a list of arguments, each line out a status and what was printed. A crash is an answer that nobody else gives.
const SERVER: &str = r#"
import contextlib, io, json, sys, traceback
sys.path.insert(0, sys.argv[1])
import reader
answers, sys.stdout = sys.stdout, sys.stderr
for line in sys.stdin:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            status = reader.main(json.loads(line))
        except BaseException:
            status = 99
            traceback.print_exc()
    print(json.dumps([status, said.getvalue()]), file=answers, flush=True)
"#;

impl ReferenceReader {
    pub fn start() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("reference");
        let mut python = Command::new("python3");
        python.args(["-B", "-c", SERVER]).arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = python.spawn().expect("python3");
        let to = process.stdin.take().expect("a pipe");
        let from = BufReader::new(process.stdout.take().expect("a pipe"));
        Self { process, to, from }
    }

    fn call(&mut self, arguments: &[String]) -> (i32, String) {
        writeln!(self.to, "{}", serde_json::to_string(arguments).expect("arguments")).expect("a call");
        let mut line = String::new();
        self.from.read_line(&mut line).expect("an answer");
        serde_json::from_str(&line).expect("an answer")
    }

    pub fn answer(&mut self, h: &Hospital, key: &Path, call: &Call) -> (Answer, String) {
        let text = |p: &Path| p.to_str().expect("text").to_owned();
        let (verify, first) = self.call(&[vec!["verify".into(), text(&h.medium())], call.common()].concat());
        let to = h.path(BY_THE_READER);
        let arguments = ["restore".into(), text(&h.medium()), "-i".into(), text(key), "--to".into(), text(&to)];
        let (restore, second) = self.call(&[arguments.to_vec(), call.of_restore()].concat());
        (Answer { verify, restore, files: restored(&to) }, format!("{first}\n{second}"))
    }
}

impl Drop for ReferenceReader {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The files that were restored, and their content. Folders do not count: whether the stream as a whole is damaged shows only
/// at its end, and they are made before.
fn restored(to: &Path) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    if to.is_dir() { tree(to).into_iter().filter(|(_, content)| content.is_some()).collect() } else { Vec::new() }
}
