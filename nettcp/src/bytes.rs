//! Reading and writing what all formats here are made of: bytes, numbers of variable length, and texts.

use crate::Malformed;

/// Bytes, and how far they have been read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    left: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes }
    }

    pub(crate) fn left(&self) -> usize {
        self.left.len()
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Malformed> {
        let (first, left) = self.left.split_first().ok_or(Malformed::Short)?;
        self.left = left;
        Ok(*first)
    }

    pub(crate) fn peek(&self) -> Result<u8, Malformed> {
        self.left.first().copied().ok_or(Malformed::Short)
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, left) = self.left.split_at_checked(length).ok_or(Malformed::Short)?;
        self.left = left;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, left) = self.left.split_first_chunk().ok_or(Malformed::Short)?;
        self.left = left;
        Ok(*taken)
    }

    /// A number of up to 31 bits, seven to a byte, the lowest first.
    pub(crate) fn int31(&mut self) -> Result<u32, Malformed> {
        let mut value = 0_u32;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte()?;
            let bits = u32::from(byte & 0x7F);
            if shift == 28 && (bits > 0x07 || byte & 0x80 != 0) {
                return Err(Malformed::Number);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed::Number)
    }

    pub(crate) fn length(&mut self) -> Result<usize, Malformed> {
        // 31 bits fit.
        Ok(self.int31()? as usize)
    }

    /// A text with its length before it.
    pub(crate) fn text(&mut self) -> Result<&'a str, Malformed> {
        let length = self.length()?;
        utf8(self.take(length)?)
    }
}

pub(crate) fn utf8(bytes: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(bytes).map_err(|_| Malformed::Text)
}

/// The most that [`put_int31`] can write.
pub(crate) const INT31_MAX: u32 = 0x7FFF_FFFF;

pub(crate) fn put_int31(out: &mut Vec<u8>, value: u32) {
    let mut left = value & INT31_MAX;
    while left > 0x7F {
        let [lowest, ..] = left.to_le_bytes();
        out.push(lowest | 0x80);
        left >>= 7;
    }
    let [last, ..] = left.to_le_bytes();
    out.push(last);
}

/// Writes a length; what no length can say does not fit into memory either.
pub(crate) fn put_length(out: &mut Vec<u8>, length: usize) {
    put_int31(out, u32::try_from(length).unwrap_or(INT31_MAX));
}

pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_length(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_written_as_specified() {
        let check = |value, bytes: &[u8]| {
            let mut out = Vec::new();
            put_int31(&mut out, value);
            assert_eq!(out, bytes);
            assert_eq!(Reader::new(bytes).int31(), Ok(value));
        };
        check(0, &[0]);
        check(0x7F, &[0x7F]);
        check(0x80, &[0x80, 0x01]);
        check(0x3FFF, &[0xFF, 0x7F]);
        check(INT31_MAX, &[0xFF, 0xFF, 0xFF, 0xFF, 0x07]);
        assert_eq!(Reader::new(&[0xFF, 0xFF, 0xFF, 0xFF, 0x08]).int31(), Err(Malformed::Number));
        assert_eq!(Reader::new(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x00]).int31(), Err(Malformed::Number));
        assert_eq!(Reader::new(&[0x80]).int31(), Err(Malformed::Short));
    }

    proptest! {
        #[test]
        fn numbers_are_read_back(value in 0..=INT31_MAX) {
            let mut out = Vec::new();
            put_int31(&mut out, value);
            prop_assert_eq!(Reader::new(&out).int31(), Ok(value));
        }
    }
}
