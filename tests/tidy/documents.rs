//! Documents: what they name exists, and what they tell is what runs.

use crate::scan::{is_word, sources};
use crate::{complain, files, read, root};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

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
    assert!(ci.lines().any(|l| l == "step tests $TEST"), ".ci/run runs that command");
    for document in ["README.md", "README.ja.md", "CONTRIBUTING.md"] {
        let text = read(document);
        let told: Vec<&str> = text.lines().map(str::trim).filter(|l| l.starts_with("cargo test")).collect();
        assert_eq!(told, [command], "{document} tells one test command, on a line by itself, and it is that of .ci/run");
    }
}

/// Pages that are not wrapped by hand, and why.
const NOT_WRAPPED: &[(&str, &str)] = &[
    ("docs/commands.md", "printed by the program: azekura reference"),
    ("docs/commands.ja.md", "printed by the program: azekura reference"),
    ("docs/json.md", "made from the types of the answers: src/answer/reference.rs"),
];

#[test]
fn documents_wrap_at_120_columns() {
    use unicode_width::UnicodeWidthStr;
    const MOST_COLUMNS: usize = 120;
    let mut complaints = Vec::new();
    let pages = files(".", &[".md"]);
    for page in pages.iter().filter(|p| NOT_WRAPPED.iter().all(|(name, _)| p != name)) {
        let mut in_code = false;
        for (i, line) in read(page).lines().enumerate() {
            let text = line.trim_start();
            in_code ^= text.starts_with("```");
            // A full-width character takes two columns, and a line may end behind it; elsewhere only at a space.
            let words = text.trim_start_matches(['-', ' ']);
            let can_break =
                words.contains(' ') || words.chars().any(|c| c.len_utf8() == 3 && UnicodeWidthStr::width(&*c.to_string()) == 2);
            let exempt = in_code || text.starts_with(['|', '#']) || text.starts_with("![") || !can_break;
            let columns = UnicodeWidthStr::width(line);
            if !exempt && columns > MOST_COLUMNS {
                complaints.push(format!("{page}:{}: {columns} columns", i + 1));
            }
        }
    }
    complain("Markdown is wrapped at 120 columns; tables, code, headings and what cannot be broken may be longer.", &complaints);
}
