//! The page beside data that was restored for reference only.

/// Where the restored data comes from.
pub struct Provisional<'a> {
    /// Name of the medium set.
    pub set_name: &'a str,
    /// The set's id in hexadecimal.
    pub set: &'a str,
    /// Number of the generation.
    pub generation: u64,
    /// When the generation was made, in Japanese and in English.
    pub time: [&'a str; 2],
    /// Of the generation's seal.
    pub check_code: &'a str,
    /// The generation's own seal says that a tripwire raised an alarm.
    pub has_alarm: bool,
    /// The set is in quarantine, as its label says.
    pub quarantine: bool,
}

/// The page in both languages, as text for any computer of a ward: with a byte order mark and carriage returns.
pub fn page(p: &Provisional) -> String {
    let Provisional { set_name, set, generation, time: [ja, en], check_code, .. } = p;
    // A terminal may show the page.
    let name: String = set_name.chars().filter(|c| !c.is_control()).collect();
    let alarm = match p.has_alarm {
        true => [
            "  ※ この世代には、ふだんと違う変化があったという警報が記録されています。\n",
            "  ! This generation has an alarm: its changes were unusual.\n",
        ],
        false => ["", ""],
    };
    let suspect = match p.quarantine {
        true => [
            "  ※ この媒体セットは隔離されています。汚染の疑いがある状態を、証拠として残したものです。\n",
            "  ! This medium set is in quarantine: it preserves, as evidence, a state\n    suspected of contamination.\n",
        ],
        false => ["", ""],
    };
    let text = format!(
        "■ 未検証・参照のみ ■

このフォルダーの中身は、バックアップの次の世代から復元したものです。
中身が正しいこと、不正ソフトウェアを含まないことは、まだ確かめられていません。

  媒体セット: {name} ({set})
  世代:       第 {generation} 世代({ja})
  照合番号:   {check_code}
{}{}
・見るだけにしてください。書き換えたり、書き足したりしないでください。
・電子カルテなどのシステムへ書き戻さないでください。
・ここにあるプログラムや文書のマクロを実行しないでください。
・この日時より後の記録は含まれていません。紙の記録や本人と突合してください。

----------------------------------------------------------------------

*** UNVERIFIED - FOR REFERENCE ONLY ***

The files in this folder were restored from this generation of the backup.
It has not been verified that they are correct or free of malware.

  Medium set: {name} ({set})
  Generation: {generation} ({en})
  Check code: {check_code}
{}{}
- Only look at the files. Change nothing here, and add nothing.
- Do not write them back to the EHR or any other system.
- Run no program and no macro from here.
- Records made after that time are missing. Check with paper records and the
  patient.
",
        alarm[0], suspect[0], alarm[1], suspect[1]
    );
    format!("\u{feff}{}", text.replace('\n', "\r\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_opens_it_reads_what_it_is_in_two_languages() {
        let facts = Provisional {
            set_name: "本院\u{1b}[2J",
            set: "00ff",
            generation: 41,
            time: ["2025-06-03(火) 02:00", "2025-06-03 02:00"],
            check_code: "7F3K-92QX-0M4D-VH1C",
            has_alarm: false,
            quarantine: false,
        };
        let text = page(&facts);
        for part in
            ["\u{feff}■ 未検証・参照のみ", "REFERENCE ONLY", "第 41 世代(2025-06-03(火) 02:00)", "7F3K-92QX-0M4D-VH1C\r\n"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains('\u{1b}') && !text.contains("alarm") && !text.contains("警報") && !text.contains("隔離"));
        let kept = page(&Provisional { quarantine: true, ..facts });
        assert!(kept.contains("in quarantine") && kept.contains("隔離") && !kept.contains("alarm"));
        let text = page(&Provisional { has_alarm: true, ..facts });
        assert!(text.contains("has an alarm") && text.contains("警報"));
    }
}
