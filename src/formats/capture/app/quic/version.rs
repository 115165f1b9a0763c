//! The versions whose Initial packets can be read.

/// What differs between versions.
#[derive(Debug)]
pub(super) struct Version {
    pub(super) number: u32,
    pub(super) name: &'static str,
    pub(super) salt: &'static [u8; 20],
    pub(super) labels: &'static Labels,
    /// Packet types are numbered one further (RFC 9369 section 3.2).
    pub(super) shifted: bool,
    /// Google's own hello instead of that of TLS.
    pub(super) google_hello: bool,
}

/// Labels under which keys are derived (RFC 9001 section 5.1, RFC 9369 section 3.3.2).
#[derive(Debug)]
pub(super) struct Labels {
    pub(super) key: &'static [u8],
    pub(super) iv: &'static [u8],
    pub(super) hp: &'static [u8],
}

static ONE: Labels = Labels { key: b"quic key", iv: b"quic iv", hp: b"quic hp" };
static TWO: Labels = Labels { key: b"quicv2 key", iv: b"quicv2 iv", hp: b"quicv2 hp" };

/// RFC 9001 section 5.2, RFC 9369 section 3.3.1, and the same sections of draft-ietf-quic-tls and draft-ietf-quic-v2.
static RFC_9001: [u8; 20] = *b"\x38\x76\x2c\xf7\xf5\x59\x34\xb3\x4d\x17\x9a\xe6\xa4\xc8\x0c\xad\xcc\xbb\x7f\x0a";
static RFC_9369: [u8; 20] = *b"\x0d\xed\xe3\xde\xf7\x00\xa6\xdb\x81\x93\x81\xbe\x6e\x26\x9d\xcb\xf9\xbd\x2e\xd9";
static DRAFT_V2: [u8; 20] = *b"\xa7\x07\xc2\x03\xa5\x9b\x47\x18\x4a\x1d\x62\xca\x57\x04\x06\xea\x7a\xe3\xe5\xd3";
static DRAFT_29: [u8; 20] = *b"\xaf\xbf\xec\x28\x99\x93\xd2\x4c\x9e\x97\x86\xf1\x9c\x61\x11\xe0\x43\x90\xa8\x99";
static DRAFT_23: [u8; 20] = *b"\xc3\xee\xf7\x12\xc7\x2e\xbb\x5a\x11\xa7\xd2\x43\x2b\xb4\x63\x65\xbe\xf9\xf5\x02";
static DRAFT_21: [u8; 20] = *b"\x7f\xbc\xdb\x0e\x7c\x66\xbb\xe9\x19\x3a\x96\xcd\x21\x51\x9e\xbd\x7a\x02\x64\x4a";
/// `crypto_utils.cc` of Chromium's QUIC.
static Q050: [u8; 20] = *b"\x50\x45\x74\xef\xd0\x66\xfe\x2f\x9d\x94\x5c\xfc\xdb\xd3\xa7\xf0\xd3\xb5\x6b\x45";
static T050: [u8; 20] = *b"\x7f\xf5\x79\xe5\xac\xd0\x72\x91\x55\x80\x30\x4c\x43\xa2\x36\x7c\x60\x48\x83\x10";
static T051: [u8; 20] = *b"\x7a\x4e\xde\xf4\xe7\xcc\xee\x5f\xa4\x50\x6c\x19\x12\x4f\xc8\xcc\xda\x6e\x03\x3d";

const fn one(number: u32, name: &'static str, salt: &'static [u8; 20]) -> Version {
    Version { number, name, salt, labels: &ONE, shifted: false, google_hello: false }
}

const fn two(number: u32, name: &'static str, salt: &'static [u8; 20]) -> Version {
    Version { number, name, salt, labels: &TWO, shifted: true, google_hello: false }
}

static KNOWN: &[Version] = &[
    one(1, "1", &RFC_9001),
    two(0x6b33_43cf, "2", &RFC_9369),
    two(0x709a_50c4, "2-draft", &DRAFT_V2),
    one(0xff00_0022, "draft-34", &RFC_9001),
    one(0xff00_0021, "draft-33", &RFC_9001),
    one(0xff00_0020, "draft-32", &DRAFT_29),
    one(0xff00_001f, "draft-31", &DRAFT_29),
    one(0xff00_001e, "draft-30", &DRAFT_29),
    one(0xff00_001d, "draft-29", &DRAFT_29),
    one(0xff00_001c, "draft-28", &DRAFT_23),
    one(0xff00_001b, "draft-27", &DRAFT_23),
    one(0xff00_001a, "draft-26", &DRAFT_23),
    one(0xff00_0019, "draft-25", &DRAFT_23),
    one(0xff00_0018, "draft-24", &DRAFT_23),
    one(0xff00_0017, "draft-23", &DRAFT_23),
    one(0xff00_0016, "draft-22", &DRAFT_21),
    // Facebook's, by the draft that each follows.
    one(0xface_b001, "mvfst-22", &DRAFT_21),
    one(0xface_b002, "mvfst-27", &DRAFT_23),
    one(0xface_b00e, "mvfst", &DRAFT_23),
    Version {
        number: u32::from_be_bytes(*b"Q050"),
        name: "Q050",
        salt: &Q050,
        labels: &ONE,
        shifted: false,
        google_hello: true,
    },
    one(u32::from_be_bytes(*b"T050"), "T050", &T050),
    one(u32::from_be_bytes(*b"T051"), "T051", &T051),
];

pub(super) fn find(number: u32) -> Option<&'static Version> {
    KNOWN.iter().find(|version| version.number == number)
}
