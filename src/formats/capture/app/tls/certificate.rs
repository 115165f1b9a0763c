//! Names in X.509 certificates (RFC 5280), by a walk over the DER elements that lead to them (X.690).
//!
//! What a certificate says counts here even where a strict parser refuses it: names hold zeros, times lie before 1970,
//! extensions are cut off. Nothing is verified.

use crate::evidence::excerpt;
use crate::model::Certificate;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;
const OCTET_STRING: u8 = 0x04;
const BOOLEAN: u8 = 0x01;
/// Context tags of TBSCertificate: `[0]` version, `[3]` extensions.
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
/// `[2]` of GeneralName: dNSName.
const DNS_NAME: u8 = 0x82;

/// id-at-commonName, id-at-organizationName, id-ce-subjectAltName.
const COMMON_NAME: &[u8] = &[0x55, 4, 3];
const ORGANIZATION: &[u8] = &[0x55, 4, 10];
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 29, 17];

/// Bound on a name's length: RFC 5280 allows 64 characters, DNS 253.
const NAME_MAX: usize = 256;
/// Bound on the elements of a list that are looked at.
const ELEMENTS_MAX: usize = 256;

/// The elements of a constructed value: tag and content.
struct Elements<'a>(&'a [u8]);

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        // Tags above 30 and indefinite lengths have no place in DER certificates.
        if tag & 0x1f == 0x1f || first == 0x80 {
            return None;
        }
        let (length, rest) = if first < 0x80 {
            (usize::from(first), rest)
        } else {
            let (digits, rest) =
                rest.split_at_checked(usize::from(first & 0x7f)).filter(|(digits, _)| digits.len() <= 3)?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        };
        // Cut off: what is there counts.
        let (content, rest) = rest.split_at(length.min(rest.len()));
        self.0 = rest;
        Some((tag, content))
    }
}

/// Names of the certificate that `der` begins with; `None` if it is none.
pub(super) fn names(der: &[u8]) -> Option<Certificate> {
    let (_, certificate) = Elements(der).next().filter(|(tag, _)| *tag == SEQUENCE)?;
    let (_, signed) = Elements(certificate).next().filter(|(tag, _)| *tag == SEQUENCE)?;
    let mut fields = Elements(signed).skip_while(|(tag, _)| *tag == VERSION);
    // serialNumber, signature, issuer, validity, subject.
    let mut sequences = fields.by_ref().skip(1).filter(|(tag, _)| *tag == SEQUENCE);
    let (_, (_, issuer), _, (_, subject)) =
        (sequences.next()?, sequences.next()?, sequences.next()?, sequences.next()?);
    let mut found = Certificate::default();
    (found.issuer, found.issuer_organization) = distinguished(issuer);
    (found.subject, found.subject_organization) = distinguished(subject);
    let extensions = fields.find(|(tag, _)| *tag == EXTENSIONS).and_then(|(_, list)| Elements(list).next());
    for (_, extension) in extensions.into_iter().flat_map(|(_, list)| Elements(list)).take(ELEMENTS_MAX) {
        let mut parts = Elements(extension).filter(|(tag, _)| *tag != BOOLEAN);
        if parts.next() != Some((OBJECT_IDENTIFIER, SUBJECT_ALT_NAME)) {
            continue;
        }
        let list = parts.next().filter(|(tag, _)| *tag == OCTET_STRING).and_then(|(_, value)| Elements(value).next());
        let alternatives = list.into_iter().flat_map(|(_, list)| Elements(list));
        let names = alternatives.filter(|(tag, _)| *tag == DNS_NAME).filter_map(|(_, name)| text(name));
        found.keep(names);
    }
    Some(found)
}

/// Common name and organisation of a Name; the last of several, which is the most specific.
fn distinguished(name: &[u8]) -> (Option<String>, Option<String>) {
    let (mut common, mut organization) = (None, None);
    let attributes = Elements(name).filter(|(tag, _)| *tag == SET).flat_map(|(_, set)| Elements(set));
    for (_, attribute) in attributes.take(ELEMENTS_MAX) {
        let mut parts = Elements(attribute);
        let (Some((OBJECT_IDENTIFIER, kind)), Some((encoding, value))) = (parts.next(), parts.next()) else { continue };
        let slot = match kind {
            COMMON_NAME => &mut common,
            ORGANIZATION => &mut organization,
            _ => continue,
        };
        // BMPString: two bytes a character.
        let value = if encoding == 0x1e { &wide(value)[..] } else { value };
        *slot = text(value).or(slot.take());
    }
    (common, organization)
}

fn wide(value: &[u8]) -> Vec<u8> {
    let units = value.chunks_exact(2).map(|pair| match pair {
        [high, low] => u16::from_be_bytes([*high, *low]),
        _ => 0,
    });
    char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect::<String>().into_bytes()
}

fn text(value: &[u8]) -> Option<String> {
    (!value.is_empty()).then(|| excerpt(&String::from_utf8_lossy(value), NAME_MAX).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate made of the parts that RFC 5280 section 4.1 names, each written by hand: version 3, serial 1,
    /// sha256WithRSAEncryption, issuer O=Ca + CN=Root, validity, subject CN=a.example, an empty key, and a
    /// subjectAltName (critical) of a.example, an address and b.example.
    fn sample() -> Vec<u8> {
        fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
            let content = parts.concat();
            let length = content.len();
            let mut out = vec![tag];
            match u8::try_from(length) {
                Ok(short @ ..0x80) => out.push(short),
                _ => out.extend([0x82, u8::try_from(length >> 8).unwrap(), u8::try_from(length & 0xff).unwrap()]),
            }
            out.extend(content);
            out
        }
        fn attribute(kind: u8, value: &[u8]) -> Vec<u8> {
            let pair = element(SEQUENCE, &[&element(6, &[&[0x55, 4, kind]]), &element(0x0c, &[value])]);
            element(SET, &[&pair])
        }
        let algorithm = element(SEQUENCE, &[&[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11], &[5, 0]]);
        let issuer = element(SEQUENCE, &[&attribute(10, b"Ca"), &attribute(3, b"Root")]);
        let subject = element(SEQUENCE, &[&attribute(3, b"a.example")]);
        let time = element(0x17, &[b"260101000000Z"]);
        let names = element(
            SEQUENCE,
            &[&element(0x82, &[b"a.example"]), &element(0x87, &[&[192, 0, 2, 1]]), &element(0x82, &[b"b.example"])],
        );
        let alternative = element(SEQUENCE, &[&element(6, &[&[0x55, 29, 17]]), &[1, 1, 0xff], &element(4, &[&names])]);
        let usage = element(SEQUENCE, &[&element(6, &[&[0x55, 29, 15]]), &element(4, &[&[3, 2, 5, 0xa0]])]);
        let signed = element(
            SEQUENCE,
            &[
                &element(0xa0, &[&[2, 1, 2]]),
                &[2, 1, 1],
                &algorithm,
                &issuer,
                &element(SEQUENCE, &[&time, &time]),
                &subject,
                &element(SEQUENCE, &[&algorithm, &[3, 1, 0]]),
                &element(0xa3, &[&element(SEQUENCE, &[&usage, &alternative])]),
            ],
        );
        element(SEQUENCE, &[&signed, &algorithm, &[3, 1, 0]])
    }

    #[test]
    fn names_of_subject_issuer_and_alternatives() {
        let expected = Certificate {
            subject: Some("a.example".to_owned()),
            issuer: Some("Root".to_owned()),
            issuer_organization: Some("Ca".to_owned()),
            names: vec!["a.example".to_owned(), "b.example".to_owned()],
            ..Certificate::default()
        };
        assert_eq!(names(&sample()), Some(expected));
    }

    #[test]
    fn what_is_cut_off_makes_nothing_up() {
        let whole = sample();
        for length in 0..whole.len() {
            let Some(found) = names(&whole[..length]) else { continue };
            assert!(found.subject.is_none_or(|subject| "a.example".starts_with(&subject)));
            assert!(found.names.iter().all(|name| "a.example".starts_with(name) || "b.example".starts_with(name)));
        }
        for noise in [&[][..], &[0x30], &[0x30, 0x80, 0, 0], &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], &[0x31, 2, 0, 0]] {
            assert_eq!(names(noise), None);
        }
    }
}
