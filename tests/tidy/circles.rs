//! Files that import each other.
//!
//! In each folder, a module and all that lies below it count as one: they may import each other up and down. Beside each other, modules
//! may not stand in a circle. A path that goes through a re-export leads to the file that defines the item.

use crate::complain;
use crate::scan::{Source, closing, is_word, places, sources};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

type Path = Vec<String>;

/// An item that a file names by a path.
struct Import {
    /// From the root, as it was written.
    to: Path,
    /// Where in the file.
    at: usize,
}

/// What one file brings into its scope.
struct File<'a> {
    source: &'a Source,
    module: Path,
    imports: Vec<Import>,
    /// What a name in it stands for that a `use` brought.
    names: BTreeMap<String, Path>,
}

struct Tree<'a> {
    files: Vec<File<'a>>,
    /// The file of a module. The two roots have none: everything lies below them.
    modules: BTreeMap<Path, usize>,
}

/// `src/job/mod.rs` and `src/job.rs` are both `job`.
fn module(path: &str) -> Path {
    let path = path.trim_end_matches(".rs");
    let path = path.strip_suffix("/mod").unwrap_or(path);
    if matches!(path, "lib" | "main") { Vec::new() } else { path.split('/').map(str::to_owned).collect() }
}

/// The ranges of modules that are written inside of a file: `super` leads out of them first.
fn inline_modules(code: &str) -> Vec<Range<usize>> {
    let body = |at: usize| {
        let name = code[at..].strip_prefix("mod ")?.trim_start();
        let tail = name.trim_start_matches(is_word).trim_start();
        let start = code.len() - tail.len();
        Some(start..closing(code, start)?)
    };
    places(code, "mod").filter_map(body).collect()
}

/// The paths of a tree of imports, each with the name that it brings.
fn leaves(tree: &str, before: &[&str], out: &mut Vec<(Path, String)>) {
    let tree = tree.trim().trim_start_matches("::");
    if let Some(group) = tree.strip_prefix('{') {
        let (mut depth, mut from) = (0, 0);
        for (i, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' | ',' if depth == 0 => {
                    if !group[from..i].trim().is_empty() {
                        leaves(&group[from..i], before, out);
                    }
                    from = i + 1;
                }
                '}' => depth -= 1,
                _ => {}
            }
        }
        return;
    }
    let name = &tree[..tree.find(|c| !is_word(c)).unwrap_or(tree.len())];
    let rest = tree[name.len()..].trim();
    if let Some(rest) = rest.strip_prefix("::") {
        return leaves(rest, &[before, &[name]].concat(), out);
    }
    // `self` in braces is the module before it, and `*` brings no name that we could know.
    let path: Vec<&str> = if name.is_empty() || name == "self" { before.to_vec() } else { [before, &[name]].concat() };
    let name = match rest.strip_prefix("as ") {
        Some(other) => other.trim(),
        None if name.is_empty() => "",
        None => path.last().copied().unwrap_or(""),
    };
    out.push((path.into_iter().map(str::to_owned).collect(), name.to_owned()));
}

/// A path in code that is not part of another one: where it begins, and its names.
fn paths(code: &str) -> Vec<(usize, Vec<&str>)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(n) = code[at..].find(is_word) {
        let start = at + n;
        let mut names = Vec::new();
        at = start;
        loop {
            let name = &code[at..at + code[at..].find(|c| !is_word(c)).unwrap_or(code.len() - at)];
            names.push(name);
            at += name.len();
            match code[at..].strip_prefix("::") {
                Some(more) if more.starts_with(is_word) => at += 2,
                _ => break,
            }
        }
        if names.len() > 1 && !code[..start].ends_with("::") {
            found.push((start, names));
        }
    }
    found
}

impl<'a> Tree<'a> {
    fn new(sources: &'a [Source]) -> Self {
        let files = |s: &'a Source| File { source: s, module: module(&s.path), imports: Vec::new(), names: BTreeMap::new() };
        let mut tree = Self { files: sources.iter().map(files).collect(), modules: BTreeMap::new() };
        let modules = tree.files.iter().enumerate().map(|(i, f)| (f.module.clone(), i));
        tree.modules = modules.filter(|(m, _)| !m.is_empty()).collect();
        for i in 0..tree.files.len() {
            tree.read(i);
        }
        tree
    }

    fn read(&mut self, i: usize) {
        let code = &self.files[i].source.code;
        let inline = inline_modules(code);
        let depth = |at: usize| inline.iter().filter(|r| r.contains(&at)).count();
        let (mut imports, mut names, mut used) = (Vec::new(), BTreeMap::new(), Vec::new());
        for at in places(code, "use ") {
            let Some(end) = code[at..].find(';') else { continue };
            used.push(at..at + end);
            let mut all = Vec::new();
            leaves(&code[at + 4..at + end], &[], &mut all);
            for (path, name) in all {
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                if let Some(to) = self.absolute(i, &path, depth(at), &names) {
                    names.insert(name, to.clone());
                    imports.push(Import { to, at });
                }
            }
        }
        for (at, path) in paths(code).into_iter().filter(|(at, _)| !used.iter().any(|r| r.contains(at))) {
            if let Some(to) = self.absolute(i, &path, depth(at), &names) {
                imports.push(Import { to, at });
            }
        }
        self.files[i].imports = imports;
        self.files[i].names = names;
    }

    /// The path from the root; `None` if it leads out of this package, or to something that the file itself defines.
    fn absolute(&self, file: usize, path: &[&str], inline: usize, names: &BTreeMap<String, Path>) -> Option<Path> {
        let mut own = self.files[file].module.clone();
        let (first, mut rest) = path.split_first()?;
        let mut to = match *first {
            "crate" | "azekura" => Vec::new(),
            "self" => own,
            "super" => {
                let climb = 1 + rest.iter().take_while(|n| **n == "super").count();
                rest = &rest[climb - 1..];
                own.truncate(own.len().saturating_sub(climb.saturating_sub(inline)));
                own
            }
            name => {
                own.push(name.to_owned());
                match names.get(name) {
                    _ if self.modules.contains_key(&own) => own,
                    Some(known) => known.clone(),
                    None => return None,
                }
            }
        };
        to.extend(rest.iter().map(|n| (*n).to_owned()));
        Some(to)
    }

    /// The file that defines what a path leads to.
    fn resolve(&self, path: &[String], hops: usize) -> Option<usize> {
        let length = (1..=path.len()).rev().find(|n| self.modules.contains_key(&path[..*n]))?;
        let file = self.modules[&path[..length]];
        let (_, rest) = path.split_at(length);
        let further = rest.first().and_then(|name| self.files[file].names.get(name)).filter(|_| hops > 0);
        let further = further.map(|known| [known, &rest[1..]].concat()).filter(|p| p != path);
        further.and_then(|p| self.resolve(&p, hops - 1)).or(Some(file))
    }

    fn told(&self, file: usize, import: &Import, to: usize) -> String {
        let place = self.files[file].source.place(import.at);
        format!("{place} imports src/{}: {}", self.files[to].source.path, import.to.join("::"))
    }

    /// What each module imports of those beside it, by the folder they lie in: one line for each pair of files.
    fn edges(&self) -> BTreeMap<Path, BTreeMap<(String, String), Vec<String>>> {
        let mut edges: BTreeMap<Path, BTreeMap<_, Vec<String>>> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for (i, file) in self.files.iter().enumerate() {
            for import in &file.imports {
                let Some(to) = self.resolve(&import.to, 8) else { continue };
                let (a, b) = (&file.module, &self.files[to].module);
                let common = a.iter().zip(b).take_while(|(x, y)| x == y).count();
                // One of them lies below the other.
                if common == a.len() || common == b.len() || !seen.insert((i, to)) {
                    continue;
                }
                let beside = edges.entry(a[..common].to_vec()).or_default();
                beside.entry((a[common].clone(), b[common].clone())).or_default().push(self.told(i, import, to));
            }
        }
        edges
    }
}

/// Every circle: its members, and the imports that make it.
fn circles(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for (folder, edges) in Tree::new(sources).edges() {
        let reach = reachable(&edges.keys().cloned().collect());
        let in_circle: BTreeSet<&String> = reach.iter().filter(|(a, b)| a == b).map(|(a, _)| a).collect();
        let together =
            |a: &str, b: &str| reach.contains(&(a.to_owned(), b.to_owned())) && reach.contains(&(b.to_owned(), a.to_owned()));
        for first in &in_circle {
            let members: Vec<&str> = in_circle.iter().map(|m| m.as_str()).filter(|m| together(first, m)).collect();
            if members[0] != first.as_str() {
                continue;
            }
            let mut complaint = format!("src/{}: {}", folder.join("/"), members.join(", "));
            for ((from, to), lines) in
                edges.iter().filter(|((a, b), _)| members.contains(&a.as_str()) && members.contains(&b.as_str()))
            {
                complaint += &format!("\n    {from} → {to}");
                for line in lines {
                    complaint += &format!("\n      {line}");
                }
            }
            complaints.push(complaint);
        }
    }
    complaints
}

/// Every pair of which the first leads to the second, on however many ways.
fn reachable(edges: &BTreeSet<(String, String)>) -> BTreeSet<(String, String)> {
    let mut reach = edges.clone();
    loop {
        let further = |(a, b): &(String, String)| {
            let next = edges.range((b.clone(), String::new())..).take_while(|(c, _)| c == b);
            next.map(|(_, d)| (a.clone(), d.clone())).collect::<Vec<_>>()
        };
        let more: BTreeSet<_> = reach.iter().flat_map(further).filter(|p| !reach.contains(p)).collect();
        if more.is_empty() {
            return reach;
        }
        reach.extend(more);
    }
}

#[test]
fn files_do_not_import_in_circles() {
    complain("Files beside each other import in one direction. Move what both need into a third file.", &circles(&sources()));
}

/// A little source tree.
fn tree(files: &[(&str, &str)]) -> Vec<Source> {
    files.iter().map(|(path, text)| Source::new(path, text)).collect()
}

#[test]
fn a_circle_is_found_on_every_way_it_can_be_written() {
    let there = ("room/a.rs", "use super::b::Thing;");
    let ways = [
        "use super::a;",
        "use crate::room::a::{self, Other};",
        "use crate::{job, room::{a::{Deep as D}, c}};",
        "use azekura::room::a::Other;",
        "fn f() { super::a::f(); }",
        "fn f() -> crate::room::a::Other { todo() }",
        "mod inner { use super::super::a::Other; }",
        "pub use super::{Other};",
        "use crate::room; fn f() { room::a::f() }",
        "use super::c::Passed;",
    ];
    let (parent, other) =
        (("room/mod.rs", "mod a; mod b; mod c; pub use a::Other;"), ("room/c.rs", "pub(super) use super::a::Other as Passed;"));
    for way in ways {
        let sources = tree(&[parent, there, other, ("room/b.rs", way)]);
        let found = circles(&sources);
        assert_eq!(found.len(), 1, "{way}: {found:?}");
        assert!(found[0].starts_with("src/room: a, b"), "{found:?}");
        assert!(found[0].contains("src/room/a.rs:1 imports src/room/b.rs: room::b::Thing"), "{found:?}");
        assert!(found[0].contains("src/room/b.rs:1 imports src/room/a.rs"), "{found:?}");
    }
}

#[test]
fn a_circle_runs_through_folders_too() {
    let long = [
        ("room/a/mod.rs", "use super::b::B;"),
        ("room/b/deep.rs", "use crate::room::c::C;"),
        ("room/c.rs", "use super::a::below::A;"),
    ];
    let below = ("room/a/below.rs", "use super::A;");
    let found = circles(&tree(&[long[0], long[1], long[2], below, ("room/b/mod.rs", "mod deep;"), ("room/mod.rs", "")]));
    assert!(found.len() == 1 && found[0].starts_with("src/room: a, b, c\n"), "{found:?}");
    for way_out in 0..3 {
        let mut open = long;
        open[way_out].1 = "";
        assert_eq!(circles(&tree(&[open[0], open[1], open[2], below, ("room/b/mod.rs", ""), ("room/mod.rs", "")])), [""; 0]);
    }
}

#[test]
fn a_module_and_what_lies_below_it_are_one() {
    let sources = tree(&[
        ("lib.rs", "pub mod room; pub use room::a::A;"),
        ("room/mod.rs", "mod a; mod b; use a::A; pub struct Shared; pub fn f() { b::f() }"),
        ("room/a.rs", "use super::Shared; use crate::room::b::B; // use super::c::C;"),
        ("room/b.rs", "use super::Shared; use std::a::A; #[cfg(test)] mod tests { use crate::room::a::A; }"),
        ("room/b/below.rs", "use super::super::Shared; use super::B; fn f() { \"super::a::A\" }"),
    ]);
    assert_eq!(circles(&sources), [""; 0]);
}
