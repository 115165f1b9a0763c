use super::*;
use crate::report::{Reading, fixture, jsonl};
use crate::time::SECOND;

fn page() -> String {
    let analysis = fixture::analysis();
    let lines = jsonl::lines(&analysis, &Reading::default());
    render(&analysis, &lines, DisplayZone::default())
}

/// The text between two marks, once.
fn between<'a>(html: &'a str, from: &str, to: &str) -> &'a str {
    let start = html.find(from).unwrap() + from.len();
    html[start..].split(to).next().unwrap()
}

// SHA-256 of the content between the tags, in base64 (CSP Level 3, section 2.3.1): a byte more or less and the browser
// refuses its own style.
#[test]
fn the_policy_names_what_the_page_holds_and_nothing_else() {
    let html = page();
    let policy = between(&html, "Content-Security-Policy\" content=\"", "\"");
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    for (tag, end) in [("<style>", "</style>"), ("<script>", "</script>")] {
        let content = between(&html, tag, end);
        let expected = STANDARD.encode(Sha256::digest(content.as_bytes()));
        assert!(policy.contains(&format!("'sha256-{expected}'")), "{tag}");
        assert_eq!(html.matches(tag).count(), 1);
    }
    // Inline styles and handlers would need more than that.
    assert!(!html.contains(" style=") && !html.contains(" onclick="));
    for loaded in ["src=", "href=\"http", "url(", "@import"] {
        assert!(!html.contains(loaded), "{loaded}");
    }
}

/// Every tag that opens is closed in order: what a parser of XML would ask, without the void elements of HTML.
fn is_well_formed(html: &str) -> Result<(), String> {
    const VOID: [&str; 3] = ["meta", "input", "br"];
    let mut open: Vec<&str> = Vec::new();
    let body = html.replace(STYLE, "").replace(SCRIPT, "");
    let body: &str = Box::leak(body.into_boxed_str());
    for tag in body.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').ok_or_else(|| format!("no end: {tag}"))?;
        let name = tag.split([' ', '\n', '/']).next().unwrap_or_default();
        if let Some(closed) = tag.strip_prefix('/') {
            let last = open.pop();
            if last != Some(closed) {
                return Err(format!("{closed} closes {last:?}"));
            }
        } else if !tag.starts_with('!') && !tag.ends_with('/') && !VOID.contains(&name) {
            open.push(name);
        }
    }
    if open.is_empty() { Ok(()) } else { Err(format!("left open: {open:?}")) }
}

#[test]
fn markup_in_evidence_stays_text() {
    let hostile =
        "</title></style></script><script>alert(1)</script><img src=x onerror=alert(1)>\u{202e}\"'><svg onload=x>";
    let mut analysis = fixture::analysis();
    for source in &mut analysis.sources {
        source.path = format!("{hostile}/{}", source.path);
    }
    for clock in &mut analysis.clocks {
        clock.name = hostile.to_owned();
        clock.notes.push(hostile.to_owned());
    }
    for signal in &mut analysis.signals {
        signal.summary = hostile.to_owned();
        signal.kind = hostile.to_owned();
    }
    for finding in &mut analysis.findings {
        finding.summary = hostile.to_owned();
        finding.episode = hostile.to_owned();
        finding.run = Some(hostile.to_owned());
        finding.limits.push(hostile.to_owned());
        for step in &mut finding.steps {
            (step.command, step.tool) = (Some(hostile.to_owned()), hostile.to_owned());
        }
        for term in &mut finding.strength.terms {
            (term.observed, term.counts) = (hostile.to_owned(), hostile.to_owned());
        }
    }
    for episode in &mut analysis.episodes {
        episode.name = hostile.to_owned();
    }
    for one in &mut analysis.unexplained {
        one.summary = hostile.to_owned();
    }
    for rate in &mut analysis.rates {
        rate.name = hostile.to_owned();
    }
    analysis.limits.push(hostile.to_owned());
    let lines = jsonl::lines(&analysis, &Reading { walk_errors: vec![hostile.to_owned()] });
    let html = render(&analysis, &lines, DisplayZone::default());
    assert!(!html.contains("<img") && !html.contains("<svg onload") && !html.contains('\u{202e}'));
    assert_eq!(html.matches("<script").count(), 1);
    assert_eq!(html.matches("</script>").count(), 1);
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert_eq!(is_well_formed(&html), Ok(()));
}

#[test]
fn every_link_leads_somewhere() {
    let html = page();
    assert_eq!(is_well_formed(&html), Ok(()));
    let links: Vec<&str> = html.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(links.contains(&"F-0001") && links.contains(&"timeline"), "{links:?}");
    for link in links {
        assert_eq!(html.matches(&format!(" id=\"{link}\"")).count(), 1, "{link}");
    }
}

// 350 findings: 200 are told in full, and the page says so.
#[test]
fn nothing_is_left_out_in_silence() {
    let mut analysis = fixture::analysis();
    let one = analysis.findings[0].clone();
    analysis.findings =
        (1..=350).map(|n| crate::correlate::Finding { id: format!("F-{n:04}"), ..one.clone() }).collect();
    let lines = jsonl::lines(&analysis, &Reading::default());
    let html = render(&analysis, &lines, DisplayZone::default());
    assert_eq!(html.matches("<details class=\"finding\"").count(), TOLD);
    assert!(html.contains("F-0350") && html.contains("The first 200 of 350 are told in full below"));
    assert!(!html.contains("href=\"#F-0350\""), "what is not told is no link");
}

#[test]
fn nothing_found_is_said() {
    let html =
        render(&Analysis::default(), &jsonl::lines(&Analysis::default(), &Reading::default()), DisplayZone::default());
    assert_eq!(is_well_formed(&html), Ok(()));
    for said in
        ["No step lines up", "Nothing in the evidence is dated", "No file was read", "Not tested: no dated steps"]
    {
        assert!(html.contains(said), "{said}");
    }
}

// By hand: evidence from 0 to 100 s; a signal of the fixture from 30 s to 75 s begins at 30 % and is 45 % long.
#[test]
fn lanes_are_shares_of_one_axis() {
    let mut analysis = fixture::analysis();
    analysis.signals.truncate(1);
    analysis.conversations = Default::default();
    analysis.gpu.clear();
    analysis.episodes.truncate(1);
    analysis.episodes[0].first = Some(fixture::START);
    analysis.episodes[0].last = Some(fixture::START.plus(100 * SECOND));
    let span = analysis.signals[0].span.unwrap();
    let share = |at: crate::time::Instant| at.since(fixture::START) as f64 / (100 * SECOND) as f64;
    assert_eq!((share(span.lo), share(span.hi)), (0.3, 0.75), "the fixture's own times");
    let html = render(&analysis, &jsonl::lines(&analysis, &Reading::default()), DisplayZone::default());
    assert!(html.contains("class=\"tunnel\" x=\"30.000%\" width=\"45.000%\""));
}
