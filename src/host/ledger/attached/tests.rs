use super::*;

/// Disks, each with the name of its hardware, and what happened in which minute.
fn book(media: &[(&str, &str)], happened: &[(u64, LedgerEvent)]) -> LedgerContent {
    let registered = media.iter().map(|(medium, device)| {
        (
            0,
            LedgerEvent::Registered {
                medium: (*medium).into(),
                set: "00".repeat(16),
                pool: Some("disks".into()),
                device: Some((*device).into()),
                kind: None,
                mounted: true,
            },
        )
    });
    // Each disk is put away after it was registered.
    let moved = media.iter().map(|(medium, _)| (0, moved(medium)));
    let events: Vec<(u64, LedgerEvent)> = registered.chain(moved).chain(happened.iter().cloned()).collect();
    let mut book = LedgerContent::default();
    book.lines.extend((1..).zip(events).map(|(line, (minute, event))| LedgerLine { line, time: at(minute), event }));
    book
}

/// The intervals, after those of the registering.
fn shown(media: &[(&str, &str)], happened: &[(u64, LedgerEvent)]) -> Vec<String> {
    let minute = |time: &str| time[14..16].trim_start_matches('0').to_owned();
    let text = |a: &Attachment| {
        let left = a.left.as_ref().map(|(time, who)| format!("{} {}", minute(time), who.name()));
        format!("{}: {} {} - {}", a.media.join("|"), minute(&a.since), a.came.name(), left.unwrap_or("?".into()))
    };
    book(media, happened).attachments()[media.len()..].iter().map(text).collect()
}

fn at(minute: u64) -> String {
    format!("2026-11-23T01:{minute:02}:00Z")
}

fn moved(medium: &str) -> LedgerEvent {
    let (medium, to, by) = (medium.into(), "金庫".into(), "鈴木".into());
    LedgerEvent::Moved { medium, to, by, witness: None, off_site: false, out_of_use: None, set: None }
}

fn comes(medium: Option<&str>, device: &str, port: &str) -> LedgerEvent {
    LedgerEvent::Plugged { medium: medium.map(Into::into), device: device.into(), port: Some(port.into()) }
}

fn goes(medium: Option<&str>, device: &str, port: &str) -> LedgerEvent {
    LedgerEvent::Unplugged { medium: medium.map(Into::into), device: device.into(), port: Some(port.into()) }
}

fn found(medium: &str) -> LedgerEvent {
    LedgerEvent::Attached { medium: medium.into(), at: "/mnt".into(), device: None, mounted: true }
}

fn detached(medium: &str, seen: bool) -> LedgerEvent {
    LedgerEvent::Detached { medium: medium.into(), seen }
}

const OWN: [(&str, &str); 2] = [("CL-01", "A"), ("CL-02", "B")];
const DOCK: [(&str, &str); 2] = [("CL-01", "DOCK"), ("CL-02", "DOCK")];

#[test]
fn a_night_as_udev_sees_it() {
    let (come, go) = (comes(Some("CL-01"), "A", "1"), goes(Some("CL-01"), "A", "1"));
    let night = [(1, come.clone()), (2, found("CL-01")), (4, go.clone()), (5, detached("CL-01", true))];
    assert_eq!(shown(&OWN, &night), ["CL-01: 1 udev - 4 udev"]);
    // The run was quicker to see it leave, and a person enters in the morning where it is.
    let night = [(1, come), (2, found("CL-01")), (4, detached("CL-01", true)), (5, go), (9, moved("CL-01"))];
    assert_eq!(shown(&OWN, &night), ["CL-01: 1 udev - 5 udev"]);
}

#[test]
fn without_udev_runs_and_people_tell() {
    let night = [(2, found("CL-01")), (4, detached("CL-01", true)), (12, found("CL-02")), (13, detached("CL-02", false))];
    assert_eq!(shown(&OWN, &night), ["CL-01: 2 run - 4 run", "CL-02: 12 run - ?"]);
    let taken: Vec<_> = night.into_iter().chain([(20, moved("CL-02"))]).collect();
    assert_eq!(shown(&OWN, &taken)[1], "CL-02: 12 run - 20 person");
}

/// The host was off while the disk was pulled, or its coming was missed: nobody has seen it away.
#[test]
fn what_nobody_saw_counts_as_attached() {
    let (come, go) = (comes(Some("CL-01"), "A", "1"), goes(Some("CL-01"), "A", "1"));
    assert_eq!(shown(&OWN, &[(1, come.clone()), (20, come.clone())]), ["CL-01: 1 udev - ?"]);
    assert_eq!(shown(&OWN, &[(1, come.clone()), (20, come.clone()), (22, go.clone())]), ["CL-01: 1 udev - 22 udev"]);
    assert_eq!(shown(&OWN, &[(1, come.clone()), (3, go.clone()), (20, go.clone())]), ["CL-01: 1 udev - 20 udev"]);
    // A person said that it was in the safe, and it was in the dock until now.
    assert_eq!(shown(&OWN, &[(1, come), (3, moved("CL-01")), (20, go)]), ["CL-01: 1 udev - 20 udev"]);
}

#[test]
fn what_was_read_or_written_was_attached() {
    let scrubbed = LedgerEvent::Scrubbed { medium: "CL-02".into(), damaged: 0 };
    assert_eq!(shown(&OWN, &[(5, scrubbed)]), ["CL-02: 5 run - ?"]);
}

/// The serial number is that of the dock. Which disk is in it, a run finds out.
#[test]
fn a_dock_is_plugged_in_and_a_run_finds_out_which_disk_is_in_it() {
    let (come, go) = (comes(None, "DOCK", "1"), goes(None, "DOCK", "1"));
    let night = [(1, come.clone()), (2, found("CL-02")), (4, go.clone()), (5, detached("CL-02", true))];
    assert_eq!(shown(&DOCK, &night), ["CL-02: 1 udev - 4 udev"]);
    let quicker = [(1, come.clone()), (2, found("CL-02")), (4, detached("CL-02", true)), (5, go.clone())];
    assert_eq!(shown(&DOCK, &quicker), ["CL-02: 1 udev - 5 udev"]);
    // Nobody looked.
    assert_eq!(shown(&DOCK, &[(1, come.clone()), (4, go.clone())]), ["CL-01|CL-02: 1 udev - 4 udev"]);
    // The disk is swapped in the dock, which stays: the first one was not seen to leave before the dock did.
    let swapped = [(1, come.clone()), (2, found("CL-01")), (5, found("CL-02")), (9, go.clone())];
    assert_eq!(shown(&DOCK, &swapped), ["CL-01: 1 udev - 9 udev", "CL-02: 5 run - 9 udev"]);
    // The dock goes long after the disk was taken out of it, by what a person says.
    let taken = [(1, come.clone()), (2, found("CL-01")), (5, moved("CL-01")), (9, go.clone())];
    assert_eq!(shown(&DOCK, &taken), ["CL-01: 1 udev - 5 person"]);
    // The host was off in between.
    let off = [(1, come.clone()), (2, found("CL-01")), (20, come), (21, found("CL-01")), (25, go)];
    assert_eq!(shown(&DOCK, &off), ["CL-01: 1 udev - 25 udev"]);
}

/// A dock that says its own serial number had one medium so far. The next one is taken for that, until a run finds it.
#[test]
fn a_dock_that_leaves_at_its_port_leaves_none_of_its_media_attached() {
    let is_here = |port| {
        let before = [(1, comes(Some("CL-01"), "DOCK", "usb-1")), (2, found("CL-02")), (3, detached("CL-02", true))];
        let happened = [&before[..], &[(4, goes(None, "DOCK", port))]].concat();
        book(&DOCK, &happened).media().into_values().map(|m| m.at_host).collect::<Vec<_>>()
    };
    assert_eq!(is_here("usb-1"), [false, false]);
    // It is another dock that left.
    assert_eq!(is_here("usb-2"), [true, false]);
}

#[test]
fn two_docks_with_one_serial_number_are_told_apart_by_their_ports() {
    let both = [(1, comes(None, "DOCK", "1")), (2, found("CL-01")), (3, comes(None, "DOCK", "2")), (4, goes(None, "DOCK", "2"))];
    assert_eq!(shown(&DOCK, &both), ["CL-01: 1 udev - ?", "CL-01|CL-02: 3 udev - 4 udev"]);
    // CL-01 stays where it was found first: a run that finds it again says nothing about the other dock.
    let again = [(1, comes(None, "DOCK", "1")), (2, found("CL-01")), (3, comes(None, "DOCK", "2")), (4, found("CL-01"))];
    assert_eq!(shown(&DOCK, &again), ["CL-01: 1 udev - ?", "CL-01|CL-02: 3 udev - ?"]);
    // Without udev's line nobody knows in which of two docks a run found it: the going of one is not that of the disk.
    let unknown =
        [(1, found("CL-01")), (2, comes(None, "DOCK", "1")), (3, comes(None, "DOCK", "2")), (4, goes(None, "DOCK", "1"))];
    assert_eq!(shown(&DOCK, &unknown)[0], "CL-01: 1 run - ?");
}

#[test]
fn a_medium_that_takes_the_name_on_its_sticker_keeps_its_intervals() {
    let set = "00".repeat(16);
    let alone = |medium: &str, pool: Option<&str>| LedgerEvent::Registered {
        medium: medium.into(),
        set: set.clone(),
        pool: pool.map(Into::into),
        device: None,
        kind: None,
        mounted: true,
    };
    let events = [alone("clinic", None), detached("clinic", true), alone("CL-01", Some("disks"))];
    let mut book = LedgerContent::default();
    book.lines.extend((1..).zip(events).map(|(line, event)| LedgerLine { line, time: at(line), event }));
    let names: Vec<_> = book.attachments().into_iter().map(|a| a.media).collect();
    assert_eq!(names, [["CL-01"], ["CL-01"]]);
}

/// Whatever the order: nothing is open twice, and nothing panics.
#[test]
fn any_order_gives_at_most_one_open_interval_of_a_medium() {
    let mut chance = 7u64;
    let mut next = |n: u64| {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (chance >> 33) % n
    };
    for _ in 0..2_000 {
        let media = if next(2) == 0 { OWN } else { DOCK };
        let mut events = Vec::new();
        for minute in 1..20 {
            let (name, device) = media[next(2) as usize];
            let (known, port) = (Some(name).filter(|_| media == OWN), ["1", "2"][next(2) as usize]);
            events.push((
                minute,
                match next(6) {
                    0 => comes(known, device, port),
                    1 => goes(known, device, port),
                    2 => found(name),
                    3 => detached(name, true),
                    4 => detached(name, false),
                    _ => moved(name),
                },
            ));
        }
        let all = shown(&media, &events);
        for (name, _) in media {
            let open = all.iter().filter(|a| a.starts_with(&format!("{name}:")) && a.ends_with('?')).count();
            assert!(open <= 1, "{all:#?} after {events:#?}");
        }
    }
}
