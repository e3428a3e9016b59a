//! Clocks compared.

use std::time::{Duration, SystemTime};

use super::{Part, State};

/// What distribution's registry forgives in the times of a token (`Leeway` in registry/auth/token/token.go).
const LEEWAY: Duration = Duration::from_secs(60);

/// What AWS forgives in a signed request, and Kerberos in a ticket; by then apt calls fresh package lists "not valid yet".
const MOST: Duration = Duration::from_secs(300);

/// Compares another clock with ours, which said `before` and `after` around the other's answer. Header fields have whole seconds, so
/// one second is none.
pub fn clock(name: &str, theirs: SystemTime, (before, after): (SystemTime, SystemTime)) -> Part {
    let second = Duration::from_secs(1);
    let ahead = theirs.duration_since(after).unwrap_or_default();
    let behind = before.duration_since(theirs).unwrap_or_default();
    let skew = ahead.max(behind).saturating_sub(second);
    let state = match skew {
        skew if skew > MOST => State::Failure,
        skew if skew > LEEWAY => State::Warning,
        _ => State::Ok,
    };
    let seen = match (skew.as_secs(), ahead > behind) {
        (0, _) => "it has the time of this machine".to_string(),
        (seconds, true) => format!("it is {seconds} s ahead of this machine"),
        (seconds, false) => format!("it is {seconds} s behind this machine"),
    };
    let part = Part::new("clock", name, state, seen);
    match state {
        State::Ok => part,
        _ => part
            .text("set the clock of the one that is wrong: tokens, signatures and package lists are refused")
            .command("sudo timedatectl set-ntp true"),
    }
}

/// A time as daemons write it: RFC 3339, in UTC or with an offset.
pub(super) fn read(text: &str) -> Option<SystemTime> {
    let read: toml::value::Datetime = text.parse().ok()?;
    let (date, time) = (read.date?, read.time?);
    let offset = match read.offset? {
        toml::value::Offset::Z => 0,
        toml::value::Offset::Custom { minutes } => i64::from(minutes),
    };
    let days = days(
        i64::from(date.year),
        i64::from(date.month),
        i64::from(date.day),
    );
    let seconds = i64::from(time.second.unwrap_or_default());
    let minutes = days * 1440 + i64::from(time.hour) * 60 + i64::from(time.minute) - offset;
    let seconds = u64::try_from(minutes * 60 + seconds).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// Days since 1970. Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> Option<u64> {
        let since = read(text)?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Some(since.as_secs())
    }

    #[test]
    fn times_are_read_as_daemons_write_them() {
        // As `date -u -d TEXT +%s` says.
        assert_eq!(
            seconds("2026-11-21T18:02:31.537337332Z"),
            Some(1_795_284_151)
        );
        assert_eq!(seconds("2026-11-21T19:02:31+01:00"), Some(1_795_284_151));
        assert_eq!(seconds("2024-02-29T00:00:00Z"), Some(1_709_164_800));
        assert_eq!(seconds("1970-01-01T00:00:00Z"), Some(0));
        for wrong in [
            "",
            "now",
            "2026-11-21",
            "2026-11-21T18:02:31",
            "0000-00-00T00:00:00Z",
        ] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_clock_is_judged_by_what_others_forgive() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let at = |skew: i64| {
            let by = Duration::from_secs(skew.unsigned_abs());
            let theirs = if skew < 0 { now - by } else { now + by };
            let part = clock("x", theirs, (now, now));
            (part.state, part.seen)
        };
        assert_eq!(at(0).0, State::Ok);
        assert_eq!(at(-1).1, "it has the time of this machine");
        assert_eq!(at(61).0, State::Ok);
        assert_eq!(at(-62).0, State::Warning);
        assert_eq!(at(62).1, "it is 61 s ahead of this machine");
        assert_eq!(at(-301).0, State::Warning);
        assert_eq!(
            at(-302),
            (
                State::Failure,
                "it is 301 s behind this machine".to_string()
            )
        );
        // What was waited for is no skew.
        let part = clock(
            "x",
            now,
            (now - Duration::from_secs(9), now + Duration::from_secs(9)),
        );
        assert_eq!(part.state, State::Ok);
    }
}
