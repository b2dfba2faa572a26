//! What is wrong with the media of a pool: none was written for too long, or one has stayed for too long.

use super::{Problem, seconds};
use crate::host::ledger::LedgerContent;
use crate::job::media::rotation::{Pool, Streak};

/// A pool for the end of each month, and a few days.
const MOST_AGE_SECONDS: i64 = 35 * DAY_SECONDS;
const DAY_SECONDS: i64 = 24 * 3600;
/// Gaps between nights that a pool's rhythm is taken from, and how many of them are needed.
const GAPS: usize = 30;
const GAPS_KNOWN: usize = 3;

/// Whether nothing was written to a pool for longer than it expects.
pub(super) fn of_pool(pool: &Pool, book: &LedgerContent, now: i64) -> Option<Problem> {
    let (due, _) = pool.due(book)?;
    let time = book.written_media(&pool.media).next_back().map(|(_, time)| time.to_owned());
    let age = time.as_deref().and_then(seconds).map(|time| now - time);
    let max_age_seconds = pool.max_age_seconds.unwrap_or_else(|| usual_age(pool, book));
    let is_young = age.is_some_and(|age| (0..=max_age_seconds).contains(&age));
    (!is_young).then(|| Problem::PoolOld { pool: pool.name.clone(), due: due.to_owned(), time, max_age_seconds })
}

/// Twice the gap that nine of ten gaps between the pool's last nights do not exceed, and two hours; at most 35 days. So a pool
/// that is written every night is not silent for weeks, days of rest are usual, and one long silence makes no other usual.
fn usual_age(pool: &Pool, book: &LedgerContent) -> i64 {
    let mut nights: Vec<i64> = book.written_media(&pool.media).map(|(_, time)| (pool.night_of)(time)).collect();
    nights.dedup();
    let mut gaps: Vec<i64> = nights.windows(2).rev().take(GAPS).map(|pair| (pair[1] - pair[0]).max(1)).collect();
    gaps.sort_unstable();
    match gaps.get(gaps.len() * 9 / 10) {
        Some(gap) if gaps.len() >= GAPS_KNOWN => MOST_AGE_SECONDS.min(2 * gap.saturating_mul(DAY_SECONDS) + 2 * 3600),
        _ => MOST_AGE_SECONDS,
    }
}

/// Whether the last backups went to a medium that should have been swapped before.
pub(super) fn not_swapped(pool: &Pool, book: &LedgerContent) -> Option<Problem> {
    let (due, streak) = pool.due(book)?;
    // What is lost is not swapped any more.
    let is_gone = |s: &Streak| book.media().get(&s.medium).is_some_and(|m| m.out_of_use.is_some());
    let streak = streak.filter(|s| s.medium != due && !is_gone(s))?;
    let nights = streak.nights.saturating_sub(pool.turn_nights.max(1));
    (nights > 0).then(|| Problem::NotSwapped { medium: streak.medium, due: due.to_owned(), nights })
}
