//! JUnit XML, as CI systems read it: one test suite, one test case per incident.

use std::fmt::Write;

use super::escape::xml;

/// The outcome of one incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    pub name: String,
    /// What differed from what was expected; empty if it passed.
    pub failures: Vec<String>,
    /// What differed and fails nothing.
    pub warnings: Vec<String>,
    /// It could not be run at all, and why.
    pub error: Option<String>,
}

/// The report. It holds no times: the same evidence gives the same bytes.
pub fn render(suite: &str, cases: &[Case]) -> String {
    let failures = cases.iter().filter(|case| !case.failures.is_empty()).count();
    let errors = cases.iter().filter(|case| case.error.is_some()).count();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let counts = format!("tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\"", cases.len());
    let _ = writeln!(out, "<testsuites {counts}>\n  <testsuite name=\"{}\" {counts}>", xml(suite));
    for case in cases {
        let opened = format!("    <testcase classname=\"{}\" name=\"{}\"", xml(suite), xml(&case.name));
        if case.failures.is_empty() && case.warnings.is_empty() && case.error.is_none() {
            let _ = writeln!(out, "{opened}/>");
            continue;
        }
        let _ = writeln!(out, "{opened}>");
        if let Some(error) = &case.error {
            let _ = writeln!(out, "      <error message=\"{}\"/>", xml(error));
        }
        if let Some(first) = case.failures.first() {
            let _ = writeln!(
                out,
                "      <failure message=\"{}\">{}</failure>",
                xml(first),
                case.failures.iter().map(|failure| xml(failure)).collect::<Vec<_>>().join("\n")
            );
        }
        if !case.warnings.is_empty() {
            let warnings = case.warnings.iter().map(|warning| xml(warning)).collect::<Vec<_>>().join("\n");
            let _ = writeln!(out, "      <system-out>{warnings}</system-out>");
        }
        out.push_str("    </testcase>\n");
    }
    out.push_str("  </testsuite>\n</testsuites>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passed_failed_and_broken_cases() {
        let case = |name: &str, failures: &[&str], error: Option<&str>| Case {
            name: name.to_owned(),
            failures: failures.iter().map(|failure| (*failure).to_owned()).collect(),
            warnings: Vec::new(),
            error: error.map(str::to_owned),
        };
        let cases = [
            case("a", &[], None),
            case("b", &["missing: <mining>", "unexpected: \"x\""], None),
            case("c", &[], Some("no expect.toml")),
            Case { warnings: vec!["unexpected: a & b".to_owned()], ..case("d", &[], None) },
        ];
        insta::assert_snapshot!(render("coincident check", &cases), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites tests="4" failures="1" errors="1">
          <testsuite name="coincident check" tests="4" failures="1" errors="1">
            <testcase classname="coincident check" name="a"/>
            <testcase classname="coincident check" name="b">
              <failure message="missing: &lt;mining&gt;">missing: &lt;mining&gt;
        unexpected: &quot;x&quot;</failure>
            </testcase>
            <testcase classname="coincident check" name="c">
              <error message="no expect.toml"/>
            </testcase>
            <testcase classname="coincident check" name="d">
              <system-out>unexpected: a &amp; b</system-out>
            </testcase>
          </testsuite>
        </testsuites>
        "#);
    }
}
