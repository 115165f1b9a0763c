use super::*;

const ELF: &[u8] = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0";

/// A stub of 64 bytes whose header follows at 0x80, as linkers write it.
fn exe() -> Vec<u8> {
    let mut bytes = vec![0; 0x80];
    bytes[..2].copy_from_slice(b"MZ");
    bytes[0x3c] = 0x80;
    bytes.extend(b"PE\0\0\x64\x86");
    bytes
}

fn watched(announced: Announced, pieces: &[&[u8]], whole: bool) -> Option<File> {
    let mut watch = Watch::new(announced);
    for piece in pieces {
        if watch.wants() {
            watch.data(Packet::default(), piece);
        }
    }
    watch.end("http", whole, true).map(|(_, file)| file)
}

#[test]
fn kinds_by_their_first_bytes() {
    for (bytes, kind) in [
        (ELF, "elf"),
        (&exe(), "pe"),
        (b"#!/bin/sh\necho", "script"),
        (b"#! /usr/bin/env python3\n", "script"),
        (b"PK\x03\x04\x14\0", "zip"),
        (b"\x1f\x8b\x08\0", "gzip"),
        (b"BZh91AY&SY", "bzip2"),
        (b"\xca\xfe\xba\xbe\0\0\0\x02", "mach-o"),
        (b"!<arch>\ndebian-binary   ", "deb"),
    ] {
        assert_eq!(magic(bytes), Magic::Is(kind));
        // Wherever it is cut, it is not yet something else.
        for cut in 0..bytes.len() {
            assert!(matches!(magic(&bytes[..cut]), Magic::More | Magic::Is(_)), "{kind} at {cut}");
        }
    }
    for bytes in [
        &b"MZ is how Mark signed it, and this is a letter about him that has more than sixty four bytes."[..],
        b"# a heading",
        b"\xca\xfe\xba\xbe\0\0\0\x34",
        b"\x7fELF\x09\x01\x01",
        b"BZip",
        b"<html>",
        b"PKZIP",
        b"{}",
    ] {
        assert_eq!(magic(bytes), Magic::No, "{bytes:?}");
    }
}

/// `printf '#!/bin/sh\necho hello\n' | sha256sum`
const SCRIPT: &[u8] = b"#!/bin/sh\necho hello\n";
const SCRIPT_SHA256: &str = "bfdeaeb08cffb6a36438bcd12dda25417e3cdd36f1e7e482a2849d539225288b";

#[test]
fn a_whole_file_has_its_hash_however_it_is_cut() {
    for cut in 0..SCRIPT.len() {
        let file = watched(Announced::default(), &[&SCRIPT[..cut], &SCRIPT[cut..]], true).expect("a file");
        assert_eq!(file.sha256.as_deref(), Some(SCRIPT_SHA256), "{cut}");
    }
    let one_by_one: Vec<&[u8]> = SCRIPT.chunks(1).collect();
    assert_eq!(
        watched(Announced::default(), &one_by_one, true).and_then(|file| file.sha256).as_deref(),
        Some(SCRIPT_SHA256)
    );
    assert_eq!(watched(Announced::default(), &[SCRIPT], false).expect("a file").sha256, None);
    let longer = Announced { length: Some(100), ..Announced::default() };
    assert_eq!(watched(longer, &[SCRIPT], true).expect("a file").sha256, None);
    let part = Announced { from: 10, ..Announced::default() };
    assert_eq!(watched(part, &[SCRIPT], true), None);
}

#[test]
fn a_compressed_content_is_what_is_inside() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(SCRIPT).expect("memory");
    let packed = encoder.finish().expect("memory");
    let coded = |media_type: &str| Announced {
        coding: Some("gzip".to_owned()),
        media_type: Some(media_type.to_owned()),
        ..Announced::default()
    };
    let (one, other) = packed.split_at(packed.len() / 2);
    let file = watched(coded("text/plain"), &[one, other], true).expect("a file");
    assert_eq!((file.kind, file.sha256.as_deref()), ("script", Some(SCRIPT_SHA256)));
    assert_eq!(file.bytes, packed.len() as u64);
    assert_eq!(watched(coded("text/html; charset=utf-8"), &[&packed], true), None);
    // The same bytes without a coding are an archive.
    assert_eq!(watched(Announced::default(), &[&packed], true).map(|file| file.kind), Some("gzip"));
    assert_eq!(watched(coded("text/plain"), &[b"not gzip at all"], true), None);
}

#[test]
fn names_are_those_of_the_disposition_or_the_path() {
    for (disposition, target, expected) in [
        (None, "/a/xmrig.tar.gz?x=/y", Some("xmrig.tar.gz")),
        (None, "http://example.org/", None),
        (Some("attachment; filename=\"a b.sh\""), "/x", Some("a b.sh")),
        (Some("attachment; filename=a.sh; size=3"), "/x", Some("a.sh")),
        (Some("attachment; filename*=UTF-8''a%20b.sh"), "/x", Some("a%20b.sh")),
        (Some("inline"), "/x", Some("x")),
    ] {
        assert_eq!(name(disposition, target).as_deref(), expected);
    }
}

#[test]
fn noise_is_no_file() {
    let mut state = 1_u32;
    for _ in 0..2000 {
        let noise: Vec<u8> = (0..64)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        assert_eq!(watched(Announced::default(), &[&noise], true), None, "{noise:02x?}");
    }
}
