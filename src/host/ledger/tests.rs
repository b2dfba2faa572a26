use super::*;

fn moved(medium: &str, to: &str) -> LedgerEvent {
    LedgerEvent::Moved {
        medium: medium.into(),
        to: to.into(),
        by: "鈴木".into(),
        witness: Some("佐藤".into()),
        off_site: false,
        out_of_use: None,
        set: None,
    }
}

#[test]
fn lines_come_back_in_their_order() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::of(dir.path());
    assert_eq!(ledger.read().unwrap().lines, []);
    let set = "00".repeat(16);
    let registered = LedgerEvent::Registered {
        medium: "CL-01".into(),
        set: set.clone(),
        pool: Some("disks".into()),
        device: None,
        kind: None,
        mounted: false,
    };
    let written = LedgerEvent::Written {
        medium: "CL-01".into(),
        generation: 3,
        check_code: "JHFB".into(),
        verdict: "good".into(),
        from_cache: false,
    };
    for (n, event) in [registered, written, moved("CL-01", "金庫")].into_iter().enumerate() {
        ledger.write(&format!("2026-11-2{n}T01:30:00Z"), event).unwrap();
    }
    let content = ledger.read().unwrap();
    assert_eq!((content.lines.len(), &content.broken[..]), (3, &[][..]));
    let media = content.media();
    let m = &media["CL-01"];
    assert_eq!((&m.set, m.location.as_deref(), m.written.as_ref().unwrap().1), (&set, Some("金庫"), 3));
}

#[test]
fn a_line_that_was_changed_removed_or_inserted_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::of(dir.path());
    for n in 0..5 {
        ledger.write("2026-11-23T01:30:00Z", moved("CL-01", &format!("棚 {n}"))).unwrap();
    }
    let path = dir.path().join("ledger.jsonl");
    let good = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = good.lines().collect();
    let bend = |lines: Vec<String>| {
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
        ledger.read().unwrap().broken
    };
    for n in 0..5 {
        let mut changed: Vec<String> = lines.iter().map(|l| (*l).to_string()).collect();
        changed[n] = changed[n].replace("鈴木", "田中");
        assert_eq!(bend(changed), [n as u64 + 1]);
    }
    for n in 0..4 {
        let mut fewer: Vec<String> = lines.iter().map(|l| (*l).to_string()).collect();
        fewer.remove(n);
        assert_eq!(bend(fewer), [n as u64 + 1]);
    }
    let mut more: Vec<String> = lines.iter().map(|l| (*l).to_string()).collect();
    more.insert(2, lines[1].to_string());
    assert!(bend(more).contains(&3));
}

/// It is bound in itself: nothing in it shows what is missing. Among the lines may be a hold.
#[test]
fn a_ledger_that_was_deleted_or_shortened_is_found_and_stays_so() {
    for kept in 0..3 {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::of(dir.path());
        for n in 0..3 {
            ledger.write("2026-11-23T01:30:00Z", moved("CL-01", &format!("棚 {n}"))).unwrap();
        }
        assert_eq!(ledger.read().unwrap().broken, [0; 0]);
        let path = dir.path().join("ledger.jsonl");
        let text = std::fs::read_to_string(&path).unwrap();
        match kept {
            0 => std::fs::remove_file(&path).unwrap(),
            n => std::fs::write(&path, text.lines().take(n).map(|l| format!("{l}\n")).collect::<String>()).unwrap(),
        }
        assert_eq!(ledger.read().unwrap().broken, [kept as u64 + 1]);
        let refused = ledger.write("2026-11-24T01:30:00Z", moved("CL-01", "金庫"));
        assert!(matches!(refused, Err(LedgerError::NotWhole { is_end_missing: false, .. })), "{refused:?}");
        assert!(kept > 0 || !path.exists(), "none is begun");
        let content = ledger.read().unwrap();
        assert_eq!((content.broken, content.lines.len()), (vec![kept as u64 + 1], kept));
    }
}

/// The power fails between the ledger's line and the file beside it. Without that file nobody knows what is missing.
#[test]
fn a_ledger_that_goes_on_behind_its_recorded_end_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::of(dir.path());
    ledger.write("2026-11-23T01:30:00Z", moved("CL-01", "棚")).unwrap();
    let end = dir.path().join("ledger.end");
    let before = std::fs::read(&end).unwrap();
    ledger.write("2026-11-24T01:30:00Z", moved("CL-01", "金庫")).unwrap();
    for (then, broken) in [(Some(&before[..]), &[][..]), (Some(&before[..9]), &[3]), (None, &[3])] {
        match then {
            Some(bytes) => std::fs::write(&end, bytes).unwrap(),
            None => std::fs::remove_file(&end).unwrap(),
        }
        assert_eq!(ledger.read().unwrap().broken, broken);
    }
    assert!(ledger.read().unwrap().is_end_missing);
    // No line hides it, and none is broken for good.
    let refused = ledger.write("2026-11-25T01:30:00Z", moved("CL-01", "棚"));
    assert!(matches!(refused, Err(LedgerError::NotWhole { is_end_missing: true, .. })), "{refused:?}");
    assert_eq!((ledger.read().unwrap().broken, ledger.read().unwrap().lines.len()), (vec![3], 2));
    // People say that all lines are there.
    ledger.write_accepted("2026-11-25T01:30:00Z", moved("CL-01", "棚")).unwrap();
    ledger.write("2026-11-26T01:30:00Z", moved("CL-01", "金庫")).unwrap();
    let whole = ledger.read().unwrap();
    assert_eq!((whole.is_sound(), whole.lines.len(), whole.is_end_missing), (true, 4, false));
    // Before the first line was written, and after it was cut off.
    let fresh = tempfile::tempdir().unwrap();
    let ledger = Ledger::of(fresh.path());
    LedgerEnd::of_nothing().write(&fresh.path().join("ledger.jsonl")).unwrap();
    assert_eq!(ledger.read().unwrap(), LedgerContent::default());
    ledger.write("2026-11-23T01:30:00Z", moved("CL-01", "棚")).unwrap();
    LedgerEnd::of_nothing().write(&fresh.path().join("ledger.jsonl")).unwrap();
    assert_eq!(ledger.read().unwrap().broken, [0; 0]);
}

#[test]
fn a_line_that_was_cut_off_stays_and_the_next_one_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::of(dir.path());
    ledger.write("2026-11-23T01:30:00Z", moved("CL-01", "棚")).unwrap();
    let path = dir.path().join("ledger.jsonl");
    let mut text = std::fs::read(&path).unwrap();
    text.extend_from_slice(b"{\"line\":2,\"time\":\"20");
    std::fs::write(&path, text).unwrap();
    ledger.write("2026-11-24T01:30:00Z", moved("CL-01", "金庫")).unwrap();
    let content = ledger.read().unwrap();
    assert_eq!((content.lines.len(), &content.broken[..], &content.torn[..]), (2, &[][..], &[2][..]));
}

/// The power failed while a line was written: any piece of it, or zeros. Nobody has changed anything. What somebody made
/// unreadable afterwards is another thing: a whole line is missing.
#[test]
fn a_torn_line_is_no_tampering_and_a_garbled_one_is() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::of(dir.path());
    let mut before_last = Vec::new();
    for n in 0..3 {
        before_last = std::fs::read(dir.path().join("ledger.end")).unwrap_or_default();
        ledger.write("2026-11-23T01:30:00Z", moved("CL-01", &format!("棚 {n}"))).unwrap();
    }
    let path = dir.path().join("ledger.jsonl");
    let good = std::fs::read(&path).unwrap();
    let last = good[..good.len() - 1].iter().rposition(|b| *b == b'\n').unwrap() + 1;
    let after = |text: &[u8], again: bool| {
        std::fs::write(&path, text).unwrap();
        // The file beside it is written behind the line.
        std::fs::write(dir.path().join("ledger.end"), &before_last).unwrap();
        if again {
            ledger.write("2026-11-24T01:30:00Z", moved("CL-01", "金庫")).unwrap();
        }
        let content = ledger.read().unwrap();
        (content.lines.len(), content.broken, content.torn)
    };
    for cut in last + 1..good.len() - 1 {
        assert_eq!(after(&good[..cut], false), (2, vec![], vec![3]), "{cut}");
    }
    for again in [false, true] {
        let zeros = [&good[..last], &[0; 40]].concat();
        assert_eq!(after(&zeros, again), (2 + usize::from(again), vec![], vec![3]));
    }
    // All but the line feed.
    assert_eq!(after(&good[..good.len() - 1], true), (4, vec![], vec![]));
    let mut garbled = good.clone();
    garbled[last + 3] = b'#';
    assert_eq!(after(&garbled, false), (2, vec![3], vec![]), "the line feed is there: it was whole");
    let second = good.iter().position(|b| *b == b'\n').unwrap() + 1;
    garbled[last + 3] = good[last + 3];
    garbled[second + 3] = b'#';
    assert_eq!(after(&garbled, true), (3, vec![2, 3], vec![]));
}

#[test]
fn runs_at_once_write_one_line_after_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::of(dir.path());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let ledger = &ledger;
            scope.spawn(move || {
                (0..25).for_each(|n| {
                    ledger.write("2026-11-23T01:30:00Z", moved("CL-01", &format!("棚 {thread}.{n}"))).unwrap();
                });
            });
        }
    });
    let content = ledger.read().unwrap();
    assert_eq!((content.lines.len(), &content.broken[..]), (100, &[][..]));
}

/// Digests have no key: whoever removes the first lines can make them anew.
#[test]
fn a_line_with_another_number_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let line = LedgerLine { line: 2, time: "2026-11-23T01:30:00Z".into(), event: moved("CL-01", "棚") };
    let bound = Bound { chain: chain("", &line), line };
    let path = dir.path().join("ledger.jsonl");
    std::fs::write(&path, serde_json::to_string(&bound).unwrap() + "\n").unwrap();
    LedgerEnd { line: 2, chain: bound.chain, holds: 0 }.write(&path).unwrap();
    assert_eq!(Ledger::of(dir.path()).read().unwrap().broken, [1]);
}
