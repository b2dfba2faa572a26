//! Deadlines of the reports to the personal-information commission (個人情報保護委員会): the preliminary report (速報) within 3 to 5 days, the
//! final one (確報) within 60 days if the incident may be malicious.
//!
//! The counting rule, which every page states: the day on which the incident became known is day 1, and every day counts, also Saturdays,
//! Sundays and holidays. A deadline on a holiday is not postponed, although the commission may do so: where a rule can be read in two
//! ways, the page uses the reading that cannot be late.

use chrono::{Datelike, Days, NaiveDate};

/// Days of the preliminary report, first and last; the day on which the incident became known is day 1.
pub const PRELIMINARY_DAYS: (u64, u64) = (3, 5);
/// Days of the final report.
pub const FINAL_DAYS: u64 = 60;

/// The deadlines of one incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// Of the preliminary report, first and last.
    pub preliminary: (NaiveDate, NaiveDate),
    /// Of the final report.
    pub last: NaiveDate,
}

impl Due {
    /// The deadlines of an incident that became known on a day; `None` beyond the calendar.
    pub fn of(known: NaiveDate) -> Option<Self> {
        let day = |n: u64| known.checked_add_days(Days::new(n - 1));
        Some(Self { preliminary: (day(PRELIMINARY_DAYS.0)?, day(PRELIMINARY_DAYS.1)?), last: day(FINAL_DAYS)? })
    }
}

/// A date in the Japanese era, as forms require it: `令和7年6月3日`. `None` before the era's first day.
pub fn wareki(date: NaiveDate) -> Option<String> {
    let first = NaiveDate::from_ymd_opt(2019, 5, 1)?;
    let year = match date.year() - 2018 {
        1 => "元".to_owned(),
        n => n.to_string(),
    };
    (date >= first).then(|| format!("令和{year}年{}月{}日", date.month(), date.day()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn due(known: &str) -> [String; 3] {
        let due = Due::of(date(known)).unwrap();
        [due.preliminary.0, due.preliminary.1, due.last].map(|d| d.to_string())
    }

    #[test]
    fn the_day_on_which_it_became_known_is_day_one() {
        assert_eq!(due("2025-06-03"), ["2025-06-05", "2025-06-07", "2025-08-01"]);
    }

    #[test]
    fn month_ends_and_leap_years_count() {
        assert_eq!(due("2027-12-30"), ["2028-01-01", "2028-01-03", "2028-02-27"]);
        assert_eq!(due("2028-01-01"), ["2028-01-03", "2028-01-05", "2028-02-29"]);
        assert_eq!(due("2027-01-01"), ["2027-01-03", "2027-01-05", "2027-03-01"]);
    }

    /// Golden week: a Saturday, a holiday on a Sunday, and a Monday off. Nothing is postponed.
    #[test]
    fn holidays_count_and_postpone_nothing() {
        assert_eq!(due("2026-05-01"), ["2026-05-03", "2026-05-05", "2026-06-29"]);
        assert_eq!(due("2025-11-05")[2], "2026-01-03");
    }

    #[test]
    fn the_era_has_a_first_year() {
        let of = |text| wareki(date(text));
        assert_eq!(of("2025-06-03").as_deref(), Some("令和7年6月3日"));
        assert_eq!(of("2019-05-01").as_deref(), Some("令和元年5月1日"));
        assert_eq!(of("2019-04-30"), None);
    }

    #[test]
    fn a_date_beyond_the_calendar_is_no_crash() {
        assert_eq!(Due::of(NaiveDate::MAX), None);
    }
}
