use super::*;

/// Days like "12-30", one per record from record 1 on.
fn scan(days: &str) -> YearScan {
    let mut scan = YearScan::default();
    for (record, day) in (1..).zip(days.split(' ')) {
        let (month, day) = day.split_once('-').unwrap();
        scan.see(record, month.parse().unwrap(), day.parse().unwrap());
    }
    scan
}

fn noon(year: i32, month: u32, day: u32) -> Instant {
    midday(year, month, day).unwrap()
}

/// The year in which each record's own month and day are laid, as a reader does it.
fn laid(days: &str, anchor: Anchor) -> Vec<i32> {
    let years = scan(days).years(anchor).unwrap();
    let context = super::super::TimeContext {
        year: super::super::YearSource::ByRecord(std::sync::Arc::new(years)),
        ..super::super::TimeContext::default()
    };
    (1..)
        .zip(days.split(' '))
        .map(|(record, day)| {
            let (month, day) = day.split_once('-').unwrap();
            let noon = chrono::NaiveTime::from_hms_opt(12, 0, 0).unwrap();
            let context = context.at_record(record);
            let span = context.local_without_year(month.parse().unwrap(), day.parse().unwrap(), noon, 1);
            span.map_or(0, |span| span.lo.to_utc().year())
        })
        .collect()
}

#[test]
fn over_new_year() {
    let anchor = Anchor::NearestTo(noon(2026, 1, 6));
    assert_eq!(laid("12-30 12-31 1-1 1-5", anchor), [2025, 2025, 2026, 2026]);
    // Nothing beside it: order alone, in years that have all their days.
    assert_eq!(laid("12-30 12-31 1-1 1-5", Anchor::Unknown), [1971, 1971, 1972, 1972]);
    // What is declared is the year of the last record.
    assert_eq!(laid("12-30 12-31 1-1 1-5", Anchor::Declared(2024)), [2023, 2023, 2024, 2024]);
}

// Plaso issues 2871 and 1114: a file over several years, whose stamps cannot each be laid next to one neighbour.
#[test]
fn over_several_years() {
    let anchor = Anchor::NearestTo(noon(2026, 11, 20));
    let days = "3-1 7-1 11-1 2-1 6-1 10-1 1-15 5-15 11-19";
    assert_eq!(laid(days, anchor), [2024, 2024, 2024, 2025, 2025, 2025, 2026, 2026, 2026]);
    let years = scan(days).years(anchor).unwrap();
    // The incident could lie in the first or the second year of the log as well: then it would end in 2027 or 2028.
    assert_eq!((years.first, years.last, years.also_possible), (2024, 2026, vec![2027, 2028]));
}

// Plaso issue 408: lines out of order across New Year must not run the years away (to 2246).
#[test]
fn disorder_does_not_run_away() {
    let anchor = Anchor::NearestTo(noon(2026, 1, 2));
    let days = "12-31 1-1 12-31 1-1 12-31 1-1 1-2";
    assert_eq!(laid(days, anchor), [2025, 2026, 2025, 2026, 2025, 2026, 2026]);
    assert_eq!(scan(days).years(anchor).unwrap().out_of_order, 0, "a day is no disorder");
    // Ten days back within a year: the same year, and counted.
    let years = scan("3-10 3-1").years(Anchor::NearestTo(noon(2026, 3, 2))).unwrap();
    assert_eq!((years.first, years.last, years.out_of_order), (2026, 2026, 1));
    // A gap of more than half a year forward is no end of a year.
    assert_eq!(laid("3-1 10-1", Anchor::NearestTo(noon(2026, 11, 1))), [2026, 2026]);
    // Without any order nothing is said, and memory is bounded.
    let wild = vec!["12-20 5-5 11-1"; 10_000].join(" ");
    assert!(scan(&wild).years(anchor).is_none() && scan(&wild).marks.len() <= MOST_MARKS + 1);
}

// Plaso issues 138 and 1142: 29 February is a day of leap years alone.
#[test]
fn leap_days() {
    let anchor = Anchor::NearestTo(noon(2026, 11, 20));
    assert_eq!(laid("2-28 2-29 3-1", anchor), [2024, 2024, 2024]);
    // After it, before it: the newest leap year is not the nearest one to an anchor in 2026, but the only one.
    assert_eq!(laid("2-29 11-1 2-1", Anchor::NearestTo(noon(2025, 2, 2))), [2024, 2024, 2025]);
    assert_eq!(laid("2-29", Anchor::NearestTo(noon(2024, 2, 27))), [2024]);
    assert_eq!(laid("2-29", Anchor::Unknown), [1972]);
    // Two leap days in neighbouring years: one is laid on the day there is.
    assert_eq!(laid("2-29 11-1 2-29 3-1", Anchor::NearestTo(noon(2025, 3, 2))), [2024, 2024, 2024, 2025]);
    // A day of no year is no stamp.
    let mut scan = YearScan::default();
    scan.see(1, 2, 30);
    assert!(scan.years(anchor).is_none());
}

// A router whose clock stands at 1 January until it is set: no year has ended.
#[test]
fn a_clock_that_was_not_set() {
    let anchor = Anchor::NearestTo(noon(2026, 11, 22));
    let days = "11-19 11-20 1-1 1-1 11-20 11-21 1-1 11-21";
    let years = scan(days).years(anchor).unwrap();
    assert_eq!((years.first, years.last, years.not_set), (2026, 2026, 2));
    assert_eq!(laid(days, anchor)[4..6], [2026, 2026]);
}

// Half a year away on either side: nothing tells 2025 from 2026.
#[test]
fn two_feasible_years_are_said() {
    let years = scan("5-20 5-22").years(Anchor::NearestTo(noon(2025, 11, 20))).unwrap();
    assert_eq!((years.last, years.also_possible.as_slice()), (2026, [2025].as_slice()));
    // Two months away: no question.
    let years = scan("9-20 9-22").years(Anchor::NearestTo(noon(2025, 11, 20))).unwrap();
    assert_eq!((years.last, years.also_possible.as_slice()), (2025, [].as_slice()));
}

// A line with a year among them overrides what is beside the file.
#[test]
fn a_stated_year_overrides() {
    let mut scan = scan("12-30 12-31 1-1");
    scan.see_dated(4, NaiveDate::from_ymd_opt(2019, 1, 2).unwrap());
    scan.see(5, 1, 3);
    let years = scan.years(Anchor::NearestTo(noon(2026, 11, 20))).unwrap();
    assert_eq!((years.first, years.last), (2018, 2019));
}

// The line with a year is that of 31 December behind the first line of the new year: out of order by a day, of the year before.
#[test]
fn a_stated_year_counts_from_where_its_record_belongs() {
    let mut scan = scan("12-31 1-1");
    scan.see_dated(3, NaiveDate::from_ymd_opt(2025, 12, 31).unwrap());
    let years = scan.years(Anchor::NearestTo(noon(2019, 1, 1))).unwrap();
    assert_eq!((years.first, years.last), (2025, 2026));
}

// The Gregorian calendar: a year of a whole century has its leap day every fourth time.
#[test]
fn centuries_and_leap_days() {
    let leap: Vec<i32> =
        [1900, 1999, 2000, 2004, 2023, 2024, 2100, 2200, 2400].into_iter().filter(|y| is_leap(*y)).collect();
    assert_eq!(leap, [2000, 2004, 2024, 2400]);
}

// Where no year ends and no day is of a leap year alone, a stamp next to the anchor tells as much as the whole file.
#[test]
fn what_needs_the_whole_file() {
    assert!(!scan("5-1 5-2 5-30").is_needed());
    assert!(!YearScan::default().is_needed());
    for (days, why) in [("12-31 1-1", "a year ends"), ("2-28 2-29", "only a leap year has it")] {
        assert!(scan(days).is_needed(), "{why}");
    }
}

// Of lines that state a year, the one that most agree on counts.
#[test]
fn most_stated_years_win() {
    for (order, why) in [([2018, 2019, 2019], "the later year"), ([2019, 2018, 2018], "the earlier one")] {
        let mut scan = YearScan::default();
        for (record, year) in (1..).zip(order) {
            scan.see_dated(record, NaiveDate::from_ymd_opt(year, 5, 1).unwrap());
        }
        let years = scan.years(Anchor::NearestTo(noon(2026, 11, 20))).unwrap();
        assert_eq!(years.last, order[1], "{why}");
    }
}

// By hand: in a leap year 20 January is day 20, 18 July day 200 and 19 July day 201.
#[test]
fn a_year_ends_where_days_fall_back_by_more_than_180() {
    let fell = |days: &str| {
        let years = scan(days).years(Anchor::Declared(2026)).unwrap();
        (years.first, years.out_of_order)
    };
    assert_eq!(fell("7-18 1-20"), (2026, 1));
    assert_eq!(fell("7-19 1-20"), (2025, 0));
    // A day is no disorder, two are.
    assert_eq!(fell("3-10 3-9"), (2026, 0));
    assert_eq!(fell("3-10 3-8"), (2026, 1));
}

// By hand: 20 November is day 325 of a leap year, 23 May day 144 and 22 May day 143.
#[test]
fn a_clock_is_set_where_it_rises_by_more_than_180_days() {
    let set = |days: &str| {
        let years = scan(days).years(Anchor::Declared(2026)).unwrap();
        (years.first, years.not_set)
    };
    // From day 143 to 324 are 181 days, back to where it had been; from 144 on they are 180, of another year.
    assert_eq!(set("11-20 5-22 11-19"), (2026, 1));
    assert_eq!(set("11-20 5-23 11-19"), (2025, 0));
}

#[test]
fn more_than_sixty_ends_of_years_are_no_order() {
    let over = |years: usize| scan(&vec!["2-1 6-1 11-1"; years].join(" ")).years(Anchor::Declared(2026));
    // By hand: 61 years have 60 ends between them.
    assert_eq!(over(61).map(|years| (years.first, years.last)), Some((1966, 2026)));
    assert_eq!(over(62), None);
}

// The leap day is in the second year of the file.
#[test]
fn a_leap_day_counts_for_the_year_that_it_stands_in() {
    assert_eq!(laid("11-1 2-29", Anchor::NearestTo(noon(2025, 3, 2))), [2023, 2024]);
    assert_eq!(laid("11-1 2-29", Anchor::Unknown), [1971, 1972]);
}

// By hand: of a log from 1 March of one year to 1 October twelve years later, 2 October 2026 may be the day after the last record,
// or lie in any year of it before: then it ends in 2027 to 2038.
#[test]
fn a_log_of_many_years_is_laid_next_to_its_end() {
    let years = scan(&["3-1 8-1 10-1"; 13].join(" ")).years(Anchor::NearestTo(noon(2026, 10, 2))).unwrap();
    assert_eq!((years.first, years.last), (2014, 2026));
    assert_eq!(years.also_possible, (2027..=2038).collect::<Vec<i32>>());
}

// By hand: 28 December 2025 to 26 January 2026 are 29 days, and from there to 25 February are 30; a day later it is the other way
// round. What is nearer than 30 days is not away, and what is 30 days farther is no question.
#[test]
fn less_than_thirty_days_decide_nothing() {
    let between = |day| {
        let years = scan("2-25 6-1 9-1 12-28").years(Anchor::NearestTo(noon(2026, 1, day))).unwrap();
        (years.last, years.also_possible)
    };
    assert_eq!(between(26), (2025, vec![]));
    assert_eq!(between(27), (2026, vec![]));
    // 1 May 2023 to 16 October are 168 days, and from there to 1 May 2024 are 198, 30 more; a day later they are 28 more.
    let beside = |day| {
        let years = scan("5-1").years(Anchor::NearestTo(noon(2023, 10, day))).unwrap();
        (years.last, years.also_possible)
    };
    assert_eq!(beside(16), (2023, vec![]));
    assert_eq!(beside(17), (2023, vec![2024]));
}

// By hand: 31 December 2025 lies 29 days before the anchor, 28 February 2026 lies 30 days after it. The days of a month count, and
// the log ended before the anchor.
#[test]
fn last_days_of_a_month_count_as_such() {
    let years = scan("2-28 6-1 9-1 12-31").years(Anchor::NearestTo(noon(2026, 1, 29))).unwrap();
    assert_eq!((years.last, years.also_possible), (2025, Vec::new()));
}
