use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
};

use super::error::PatternReason;

/// An IP address as Java reads it from text, without asking a name server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Address {
    V4(u32),
    V6(u128),
}

/// The addresses from one to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Network {
    low: Address,
    high: Address,
}

impl Address {
    /// Reads what AWS takes for an address: four decimal numbers with dots, or hexadecimal numbers
    /// with colons. Leading zeros are decimal, and an IPv4 address in IPv6 form is IPv4.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if Self::is_v4_like(text) { Self::parse_v4(text) } else { Self::parse_v6(text) }
    }

    fn is_v4_like(text: &str) -> bool {
        text.bytes().all(|byte| byte == b'.' || byte.is_ascii_digit())
            && text.split('.').count() == 4
            && text.split('.').all(|part| !part.is_empty())
    }

    fn is_v6_like(text: &str) -> bool {
        text.bytes().all(|byte| byte == b':' || byte.is_ascii_hexdigit()) && text.contains(':')
    }

    fn parse_v4(text: &str) -> Option<Self> {
        if text.len() > 15 {
            return None;
        }
        let parts = text.split('.').map(|part| part.parse::<u32>().ok().filter(|part| *part < 256));
        parts.reduce(|all, part| Some((all? << 8) | part?))?.map(Self::V4)
    }

    fn parse_v6(text: &str) -> Option<Self> {
        if !Self::is_v6_like(text) {
            return None;
        }
        let groups = |text: &str| -> Option<Vec<u16>> {
            let group = |group: &str| {
                // Java minds the value of a group, not the zeros before it.
                let digits = group.trim_start_matches('0');
                match (group, digits) {
                    ("", _) => None,
                    (_, "") => Some(0),
                    _ => u16::from_str_radix(digits, 16).ok(),
                }
            };
            if text.is_empty() { Some(Vec::new()) } else { text.split(':').map(group).collect() }
        };
        let all = match text.split_once("::") {
            None => groups(text)?,
            Some((before, after)) => {
                let (mut all, after) = (groups(before)?, groups(after)?);
                // The two colons stand for one group or more.
                let missing = 8_usize.checked_sub(all.len() + after.len()).filter(|it| *it > 0)?;
                all.extend(std::iter::repeat_n(0, missing));
                all.extend(after);
                all
            }
        };
        let groups: [u16; 8] = all.try_into().ok()?;
        let address = Ipv6Addr::from(groups);
        let v4 = address.to_ipv4_mapped().map(|v4| Self::V4(v4.to_bits()));
        Some(v4.unwrap_or(Self::V6(address.to_bits())))
    }

    fn bits(self) -> u32 {
        match self {
            Self::V4(_) => u32::BITS,
            Self::V6(_) => u128::BITS,
        }
    }

    /// Returns the number of hexadecimal digits.
    fn len(self) -> usize {
        match self {
            Self::V4(_) => 8,
            Self::V6(_) => 32,
        }
    }

    /// The hexadecimal digit at `index`, from the left.
    fn digit(self, index: usize) -> u8 {
        let byte = match self {
            Self::V4(address) => address.to_be_bytes()[index / 2],
            Self::V6(address) => address.to_be_bytes()[index / 2],
        };
        if index.is_multiple_of(2) { byte >> 4 } else { byte & 0xf }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => Ipv4Addr::from_bits(*address).fmt(f),
            Self::V6(address) => Ipv6Addr::from_bits(*address).fmt(f),
        }
    }
}

impl Network {
    /// Reads an address that stands for itself alone.
    pub(crate) fn of_one(text: &str) -> Option<Self> {
        Address::parse(text).map(|address| Self { low: address, high: address })
    }

    /// Reads `address/bits`.
    pub(crate) fn parse(cidr: &str) -> Result<Self, PatternReason> {
        // Slashes at the end do not count.
        let Some((address, mask)) = cidr.trim_end_matches('/').split_once('/') else {
            return Err(PatternReason::CidrWithoutSlash);
        };
        if mask.contains('/') {
            return Err(PatternReason::CidrWithoutSlash);
        }
        let mask: i32 = mask.parse().map_err(|_| PatternReason::CidrMaskNotAnInteger)?;
        let mask = u32::try_from(mask).map_err(|_| PatternReason::CidrMaskNegative)?;
        let Some(address) = Address::parse(address) else {
            let known = Address::is_v4_like(address) || Address::is_v6_like(address);
            let address = address.to_owned();
            return Err(if known {
                PatternReason::InvalidAddress { address }
            } else {
                PatternReason::NonstandardAddress { address }
            });
        };
        if mask >= address.bits() {
            return Err(PatternReason::CidrMaskTooLong { limit: address.bits() });
        }
        Ok(match address {
            Address::V4(bits) => {
                let hosts = u32::MAX >> mask;
                Self { low: Address::V4(bits & !hosts), high: Address::V4(bits | hosts) }
            }
            Address::V6(bits) => {
                let hosts = u128::MAX >> mask;
                Self { low: Address::V6(bits & !hosts), high: Address::V6(bits | hosts) }
            }
        })
    }

    /// Returns true if this is one address, as in an exact value.
    pub(crate) fn is_one(&self) -> bool {
        self.low == self.high
    }

    pub(crate) fn contains(&self, address: Address) -> bool {
        self.decides((0..address.len()).map(|index| Some(address.digit(index))))
    }

    /// Returns true if the text of a number reads as hexadecimal digits within the network.
    ///
    /// AWS does not look at the kind of a value here, so that `10000007` is also 16.0.0.7.
    pub(crate) fn contains_digits(&self, number: &str) -> bool {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'A'..=b'F' => Some(byte - b'A' + 10),
            _ => None,
        };
        self.decides(number.bytes().map(digit))
    }

    /// Returns true if digits lie within the network, as soon as that is clear.
    ///
    /// AWS compares digit by digit and stops at the first that decides, whatever follows and
    /// however many digits there are. So an IPv6 address can lie in an IPv4 network.
    fn decides(&self, mut digits: impl Iterator<Item = Option<u8>>) -> bool {
        let (mut at_low, mut at_high) = (true, true);
        for index in 0..self.low.len() {
            let Some(digit) = digits.next().flatten() else {
                return false;
            };
            let (low, high) = (self.low.digit(index), self.high.digit(index));
            if at_low && digit < low || at_high && digit > high {
                return false;
            }
            at_low &= digit == low;
            at_high &= digit == high;
            if !at_low && !at_high {
                return true;
            }
        }
        true
    }
}

/// Writes the address, or the network as `address/bits`.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mask = match (self.low, self.high) {
            (Address::V4(low), Address::V4(high)) => (low ^ high).leading_zeros(),
            (Address::V6(low), Address::V6(high)) => (low ^ high).leading_zeros(),
            _ => 0,
        };
        self.low.fmt(f)?;
        if self.is_one() { Ok(()) } else { write!(f, "/{mask}") }
    }
}
