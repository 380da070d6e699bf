//! What is dead without a word is noticed: sessions, connections, the network.

mod asleep;
mod network;
mod peers;
mod pings;
