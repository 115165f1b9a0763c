use super::*;

fn row() -> Row {
    Row {
        row_type: "observation",
        time: Some("2026-11-20T14:13:46.500000000Z".to_owned()),
        kind: Some("connection"),
        action: Some("deny"),
        src_ip: Some("10.20.0.5".to_owned()),
        dst_ip: Some("2001:db8::66".to_owned()),
        dst_port: Some(3333),
        bytes_out: Some(1024),
        utilization_percent: Some(97.5),
        domain: Some("Pool.example".to_owned()),
        background: true,
        ..Row::default()
    }
}

fn holds(text: &str) -> bool {
    Condition::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).holds(&row())
}

#[test]
fn conditions_hold_and_do_not() {
    for text in [
        "dst_port == 3333 and action == \"deny\"",
        "dst_port == 3333 && action == deny",
        "kind == gpu-sample or kind == connection",
        "dst_port != 443",
        "dst_port in (22, 443, 3333)",
        "dst_port not in (22, 443)",
        "src_ip == 10.20.0.0/16",
        "src_ip != 10.30.0.0/16",
        "src_ip in (192.168.0.0/16, 10.20.0.5)",
        "dst_ip == 2001:db8::/32",
        "dst_ip == 2001:DB8:0::66",
        "domain ~ \"(?i)^pool\\.\"",
        "domain !~ '^pool'",
        "utilization_percent >= 97.5",
        "bytes_out > 1e3 and bytes_out < 2e3",
        "time > 2026-11-20T14:13:46Z",
        "time <= 2026-11-20T22:13:46.5+08:00",
        "background and not not_executed",
        "background == true",
        "not (action == allow)",
        "! domain == x",
        // `and` binds closer than `or`.
        "dst_port == 3333 or dst_port == 1 and action == allow",
        "not rule and domain",
    ] {
        assert!(holds(text), "{text}");
        assert!(!holds(&format!("not ({text})")), "{text}");
    }
}

#[test]
fn what_is_not_known_is_not_compared() {
    for text in
        ["rule == x", "rule != x", "rule ~ x", "rule !~ x", "exit_code < 1", "exit_code in (0)", "exit_code not in (0)"]
    {
        assert!(!holds(text), "{text}");
    }
}

#[test]
fn mistakes_are_pointed_at() {
    let said = |text: &str| Condition::parse(text).unwrap_err().to_string();
    insta::assert_snapshot!(said("action == deny and dst_prt == 1").replace(&Row::COLUMNS.join(", "), "…"), @r#"
    there is no column "dst_prt"; columns: …
      action == deny and dst_prt == 1
                         ^^^^^^^
    "#);
    insta::assert_snapshot!(said("dst_port == \"é\" or"), @r#"
    this column holds numbers
      dst_port == "é" or
                  ^^^
    "#);
    insta::assert_snapshot!(said("(domain == \"x\""), @r#"
    a closing parenthesis is missing here
      (domain == "x"
                    ^
    "#);
    for (text, says) in [
        ("", "give a condition"),
        ("dst_port = 1", "write == to compare"),
        ("dst_port == 1 action == deny", "the condition is over before this"),
        ("domain == \"x", "this quote is never closed"),
        ("domain < x", "only numbers and times have an order"),
        ("domain ~ '('", "not a regular expression: unclosed group"),
        ("dst_ip == pool.example", "this column holds addresses"),
        ("time > yesterday", "RFC 3339 with an offset"),
        ("background == false", "true or empty"),
        ("src_ip == dst_ip", "columns are not compared with each other"),
        ("dst_port in 3333", "a list is expected here"),
        ("dst_port not 3333", "`in (…)` is expected"),
        ("dst_port ==", "a value is expected here"),
        ("domain; drop", "has no meaning here"),
        ("== 3", "a column is expected here; columns: time"),
        ("dst_port in (1 2)", "a comma or a closing parenthesis"),
        ("domain ~ 'x{1000}{1000}{1000}'", "not a regular expression: "),
    ] {
        assert!(said(text).contains(says), "{text}: {}", said(text));
    }
    let deep = format!("{}domain{}", "(".repeat(5000), ")".repeat(5000));
    assert!(said(&deep).contains("too many parentheses"));
}

#[test]
fn every_column_holds_what_it_is_said_to_hold() {
    let numbers = Row::COLUMNS.iter().filter(|column| super::holds(column) == Holds::Number).count();
    assert_eq!(numbers, 17, "a column was renamed");
    let row = Row { index: Some(1), pid: Some(2), reward: Some(0.5), exit_code: Some(-3), ..Row::default() };
    for (at, column) in Row::COLUMNS.iter().enumerate() {
        if matches!(row.cell(at), Some(Cell::Whole(_) | Cell::Real(_))) {
            assert_eq!(super::holds(column), Holds::Number, "{column}");
        }
    }
}
