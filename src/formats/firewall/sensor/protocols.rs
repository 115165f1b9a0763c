//! What sensors tell of the protocols inside of connections, in the terms of the model.

use crate::formats::firewall::bytes::address;
use crate::model::{Certificate, Dns};

/// A DNS message with the data of its answers, which are addresses and names.
pub(crate) fn dns(
    query: Option<String>,
    record_type: Option<String>,
    response: bool,
    response_code: Option<String>,
    data: Vec<String>,
) -> Dns {
    let mut dns = Dns {
        query: query.map(|name| name.trim_end_matches('.').to_owned()).unwrap_or_default(),
        record_type: record_type.unwrap_or_default(),
        response,
        response_code,
        ..Dns::default()
    };
    for answer in data {
        match address(answer.as_bytes()) {
            Some(address) => dns.addresses.push(address),
            None if is_name(&answer) => dns.aliases.push(answer.trim_end_matches('.').to_owned()),
            None => {}
        }
    }
    dns
}

/// Names of hosts; texts and the like are no aliases.
fn is_name(answer: &str) -> bool {
    let letters = |label: &str| label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    answer.contains('.') && answer.trim_end_matches('.').split('.').all(|label| !label.is_empty() && letters(label))
}

/// "TLS 1.2", "TLSv12", "TLSv1.2", "TLSv1", "1.3" as "1.2", "1.0", "1.3"; `None` if it is none of TLS.
pub(crate) fn version(name: &str) -> Option<String> {
    let digits: String = name.chars().filter(char::is_ascii_digit).collect();
    let named = name.to_ascii_uppercase();
    if named.contains("SSL") || named.contains("DTLS") {
        return Some(name.to_owned());
    }
    match digits.as_str() {
        "1" | "10" => Some("1.0".to_owned()),
        "11" => Some("1.1".to_owned()),
        "12" => Some("1.2".to_owned()),
        "13" => Some("1.3".to_owned()),
        _ => None,
    }
}

/// A certificate by the distinguished names that sensors print: `CN=www.example.com, O=Example` (RFC 4514 and kin).
pub(crate) fn certificate(
    subject: Option<String>,
    issuer: Option<String>,
    names: Vec<String>,
) -> Option<Box<Certificate>> {
    if subject.is_none() && issuer.is_none() {
        return None;
    }
    let mut found = Certificate {
        subject: attribute(subject.as_deref(), "CN="),
        subject_organization: attribute(subject.as_deref(), "O="),
        issuer: attribute(issuer.as_deref(), "CN="),
        issuer_organization: attribute(issuer.as_deref(), "O="),
        ..Certificate::default()
    };
    found.keep(names);
    Some(Box::new(found))
}

/// One attribute of a distinguished name; a comma in its value is escaped.
fn attribute(name: Option<&str>, key: &str) -> Option<String> {
    let name = name?;
    let mut begin = 0;
    let mut escaped = false;
    let mut parts = Vec::new();
    for (at, letter) in name.char_indices() {
        match letter {
            '\\' => escaped = !escaped,
            ',' | '/' if !escaped => {
                parts.push(name.get(begin..at)?);
                begin = at + 1;
            }
            _ => escaped = false,
        }
    }
    parts.push(name.get(begin..)?);
    let value = parts.into_iter().find_map(|part| part.trim().strip_prefix(key))?;
    Some(value.replace('\\', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_certificates() {
        let found =
            certificate(Some("C=US, O=Example\\, Inc., CN=www.example.com".to_owned()), None, Vec::new()).unwrap();
        assert_eq!(found.subject.as_deref(), Some("www.example.com"));
        assert_eq!(found.subject_organization.as_deref(), Some("Example, Inc."));
        assert_eq!(found.issuer, None);
    }

    #[test]
    fn names_beyond_those_that_are_kept_are_counted() {
        let names: Vec<String> = (0..40).map(|at| format!("{at}.example")).collect();
        let found = certificate(Some("CN=0.example".to_owned()), None, names.clone()).unwrap();
        assert_eq!((&found.names[..], found.names_omitted), (&names[..32], 8));
    }

    #[test]
    fn versions_of_tls() {
        for (name, expected) in [
            ("TLS 1.2", Some("1.2")),
            ("TLSv12", Some("1.2")),
            ("TLSv1", Some("1.0")),
            ("TLSv1.3", Some("1.3")),
            ("x", None),
        ] {
            assert_eq!(version(name).as_deref(), expected, "{name}");
        }
    }
}
