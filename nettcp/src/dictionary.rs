//! The strings that both sides know before they speak ([MC-NBFS] 2.1): even numbers, in steps of two.

use std::collections::HashMap;
use std::sync::LazyLock;

/// One string a line; line *n*, counted from 0, is number 2 *n*.
const TABLE: &str = include_str!("static_dictionary.txt");

static STRINGS: LazyLock<Vec<&'static str>> = LazyLock::new(|| TABLE.lines().collect());
static NUMBERS: LazyLock<HashMap<&'static str, u32>> = LazyLock::new(|| STRINGS.iter().copied().zip((0..).step_by(2)).collect());

/// The string of an even number.
pub(crate) fn string(number: u32) -> Option<&'static str> {
    let place = usize::try_from(number / 2).ok()?;
    STRINGS.get(place).copied()
}

/// The number of a string.
pub(crate) fn number(string: &str) -> Option<u32> {
    NUMBERS.get(string).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_the_specifications() {
        let check = |id, text| assert_eq!((string(id), number(text)), (Some(text), Some(id)), "{id:#x}");
        check(0x00, "mustUnderstand");
        check(0x02, "Envelope");
        check(0x04, "http://www.w3.org/2003/05/soap-envelope");
        check(0x06, "http://www.w3.org/2005/08/addressing");
        check(0x14, "http://www.w3.org/2005/08/addressing/anonymous");
        check(0x86, "Fault");
        check(0xA2, "");
        check(0xFE, "RenewNeeded");
        check(0x14A, "Password");
        check(0x200, "Attribute");
        check(0x256, "xmlns");
        check(0x2C0, "http://schemas.microsoft.com/ws/2006/02/tx/oletx");
        check(0x330, "InconsistentInternalState");
        check(0x372, "http://www.w3.org/2001/XMLSchema-instance");
        check(0x374, "http://www.w3.org/2001/XMLSchema");
        check(0x376, "nil");
        check(0x378, "type");
        check(0x396, "string");
        check(0x3C0, "ConnectionLimitReached");
        check(0x3C2, "http://schemas.xmlsoap.org/soap/envelope/");
        check(0x3CC, "detail");
        assert_eq!(STRINGS.len(), 0x3CE / 2);
        assert_eq!(NUMBERS.len(), STRINGS.len(), "no string has two numbers");
        assert_eq!(string(0x3CE), None);
    }
}
