//! What an address is for, by the registries of special-purpose addresses (RFC 6890) and of
//! multicast addresses.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Anybody's, anywhere.
    Public,
    /// This machine's (127.0.0.0/8, ::1).
    Loopback,
    /// A private network's: RFC 1918, RFC 6598 (between a provider and its customers, and in
    /// overlay networks), RFC 4193, and what RFC 3879 deprecates.
    Private,
    /// The next machines' on the same cable (RFC 3927, RFC 4291 §2.5.6).
    LinkLocal,
    /// Where clouds tell a machine, or a container, who it is and what its credentials are. No
    /// server is at home there, wherever it is itself.
    Cloud,
    /// For measuring (RFC 2544, RFC 5180); tunnels on a machine give out such addresses in place of
    /// the true ones.
    Benchmarking,
    /// No machine's: "this network" (RFC 1122 §3.2.1.3), which some systems take for this machine.
    Unspecified,
    /// A group's, or everybody's on the same cable.
    Multicast,
    /// For documents, for protocols, or for nothing yet.
    Reserved,
}

impl Kind {
    /// What this address is for. An IPv6 address that stands for an IPv4 address is what that is.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "a public address",
            Self::Loopback => "an address of this machine itself",
            Self::Private => "an address of a private network",
            Self::LinkLocal => "a link-local address",
            Self::Cloud => "an address where clouds give out a machine's credentials",
            Self::Benchmarking => "an address for measurements",
            Self::Unspecified => "no machine's address",
            Self::Multicast => "a multicast or broadcast address",
            Self::Reserved => "a reserved address",
        })
    }
}

fn of_v4(address: Ipv4Addr) -> Kind {
    match address.octets() {
        // Most clouds, Amazon's containers (two), Alibaba, Azure, Oracle.
        [169, 254, 169, 254]
        | [169, 254, 170, 2 | 23]
        | [100, 100, 100, 200]
        | [168, 63, 129, 16]
        | [192, 0, 0, 192] => Kind::Cloud,
        [0, ..] => Kind::Unspecified,
        [10, ..] | [192, 168, ..] => Kind::Private,
        [172, second, ..] if second & 0xf0 == 16 => Kind::Private,
        [100, second, ..] if second & 0xc0 == 64 => Kind::Private,
        [127, ..] => Kind::Loopback,
        [169, 254, ..] => Kind::LinkLocal,
        [198, 18 | 19, ..] => Kind::Benchmarking,
        // RFC 6890 §2.2.2, RFC 5737, RFC 7526.
        [192, 0, 0 | 2, _] | [192, 88, 99, _] | [198, 51, 100, _] | [203, 0, 113, _] => {
            Kind::Reserved
        }
        [255, 255, 255, 255] => Kind::Multicast,
        [224..=239, ..] => Kind::Multicast,
        [240..=255, ..] => Kind::Reserved,
        _ => Kind::Public,
    }
}

fn of_v6(address: Ipv6Addr) -> Kind {
    let segments = address.segments();
    if let Some(inner) = inner_v4(segments) {
        return of_v4(inner);
    }
    match segments {
        // Amazon's machines and containers, Google's machines.
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254 | 0x23] | [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254] => {
            Kind::Cloud
        }
        [0, 0, 0, 0, 0, 0, 0, 0] => Kind::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => Kind::Loopback,
        [first, ..] if first & 0xff00 == 0xff00 => Kind::Multicast,
        [first, ..] if first & 0xffc0 == 0xfe80 => Kind::LinkLocal,
        [first, ..] if first & 0xffc0 == 0xfec0 => Kind::Private,
        [first, ..] if first & 0xfe00 == 0xfc00 => Kind::Private,
        [0x2001, 2, 0, ..] => Kind::Benchmarking,
        // RFC 8215: which IPv4 address stands in it, and where, is the network's own affair.
        [0x64, 0xff9b, 1, ..] => Kind::Private,
        // RFC 2928 keeps 2001::/23 for protocols, RFC 3849 and RFC 9637 two blocks for documents.
        [0x2001, second, ..] if second < 0x200 || second == 0xdb8 => Kind::Reserved,
        [0x3fff, second, ..] if second < 0x1000 => Kind::Reserved,
        // RFC 4291 §2.4: all that is given out for anybody.
        [first, ..] if first & 0xe000 == 0x2000 => Kind::Public,
        _ => Kind::Reserved,
    }
}

/// The IPv4 address that packets to this one are meant for, or reach.
fn inner_v4(segments: [u16; 8]) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        Ipv4Addr::new(a, b, c, d)
    };
    match segments {
        // ::1 and :: are of IPv6.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        // Mapped (RFC 4291 §2.5.5.2), compatible (§2.5.5.1), translated (RFC 2765 §2.1).
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0, 0, 0, 0, 0, 0, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        // NAT64 (RFC 6052 §2.1).
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        // 6to4 (RFC 3056 §2).
        | [0x2002, high, low, ..] => Some(v4(high, low)),
        // Teredo (RFC 4380 §4): the client's address, each bit turned over.
        [0x2001, 0, _, _, _, _, high, low] => Some(v4(!high, !low)),
        // ISATAP (RFC 5214 §6.1), whatever the network.
        [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => Some(v4(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> Kind {
        Kind::of(text.parse().expect(text))
    }

    /// First and last address of a block, and what stands right before and after it.
    struct Block(&'static str, &'static str, Kind, &'static str, &'static str);

    #[test]
    fn blocks_of_ipv4_begin_and_end_where_the_registry_says() {
        use Kind as K;
        for Block(first, last, expected, before, after) in [
            Block("0.0.0.0", "0.255.255.255", K::Unspecified, "", "1.0.0.0"),
            Block(
                "10.0.0.0",
                "10.255.255.255",
                K::Private,
                "9.255.255.255",
                "11.0.0.0",
            ),
            Block(
                "100.64.0.0",
                "100.127.255.255",
                K::Private,
                "100.63.255.255",
                "100.128.0.0",
            ),
            Block(
                "127.0.0.0",
                "127.255.255.255",
                K::Loopback,
                "126.255.255.255",
                "128.0.0.0",
            ),
            Block(
                "169.254.0.0",
                "169.254.255.255",
                K::LinkLocal,
                "169.253.255.255",
                "169.255.0.0",
            ),
            Block(
                "172.16.0.0",
                "172.31.255.255",
                K::Private,
                "172.15.255.255",
                "172.32.0.0",
            ),
            Block(
                "192.0.0.0",
                "192.0.0.255",
                K::Reserved,
                "191.255.255.255",
                "192.0.1.0",
            ),
            Block(
                "192.0.2.0",
                "192.0.2.255",
                K::Reserved,
                "192.0.1.255",
                "192.0.3.0",
            ),
            Block(
                "192.88.99.0",
                "192.88.99.255",
                K::Reserved,
                "192.88.98.255",
                "192.88.100.0",
            ),
            Block(
                "192.168.0.0",
                "192.168.255.255",
                K::Private,
                "192.167.255.255",
                "192.169.0.0",
            ),
            Block(
                "198.18.0.0",
                "198.19.255.255",
                K::Benchmarking,
                "198.17.255.255",
                "198.20.0.0",
            ),
            Block(
                "198.51.100.0",
                "198.51.100.255",
                K::Reserved,
                "198.51.99.255",
                "198.51.101.0",
            ),
            Block(
                "203.0.113.0",
                "203.0.113.255",
                K::Reserved,
                "203.0.112.255",
                "203.0.114.0",
            ),
            Block(
                "224.0.0.0",
                "239.255.255.255",
                K::Multicast,
                "223.255.255.255",
                "",
            ),
            Block("240.0.0.0", "255.255.255.254", K::Reserved, "", ""),
            Block("255.255.255.255", "255.255.255.255", K::Multicast, "", ""),
        ] {
            for inside in [first, last] {
                assert_eq!(kind(inside), expected, "{inside}");
            }
            for outside in [before, after].into_iter().filter(|text| !text.is_empty()) {
                assert_eq!(kind(outside), K::Public, "{outside}");
            }
        }
        assert_eq!(kind("8.8.8.8"), K::Public);
    }

    #[test]
    fn what_clouds_serve_their_machines_is_a_kind_of_its_own_between_others() {
        for (text, beside, of) in [
            ("169.254.169.254", "169.254.169.253", Kind::LinkLocal),
            ("169.254.170.2", "169.254.170.1", Kind::LinkLocal),
            ("169.254.170.23", "169.254.170.24", Kind::LinkLocal),
            ("100.100.100.200", "100.100.100.201", Kind::Private),
            ("168.63.129.16", "168.63.129.17", Kind::Public),
            ("192.0.0.192", "192.0.0.191", Kind::Reserved),
            ("fd00:ec2::254", "fd00:ec2::253", Kind::Private),
            ("fd00:ec2::23", "fd00:ec2::24", Kind::Private),
            ("fd20:ce::254", "fd20:cf::254", Kind::Private),
        ] {
            assert_eq!(kind(text), Kind::Cloud, "{text}");
            assert_eq!(kind(beside), of, "{beside}");
        }
    }

    #[test]
    fn every_ipv4_address_but_the_listed_blocks_is_public() {
        // One address of each /16: the blocks that are smaller are tested by their ends.
        let special = |[a, b]: [u8; 2]| {
            matches!(
                (a, b),
                (0 | 10 | 127 | 224.., _)
                    | (172, 16..=31)
                    | (192, 168)
                    | (169, 254)
                    | (100, 64..=127)
                    | (198, 18..=19)
            )
        };
        for high in 0..=u16::MAX {
            let [a, b] = high.to_be_bytes();
            let found = of_v4(Ipv4Addr::new(a, b, 7, 7));
            assert_eq!(found != Kind::Public, special([a, b]), "{a}.{b}.7.7");
        }
    }

    #[test]
    fn blocks_of_ipv6_begin_and_end_where_the_registry_says() {
        use Kind as K;
        for (text, expected) in [
            ("::", K::Unspecified),
            ("::1", K::Loopback),
            ("100::1", K::Reserved),
            ("64:ff9b:1::a00:1", K::Private),
            ("64:ff9b:2::1", K::Reserved),
            ("2000::1", K::Public),
            ("2001:1::1", K::Reserved),
            ("2001:2::1", K::Benchmarking),
            ("2001:2:1::1", K::Reserved),
            ("2001:1ff:ffff::1", K::Reserved),
            ("2001:200::1", K::Public),
            ("2001:db7:ffff::1", K::Public),
            ("2001:db8::1", K::Reserved),
            ("2001:db9::1", K::Public),
            ("2606:4700::1111", K::Public),
            ("3ffe:ffff::1", K::Public),
            ("3fff::1", K::Reserved),
            ("3fff:fff:ffff::1", K::Reserved),
            ("3fff:1000::1", K::Public),
            ("4000::1", K::Reserved),
            ("5f00::1", K::Reserved),
            ("fbff:ffff::1", K::Reserved),
            ("fc00::", K::Private),
            ("fd00::1", K::Private),
            ("fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", K::Private),
            ("fe00::1", K::Reserved),
            ("fe7f:ffff::1", K::Reserved),
            ("fe80::1", K::LinkLocal),
            ("febf:ffff::1", K::LinkLocal),
            ("fec0::1", K::Private),
            ("feff:ffff::1", K::Private),
            ("ff00::", K::Multicast),
            ("ff02::1", K::Multicast),
            ("ffff::1", K::Multicast),
        ] {
            assert_eq!(kind(text), expected, "{text}");
        }
    }

    #[test]
    fn an_ipv4_address_in_any_disguise_is_what_it_is_without() {
        let disguises: [fn(u16, u16) -> [u16; 8]; 8] = [
            |high, low| [0, 0, 0, 0, 0, 0xffff, high, low],
            |high, low| [0, 0, 0, 0, 0, 0, high, low],
            |high, low| [0, 0, 0, 0, 0xffff, 0, high, low],
            |high, low| [0x64, 0xff9b, 0, 0, 0, 0, high, low],
            |high, low| [0x2002, high, low, 0, 0, 0, 0, 1],
            |high, low| [0x2001, 0, 0x4136, 0xe378, 0x8000, 0x63bf, !high, !low],
            |high, low| [0xfe80, 0, 0, 0, 0, 0x5efe, high, low],
            |high, low| [0x2606, 1, 2, 3, 0x200, 0x5efe, high, low],
        ];
        for text in [
            "127.0.0.1",
            "10.1.2.3",
            "169.254.169.254",
            "169.254.7.7",
            "168.63.129.16",
            "192.168.0.1",
            "172.16.0.1",
            "100.64.0.1",
            "0.1.2.3",
            "224.0.0.1",
            "198.18.0.1",
            "203.0.113.9",
            "8.8.8.8",
            "255.255.255.255",
        ] {
            let bare: Ipv4Addr = text.parse().expect(text);
            let [a, b, c, d] = bare.octets();
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            for disguise in disguises {
                let dressed = Ipv6Addr::from(disguise(high, low));
                assert_eq!(
                    Kind::of(dressed.into()),
                    of_v4(bare),
                    "{dressed} for {text}"
                );
            }
        }
    }
}
