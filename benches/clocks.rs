//! How well clocks are found: made-up worlds with known offset, drift, steps, zones and years, and what the vote and the
//! fit make of them. Fixed seeds; the same figures on every machine, but for the time taken. Prints tables.
//!
//! A world: calls over six hours whose connection begins after a lognormal lag (median 0.8 s, sigma 1) and which last a
//! lognormal while longer (4 s, 1.2); the call's stamps are cut to whole seconds; its clock is off by a zone and some
//! seconds, and drifts by 20 ppm (one sigma).

#![expect(clippy::print_stdout, reason = "a program")]
#![expect(clippy::disallowed_methods, reason = "the time taken is part of the table, and of nothing else")]

use std::time::Instant;

use coincident::correlate::drift::{Fit, fit};
use coincident::correlate::vote::Pair;
use coincident::correlate::{Grade, zone};
use coincident::stats::random::Random;

const SPAN_S: f64 = 6.0 * 3600.0;
const ZONES_S: [f64; 5] = [0.0, 28_800.0, -28_800.0, 3_600.0, 19_800.0];

#[derive(Clone, Copy)]
struct Recipe {
    name: &'static str,
    pairs: usize,
    worlds: u32,
    /// Share of pairs that are of two events, up to `false_reach_s` apart.
    false_pairs: f64,
    false_reach_s: f64,
    /// Share of calls whose connection begins after the call has ended.
    background: f64,
    /// A beacon every so many seconds to the destination of all calls.
    beacon_s: Option<f64>,
    /// Nothing but the beacon, and calls in step with it.
    periodic_only: bool,
    /// Written late by up to this much, in seconds; nothing else is known.
    late_s: Option<f64>,
    /// The clock is set at these shares of the time, each time by so many seconds.
    steps: &'static [(f64, f64)],
    /// Both ends are packets: one second of resolution alone.
    packets: bool,
    /// Every second record is written in a zone an hour off.
    mixed: bool,
}

const PLAIN: Recipe = Recipe {
    name: "20 % false pairs",
    pairs: 20,
    worlds: 400,
    false_pairs: 0.2,
    false_reach_s: 43_200.0,
    background: 0.0,
    beacon_s: None,
    periodic_only: false,
    late_s: None,
    steps: &[],
    packets: false,
    mixed: false,
};

struct World {
    zone_s: f64,
    offset_s: f64,
    drift: f64,
    steps: &'static [(f64, f64)],
    pairs: Vec<Pair>,
}

impl World {
    /// Source minus reference at a moment of the reference, in seconds.
    fn offset_at(&self, at: f64) -> f64 {
        let steps: f64 = self.steps.iter().filter(|(share, _)| at >= share * SPAN_S).map(|(_, by)| by).sum();
        self.offset_s + self.drift * at + steps
    }
}

fn ns(seconds: f64) -> i64 {
    (seconds * 1e9).round() as i64
}

fn world(recipe: &Recipe, random: &mut Random) -> World {
    let zone_s = ZONES_S[random.below(5) as usize];
    let mut world = World {
        zone_s,
        offset_s: zone_s + 3.0 * random.normal(),
        drift: 20e-6 * random.normal(),
        steps: recipe.steps,
        pairs: Vec::new(),
    };
    let beat = recipe.beacon_s.unwrap_or(60.0);
    let phase = random.uniform() * beat;
    let beats: Vec<f64> = (0..(SPAN_S / beat) as usize).map(|n| phase + n as f64 * beat).collect();
    for key in 0..recipe.pairs as u64 {
        let mut flow = random.uniform() * SPAN_S;
        if recipe.periodic_only {
            flow = beats[random.below(beats.len() as u64) as usize];
        }
        let (mut start, mut end) = if recipe.packets {
            (flow, flow)
        } else {
            (flow - (0.8_f64.ln() + random.normal()).exp(), flow + (4.0_f64.ln() + 1.2 * random.normal()).exp())
        };
        if random.uniform() < recipe.background {
            end = flow - random.exponential(60.0);
            start = end - 5.0;
        }
        let mut shift = 0.0;
        if random.uniform() < recipe.false_pairs {
            shift = (2.0 * random.uniform() - 1.0) * recipe.false_reach_s;
        }
        if recipe.mixed && key % 2 == 1 {
            shift += 3_600.0;
        }
        if let Some(late) = recipe.late_s {
            shift += random.uniform() * late;
        }
        let logged = |at: f64| (at + world.offset_at(at)).floor() + shift;
        let mut made = Vec::new();
        if recipe.beacon_s.is_some() || recipe.periodic_only {
            made.extend(beats.iter().copied());
        }
        if !recipe.periodic_only {
            made.push(flow);
        }
        let (first, last) = (logged(start) - recipe.late_s.unwrap_or(0.0), logged(end) + 1.0);
        for flow in made {
            let (lo_ns, hi_ns) = (ns(first - flow), ns(last - flow));
            world.pairs.push(Pair { lo_ns, hi_ns, at_ns: ns(flow), weight: 1.0, key });
        }
    }
    world
}

/// What was found of one world.
struct Found {
    error_s: f64,
    covered: bool,
    width_s: f64,
    drift_error_ppm: f64,
    drift_covered: bool,
    segments: usize,
    zone_right: bool,
    grade: Grade,
    ratio: f64,
}

/// The fit at the moment whose offset is asked for.
fn judge(world: &World, fit: &Fit, at_s: f64) -> Option<Found> {
    let at = ns(at_s);
    let away = |from: i64, to: i64| (from - at).max(at - to).max(0);
    let segment = fit.segments.iter().min_by_key(|segment| away(segment.from_ns, segment.to_ns))?;
    let truth = world.offset_at(at_s);
    let error_s = (segment.line.offset_at(at) as f64 / 1e9 - truth).abs();
    let (low, high) = segment.support_at(at);
    let (least, most) = segment.region.drift_ppb();
    let zone = zone::decide(&fit.vote()?);
    Some(Found {
        error_s,
        covered: low <= ns(truth) && ns(truth) <= high,
        width_s: (high - low) as f64 / 1e9,
        drift_error_ppm: (segment.line.drift_ppb as f64 / 1e3 - world.drift * 1e6).abs(),
        drift_covered: (least as f64..=most as f64).contains(&(world.drift * 1e9)),
        segments: fit.segments.len(),
        zone_right: zone.zone_error_ns == ns(world.zone_s),
        grade: fit.grade(),
        ratio: fit.vote()?.peak_ratio,
    })
}

fn quantile(values: &[f64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(((sorted.len().max(1) - 1) as f64 * q).round() as usize).copied().unwrap_or(f64::NAN)
}

/// Seconds beyond which an offset counts as wrong.
const WRONG_S: f64 = 5.0;

fn row(recipe: &Recipe, seed: u64) {
    let mut random = Random::new(seed);
    let mut found = Vec::new();
    let mut spent = 0.0;
    for _ in 0..recipe.worlds {
        let world = world(recipe, &mut random);
        let began = Instant::now();
        let fit = fit(&world.pairs);
        spent += began.elapsed().as_secs_f64();
        // In the middle of each stretch between steps.
        let mut edges = vec![0.0];
        edges.extend(recipe.steps.iter().map(|(share, _)| *share));
        edges.push(1.0);
        for pair in edges.windows(2) {
            found.extend(fit.as_ref().and_then(|fit| judge(&world, fit, (pair[0] + pair[1]) / 2.0 * SPAN_S)));
        }
    }
    let of = |value: fn(&Found) -> f64| found.iter().map(value).collect::<Vec<f64>>();
    let share = |holds: fn(&Found) -> bool| {
        100.0 * found.iter().filter(|one| holds(one)).count() as f64 / found.len().max(1) as f64
    };
    let (errors, widths, drifts) = (of(|one| one.error_s), of(|one| one.width_s), of(|one| one.drift_error_ppm));
    println!(
        "| {} | {} | {:.2} / {:.2} | {:.1} | {:.1} | {:.0} ({:.0}) | {:.2} | {:.1} | {:.1} | {:.1} | {:.0} | {:.2} | {:.1} |",
        recipe.name,
        recipe.pairs,
        quantile(&errors, 0.5),
        quantile(&errors, 0.95),
        share(|one| one.covered),
        quantile(&widths, 0.5),
        quantile(&drifts, 0.5),
        share(|one| one.drift_covered),
        found.iter().map(|one| one.segments as f64).sum::<f64>() / found.len().max(1) as f64,
        share(|one| one.error_s > WRONG_S),
        share(|one| one.error_s > WRONG_S && one.grade <= Grade::B),
        share(|one| one.zone_right),
        share(|one| one.grade <= Grade::B),
        of(|one| one.ratio).iter().sum::<f64>() / found.len().max(1) as f64,
        1e3 * spent / f64::from(recipe.worlds),
    );
}

fn main() {
    println!(
        "| world | pairs | error p50 / p95, s | covered, % | width, s | drift error, ppm (covered, %) | segments | wrong, % | \
         wrong unflagged, % | zone right, % | A or B, % | peak ratio | ms |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    for pairs in [5, 10, 20, 50, 200, 1000] {
        row(&Recipe { pairs, worlds: if pairs > 200 { 60 } else { 400 }, ..PLAIN }, 1);
    }
    for (pairs, false_pairs) in [(10, 0.5), (20, 0.5), (20, 0.8), (50, 0.8)] {
        let name = if false_pairs < 0.6 { "50 % false pairs" } else { "80 % false pairs" };
        row(&Recipe { name, pairs, false_pairs, ..PLAIN }, 2);
    }
    for (pairs, background) in [(20, 0.4), (50, 0.4), (20, 0.7), (50, 0.7), (200, 0.7), (20, 1.0), (50, 1.0)] {
        let name = match background {
            share if share < 0.5 => "40 % begin after the call",
            share if share < 0.8 => "70 % begin after the call",
            _ => "all begin after the call",
        };
        row(&Recipe { name, pairs, background, ..PLAIN }, 3);
    }
    for pairs in [5, 10, 20, 50] {
        row(&Recipe { name: "beacon every 60 s", pairs, beacon_s: Some(60.0), worlds: 100, ..PLAIN }, 4);
    }
    for pairs in [20, 50] {
        let name = "nothing but a beacon";
        row(&Recipe { name, pairs, periodic_only: true, worlds: 100, false_pairs: 0.0, ..PLAIN }, 5);
    }
    for pairs in [20, 50] {
        row(&Recipe { name: "written up to 60 s late", pairs, late_s: Some(60.0), packets: true, ..PLAIN }, 6);
    }
    for pairs in [20, 200] {
        row(&Recipe { name: "firewall and capture", pairs, packets: true, ..PLAIN }, 7);
    }
    for pairs in [30, 60, 200] {
        let steps = &[(0.4, 47.0), (0.7, -120.0)];
        row(&Recipe { name: "set twice (+47 s, -120 s)", pairs, steps, ..PLAIN }, 8);
        let steps = &[(0.5, 3_600.0)];
        row(&Recipe { name: "an hour forward", pairs, steps, ..PLAIN }, 9);
        let steps = &[(0.4, 2.5), (0.7, -2.5)];
        row(&Recipe { name: "packets, set by 2.5 s and back", pairs, packets: true, steps, ..PLAIN }, 10);
    }
    for pairs in [20, 60] {
        row(&Recipe { name: "two zones in one file", pairs, mixed: true, ..PLAIN }, 11);
    }
}
