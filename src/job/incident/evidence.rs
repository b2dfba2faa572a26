//! Evidence preservation (証拠保全): a folder that keeps what was done with a medium, by whom, and what came of it.
//!
//! `record.jsonl` is the custody record: one JSON object a line, each with the SHA-256 of the line before, so that a line that is edited,
//! taken out or put in is found with `sha256sum` alone; of the last line the paper holds the digest. `results/` has what each command
//! answered, `reports/` the pages that it made, `seals/` the medium's seals as they lay there.
//!
//! **Invariant:** nothing in the folder is ever written over.

use super::hold::is_same_person;
use crate::env::{Env, TOOL};
use crate::format::object::{ObjectKind, file_name, hex};
use crate::host::files;
use crate::host::ledger::append_line;
use crate::job::restore::RestoreError;
use crate::pipeline::hasher::{ContentHasher, Digests};
use crate::set::open::OpenSet;
use serde_json::{Map, Value, json};
use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Who begins, and with what.
#[derive(Debug, Clone)]
pub struct StartOptions {
    /// The medium that is evidence. It is only read.
    pub from: PathBuf,
    /// A new or empty folder.
    pub to: PathBuf,
    pub by: String,
    pub witness: String,
    /// Where the people and the medium are.
    pub place: String,
    /// The program that does it, for its digest.
    pub program: PathBuf,
}

/// How a session began.
#[derive(Debug, Clone)]
pub struct Started {
    pub seals: u64,
    /// SHA-256 of the program.
    pub program: String,
    /// The medium could be written to: whoever mounted it did not prevent that.
    pub writable: bool,
}

/// What a check of a record found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    pub lines: u64,
    /// SHA-256 of the last line: for the paper.
    pub last: String,
    /// Lines that do not fit the one before, or are none, from 1.
    pub broken: Vec<u64>,
    /// Files in the record that are missing or are not what it says, and files beside it that no line names.
    pub files: Vec<String>,
}

impl Checked {
    pub fn is_good(&self) -> bool {
        self.lines > 0 && self.broken.is_empty() && self.files.is_empty()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    #[error("{} is not empty", path.display())]
    NotEmpty { path: PathBuf },
    #[error("the witness is the same person, or nobody")]
    SamePerson,
    #[error("{} holds no record", path.display())]
    NoRecord { path: PathBuf },
    #[error("{} cannot be {what}", path.display())]
    Io { what: &'static str, path: PathBuf, source: io::Error },
    #[error("the medium cannot be read")]
    Medium(#[source] RestoreError),
}

type Result<T> = std::result::Result<T, EvidenceError>;

const RECORD: &str = "record.jsonl";
/// Made with the first page.
const REPORTS: &str = "reports";
const FOLDERS: [&str; 3] = ["results", "seals", REPORTS];

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> EvidenceError {
    let path = path.to_owned();
    move |source| EvidenceError::Io { what, path, source }
}

fn sha256(bytes: &[u8]) -> String {
    Digests::of(bytes, true).sha256.map_or_else(String::new, |d| hex(&d))
}

/// Begins a session: the people, the program, the medium and its seals.
pub fn start(options: &StartOptions, env: &Env) -> Result<Started> {
    if is_same_person(&options.by, &options.witness) {
        return Err(EvidenceError::SamePerson);
    }
    let to = &options.to;
    std::fs::create_dir_all(to).map_err(failed("made", to))?;
    if std::fs::read_dir(to).map_err(failed("read", to))?.next().is_some() {
        return Err(EvidenceError::NotEmpty { path: to.clone() });
    }
    // Before it is opened: a drive is opened by one at a time.
    let writable = crate::medium::is_writable(&options.from);
    let opened = OpenSet::open(&options.from, None, env.loader).map_err(EvidenceError::Medium)?;
    let chain = opened.chain().map_err(EvidenceError::Medium)?;
    for folder in FOLDERS {
        std::fs::create_dir(to.join(folder)).map_err(failed("made", &to.join(folder)))?;
    }
    let mut files = Map::new();
    for link in &chain.links {
        let (name, bytes) = (format!("seals/{}", file_name(link.number, ObjectKind::Seal)), link.bytes());
        write_new(&to.join(&name), &bytes)?;
        files.insert(name, sha256(&bytes).into());
    }
    let program = std::fs::read(&options.program).map_err(failed("read", &options.program))?;
    let label = chain.label.as_ref();
    let started = Started { seals: chain.links.len() as u64, program: sha256(&program), writable };
    append(
        to,
        env,
        json!({
            "event": "started",
            "by": options.by,
            "witness": options.witness,
            "place": options.place,
            "host": env.host,
            "tool": TOOL,
            "program_sha256": started.program,
            "medium": {
                "at": options.from.display().to_string(),
                "set": chain.set.to_string(),
                "set_name": label.map(|l| &l.name),
                "medium": label.map(|l| l.medium.to_string()),
                "number": label.map(|l| l.place),
                "device": crate::medium::device_name(&options.from),
                "writable": started.writable,
            },
            "files": files,
        }),
    )?;
    Ok(started)
}

/// What a command answered.
#[derive(Debug, Clone, Copy)]
pub struct RecordedAnswer<'a> {
    pub command: &'a str,
    pub arguments: &'a [String],
    pub exit: u8,
    pub result: &'a [u8],
    /// Pages that it made, with their names.
    pub pages: &'a [(String, Vec<u8>)],
}

/// Adds what a command answered, and the pages that it made.
pub fn add(folder: &Path, answer: &RecordedAnswer, env: &Env) -> Result<()> {
    // A result whose line was never written, because the power went between the two, stays as it is.
    let free = |n: &usize| !folder.join(result_name(*n, answer.command)).exists();
    let number = (read_record(folder)?.lines.len() + 1..).find(free).unwrap_or_default();
    let mut files = Map::new();
    let name = result_name(number, answer.command);
    write_new(&folder.join(&name), answer.result)?;
    files.insert(name, sha256(answer.result).into());
    for (page, bytes) in answer.pages {
        let reports = folder.join(REPORTS);
        std::fs::create_dir_all(&reports).map_err(failed("made", &reports))?;
        let name = format!("{REPORTS}/{number:04}-{page}");
        write_new(&folder.join(&name), bytes)?;
        files.insert(name, sha256(bytes).into());
    }
    let event = json!({
        "event": "command",
        "command": answer.command,
        "arguments": answer.arguments,
        "exit_code": answer.exit,
        "files": files,
    });
    append(folder, env, event)
}

fn result_name(number: usize, command: &str) -> String {
    format!("results/{number:04}-{command}.json")
}

fn append(folder: &Path, env: &Env, mut event: Value) -> Result<()> {
    let path = folder.join(RECORD);
    let appended = append_line(&path, |before| {
        let last = before.strip_suffix(b"\n").unwrap_or(before).rsplit(|b| *b == b'\n').next().unwrap_or_default();
        event["time"] = env.time_text().into();
        event["previous"] = if before.is_empty() { Value::Null } else { sha256(last).into() };
        Ok(event.to_string())
    });
    appended.map_err(|(what, source)| failed(what, &path)(source))
}

/// A line of a record.
#[derive(Debug, Clone)]
pub struct Line {
    /// From 1.
    pub number: u64,
    /// Null where the line cannot be read.
    pub event: Value,
    /// It follows the line before it.
    pub fits: bool,
}

/// A record as it lies there.
#[derive(Debug, Clone, Default)]
pub struct Record {
    pub lines: Vec<Line>,
    /// SHA-256 of the last line.
    pub last: String,
}

/// A record takes some 400 bytes a command: this is enough for a hundred thousand.
const RECORD_BYTES: u64 = 64 << 20;

/// Reads a record, and which of its lines follow the one before.
pub fn read_record(folder: &Path) -> Result<Record> {
    let path = folder.join(RECORD);
    let mut text = Vec::new();
    let read = open_file(&path).and_then(|f| f.take(RECORD_BYTES + 1).read_to_end(&mut text));
    match read {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(EvidenceError::NoRecord { path: folder.to_owned() }),
        read => read.map_err(failed("read", &path))?,
    };
    if text.len() as u64 > RECORD_BYTES {
        return Err(failed("read", &path)(io::ErrorKind::FileTooLarge.into()));
    }
    let mut record = Record::default();
    let mut expected = Value::Null;
    let body = text.strip_suffix(b"\n").unwrap_or(&text);
    for (line, number) in body.split(|b| *b == b'\n').zip(1..) {
        let event: Value = serde_json::from_slice(line).unwrap_or_default();
        let fits = event.is_object() && event["previous"] == expected;
        record.last = sha256(line);
        expected = record.last.clone().into();
        record.lines.push(Line { number, event, fits });
    }
    if let Some(last) = record.lines.last_mut() {
        // A line that was cut off is none, even where it can be read.
        last.fits &= text.ends_with(b"\n");
    }
    Ok(record)
}

/// Opens a file of a session that was named by its record: nothing outside, no link, and nothing that would be waited for.
pub fn open_named(folder: &Path, name: &str) -> io::Result<File> {
    if !Path::new(name).components().all(|c| matches!(c, std::path::Component::Normal(_))) {
        return Err(io::ErrorKind::InvalidFilename.into());
    }
    if !has_own_folder(folder, name) {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    open_file(&folder.join(name))
}

fn open_file(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

/// SHA-256 of a file of the session, in hexadecimal.
fn sha256_of(mut file: File) -> io::Result<String> {
    let mut hasher = ContentHasher::new(true);
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex_sha256(hasher)),
            n => hasher.update(&buffer[..n]),
        }
    }
}

/// What a hasher of files says, as records write it.
pub fn hex_sha256(hasher: ContentHasher) -> String {
    hasher.finish().sha256.map_or_else(String::new, |d| hex(&d))
}

/// The files that a line names, with the digests that it gives.
pub fn files_of(event: &Value) -> impl Iterator<Item = (&String, Option<&str>)> {
    event["files"].as_object().into_iter().flatten().map(|(name, digest)| (name, digest.as_str()))
}

/// Checks the record against itself and the files that it names.
pub fn check(folder: &Path) -> Result<Checked> {
    let record = read_record(folder)?;
    let broken = record.lines.iter().filter(|l| !l.fits).map(|l| l.number).collect();
    let mut files = Vec::new();
    for (name, digest) in record.lines.iter().flat_map(|l| files_of(&l.event)) {
        let there = open_named(folder, name).and_then(sha256_of).ok();
        if there.is_none_or(|there| Some(&there[..]) != digest) {
            files.push(name.clone());
        }
    }
    // Whoever puts a file in has it handed over with the others.
    let named: HashSet<&String> = record.lines.iter().flat_map(|l| files_of(&l.event)).map(|(name, _)| name).collect();
    files.extend(kept(folder)?.into_iter().filter(|name| !named.contains(name)));
    Ok(Checked { lines: record.lines.len() as u64, last: record.last, broken, files })
}

/// Names of all results and seals in a session, sorted.
fn kept(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for inner in FOLDERS {
        let from = folder.join(inner);
        match std::fs::read_dir(&from) {
            Ok(entries) => {
                for entry in entries {
                    let entry = entry.map_err(failed("read", &from))?;
                    names.push(format!("{inner}/{}", entry.file_name().to_string_lossy()));
                }
            }
            // Its files are told of one by one.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(failed("read", &from)(e)),
        }
    }
    names.sort();
    Ok(names)
}

/// Copies a session into a new folder, with a page that says how to check it without this program. What is no file of its own, a link or a
/// pipe, was put there: it is told of, and not followed to what lies elsewhere on the host.
pub fn export(folder: &Path, to: &Path, page: &str) -> Result<Checked> {
    let checked = check(folder)?;
    std::fs::create_dir(to).map_err(failed("made", to))?;
    let mut sums = String::new();
    for inner in FOLDERS.into_iter().filter(|inner| folder.join(inner).is_dir()) {
        std::fs::create_dir(to.join(inner)).map_err(failed("made", &to.join(inner)))?;
    }
    for name in [vec![RECORD.to_owned()], kept(folder)?].concat() {
        let Some(mut file) = open_own(folder, &name)? else { continue };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed("read", &folder.join(&name)))?;
        write_new(&to.join(&name), &bytes)?;
        sums.push_str(&format!("{}  {name}\n", sha256(&bytes)));
    }
    write_new(&to.join("README.txt"), page.as_bytes())?;
    sums.push_str(&format!("{}  README.txt\n", sha256(page.as_bytes())));
    write_new(&to.join("SHA256SUMS"), sums.as_bytes())?;
    Ok(checked)
}

/// A file of the session; `None` of what is none.
fn open_own(folder: &Path, name: &str) -> Result<Option<File>> {
    let path = folder.join(name);
    match path.symlink_metadata() {
        Ok(is) if is.is_file() && has_own_folder(folder, name) => {
            open_named(folder, name).map(Some).map_err(failed("read", &path))
        }
        Ok(_) => Ok(None),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(failed("read", &path)(e)),
    }
}

/// The folder that a file lies in is no link out of the session.
fn has_own_folder(folder: &Path, name: &str) -> bool {
    let inner = Path::new(name).parent().filter(|p| !p.as_os_str().is_empty());
    inner.is_none_or(|inner| folder.join(inner).symlink_metadata().is_ok_and(|is| is.is_dir()))
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<()> {
    files::write_new(path, files::PRIVATE, bytes).map_err(failed("written", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::cbor::Time;
    use crate::medium::loader::NoLoader;
    use std::sync::atomic::AtomicBool;

    /// A session with one line, as it begins.
    fn session() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        FOLDERS.iter().for_each(|f| std::fs::create_dir(dir.path().join(f)).unwrap());
        run(|env| append(dir.path(), env, json!({ "event": "started" }))).unwrap();
        dir
    }

    fn run<T>(f: impl FnOnce(&Env) -> T) -> T {
        let now = || Time { seconds: 1_790_000_000, nanoseconds: 0 };
        let interrupted = AtomicBool::new(false);
        f(&Env { now: &now, random: &|_| {}, host: "host", interrupted: &interrupted, loader: &NoLoader, threads: 1 })
    }

    fn added(folder: &Path, exit: u8, result: &str) -> Result<()> {
        let answer = RecordedAnswer { command: "verify", arguments: &[], exit, result: result.as_bytes(), pages: &[] };
        run(|env| add(folder, &answer, env))
    }

    fn last_line(folder: &Path) -> Value {
        let record = std::fs::read_to_string(folder.join(RECORD)).unwrap();
        serde_json::from_str(record.lines().last().unwrap()).unwrap()
    }

    #[test]
    fn a_result_that_is_edited_or_taken_away_or_put_in_is_found() {
        let dir = session();
        added(dir.path(), 5, "damage").unwrap();
        assert!(check(dir.path()).unwrap().is_good());
        assert_eq!(last_line(dir.path())["exit_code"], 5, "what came of it");
        let (name, file) = ("results/0002-verify.json", dir.path().join("results/0002-verify.json"));
        std::fs::write(&file, "no damage").unwrap();
        assert_eq!(check(dir.path()).unwrap().files, [name]);
        std::fs::remove_file(&file).unwrap();
        assert_eq!(check(dir.path()).unwrap().files, [name]);
        std::fs::remove_dir(file.parent().unwrap()).unwrap();
        assert_eq!(check(dir.path()).unwrap().files, [name]);
        std::fs::create_dir(file.parent().unwrap()).unwrap();
        std::fs::write(&file, "damage").unwrap();
        for planted in ["results/0003-verify.json", "seals/00000099.seal"] {
            std::fs::write(dir.path().join(planted), "nobody asked").unwrap();
            assert_eq!(check(dir.path()).unwrap().files, [planted]);
            std::fs::remove_file(dir.path().join(planted)).unwrap();
        }
        assert!(check(dir.path()).unwrap().is_good());
    }

    /// A record from somebody else's hands must not vouch for, or open, what lies elsewhere on the host that checks it.
    #[test]
    fn a_record_names_nothing_outside_its_folder() {
        let dir = session();
        std::fs::write(dir.path().join("secret"), "key").unwrap();
        let inner = dir.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        for outside in ["../secret".to_owned(), dir.path().join("secret").display().to_string()] {
            run(|env| append(&inner, env, json!({ "files": { outside.clone(): sha256(b"key") } }))).unwrap();
            assert_eq!(check(&inner).unwrap().files, [&outside[..]], "{outside}");
            std::fs::remove_file(inner.join(RECORD)).unwrap();
        }
    }

    /// The power goes while a line is written: the record is broken there and says so for good, and what comes later can still be read.
    #[test]
    fn a_line_that_was_cut_off_stays_and_is_told_of() {
        let dir = session();
        added(dir.path(), 0, "good").unwrap();
        let record = dir.path().join(RECORD);
        let whole = std::fs::read(&record).unwrap();
        std::fs::write(&record, &whole[..whole.len() - 1]).unwrap();
        assert_eq!(check(dir.path()).unwrap().broken, [2], "without its end");
        std::fs::write(&record, [&whole[..], b"{\"event\":\"com"].concat()).unwrap();
        assert!(!check(dir.path()).unwrap().is_good());
        added(dir.path(), 0, "good").unwrap();
        let checked = check(dir.path()).unwrap();
        assert_eq!((checked.lines, &checked.broken[..], checked.files.len()), (4, &[3][..], 0));
    }

    /// The power goes between a result and its line: that result stays as it is and is told of, and the session goes on.
    #[test]
    fn no_result_is_written_over() {
        let dir = session();
        let orphan = dir.path().join("results/0002-verify.json");
        std::fs::write(&orphan, "of the moment before").unwrap();
        added(dir.path(), 0, "good").unwrap();
        assert_eq!(std::fs::read_to_string(&orphan).unwrap(), "of the moment before");
        assert!(last_line(dir.path())["files"]["results/0003-verify.json"].is_string());
        assert_eq!(check(dir.path()).unwrap().files, ["results/0002-verify.json"]);
        assert!(write_new(&orphan, b"other").is_err());
    }

    /// What is handed over can be checked like the session itself, by this program and by `sha256sum`.
    #[test]
    fn all_of_a_session_is_handed_over() {
        let (dir, to) = (session(), tempfile::tempdir().unwrap());
        added(dir.path(), 0, "good").unwrap();
        std::fs::write(dir.path().join("seals/00000003.seal"), "seal").unwrap();
        let out = to.path().join("out");
        assert!(!export(dir.path(), &out, "page").unwrap().is_good(), "a seal that no line names is told of");
        assert_eq!(std::fs::read(out.join(RECORD)).unwrap(), std::fs::read(dir.path().join(RECORD)).unwrap());
        assert_eq!(check(&out).unwrap(), check(dir.path()).unwrap());
        let sums = std::fs::read_to_string(out.join("SHA256SUMS")).unwrap();
        let names: Vec<&str> = sums.lines().filter_map(|l| l.split("  ").nth(1)).collect();
        assert_eq!(names, [RECORD, "results/0002-verify.json", "seals/00000003.seal", "README.txt"]);
    }

    /// Whoever put a link into the session must not have a key handed over with it, nor the handing over wait for ever.
    #[test]
    fn nothing_from_elsewhere_is_handed_over() {
        let (dir, to) = (session(), tempfile::tempdir().unwrap());
        added(dir.path(), 0, "good").unwrap();
        let elsewhere = to.path().join("keys");
        std::fs::create_dir(&elsewhere).unwrap();
        std::fs::write(elsewhere.join("key.txt"), "secret").unwrap();
        std::os::unix::fs::symlink(elsewhere.join("key.txt"), dir.path().join("results/0003-verify.json")).unwrap();
        std::fs::remove_dir(dir.path().join("seals")).unwrap();
        std::os::unix::fs::symlink(&elsewhere, dir.path().join("seals")).unwrap();
        let pipe = std::process::Command::new("mkfifo").arg(dir.path().join("results/0004-verify.json")).status();
        assert!(pipe.unwrap().success());
        let out = to.path().join("out");
        let checked = export(dir.path(), &out, "page").unwrap();
        assert_eq!(checked.files, ["results/0003-verify.json", "results/0004-verify.json", "seals/key.txt"]);
        assert!(out.join("results/0002-verify.json").is_file());
        for name in checked.files {
            assert!(out.join(&name).symlink_metadata().is_err(), "{name}");
        }
    }
}
