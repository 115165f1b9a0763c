//! What finds a conversation: both ends and the protocol, the same for both directions.

use std::net::{IpAddr, Ipv6Addr};

/// Address and port of one side.
pub(super) type End = (IpAddr, Option<u16>);

/// Both directions of a conversation have the same key: the lower end comes first. Integers, so that comparing and
/// hashing take a few instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    low: u128,
    high: u128,
    /// Ports of the lower and of the higher end, what of them is known, address families, protocol.
    rest: u64,
}

const PORT_KNOWN: u64 = 1 << 16;
const VERSION_4: u64 = 1 << 17;
const END_BITS: u32 = 18;
const END_MASK: u64 = (1 << END_BITS) - 1;

fn pack((address, port): End) -> (u128, u64) {
    let port = port.map_or(0, |port| u64::from(port) | PORT_KNOWN);
    match address {
        IpAddr::V4(v4) => (u128::from(u32::from(v4)), port | VERSION_4),
        IpAddr::V6(v6) => (u128::from(v6), port),
    }
}

fn unpack(address: u128, bits: u64) -> End {
    // The masks leave what was packed: 32 bits of address and 16 of port.
    let port = (bits & PORT_KNOWN != 0).then_some((bits & 0xffff) as u16);
    let address = match bits & VERSION_4 != 0 {
        true => IpAddr::from((address as u32).to_be_bytes()),
        false => IpAddr::V6(Ipv6Addr::from(address)),
    };
    (address, port)
}

impl Key {
    /// The key, and whether `src` is its lower end.
    pub(super) fn new(src: End, dst: End, protocol: u8) -> (Self, bool) {
        let (src, dst) = (pack(src), pack(dst));
        let src_is_low = src <= dst;
        let (low, high) = if src_is_low { (src, dst) } else { (dst, src) };
        let rest = low.1 | high.1 << END_BITS | u64::from(protocol) << (2 * END_BITS);
        (Key { low: low.0, high: high.0, rest }, src_is_low)
    }

    pub(super) fn low(&self) -> End {
        unpack(self.low, self.rest & END_MASK)
    }

    pub(super) fn high(&self) -> End {
        unpack(self.high, self.rest >> END_BITS & END_MASK)
    }

    pub(super) fn protocol(&self) -> u8 {
        (self.rest >> (2 * END_BITS) & 0xff) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_have_one_key_and_the_ends_come_back() {
        let ends: [End; 5] = [
            (IpAddr::from([10, 0, 0, 1]), Some(40_000)),
            (IpAddr::from([255, 255, 255, 255]), None),
            (IpAddr::from([10, 0, 0, 1]), Some(0)),
            ("::ffff:10.0.0.1".parse().expect("an address"), Some(40_000)),
            ("2001:db8::1".parse().expect("an address"), Some(65_535)),
        ];
        for src in ends {
            for dst in ends {
                let (key, src_is_low) = Key::new(src, dst, 255);
                let (back, dst_is_low) = Key::new(dst, src, 255);
                assert_eq!(key, back);
                assert!(src == dst || src_is_low != dst_is_low);
                let found = if src_is_low { (key.low(), key.high()) } else { (key.high(), key.low()) };
                assert_eq!((found, key.protocol()), ((src, dst), 255));
                assert_ne!(key, Key::new(src, dst, 6).0);
            }
        }
        assert_ne!(Key::new(ends[0], ends[3], 6).0.low(), Key::new(ends[0], ends[3], 6).0.high());
    }
}
