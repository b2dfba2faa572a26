//! Pages of which every command is run as it stands there. The machines are a folder, and only the paths are others: those that begin with
//! `/mnt`, for example, lie below it.

#![allow(dead_code, reason = "each page needs a part of it")]

use crate::machine::skipped;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A fenced block of a page is a file if it begins with a comment that is its path, as `# /etc/azekura/config.toml`. Every other block
/// of `sh` has commands.
#[derive(Debug)]
pub enum Part {
    Command(Step),
    File { path: String, content: String },
}

/// A command of a page: its line there, the exit code that the page tells, and what is typed.
#[derive(Debug, PartialEq)]
pub struct Step {
    pub line: usize,
    pub exit: i32,
    pub typed: String,
}

/// The parts below each heading of the second level that has some, in the order of the page.
pub fn sections(page: &str) -> Vec<Vec<Part>> {
    let (mut sections, mut block) = (vec![Vec::new()], None::<(usize, &str, Vec<&str>)>);
    for (line, text) in (1..).zip(page.lines()) {
        match (&mut block, text.strip_prefix("```")) {
            (None, Some(language)) => block = Some((line, language, Vec::new())),
            (None, None) if text.starts_with("## ") => sections.push(Vec::new()),
            (Some((_, _, lines)), None) => lines.push(text),
            (Some((line, language, lines)), Some(_)) => {
                sections.last_mut().expect("a section").extend(parts(*line, language, lines));
                block = None;
            }
            (None, None) => {}
        }
    }
    sections.retain(|parts| !parts.is_empty());
    sections
}

fn parts(above: usize, language: &str, lines: &[&str]) -> Vec<Part> {
    let path = lines.iter().find(|l| !l.starts_with("#!")).and_then(|l| l.strip_prefix("# /"));
    if let Some(path) = path {
        return vec![Part::File { path: format!("/{path}"), content: format!("{}\n", lines.join("\n")) }];
    }
    assert_eq!(language, "sh", "line {above}: neither commands nor a file with its path");
    let lines = (above + 1..).zip(lines).filter(|(_, text)| !text.trim().is_empty());
    let step = |(line, text): (usize, &&str)| {
        let (typed, exit) = text.split_once("# → ").unwrap_or((text, "0"));
        Part::Command(Step { line, exit: exit.trim().parse().expect("an exit code"), typed: typed.trim().to_owned() })
    };
    lines.map(step).collect()
}

pub fn steps(page: &str) -> Vec<Step> {
    let step = |part| match part {
        Part::Command(step) => Some(step),
        Part::File { .. } => None,
    };
    sections(page).into_iter().flatten().filter_map(step).collect()
}

pub struct Hospital {
    pub dir: tempfile::TempDir,
    pub lang: &'static str,
}

impl Hospital {
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, content).expect("a file");
    }

    pub fn program(&self, name: &str, text: &str) {
        self.put(&format!("bin/{name}"), text);
        fs::set_permissions(self.path(&format!("bin/{name}")), fs::Permissions::from_mode(0o755)).expect("a program");
    }

    /// A program with its arguments, in this hospital.
    pub fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.dir.path()).env("PATH", path).env("AZEKURA_STATE", self.path("state"));
        command.env("TMPDIR", self.path("tmp")).env_remove("AZEKURA_IDENTITY").env_remove("AZEKURA_EVIDENCE");
        command
    }

    pub fn shell(&self, script: &str) -> Output {
        self.command("bash", &["-c", script]).output().expect("a shell")
    }

    pub fn good(&self, script: &str) -> String {
        let out = self.shell(script);
        assert!(out.status.success(), "{script}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).expect("UTF-8")
    }

    /// The text with every path that begins with one of `roots` (such as `/mnt/`) below this hospital's folder.
    pub fn moved(&self, text: &str, roots: &[&str]) -> String {
        let (mut moved, mut before) = (String::new(), ' ');
        for (at, c) in text.char_indices() {
            let begins = !before.is_alphanumeric() && !matches!(before, '.' | '-' | '_' | '/');
            if begins && roots.iter().any(|root| text[at..].starts_with(root)) {
                moved.push_str(self.dir.path().to_str().expect("UTF-8"));
            }
            moved.push(c);
            before = c;
        }
        moved
    }

    /// Debian's ClamAV with a signature of the test's own; where it is missing, something that answers as it does and finds nothing.
    pub fn scanner(&self) {
        let real = Path::new("/usr/bin/clamscan");
        let text = match real.exists() {
            true => {
                // EICAR's test file, by its hash and length.
                self.put("signatures/test.hdb", "44d88612fea8a8f36de82e1278abb02f:68:Eicar-Test-Signature\n");
                format!("#!/bin/sh\nexec {} --database={} \"$@\"\n", real.display(), self.path("signatures").display())
            }
            false => {
                skipped("ClamAV in a page: clamscan is missing, and something that answers like it is taken");
                "#!/bin/sh\ncase \"$*\" in *--version*) echo ClamAV 1.4.3;; esac\n".to_owned()
            }
        };
        self.program("clamscan", &text);
    }

    /// `openssl` in the place of a time-stamping authority.
    pub fn authority(&self) {
        let dir = self.path("srv/tsa");
        let dir = dir.display();
        self.put(
            "srv/tsa/tsa.cnf",
            format!(
                "[req]\ndistinguished_name = name\nprompt = no\n[name]\nCN = test\n[extensions]\nextendedKeyUsage = critical, timeStamping\n\
                 [tsa]\ndefault_tsa = rules\n[rules]\nserial = {dir}/serial\ncrypto_device = builtin\nsigner_cert = {dir}/tsa.pem\n\
                 signer_key = {dir}/tsa.key\nsigner_digest = sha256\ndefault_policy = 1.2.3.4.1\ndigests = sha256\n\
                 accuracy = secs:1\nordering = yes\ntsa_name = yes\ness_cert_id_chain = no\ness_cert_id_alg = sha256\n"
            ),
        );
        self.put("srv/tsa/serial", "0A\n");
        let key = "openssl req -x509 -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -extensions extensions";
        self.good(&format!("cd srv/tsa && {key} -config tsa.cnf -keyout tsa.key -out tsa.pem"));
    }

    pub fn chart(&self, i: usize) -> String {
        let rows: String = (0..40).map(|row| format!("<value id=\"{row}\">検査値 {}</value>\n", i * 7_919 % 1_009)).collect();
        format!("<?xml version=\"1.0\"?>\n<patient name=\"患者 {i}\">\n{rows}</patient>\n")
    }
}

/// A bash function that runs a command of a page, given with its line and exit code, and stops where it ends otherwise.
pub const STEP: &str =
    "step() { eval \"$3\"; code=$?; [ $code = $2 ] || { echo \"line $1 ends with $code: $3\" >&2; exit 99; }; }\n";

/// One line for that function.
pub fn step_line(line: usize, exit: i32, typed: &str) -> String {
    format!("step {line} {exit} '{}'\n", typed.replace('\'', "'\\''"))
}

/// Every file below a folder with its content.
pub fn content(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let walk = walkdir::WalkDir::new(folder).into_iter().map(|e| e.expect("an entry")).filter(|e| e.file_type().is_file());
    walk.map(|e| (e.path().strip_prefix(folder).expect("below").to_owned(), fs::read(e.path()).expect("a file"))).collect()
}
