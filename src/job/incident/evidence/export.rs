//! A session handed over to somebody else.

use super::check::{RecordCheck, check};
use super::folder::{FOLDERS, copy_new, file_names, open_own, write_new};
use super::record::RECORD;
use super::{Result, failed};
use std::fmt::Write;
use std::io::Read;
use std::path::Path;

/// Copies a session into a new folder, with a page that says how to check it without this program, and a list for
/// `sha256sum`. Somebody may have put a link or a pipe into the session: these are not copied, and the check reports
/// them.
pub fn export(folder: &Path, to: &Path, page: &str) -> Result<RecordCheck> {
    let checked = check(folder)?;
    std::fs::create_dir(to).map_err(failed("made", to))?;
    let mut sums = String::new();
    for inner in FOLDERS.into_iter().filter(|inner| folder.join(inner).is_dir()) {
        std::fs::create_dir(to.join(inner)).map_err(failed("made", &to.join(inner)))?;
    }
    let mut put = |name: &str, from: &mut dyn Read| {
        let digest = copy_new(from, &to.join(name)).map_err(failed("written", &to.join(name)))?;
        let _ = writeln!(sums, "{digest}  {name}");
        Result::Ok(())
    };
    for name in [vec![RECORD.to_owned()], file_names(folder)?].concat() {
        let Some(mut file) = open_own(folder, &name)? else { continue };
        put(&name, &mut file)?;
    }
    put("README.txt", &mut page.as_bytes())?;
    write_new(&to.join("SHA256SUMS"), sums.as_bytes())?;
    Ok(checked)
}
