use super::*;
use crate::report::{Reading, fixture, jsonl};

#[test]
fn works_from_the_written_lines_alone() {
    let written = jsonl::render(&jsonl::lines(&fixture::analysis(), &Reading::default()));
    let lines: Vec<Line> = written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(ids(&lines), ["F-0001", "F-0002", "U-0001"]);
    assert!(render(&lines, "F-9999", Screen::default()).is_none());
    insta::assert_snapshot!(render(&lines, "f-0002", Screen::default()).unwrap(), @r#"
    F-0002  mining in ep-001
     run run-a
     … -o pool.example:3333 → Monero login, 9 shares, 45 s
     level high, strength very strong (+6.0 bans), consistent with ATT&CK T1496.001; ATLAS AML.T0053; OWASP Agentic ASI02, ASI10

    STEPS AND EVENTS, on the reference clock
     2026-11-20 14:14:14Z to 14:15:01Z, a column is 0.6 s: █ step, ━ event, ● event within one column
                                   14:14:20        14:14:30         14:14:40        14:14:50   14:15:00
                          ─────────┬───────────────┬────────────────┬───────────────┬───────────────┬──
     step 5               ███████  ┊               ┊                ┊               ┊               ┊
     S-0002 monero-login     ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━

     TIME                                      STEP                                                EVENT                                            WHERE
     2026-11-20 14:14:14.000Z … 14:14:18.000Z  5 Bash: =xmrig -o pool\u{202e}.example:3333\x1b[2J                                                   transcripts/ep-001.jsonl line 14
     2026-11-20 14:14:16.000Z … 14:15:01.000Z                                                      S-0002 monero-login (certain): 9 shares in 45 s  capture.pcap packet 88

    STRENGTH, term by term (log10 of the likelihood ratio: this step against no step)
     TERM       OBSERVED                COUNTS        LOG10  CAP  RECORDS
     indicator  203.0.113.66 in step 4  n_v=0 N=8412   +3.9  N+1  transcripts/ep-001.jsonl line 11; capture.pcap packet 88
     lag        0.9 s (clock ±0.4 s)    anchors 46     +0.8  -    capture.pcap packet 88
     total                                             +6.0
     Among the candidates: P(this step) 1 - 1e-6, P(no step) 1e-6.

     LOG10     WORDS (after ENFSI 2015)
     0 to 0.3  no support
     0.3 to 1  weak
     1 to 2    moderate
     2 to 3    moderately strong
     3 to 4    strong
     4 to 6    very strong
     above 6   extremely strong; not given out unless two independent kinds of evidence agree, and capped at 6

    WHAT MAY BE SAID
     The observations are about 10^6.0 times more probable if tool call 5 of episode ep-001 led to these events than if no tool call did.
     This is "very strong" on the scale above.
     It is not the probability that the agent did it, and it says nothing of purpose.
     What was seen is 1 300 times less probable under external compromise than under the agent's own calls.
     Held to have started it: the agent's own calls (best supported of the hypotheses below).
     Would decide or overturn it: the host's auth log.

    RIVALS (log10 likelihood against the best; rows: log10 P(what was seen | hypothesis); j: judged)
     WHAT WAS SEEN                                                          agent  external-compromise  spread
     the peer's address stands in the agent's own words before the event    -0.02                -3.10    3.08
     onsets while no step ran                                             -0.10 j              -0.12 j    0.02
     against the best                                                        +0.0                 -3.1
     rows against it (log10 P of at most -1)                                    0                    1

     ROW LEFT OUT                                                         THEN LEADS  SPREAD  COUNTS
     the peer's address stands in the agent's own words before the event  undecided     3.08  in 0 of 8 412 benign commands
     onsets while no step ran                                             agent         0.02  judged
     Not counted, since a row above says the same and more: no host without agents does the same.
     Another would lead without one row (it alone of its size): the peer's address stands in the agent's own words before the event.
     Not seen; expected spread 0.70: the host's auth log.

    STABILITY (the same analysis with less evidence or other settings)
     WITHOUT       FOUND  LOG10  STARTED BY
     capture.pcap  no         -  -
     firewall.log  yes     +5.5  agent
     Rests on capture.pcap alone.

    EVIDENCE AND ITS CLOCKS
     SOURCE                    FORMAT        OFFSET s  SUPPORT s        GRADE  FOUND BY                               SHA-256
     capture.pcap              pcap         reference                   A      reference                              b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4
     transcripts/ep-001.jsonl  claude-code     -0.100  -0.300 … +0.200  A      keyed interval voting on address+port  1616161616161616161616161616161616161616161616161616161616161616

    LIMITS
     - capture covers 60 % of the episode
     - the capture covers 60 % of the time of the episodes
     - Not addressed: purpose, and what led the agent to its calls beyond the rows above.
    "#);
}

#[test]
fn what_no_step_explains_has_its_rivals() {
    let mut lines = jsonl::lines(&fixture::analysis(), &Reading::default());
    for line in &mut lines {
        if let Line::Unexplained(unexplained) = line {
            unexplained.signals = vec!["S-0001".to_owned()];
        }
    }
    let report = render(&lines, "u-0001", Screen::default()).unwrap();
    assert!(
        report.starts_with("U-0001  probing that no step explains\n 40 ports of 10.30.0.20 in 2.0 s\n"),
        "{report}"
    );
    for said in [
        "neither that an agent did it nor that none did",
        "Held to have started it: external compromise",
        "against the best",
        "Would decide or overturn it: the jump host's auth log.",
        "S-0001 ssh-reverse",
    ] {
        assert!(report.contains(said), "{said}: {report}");
    }
    assert!(!report.contains("tool call"), "{report}");
}

#[test]
fn neighbouring_records_are_a_range() {
    let record = |(path, locator): (&str, &str)| RecordLine { path: path.to_owned(), locator: locator.to_owned() };
    let records = [("a", "line 9"), ("a", "line 10"), ("a", "line 12"), ("b", "file"), ("a", "packet 3")];
    assert_eq!(places(&records.map(record)), "a line 9-10, 12; b file; a packet 3");
    assert_eq!(places(&[]), "");
}

#[test]
fn cut_off_lines_are_named() {
    let mut lines = jsonl::lines(&fixture::analysis(), &Reading::default());
    lines.pop();
    assert!(render(&lines, "F-0001", Screen::default()).unwrap().contains("was cut off"));
}
