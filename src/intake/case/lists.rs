//! Lists of indicators in the forms in which they are passed around: one a line, CSV with a column of values, bundles
//! of STIX 2.1 (indicators, section 4.7; patterns, section 9) and events of MISP
//! (<https://www.misp-standard.org/rfc/misp-standard-core.html>). What is not used is counted by kind.

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde_json::{Map, Value};

use super::grammar::network;
use super::intel::{name_of, word_of};

/// What a list holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) networks: Vec<IpNet>,
    /// In lower case.
    pub(super) names: Vec<String>,
    pub(super) words: Vec<String>,
    /// Entries that are not used, by what they are.
    pub(super) unused: BTreeMap<String, u64>,
}

/// What an entry is said to be.
#[derive(Clone, Copy)]
enum Kind {
    Address,
    Name,
    Url,
    Word,
    /// Nothing is said: its form decides.
    Unsaid,
}

/// Reads a list of any of the forms.
pub(super) fn read(bytes: &[u8]) -> Result<Listed, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| format!("not UTF-8 from byte {} on", error.valid_up_to()))?;
    let text = text.trim_start_matches('\u{feff}');
    let mut listed = Listed::default();
    if text.trim_start().starts_with(['{', '[']) && !text.trim_start().starts_with("[[") {
        let value: Value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
        if !listed.json(&value) {
            return Err("JSON without indicators of STIX 2.1 or attributes of MISP".to_owned());
        }
    } else if !listed.csv(text)? {
        let lines = text.lines().map(|line| line.split_once('#').map_or(line, |(entry, _)| entry).trim());
        lines.filter(|line| !line.is_empty()).for_each(|line| listed.put(Kind::Unsaid, "line", line));
    }
    Ok(listed)
}

impl Listed {
    fn skip(&mut self, what: &str) {
        *self.unused.entry(what.to_owned()).or_default() += 1;
    }

    /// Takes an entry; one that is not of its kind counts as unused.
    fn put(&mut self, kind: Kind, called: &str, given: &str) {
        let value = refanged(given.trim());
        let taken = match kind {
            Kind::Address => self.address(&value),
            Kind::Name => self.name(&value),
            Kind::Url => self.host_of(&value),
            Kind::Word => self.word(&value),
            Kind::Unsaid if value.contains("://") => self.host_of(&value),
            Kind::Unsaid => self.address(&value) || self.name(&value) || self.word(&value),
        };
        if !taken {
            let reason = if matches!(kind, Kind::Unsaid) { "neither address, name nor word" } else { "malformed" };
            self.skip(&format!("{called} ({reason})"));
        }
    }

    fn address(&mut self, text: &str) -> bool {
        network(text).map(|network| self.networks.push(network)).is_ok()
    }

    fn name(&mut self, text: &str) -> bool {
        name_of(text).map(|name| self.names.push(name)).is_ok()
    }

    fn word(&mut self, text: &str) -> bool {
        !text.contains(char::is_whitespace) && word_of(text).map(|word| self.words.push(word)).is_ok()
    }

    /// The host of a URL. The path is not held against anything: most of it is not seen on the wire.
    fn host_of(&mut self, url: &str) -> bool {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        if let Some((literal, _)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            return self.address(literal);
        }
        let host = host.split_once(':').map_or(host, |(host, _)| host);
        self.address(host) || self.name(host)
    }

    /// CSV with a header that names a column of values; whether it is that.
    fn csv(&mut self, text: &str) -> Result<bool, String> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).comment(Some(b'#')).from_reader(text.as_bytes());
        let headers: Vec<String> = match reader.headers() {
            Ok(headers) => headers.iter().map(|header| header.trim().to_ascii_lowercase()).collect(),
            Err(_) => return Ok(false),
        };
        let column = |names: &[&str]| headers.iter().position(|header| names.contains(&header.as_str()));
        let Some(values) = column(&["value", "indicator", "ioc", "ioc_value", "indicator_value"]) else {
            return Ok(false);
        };
        let kinds = column(&["type", "indicator_type", "ioc_type", "kind"]);
        for record in reader.records() {
            let record = record.map_err(|error| format!("not CSV: {error}"))?;
            let cell = |at: Option<usize>| at.and_then(|at| record.get(at)).unwrap_or_default();
            let (called, value) = (cell(kinds).trim().to_ascii_lowercase(), cell(Some(values)));
            if !value.trim().is_empty() {
                self.typed(if called.is_empty() { "row" } else { &called }, value);
            }
        }
        Ok(true)
    }

    /// An entry by the name of its kind: attribute types of MISP, objects of STIX, and what people write.
    fn typed(&mut self, called: &str, value: &str) {
        // MISP's composites have the second part behind a bar.
        let first = value.split('|').next().unwrap_or_default();
        let kind = match called {
            "row" => Kind::Unsaid,
            "ip" | "ipv4" | "ipv6" | "ip-src" | "ip-dst" | "ip-src|port" | "ip-dst|port" | "ipv4-addr"
            | "ipv6-addr" | "address" | "cidr" | "ip:port" => Kind::Address,
            "domain" | "hostname" | "hostname|port" | "domain-name" | "name" | "fqdn" => Kind::Name,
            "domain|ip" => {
                let address = value.split_once('|').map_or("", |(_, address)| address);
                self.put(Kind::Address, called, address);
                Kind::Name
            }
            "url" | "uri" | "link" => Kind::Url,
            "btc" | "xmr" | "dash" | "wallet" | "word" | "ssh-key" | "ssh-fingerprint" => Kind::Word,
            other => return self.skip(if other.is_empty() { "without a kind" } else { other }),
        };
        let first = match first.parse::<std::net::SocketAddr>() {
            Ok(socket) if called == "ip:port" => socket.ip().to_string(),
            _ => first.to_owned(),
        };
        self.put(kind, called, &first);
    }

    /// Looks for indicators and attributes wherever they stand; whether there were any. How deep JSON goes is bounded by
    /// its parser.
    fn json(&mut self, value: &Value) -> bool {
        match value {
            Value::Array(items) => {
                let mut any = false;
                for item in items {
                    any |= self.json(item);
                }
                any
            }
            Value::Object(fields) => {
                let mut any = match text(fields, "type") {
                    "bundle" => true,
                    "indicator" if fields.contains_key("pattern") => {
                        self.indicator(fields);
                        return true;
                    }
                    _ => false,
                };
                for (name, field) in fields {
                    match field {
                        Value::Array(attributes) if name == "Attribute" => {
                            any = true;
                            attributes.iter().filter_map(Value::as_object).for_each(|one| self.attribute(one));
                        }
                        Value::Array(_) | Value::Object(_) => any |= self.json(field),
                        _ => {}
                    }
                }
                any || fields.contains_key("Event")
            }
            _ => false,
        }
    }

    fn attribute(&mut self, fields: &Map<String, Value>) {
        if fields.get("deleted").and_then(Value::as_bool) == Some(true) {
            return self.skip("deleted attributes");
        }
        // Context, not to be looked for: what an indicator touched that is harmless itself.
        if fields.get("to_ids").and_then(Value::as_bool) == Some(false) {
            return self.skip("attributes with to_ids false");
        }
        self.typed(text(fields, "type"), text(fields, "value"));
    }

    fn indicator(&mut self, fields: &Map<String, Value>) {
        if fields.get("revoked").and_then(Value::as_bool) == Some(true) {
            return self.skip("revoked indicators");
        }
        match text(fields, "pattern_type") {
            "" | "stix" => {}
            other => return self.skip(&format!("patterns of type {other}")),
        }
        let Some(compared) = comparisons(text(fields, "pattern")) else {
            return self.skip("patterns of more than alternatives");
        };
        for (path, value) in compared {
            let kind = match path {
                "ipv4-addr:value" | "ipv6-addr:value" => Kind::Address,
                "network-traffic:dst_ref.value" | "network-traffic:src_ref.value" => Kind::Unsaid,
                "domain-name:value" => Kind::Name,
                "url:value" => Kind::Url,
                other => {
                    self.skip(other);
                    continue;
                }
            };
            self.put(kind, path, &value);
        }
    }
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> &'a str {
    fields.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Indicators are often written so that nobody follows them by accident.
fn refanged(text: &str) -> String {
    let text = text.replace("[.]", ".").replace("(.)", ".").replace("[:]", ":");
    match text.get(..4) {
        Some(start) if start.eq_ignore_ascii_case("hxxp") => format!("http{}", text.get(4..).unwrap_or_default()),
        _ => text,
    }
}

/// The comparisons `path = 'value'` of a pattern, where any one of them is enough. `None` if it asks for more: all of
/// several, an order, a time, a likeness.
fn comparisons(pattern: &str) -> Option<Vec<(&str, String)>> {
    let mut found = Vec::new();
    let mut rest = pattern.trim();
    loop {
        // Brackets around alternatives do not change what is enough.
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '[' | '('));
        let at = rest.find(|c: char| c.is_whitespace() || c == '=')?;
        let (path, after) = rest.split_at_checked(at)?;
        let after = after.trim_start();
        let after = match after.strip_prefix('=') {
            Some(after) => after,
            None => after.strip_prefix("ISSUBSET")?,
        };
        let (value, after) = quoted(after.trim_start())?;
        found.push((path, value));
        rest = after.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, ']' | ')'));
        if rest.is_empty() {
            return Some(found);
        }
        rest = rest.strip_prefix("OR")?;
    }
}

/// A string literal, in which a backslash stands before a quote or a backslash (9.4), and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut escaped = false;
    for (at, c) in text.strip_prefix('\'')?.char_indices() {
        match c {
            '\'' if !escaped => return Some((value, text.get(at + 2..)?)),
            '\\' if !escaped => escaped = true,
            c => {
                value.push(c);
                escaped = false;
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Listed {
        read(text.as_bytes()).unwrap()
    }

    fn networks(listed: &Listed) -> Vec<String> {
        listed.networks.iter().map(ToString::to_string).collect()
    }

    fn unused(listed: &Listed) -> Vec<(&str, u64)> {
        listed.unused.iter().map(|(what, count)| (what.as_str(), *count)).collect()
    }

    #[test]
    fn one_a_line() {
        let listed =
            of("# pools\n203.0.113.66\n198.51.100.0/24 # hoster\npool[.]example\nhxxps://a:b@x.example:81/p?q\n\
                         SHA256:0123456789abcdef\nshort\n");
        assert_eq!(networks(&listed), ["203.0.113.66/32", "198.51.100.0/24"]);
        assert_eq!(listed.names, ["pool.example", "x.example"]);
        assert_eq!(listed.words, ["SHA256:0123456789abcdef"]);
        assert_eq!(unused(&listed), [("line (neither address, name nor word)", 1)]);
    }

    #[test]
    fn csv_by_its_columns() {
        let listed = of("date,type,value\n2026-01-01,domain,pool.example\n,ipv4,203.0.113.66\n,md5,d41d8cd98f00b204\n\
                         ,ipv4,nonsense\n,,\"198.51.100.7\"\n,ip:port,203.0.113.67:3333\n");
        assert_eq!(networks(&listed), ["203.0.113.66/32", "198.51.100.7/32", "203.0.113.67/32"]);
        assert_eq!(listed.names, ["pool.example"]);
        assert_eq!(unused(&listed), [("ipv4 (malformed)", 1), ("md5", 1)]);
    }

    #[test]
    fn stix_indicators_with_simple_patterns() {
        // The first two patterns are examples of the standard (9.9 and 4.7).
        let pattern =
            |pattern: &str| format!("{{\"type\":\"indicator\",\"pattern_type\":\"stix\",\"pattern\":\"{pattern}\"}}");
        let patterns = [
            "[ipv4-addr:value = '198.51.100.1/32' OR ipv4-addr:value = '203.0.113.33/32' OR ipv6-addr:value = '2001:0db8:dead:beef:dead:beef:dead:0001/128']",
            "[file:hashes.'SHA-256' = 'aec070645fe53ee3b3763059376134f058cc337247c978add178b6ccdfb0019f']",
            "[ipv4-addr:value = '192.0.2.1' AND network-traffic:dst_port = 80]",
            "[domain-name:value = 'pool.example'] OR [url:value = 'http://x.example/it\\\\'s']",
            "[domain-name:value LIKE '%.example']",
        ];
        let objects: Vec<String> = patterns.iter().map(|text| pattern(text)).collect();
        let listed = of(&format!(
            "{{\"type\":\"bundle\",\"objects\":[{{\"type\":\"malware\"}},{},{{\"type\":\"indicator\",\"pattern_type\":\"snort\",\"pattern\":\"x\"}}]}}",
            objects.join(",")
        ));
        assert_eq!(
            networks(&listed),
            ["198.51.100.1/32", "203.0.113.33/32", "2001:db8:dead:beef:dead:beef:dead:1/128"]
        );
        assert_eq!(listed.names, ["pool.example", "x.example"]);
        assert_eq!(
            unused(&listed),
            [("file:hashes.'SHA-256'", 1), ("patterns of more than alternatives", 2), ("patterns of type snort", 1),]
        );
    }

    #[test]
    fn misp_attributes_of_events_and_objects() {
        let listed = of(r#"{"Event":{"info":"x","Attribute":[
            {"type":"ip-dst|port","value":"203.0.113.66|3333","to_ids":true},
            {"type":"domain|ip","value":"pool.example|198.51.100.7","to_ids":true},
            {"type":"ip-src","value":"192.0.2.1","to_ids":false},
            {"type":"email-src","value":"a@b.example","to_ids":true},
            {"type":"btc","value":"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"}],
            "Object":[{"name":"x","Attribute":[{"type":"hostname","value":"eu.pool.example","to_ids":true}]}]}}"#);
        assert_eq!(networks(&listed), ["203.0.113.66/32", "198.51.100.7/32"]);
        assert_eq!(listed.names, ["pool.example", "eu.pool.example"]);
        assert_eq!(listed.words, ["1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"]);
        assert_eq!(unused(&listed), [("attributes with to_ids false", 1), ("email-src", 1)]);
    }

    #[test]
    fn what_is_no_list_is_an_error() {
        assert!(read(b"{\"a\":1}").unwrap_err().contains("without indicators"));
        assert!(read(b"{").unwrap_err().contains("not JSON"));
        assert!(read(b"\xff").unwrap_err().contains("not UTF-8"));
    }
}
