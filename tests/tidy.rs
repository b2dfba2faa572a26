//! What the compiler does not look after: which room may know which, who owns which crate, who may talk.
//!
//! The sources are read as text, so a rule costs milliseconds. A complaint names a place and what to do there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Crates that one room, or a few, have for themselves. A place is a beginning of a path below `src`.
const OWNERS: &[(&str, &[&str])] = &[
    ("age", &["pipeline/encryptor"]),
    ("age_core", &["pipeline/encryptor"]),
    ("chrono", &["cli", "env", "job", "report"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("ctrlc", &["cli"]),
    ("der", &["format/stamp"]),
    ("ed25519_dalek", &["seal"]),
    ("ignore", &["job/inspect/generations", "job/incident/indicators", "job/restore", "pipeline/source"]),
    ("indicatif", &["cli"]),
    ("maud", &["report"]),
    ("minicbor", &["format"]),
    ("qrcode", &["report"]),
    ("ring", &["pipeline/encryptor"]),
    ("rusqlite", &["host/catalog"]),
    ("rust_i18n", &["cli"]),
    ("shlex", &["cli"]),
    ("sha2", &["pipeline/hasher"]),
    ("zstd", &["pipeline/compressor"]),
];

/// What only the command line may do: talk, listen, and ask the machine.
const TALK: &[&str] = &[
    "println!",
    "eprintln!",
    "print!",
    "eprint!",
    "dbg!",
    "io::stdin",
    "io::stdout",
    "io::stderr",
    "std::env",
    "env::var",
    "process::exit",
    "SystemTime::now",
    "Instant::now",
    "Utc::now",
    "Local::now",
];

/// The only files that may remove, rename or cut off something, and what. The command line may, of what is not a medium.
const REMOVERS: &[(&str, &str)] = &[
    ("host/state.rs", "the host's own cache"),
    ("pipeline/target/mod.rs", "files of a restore that could not be filled"),
    ("job/restore/pending_file.rs", "what an interrupted restore left"),
];

const MOST_LINES: usize = 600;

/// One file of `src`.
struct Source {
    /// Below `src`, with `/`.
    path: String,
    text: String,
    /// The text without comments, the inside of literals, and tests. Line numbers and columns stay.
    code: String,
}

impl Source {
    /// The part of the program that the file belongs to; `None` for the root of the library.
    fn room(&self) -> Option<&str> {
        match self.path.split(['/', '.']).next() {
            Some("lib") => None,
            Some("main") => Some("cli"),
            room => room,
        }
    }

    fn is_cli(&self) -> bool {
        self.room() == Some("cli")
    }

    /// How many `super` lead to the root.
    fn depth(&self) -> usize {
        let path = self.path.trim_end_matches(".rs").trim_end_matches("/mod");
        path.split('/').count()
    }

    fn place(&self, at: usize) -> String {
        format!("src/{}:{}", self.path, self.code[..at].matches('\n').count() + 1)
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The files below a folder with one of these endings, sorted; none where there is no such folder.
fn files(folder: &str, endings: &[&str]) -> Vec<String> {
    let all = walkdir::WalkDir::new(root().join(folder)).sort_by_file_name();
    let ours = |e: &walkdir::DirEntry| !matches!(e.file_name().to_str(), Some("target" | "corpus" | "artifacts"));
    all.into_iter()
        .filter_entry(ours)
        .flatten()
        .filter(|e| e.file_type().is_file())
        .filter_map(|e| Some(e.path().strip_prefix(root()).ok()?.to_str()?.to_owned()))
        .filter(|p| endings.iter().any(|e| p.ends_with(e)))
        .collect()
}

fn sources() -> Vec<Source> {
    let is_test = |p: &String| p.ends_with("/tests.rs") || p.contains("/tests/");
    let read = |p: String| {
        let text = read(&p);
        Source { path: p.trim_start_matches("src/").to_owned(), code: without_tests(code(&text)), text }
    };
    files("src", &[".rs"]).into_iter().filter(|p| !is_test(p)).map(read).collect()
}

/// Blanks comments and what stands in literals; their quotes stay.
fn code(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let blank = |out: &mut String, s: &str| out.extend(s.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
    while let Some(c) = rest.chars().next() {
        let in_word = out.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let (skip, quotes) = if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), 0)
        } else if rest.starts_with("/*") {
            (rest.find("*/").map_or(rest.len(), |i| i + 2), 0)
        } else if c == '"' {
            (text_length(rest), 1)
        } else if let (false, Some(n)) = (in_word, raw_length(rest)) {
            (n, 1)
        } else if let Some(n) = char_length(rest) {
            (n, 1)
        } else {
            (0, 0)
        };
        if skip == 0 {
            out.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        }
        let (literal, tail) = rest.split_at(skip);
        if quotes == 1 && literal.len() > 2 {
            let last = literal.len() - 1;
            let end = if literal.is_char_boundary(last) { last } else { literal.len() };
            out.push('"');
            blank(&mut out, &literal[1..end]);
            out.push('"');
        } else if quotes == 1 {
            out.push_str("\"\"");
        } else {
            blank(&mut out, literal);
        }
        rest = tail;
    }
    out
}

fn text_length(rest: &str) -> usize {
    let mut escaped = true;
    for (i, c) in rest.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return i + 1,
            _ => {}
        }
    }
    rest.len()
}

/// `r"…"`, `r#"…"#`, `br"…"`.
fn raw_length(rest: &str) -> Option<usize> {
    let tail = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let hashes = tail.len() - tail.trim_start_matches('#').len();
    let inside = tail[hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let end = inside.find(&close)?;
    Some(rest.len() - inside.len() + end + close.len())
}

/// `'x'` and `'\n'`, not `'lifetime`.
fn char_length(rest: &str) -> Option<usize> {
    let inside = rest.strip_prefix('\'')?;
    if let Some(escaped) = inside.strip_prefix('\\') {
        let first = escaped.chars().next()?.len_utf8();
        return escaped[first..].find('\'').map(|i| 2 + first + i + 1);
    }
    let first = inside.chars().next()?.len_utf8();
    inside[first..].starts_with('\'').then_some(1 + first + 1)
}

/// Blanks every item behind `#[cfg(test)]`.
fn without_tests(code: String) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut out = code;
    while let Some(start) = out.find(MARK) {
        let mut depth = 0;
        let end = out[start..].char_indices().find_map(|(i, c)| match c {
            '{' => {
                depth += 1;
                None
            }
            '}' => {
                depth -= 1;
                (depth == 0).then_some(i + 1)
            }
            ';' if depth == 0 => Some(i + 1),
            _ => None,
        });
        let end = end.map_or(out.len(), |n| start + n);
        let blank: String = out[start..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        out.replace_range(start..end, &blank);
    }
    out
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Where `word` stands by itself; a `!` or `:` at its ends is part of it.
fn places<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let alone = move |at: &usize| {
        let before = code[..*at].chars().next_back();
        let after = code[*at + word.len()..].chars().next();
        !(before.is_some_and(is_word) || word.ends_with(is_word) && after.is_some_and(is_word))
    };
    code.match_indices(word).map(|(at, _)| at).filter(alone)
}

/// The names that stand first in what follows a `::`: one, or those of a group in braces.
fn first_names(tail: &str) -> Vec<&str> {
    let name = |s: &'_ str| s.find(|c| !is_word(c)).unwrap_or(s.len());
    let Some(group) = tail.strip_prefix('{') else { return vec![&tail[..name(tail)]] };
    let (mut names, mut depth, mut from) = (Vec::new(), 0, 0);
    for (i, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' | ',' if depth == 0 => {
                let item = group[from..i].trim();
                names.push(&item[..name(item)]);
                from = i + 1;
                if c == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    names.retain(|n| !n.is_empty() && *n != "self");
    names
}

fn complain(rule: &str, complaints: &[String]) {
    let once: BTreeSet<&str> = complaints.iter().map(String::as_str).collect();
    assert!(once.is_empty(), "\n{rule}\n  {}\n", Vec::from_iter(once).join("\n  "));
}

/// The rooms as `src/lib.rs` draws them: the place in the row of arrows.
fn levels() -> BTreeMap<String, usize> {
    let lib = read("src/lib.rs");
    let drawn = lib.split('`').find(|s| s.contains('→')).expect("src/lib.rs draws the rooms with arrows");
    assert!(
        read("docs/architecture.md").lines().any(|l| l == drawn),
        "docs/architecture.md draws the same as src/lib.rs: {drawn}"
    );
    let level = |(i, rooms): (usize, &str)| -> Vec<(String, usize)> {
        rooms.split('·').map(|r| (r.replace("(bin)", "").trim().to_owned(), i)).collect()
    };
    drawn.split('→').enumerate().flat_map(level).collect()
}

#[test]
fn arrows_point_right_only() {
    let levels = levels();
    let mut complaints = Vec::new();
    let mut rooms = BTreeSet::new();
    for s in sources() {
        let Some(room) = s.room() else { continue };
        rooms.insert(room.to_owned());
        let Some(level) = levels.get(room) else {
            complaints.push(format!("{}: the room {room} is not drawn in src/lib.rs", s.place(0)));
            continue;
        };
        for root in ["crate::", "azekura::"] {
            for at in places(&s.code, root) {
                for name in first_names(&s.code[at + root.len()..]) {
                    let right = levels.get(name).is_none_or(|l| l > level);
                    if !right && name != room {
                        complaints.push(format!("{}: {room} may not know {name}", s.place(at)));
                    }
                }
            }
        }
        let climb = "super::".repeat(s.depth());
        for at in places(&s.code, &climb) {
            complaints.push(format!("{}: leaves its room by `super`; write `crate::`", s.place(at)));
        }
    }
    let drawn: BTreeSet<_> = levels.into_keys().collect();
    complaints.extend(drawn.difference(&rooms).map(|r| format!("src/lib.rs: draws {r}, which is not there")));
    complain("Arrows point right only. Move the code, not the table.", &complaints);
}

#[test]
fn a_crate_stays_with_its_owner() {
    let mut complaints = Vec::new();
    for s in sources() {
        for (name, owners) in OWNERS {
            let is_owner = owners.iter().any(|o| s.path.starts_with(o)) || s.is_cli() && owners.contains(&"cli");
            let path = format!("{name}::");
            let used = places(&s.code, &path).filter(|at| !s.code[..*at].ends_with("::"));
            let imported = ["use ", "extern crate "].map(|u| format!("{u}{name}"));
            let imported = imported.iter().flat_map(|u| places(&s.code, u)).collect::<Vec<_>>();
            for at in used.chain(imported).filter(|_| !is_owner) {
                complaints.push(format!("{}: {name} belongs to {}", s.place(at), owners.join(", ")));
            }
        }
    }
    complain("Ask the room that owns the crate.", &complaints);
}

#[test]
fn only_the_command_line_talks() {
    let mut complaints = Vec::new();
    for s in sources().iter().filter(|s| !s.is_cli()) {
        for word in TALK {
            complaints.extend(places(&s.code, word).map(|at| format!("{}: {word}", s.place(at))));
        }
    }
    complain("The library does not print, prompt, read the environment or ask the time: job::Env brings it.", &complaints);
}

#[test]
fn nothing_gives_up_without_a_reason() {
    let mut complaints = Vec::new();
    for s in sources() {
        for word in [".unwrap()", ".unwrap_err()", ".expect(", ".expect_err(", "panic!", "todo!", "unimplemented!"] {
            complaints.extend(s.code.match_indices(word).map(|(at, _)| format!("{}: {word}", s.place(at))));
        }
        for at in places(&s.code, "unreachable!") {
            let reason = s.code[at..].strip_prefix("unreachable!(\"").is_some_and(|r| !r.starts_with('"'));
            if !reason {
                complaints.push(format!("{}: unreachable! without a reason", s.place(at)));
            }
        }
    }
    complain("Answer with an error, or say with unreachable!(\"…\") why it cannot be.", &complaints);
}

#[test]
fn who_may_remove_is_known() {
    let mut complaints = Vec::new();
    for s in sources() {
        let exempt = REMOVERS.iter().any(|(path, _)| *path == s.path) || s.is_cli();
        for at in places(&s.code, "clippy::disallowed_methods") {
            let for_tests = s.code[..at].ends_with("cfg_attr(not(test), deny(");
            if !exempt && !for_tests {
                complaints.push(format!("{}: lifts the ban on removing", s.place(at)));
            }
        }
        // The ban is on calls; this one is harmless with `false`.
        for (at, _) in s.code.match_indices(".truncate(true)").filter(|_| !exempt) {
            complaints.push(format!("{}: empties a file that exists", s.place(at)));
        }
    }
    complain("We only append. What is exempt stands in tests/tidy.rs, with what it removes.", &complaints);
}

#[test]
fn files_stay_short() {
    let long = |s: &Source| {
        let lines = s.text.lines().count();
        (lines > MOST_LINES).then(|| format!("src/{}: {lines} lines", s.path))
    };
    complain(&format!("One idea a file, at most {MOST_LINES} lines."), &sources().iter().filter_map(long).collect::<Vec<_>>());
}

#[test]
fn nothing_is_left_for_later() {
    // Put together here, so that this file does not find itself.
    let words = [["TO", "DO"], ["FIX", "ME"], ["X", "XX"]].map(|w| w.concat());
    let mut complaints = Vec::new();
    let all = ["src", "tests", "benches", "fuzz", "docs", "reference", "man", ".ci"];
    for path in all.iter().flat_map(|f| files(f, &[".rs", ".md", ".py", ".sh", ".toml", "/run"])) {
        let text = read(&path);
        for word in &words {
            for at in places(&text, word) {
                complaints.push(format!("{path}:{}: {word}", text[..at].matches('\n').count() + 1));
            }
        }
    }
    complain("Do it, or open an issue.", &complaints);
}

#[test]
fn files_named_in_the_documents_exist() {
    let every = ["src", "tests", "benches", "fuzz", "docs", "reference", "man", ".ci"];
    let endings = [".rs", ".md", ".py", ".sh", ".txt", ".toml", ".json", "/run"];
    let known: Vec<String> = every.iter().flat_map(|f| files(f, &endings)).collect();
    let mut complaints = Vec::new();
    let documents = files("docs", &[".md"]).into_iter().chain(files(".", &[".md"]).into_iter().filter(|p| !p.contains('/')));
    for document in documents {
        let text = read(&document);
        let folder = root().join(&document).parent().map_or(PathBuf::new(), Path::to_owned);
        for (line, target) in links(&text) {
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let path = if file.is_empty() { root().join(&document) } else { folder.join(file) };
            if !path.exists() {
                complaints.push(format!("{document}:{line}: {target}"));
            } else if !heading.is_empty() && path.extension().is_some_and(|e| e == "md") && !anchors(&path).contains(heading) {
                complaints.push(format!("{document}:{line}: no heading {heading}"));
            }
        }
        for (line, name) in quoted(&text) {
            let ours = every.iter().any(|f| name.strip_prefix(f).is_some_and(|r| r.starts_with('/')));
            let by_ending = [".rs", ".py", ".sh"].iter().any(|e| name.ends_with(e));
            let there = root().join(name).exists() || by_ending && known.iter().any(|k| Path::new(k).ends_with(name));
            if (ours || by_ending) && !there {
                complaints.push(format!("{document}:{line}: {name}"));
            }
        }
    }
    for s in sources() {
        for (line, name) in quoted(&s.text) {
            let named = ["docs/", "tests/", "reference/", "benches/", "fuzz/"].iter().any(|f| name.starts_with(f));
            if named && !root().join(name).exists() {
                complaints.push(format!("src/{}:{line}: {name}", s.path));
            }
        }
    }
    complain("A document names what is not there.", &complaints);
}

/// Targets of links inside this repository, with their lines.
fn links(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().flat_map(|(i, line)| {
        line.match_indices("](").filter_map(move |(at, _)| {
            let target = line[at + 2..].split(')').next()?;
            (!target.contains(':')).then_some((i + 1, target))
        })
    })
}

/// What stands between backticks and could be a path, with its line.
fn quoted(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().flat_map(|(i, line)| {
        let plain = |s: &&str| !s.is_empty() && s.chars().all(|c| is_word(c) || matches!(c, '/' | '.' | '-'));
        line.split('`').skip(1).step_by(2).filter(plain).map(move |s| (i + 1, s))
    })
}

/// The names that headings get as targets of links.
fn anchors(path: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let anchor = |heading: &str| -> String {
        let kept = heading.trim().to_lowercase();
        kept.chars().filter(|c| is_word(*c) || matches!(c, ' ' | '-')).map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    text.lines().filter_map(|l| l.strip_prefix('#')).map(|h| anchor(h.trim_start_matches('#'))).collect()
}

#[test]
fn the_documents_tell_the_tests_that_ci_runs() {
    let ci = read(".ci/run");
    let command = ci.lines().find_map(|l| l.strip_prefix("TEST=\"")).and_then(|l| l.strip_suffix('"'));
    let command = command.expect(".ci/run names its test command as TEST=\"…\"");
    for document in ["README.md", "README.ja.md", "CONTRIBUTING.md"] {
        let text = read(document);
        let told: Vec<&str> = text.lines().map(str::trim).filter(|l| l.starts_with("cargo test")).collect();
        assert_eq!(told, [command], "{document} tells one test command, on a line by itself, and it is that of .ci/run");
    }
}

#[test]
fn the_scanner_sees_code_only() {
    let text = "a(\"//x\\\"\"); // y\nlet l: &'a str = r#\"z\"#; '\\''; 'q' /* w */ b\n#[cfg(test)]\nmod tests { fn t() {} }\nc";
    let seen = without_tests(code(text));
    let words: Vec<&str> = seen.split(|c: char| !is_word(c) && c != '\'').filter(|w| !w.is_empty()).collect();
    assert_eq!(words, ["a", "let", "l", "'a", "str", "b", "c"]);
    assert_eq!(seen.matches('\n').count(), text.matches('\n').count());
    assert_eq!(first_names("{a::b, c, d::{e, f}, self}"), ["a", "c", "d"]);
    assert_eq!(first_names("job::Env"), ["job"]);
    assert_eq!(places("print!(1); eprint!(2)", "print!").collect::<Vec<_>>(), [0]);
}
