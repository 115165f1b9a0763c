//! Numbers in network order, where they were captured.

/// Sixteen bits at `at`; `None` beyond the end.
pub(super) fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|value| u16::from_be_bytes(*value))
}

/// Thirty-two bits at `at`; `None` beyond the end.
pub(super) fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|value| u32::from_be_bytes(*value))
}
