//! What a scanner said of what was restored.

use crate::cli::helper::Helper;
use crate::cli::ui::exit::Exit;
use crate::cli::ui::printable::Printable;
use crate::cli::ui::table::Table;
use crate::cli::ui::text::{find, message};
use crate::cli::ui::units::count;
use azekura::answer::restore as answer;
use azekura::answer::{Loose, exact, name};
use azekura::job::restore::scan::{Infected, RunningProgram, Scan, ScanCommands, ScanResult};
use std::ffi::OsStr;
use std::io;

/// Findings that are shown.
const SHOWN: usize = 20;

/// The scanner's two commands, each in a process that waits until it is asked for: the restore itself can start none.
#[derive(Debug)]
pub struct Scanner {
    version: Option<io::Result<Helper>>,
    scan: Option<io::Result<Helper>>,
}

impl Scanner {
    pub fn start(commands: &ScanCommands) -> Self {
        let [version, scan] = [&commands.version, &commands.scan].map(|words| Some(Helper::for_scanner(words)));
        Self { version, scan }
    }

    /// Begins the scan, or asks for the version. Each once.
    pub fn begin(&mut self, is_scan: bool) -> io::Result<Box<dyn RunningProgram>> {
        let waiting = if is_scan { &mut self.scan } else { &mut self.version };
        let mut helper = waiting.take().ok_or(io::ErrorKind::NotFound)??;
        helper.ask(&[])?;
        Ok(Box::new(helper))
    }
}

/// Something found is worse than a scan that failed, and that is never good. Neither hides what the restore itself
/// ended with.
pub fn exit(scan: &Scan, restored: Exit) -> Exit {
    let scanned = match scan.result {
        _ if scan.found_count > 0 => Exit::Damage,
        ScanResult::Found => Exit::Damage,
        ScanResult::Failed if scan.interrupted => Exit::Interrupted,
        ScanResult::Skipped | ScanResult::Failed => Exit::Failed,
        ScanResult::Clean => Exit::Good,
    };
    worse(restored, scanned)
}

/// The worse of two ends. Whoever does not mind a few attributes does mind that nobody has looked for malware.
fn worse(a: Exit, b: Exit) -> Exit {
    let rank = |exit: Exit| [Exit::Good, Exit::Incomplete, Exit::Failed, Exit::Interrupted].iter().position(|e| *e == exit);
    // Anything else is damage.
    if rank(a).unwrap_or(usize::MAX) >= rank(b).unwrap_or(usize::MAX) { a } else { b }
}

/// `program` is the scanner's, exactly as it was typed.
pub fn text(scan: &answer::Scan, program: &OsStr) -> String {
    let known = |text: Option<&str>| text.map_or_else(|| find("scan.unknown"), |t| t.printable());
    let mut table = Table::default();
    let result = match &scan.result[..] {
        "clean" => message!("scan.clean"),
        "skipped" => message!("scan.skipped", count = count(scan.skipped_count)),
        "found" => message!("scan.found", count = count(scan.found())),
        _ => {
            let error = || scan.error.as_deref().unwrap_or("-").to_owned();
            let why = || if scan.interrupted { find("exit.130") } else { error() };
            message!("scan.failed", program = program, code = scan.exit_code.map_or_else(why, |c| c.to_string()))
        }
    };
    table.row(find("label.scan"), result.to_string());
    table.row(find("label.engine"), known(scan.engine.as_deref()));
    let (number, date) = (known(scan.signatures.0.as_deref()), known(scan.signature_date.as_deref()));
    table.row(find("label.signatures"), message!("scan.signatures", number = number, date = date).to_string());
    for f in scan.found.first.iter().take(SHOWN) {
        let path = exact(&f.path, f.path_hex.as_deref());
        table.row(find("label.found"), message!("scan.infected", path = path, name = f.name).to_string());
    }
    if scan.found() > SHOWN as u64 {
        table.row("", message!("talk.more-findings", count = count(scan.found() - SHOWN as u64)).to_string());
    }
    format!("{}{}\n", table.text(), find("scan.proves-nothing"))
}

/// What the scanner said, as it is printed and shown.
pub fn answer(scan: &Scan) -> answer::Scan {
    let optional = |text: &Option<String>| text.as_deref().map(Into::into);
    let infected = |f: &Infected| {
        let (path, path_hex) = name(&f.path);
        answer::Infected { path, path_hex, name: f.name.as_str().into() }
    };
    answer::Scan {
        command: scan.words().map(|w| String::from_utf8_lossy(w).into_owned().into()).collect(),
        engine: optional(&scan.engine),
        signatures: Loose(scan.signatures.clone()),
        signature_date: optional(&scan.signature_date),
        exit_code: scan.exit_code,
        result: scan.result.name().into(),
        found: scan.found.iter().map(infected).collect(),
        found_count: Some(scan.found_count),
        skipped_count: scan.skipped_count,
        output: scan.output.as_str().into(),
        error: optional(&scan.error),
        interrupted: scan.interrupted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_the_restore_nor_the_scan_hides_what_the_other_found() {
        use Exit::{Damage, Failed, Good, Incomplete, Interrupted};
        let ascending = [Good, Incomplete, Failed, Interrupted, Damage];
        for (i, a) in ascending.into_iter().enumerate() {
            for b in &ascending[i..] {
                assert_eq!([worse(a, *b), worse(*b, a)], [*b, *b]);
            }
        }
    }
}
