//! Hashes that are the same on every machine and in every version of the compiler, which those of the standard library do not
//! promise: what is sampled or estimated by them depends on the data alone. They protect from nothing.

use std::hash::Hasher;

/// FNV-1a, 64 bits (draft-eastlake-fnv). Numbers count as their bytes, the least first. Its low bits are poorly mixed.
#[derive(Clone, Copy, Debug)]
pub struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn write_u16(&mut self, value: u16) {
        self.write(&value.to_le_bytes());
    }

    fn write_u32(&mut self, value: u32) {
        self.write(&value.to_le_bytes());
    }

    fn write_u64(&mut self, value: u64) {
        self.write(&value.to_le_bytes());
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The FNV-1a hash of bytes.
pub fn fnv(bytes: &[u8]) -> u64 {
    let mut hasher = Fnv::default();
    hasher.write(bytes);
    hasher.finish()
}

/// Spreads every bit of a number over all: the finalizer of SplitMix64 (Steele, Lea, Flood 2014).
pub fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fnv_is_what_its_authors_say() {
        // draft-eastlake-fnv, appendix C: FNV-1a, 64 bits, of "a" and "foobar".
        assert_eq!(fnv(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn numbers_count_as_their_bytes_the_least_first() {
        let of = |write: &dyn Fn(&mut Fnv)| {
            let mut hasher = Fnv::default();
            write(&mut hasher);
            hasher.finish()
        };
        assert_eq!(of(&|hasher| hasher.write_u16(0x0201)), fnv(&[1, 2]));
        assert_eq!(of(&|hasher| hasher.write_u32(0x0403_0201)), fnv(&[1, 2, 3, 4]));
        assert_eq!(of(&|hasher| hasher.write_u64(0x0807_0605_0403_0201)), fnv(&[1, 2, 3, 4, 5, 6, 7, 8]));
        // As wide on every machine.
        assert_eq!(of(&|hasher| hasher.write_usize(0x0201)), fnv(&[1, 2, 0, 0, 0, 0, 0, 0]));
    }

    // The published first outputs of SplitMix64 for the seed 1234567: the finalizer of the seed and so many times the golden gamma.
    #[test]
    fn mix_is_the_finalizer_of_splitmix() {
        let outputs = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        for (turn, output) in (1..).zip(outputs) {
            assert_eq!(mix(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(turn).wrapping_add(1_234_567)), output);
        }
    }
}
