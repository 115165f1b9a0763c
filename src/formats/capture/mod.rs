//! Packet captures: containers, layers, flows and the protocols inside.

mod app;
