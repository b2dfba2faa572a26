//! Numbers, sizes and times as people read them.

use super::lang::Lang;
use super::printable::Printable;
use azekura::host::nights::Words;
use chrono::{DateTime, Datelike, FixedOffset, Local, NaiveDate, NaiveDateTime, TimeDelta, TimeZone, Utc};

const WEEKDAYS: [char; 7] = ['月', '火', '水', '木', '金', '土', '日'];

/// Bytes in binary units, with one digit after the point: `12.3 GiB`.
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if n < 1024 {
        return format!("{n} B");
    }
    let power = (n.ilog2() / 10) as usize;
    // A float is exact enough: the text has one digit after the point.
    let value = n as f64 / 1024f64.powi(power as i32);
    format!("{value:.1} {}", UNITS[power - 1])
}

/// A count with its thousands apart: `1,234,567`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A time of a seal or label (RFC 3339, UTC) with its weekday. Japanese texts are read in Japan, so they give Japan's
/// time whatever the host's zone is; others give the host's zone and name it. A text that is no time is returned as it
/// is.
pub fn time(rfc3339: &str, lang: Lang) -> String {
    let Ok(at) = DateTime::parse_from_rfc3339(rfc3339) else { return rfc3339.to_owned() };
    match lang {
        Lang::Ja => japanese(at.to_utc()),
        Lang::En => at.with_timezone(&Local).format("%Y-%m-%d (%a) %H:%M %:z").to_string(),
    }
}

/// A time as [`time`] shows it in the language now spoken; in a log, the time itself.
pub struct Moment<'t>(pub &'t str);

impl Printable for Moment<'_> {
    fn printable(&self) -> String {
        time(self.0, Lang::spoken())
    }

    fn words(&self) -> Words {
        Words::Time { time: self.0.to_owned() }
    }
}

/// The number of the night that a time (RFC 3339, UTC) belongs to. Nights end at noon, by the host's clock: a run at 23:50,
/// one at 01:30 and one at 08:00 are of the same night.
pub fn night_of(rfc3339: &str) -> i64 {
    DateTime::parse_from_rfc3339(rfc3339).map_or(0, |at| night_at(at.with_timezone(&Local).naive_local()))
}

fn night_at(local: NaiveDateTime) -> i64 {
    (local - TimeDelta::hours(12)).date().num_days_from_ce().into()
}

/// A point in time as it was typed, in seconds since 1970: a date, a date with a time of the day, or RFC 3339. What has
/// no zone of its own is meant as [`time`] shows it. `is_end`: a date alone means the end of its day.
pub fn moment(typed: &str, lang: Lang, is_end: bool) -> Option<i64> {
    if let Ok(at) = DateTime::parse_from_rfc3339(typed) {
        return Some(at.timestamp());
    }
    let day = NaiveDate::parse_from_str(typed, "%Y-%m-%d").ok();
    let day = day.and_then(|d| if is_end { d.succ_opt() } else { Some(d) }).and_then(|d| d.and_hms_opt(0, 0, 0));
    let minute = || ["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"].iter().find_map(|f| NaiveDateTime::parse_from_str(typed, f).ok());
    let at = day.or_else(minute)?;
    match lang {
        Lang::Ja => Some(FixedOffset::east_opt(9 * 3600)?.from_local_datetime(&at).single()?.timestamp()),
        // An hour that the summer time repeats: the earlier one.
        Lang::En => Some(Local.from_local_datetime(&at).earliest()?.timestamp()),
    }
}

/// The date of such a time as paper has it: `2025-06-03(火)`, in Japan's time.
pub fn paper_date(rfc3339: &str) -> String {
    let time = time(rfc3339, Lang::Ja);
    time.split(' ').next().unwrap_or_default().to_owned()
}

/// A time as reports give it, in Japan's time whatever the language and the host's zone are.
pub fn paper_time(rfc3339: &str, lang: Lang) -> String {
    let Ok(at) = DateTime::parse_from_rfc3339(rfc3339) else { return rfc3339.to_owned() };
    match (lang, FixedOffset::east_opt(9 * 3600)) {
        (Lang::En, Some(japan)) => at.with_timezone(&japan).format("%Y-%m-%d (%a) %H:%M JST").to_string(),
        _ => japanese(at.to_utc()),
    }
}

/// A date as reports give it.
pub fn paper_day(day: NaiveDate, lang: Lang) -> String {
    match lang {
        Lang::Ja => format!("{}({})", day.format("%Y-%m-%d"), WEEKDAYS[day.weekday().num_days_from_monday() as usize]),
        Lang::En => day.format("%Y-%m-%d (%a)").to_string(),
    }
}

/// The date in Japan at a time in seconds since 1970.
pub fn day_in_japan(seconds: i64) -> Option<NaiveDate> {
    Some(DateTime::from_timestamp(seconds, 0)?.with_timezone(&FixedOffset::east_opt(9 * 3600)?).date_naive())
}

fn japanese(at: DateTime<Utc>) -> String {
    // Japan has had no summer time since 1951.
    let Some(japan) = FixedOffset::east_opt(9 * 3600) else { return at.to_rfc3339() };
    let at = japan.from_utc_datetime(&at.naive_utc());
    format!("{} {}", paper_day(at.date_naive(), Lang::Ja), at.format("%H:%M"))
}

/// Pads a label to so many columns on a terminal; a Japanese character takes two.
pub fn pad(label: &str, columns: usize) -> String {
    let width = unicode_width::UnicodeWidthStr::width(label);
    format!("{label}{}", " ".repeat(columns.saturating_sub(width)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_binary_units() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1024), "1.0 KiB");
        assert_eq!(bytes(5 << 30), "5.0 GiB");
        assert_eq!(bytes(u64::MAX), "16.0 EiB");
    }

    #[test]
    fn thousands_are_apart() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn japanese_dates_have_their_weekday_and_japans_time() {
        assert_eq!(time("2025-06-02T15:30:00Z", Lang::Ja), "2025-06-03(火) 00:30");
        assert_eq!(time("not a time", Lang::Ja), "not a time");
    }

    #[test]
    fn reports_give_japans_time_in_both_languages() {
        assert_eq!(paper_time("2025-06-02T15:30:00Z", Lang::Ja), "2025-06-03(火) 00:30");
        assert_eq!(paper_time("2025-06-02T15:30:00Z", Lang::En), "2025-06-03 (Tue) 00:30 JST");
        let day = day_in_japan(moment("2025-06-02T15:30:00Z", Lang::Ja, false).unwrap()).unwrap();
        assert_eq!([Lang::Ja, Lang::En].map(|l| paper_day(day, l)), ["2025-06-03(火)", "2025-06-03 (Tue)"]);
    }

    #[test]
    fn a_date_is_a_day_in_japan() {
        let at = |typed, is_end| moment(typed, Lang::Ja, is_end);
        assert_eq!(at("2025-06-03", false), at("2025-06-02T15:00:00Z", false));
        assert_eq!(at("2025-06-03", true), at("2025-06-04 00:00", true));
        assert_eq!(at("2025-06-03T08:30", true), at("2025-06-02T23:30:00Z", true));
        assert_eq!([at("3 June", false), at("2025-06-31", false), at("", true)], [None; 3]);
    }

    #[test]
    fn japanese_characters_take_two_columns() {
        assert_eq!(pad("世代", 6), "世代  ");
        assert_eq!(pad("Set", 6), "Set   ");
    }

    #[test]
    fn a_night_ends_at_noon() {
        let night = |text: &str| night_at(text.parse().expect("a time"));
        let same =
            ["2026-11-23T12:00:00", "2026-11-23T23:50:00", "2026-11-24T00:10:00", "2026-11-24T01:30:00", "2026-11-24T11:59:59"];
        assert!(same.iter().all(|t| night(t) == night(same[0])));
        assert_eq!(night("2026-11-24T12:00:00"), night(same[0]) + 1);
        assert_eq!(night("2026-11-23T11:59:59"), night(same[0]) - 1);
        assert_eq!(night("2027-01-01T01:00:00"), night("2026-12-31T23:00:00"), "the turn of the year");
    }
}
