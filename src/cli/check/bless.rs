//! `check --bless`: what was found becomes what is expected.
//!
//! Only entries that name one finding, or one kind of unexplained group, and no number are rewritten, and every change
//! is told. What somebody wrote as a bound (`exactly`, `at_least`, `at_most`, `absent`), `[never]`, `[[clock]]` and the
//! policy are left as they are: a check that a person loosened on purpose is loosened by a person.

use std::collections::BTreeMap;
use std::path::Path;

use coincident::correlate::Analysis;
use coincident::report::when::rfc3339;
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

use super::compare::{leftover, nearest};
use super::expect::{Expect, FindingEntry, Policy};
use super::found::{Row, groups, rows, unexplained_words};

/// One change of the file, in words that begin with "added", "changed" or "removed".
pub(super) type Change = String;

/// The text of `expect.toml` with what was found, and every change made.
///
/// # Errors
/// Why the file cannot be rewritten.
pub(super) fn blessed(path: &Path, text: &str, analysis: &Analysis) -> Result<(String, Vec<Change>), String> {
    let shown = path.display().to_string();
    let expect = Expect::parse(&shown, text)?;
    let mut document: DocumentMut = text.parse().map_err(|error| format!("{shown}: {error}"))?;
    let mut changes = Vec::new();
    findings(&expect, &rows(analysis), array(&mut document, "finding", &shown)?, &mut changes);
    unexplained(&expect, &groups(analysis), array(&mut document, "unexplained", &shown)?, &mut changes);
    for name in ["finding", "unexplained"] {
        if document.get(name).and_then(Item::as_array_of_tables).is_some_and(ArrayOfTables::is_empty) {
            document.remove(name);
        }
    }
    Ok((document.to_string(), changes))
}

fn array<'a>(document: &'a mut DocumentMut, name: &str, shown: &str) -> Result<&'a mut ArrayOfTables, String> {
    let item = document.entry(name).or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
    item.as_array_of_tables_mut().ok_or_else(|| format!("{shown}: {name} is no [[{name}]]; write it as such first"))
}

fn findings(expect: &Expect, rows: &[Row], tables: &mut ArrayOfTables, changes: &mut Vec<Change>) {
    let forbidden = |row: &Row| {
        expect.never.episodes.contains(&row.episode)
            || expect.never.behaviours.iter().any(|behaviour| behaviour == row.behaviour)
            || expect.findings.iter().any(|entry| entry.bounds.most == Some(0) && entry.likeness(row) == 3)
    };
    let mut left: Vec<&Row> =
        leftover(expect, rows).into_iter().filter(|row| row.step.is_some() && !forbidden(row)).collect();
    let mut removed = Vec::new();
    for (at, entry) in expect.findings.iter().enumerate() {
        if !entry.bounds.plain || rows.iter().any(|row| entry.matches(row)) {
            continue;
        }
        match nearest(entry, &left) {
            Some(place) => {
                let row = left.remove(place);
                if let Some(table) = tables.get_mut(at) {
                    rewrite(table, entry, row);
                    changes.push(format!("changed: {} to {}", entry.shown(), row.shown(Some(entry))));
                }
            }
            None => removed.push((at, entry.shown())),
        }
    }
    remove(tables, removed, changes);
    if expect.unexpected == Policy::Pass {
        return;
    }
    for row in left {
        let mut table = Table::new();
        table.decor_mut().set_prefix("\n");
        table.insert("episode", value(row.episode.as_str()));
        table.insert("step", value(i64::from(row.step.unwrap_or_default())));
        table.insert("behaviour", value(row.behaviour));
        tables.push(table);
        changes.push(format!("added: {}", row.shown(None)));
    }
}

/// Takes entries away, by place ascending and with how they are shown, and tells of each with the comment that goes along.
fn remove(tables: &mut ArrayOfTables, entries: Vec<(usize, String)>, changes: &mut Vec<Change>) {
    // From behind, so that places stay what they are.
    for (at, shown) in entries.into_iter().rev() {
        let lost = comment(tables, at).map(|text| format!(", and its comment {text:?}")).unwrap_or_default();
        tables.remove(at);
        changes.push(format!("removed: {shown}{lost}"));
    }
}

/// The comment in front of a table, in one line.
fn comment(tables: &ArrayOfTables, at: usize) -> Option<String> {
    let prefix = tables.get(at)?.decor().prefix()?.as_str()?.trim().replace('\n', " ");
    (!prefix.is_empty()).then_some(prefix)
}

/// Sets what an entry names to what the finding has; keys it does not name stay away, comments stay.
fn rewrite(table: &mut Table, entry: &FindingEntry, row: &Row) {
    let mut set = |key: &str, new: toml_edit::Value| {
        if let Some(old) = table.get_mut(key).and_then(Item::as_value_mut) {
            let decor = old.decor().clone();
            *old = new;
            *old.decor_mut() = decor;
        }
    };
    set("episode", row.episode.as_str().into());
    set("step", i64::from(row.step.unwrap_or_default()).into());
    set("behaviour", row.behaviour.into());
    if entry.level.is_some() {
        set("level", row.level.into());
    }
    if entry.initiator.is_some() {
        set("initiator", row.initiator.into());
    }
    if let (Some(first), Some(_)) = (row.first, entry.time) {
        set("time", rfc3339(first).into());
    }
}

fn unexplained(expect: &Expect, groups: &[(&str, &str)], tables: &mut ArrayOfTables, changes: &mut Vec<Change>) {
    let mut left: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for group in groups {
        // What an entry with a number is about is that entry's affair.
        if !expect.unexplained.iter().any(|entry| !entry.bounds.plain && entry.matches(*group)) {
            *left.entry(*group).or_default() += 1;
        }
    }
    let mut removed = Vec::new();
    for (at, entry) in expect.unexplained.iter().enumerate().filter(|(_, entry)| entry.bounds.plain) {
        let count =
            left.iter_mut().find(|(group, count)| **count > 0 && entry.matches(**group)).map(|(_, count)| count);
        match count {
            Some(count) => *count -= 1,
            None => removed.push((at, entry.shown())),
        }
    }
    remove(tables, removed, changes);
    if expect.unexpected == Policy::Pass {
        return;
    }
    for ((behaviour, leading), count) in left {
        for _ in 0..count {
            let mut table = Table::new();
            table.decor_mut().set_prefix("\n");
            table.insert("behaviour", value(behaviour));
            table.insert("leading", value(leading));
            tables.push(table);
            changes.push(format!("added: {}", unexplained_words(behaviour, leading)));
        }
    }
}

#[cfg(test)]
mod tests {
    use coincident::correlate::Unexplained;
    use coincident::model::Behaviour;
    use coincident::report::Reading;

    use super::super::compare::{compare, tests::finding};
    use super::*;

    fn bless(text: &str, analysis: &Analysis) -> (String, Vec<Change>) {
        blessed(Path::new("expect.toml"), text, analysis).unwrap()
    }

    fn analysis() -> Analysis {
        Analysis {
            findings: vec![
                finding("ep-001", 5, Behaviour::Tunnel, "high"),
                finding("ep-002", 1, Behaviour::Mining, "medium"),
                finding("ep-003", 1, Behaviour::Mining, "low"),
            ],
            unexplained: vec![Unexplained {
                behaviour: Behaviour::Mining,
                signals: Vec::new(),
                leading: "human",
                rivals: Vec::new(),
                judgement: Default::default(),
                summary: String::new(),
                would_decide: Vec::new(),
            }],
            ..Analysis::default()
        }
    }

    #[test]
    fn what_was_found_is_expected_afterwards_and_comments_stay() {
        let before = "# The incident of that day.\n\n[[finding]] # the tunnel\nepisode = \"ep-001\"\nstep = 4 # by hand\n\
                      behaviour = \"tunnel\"\n\n# It went away.\n[[finding]]\nepisode = \"ep-009\"\nstep = 1\n\
                      behaviour = \"probing\"\n\n[never]\nbehaviours = [\"value-transfer\"]\n";
        let (after, changes) = bless(before, &analysis());
        insta::assert_snapshot!(after, @r#"
        # The incident of that day.

        [[finding]] # the tunnel
        episode = "ep-001"
        step = 5 # by hand
        behaviour = "tunnel"

        [[finding]]
        episode = "ep-002"
        step = 1
        behaviour = "mining"

        [never]
        behaviours = ["value-transfer"]

        [[unexplained]]
        behaviour = "mining"
        leading = "human"
        "#);
        assert_eq!(
            changes,
            [
                "changed: ep-001 step 4 tunnel to ep-001 step 5 tunnel (F-0005)",
                "removed: ep-009 step 1 probing, and its comment \"# It went away.\"",
                "added: ep-002 step 1 mining (F-0001)",
                "added: unexplained mining, leading human"
            ]
        );
        let expect = Expect::parse("expect.toml", &after).unwrap();
        assert_eq!(compare(&expect, &analysis(), &Reading::default()), []);
        assert_eq!(bless(&after, &analysis()), (after.clone(), Vec::new()), "a second time changes nothing");
    }

    #[test]
    fn an_empty_file_becomes_whole_and_an_empty_analysis_empties_it() {
        let (after, changes) = bless("", &analysis());
        assert_eq!(changes.len(), 3);
        assert_eq!(compare(&Expect::parse("e", &after).unwrap(), &analysis(), &Reading::default()), []);
        let (emptied, changes) = bless(&after, &Analysis::default());
        assert_eq!((emptied.trim(), changes.len()), ("", 3));
    }

    #[test]
    fn what_a_person_bounded_is_left_to_a_person() {
        for bound in [
            "[[finding]]\nepisode = \"ep-001\"\nabsent = true\n[[finding]]\nbehaviour = \"mining\"\nat_most = 0\n",
            "[never]\nepisodes = [\"ep-001\", \"ep-002\"]\n",
        ] {
            let text = format!("{bound}\n[[unexplained]]\nat_most = 0\n");
            let (after, changes) = bless(&text, &analysis());
            assert_eq!((after, changes), (text.clone(), Vec::new()));
            assert!(!compare(&Expect::parse("e", &text).unwrap(), &analysis(), &Reading::default()).is_empty());
        }
        let (after, changes) = bless("unexpected = \"pass\"\n", &analysis());
        assert_eq!((after.as_str(), changes.len()), ("unexpected = \"pass\"\n", 0));
        let inline = blessed(Path::new("e.toml"), "finding = []", &analysis());
        assert!(inline.unwrap_err().contains("write it as such first"));
    }
}
