//! Packet captures: containers, layers, flows and the protocols inside.
//!
//! A container ([`pcap`], [`pcapng`]) frames and dates packets and hands them to [`packets`], which opens the link
//! ([`link`]), network ([`ip`], [`fragments`], [`encapsulation`]) and transport layers ([`transport`]) and keeps the conversations
//! ([`flows`], [`conversation`], [`stream`]). What conversations carry is read by [`app`].

mod app;
mod bytes;
mod carried;
mod conversation;
mod echo;
mod encapsulation;
mod flows;
mod fragments;
mod ip;
mod key;
mod link;
mod oddities;
mod packets;
pub mod pcap;
pub mod pcapng;
mod pieces;
mod single;
mod stamp;
mod stream;
mod tally;
mod transport;
mod window;

pub(crate) use app::ssh_sizes;
pub(in crate::formats) use single::packet;

/// Bound on one packet in bytes: 64 times what segmentation offload can make.
const MAX_PACKET: u32 = 16 << 20;
/// What no writer exceeds unless it says so (libpcap's MAXIMUM_SNAPLEN).
const USUAL_MAX_PACKET: u32 = 262_144;

#[cfg(test)]
mod corpus_tests;
#[cfg(test)]
mod flow_tests;
#[cfg(test)]
mod sample_tests;
#[cfg(test)]
mod stream_tests;
