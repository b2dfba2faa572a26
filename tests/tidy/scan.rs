//! The sources as text: code without comments, literals and tests; words, and where they stand.

use crate::{files, read};

/// One file of `src`.
pub struct Source {
    /// Below `src`, with `/`.
    pub path: String,
    pub text: String,
    /// The text without comments, the inside of literals, and tests. Line numbers and columns stay.
    pub code: String,
}

impl Source {
    /// `path` is below `src`.
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned(), code: without_tests(code(text)) }
    }

    /// The part of the program that the file belongs to; `None` for the root of the library.
    pub fn room(&self) -> Option<&str> {
        match self.path.split(['/', '.']).next() {
            Some("lib") => None,
            Some("main") => Some("cli"),
            room => room,
        }
    }

    pub fn is_cli(&self) -> bool {
        self.room() == Some("cli")
    }

    /// How many `super` lead to the root.
    pub fn depth(&self) -> usize {
        let path = self.path.trim_end_matches(".rs").trim_end_matches("/mod");
        path.split('/').count()
    }

    pub fn place(&self, at: usize) -> String {
        format!("src/{}:{}", self.path, self.code[..at].matches('\n').count() + 1)
    }
}

pub fn sources() -> Vec<Source> {
    let is_test = |p: &String| p.ends_with("/tests.rs") || p.contains("/tests/");
    let ours = files("src", &[".rs"]).into_iter().filter(|p| !is_test(p));
    let all: Vec<_> = ours.map(|p| Source::new(p.trim_start_matches("src/"), &read(&p))).collect();
    // A rule about nothing would always hold.
    assert!(all.len() > 100 && all.iter().any(|s| s.path == "pipeline/target/mod.rs"), "{} sources", all.len());
    all
}

/// Blanks comments and what stands in literals; their quotes stay.
pub fn code(text: &str) -> String {
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

pub fn text_length(rest: &str) -> usize {
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
pub fn raw_length(rest: &str) -> Option<usize> {
    let tail = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let hashes = tail.len() - tail.trim_start_matches('#').len();
    let inside = tail[hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let end = inside.find(&close)?;
    Some(rest.len() - inside.len() + end + close.len())
}

/// `'x'` and `'\n'`, not `'lifetime`.
pub fn char_length(rest: &str) -> Option<usize> {
    let inside = rest.strip_prefix('\'')?;
    if let Some(escaped) = inside.strip_prefix('\\') {
        let first = escaped.chars().next()?.len_utf8();
        return escaped[first..].find('\'').map(|i| 2 + first + i + 1);
    }
    let first = inside.chars().next()?.len_utf8();
    inside[first..].starts_with('\'').then_some(1 + first + 1)
}

/// Blanks every item behind `#[cfg(test)]`.
pub fn without_tests(code: String) -> String {
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

pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Where `word` stands by itself; a `!` or `:` at its ends is part of it.
pub fn places<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let alone = move |at: &usize| {
        let before = code[..*at].chars().next_back();
        let after = code[*at + word.len()..].chars().next();
        !(before.is_some_and(is_word) || word.ends_with(is_word) && after.is_some_and(is_word))
    };
    code.match_indices(word).map(|(at, _)| at).filter(alone)
}

/// Where the brace that stands at `start` is closed.
pub fn closing(code: &str, start: usize) -> Option<usize> {
    if !code[start..].starts_with('{') {
        return None;
    }
    let mut depth = 0;
    code[start..].char_indices().find_map(|(i, c)| {
        depth += match c {
            '{' => 1,
            '}' => -1,
            _ => 0,
        };
        (depth == 0).then_some(start + i + 1)
    })
}

/// A function: where it begins, its name, and how many lines it has from its first word to its closing brace.
pub struct Function<'a> {
    pub at: usize,
    pub name: &'a str,
    pub lines: usize,
}

/// Every function that has a body, those inside of others too.
pub fn functions(code: &str) -> Vec<Function<'_>> {
    let function = |at: usize| {
        let tail = code[at + 3..].trim_start();
        let name = &tail[..tail.find(|c| !is_word(c))?];
        let mut depth = 0;
        let (body, _) = code[at..].char_indices().find(|(_, c)| {
            depth += match c {
                '(' | '[' => 1,
                ')' | ']' => -1,
                _ => 0,
            };
            depth == 0 && matches!(c, '{' | ';')
        })?;
        let end = closing(code, at + body)?;
        Some(Function { at, name, lines: code[at..end].matches('\n').count() + 1 })
    };
    places(code, "fn ").filter_map(function).collect()
}

/// The names that stand first in what follows a `::`: one, or those of a group in braces.
pub fn first_names(tail: &str) -> Vec<&str> {
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

#[test]
fn the_scanner_measures_functions() {
    let text = "trait T { fn none(&self) -> [u8; 4]; }\nconst fn one(a: [u8; 4], f: fn(u8)) -> u8 { 1 }\nfn four() {\n    fn in_it() {\n    }\n}";
    let code = code(text);
    let found: Vec<_> = functions(&code).iter().map(|f| (f.name, f.lines)).collect();
    assert_eq!(found, [("one", 1), ("four", 4), ("in_it", 2)]);
}
