//! The tokens of JSON (RFC 8259), read from text that is known to be UTF-8.
//!
//! Written by hand because this is where an import spends most of its time: strings are scanned
//! eight bytes at a time and borrowed, integers are summed up in passing, short decimal fractions
//! are one exact division. Nothing is looked at twice.

use std::borrow::Cow;

use tallymark_event::PropertyValue;

/// Powers of ten that are exact as floats.
const EXACT_POWERS_OF_TEN: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];
/// Digits that surely fit 64 bits.
const SAFE_DIGITS: usize = 18;

/// Why a token could not be read; where is [`Text::at`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// The text is over.
    Ends,
    /// Something else was expected here.
    Expected(&'static str),
    /// A character below U+0020 in a string.
    ControlCharacter,
    /// A backslash followed by nothing it may be followed by.
    Escape,
    /// Half a surrogate pair in `\u` escapes.
    Surrogate,
    /// A number that begins with a needless zero.
    LeadingZero,
    /// A number beyond what a float can hold, which starts at this byte.
    OutOfRange(usize),
}

/// A position in a text.
#[derive(Debug)]
pub(super) struct Text<'a> {
    whole: &'a str,
    bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Text<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { whole: text, bytes: text.as_bytes(), at: 0 }
    }

    /// The next byte that is no blank; it is not passed.
    #[inline]
    pub(super) fn peek(&mut self) -> Result<u8, Flaw> {
        loop {
            match self.bytes.get(self.at) {
                Some(b' ' | b'\n' | b'\t' | b'\r') => self.at += 1,
                Some(&byte) => return Ok(byte),
                None => return Err(Flaw::Ends),
            }
        }
    }

    /// Passes a byte that is next but for blanks.
    #[inline]
    pub(super) fn pass(&mut self, byte: u8, name: &'static str) -> Result<(), Flaw> {
        if self.peek()? != byte {
            return Err(Flaw::Expected(name));
        }
        self.at += 1;
        Ok(())
    }

    /// After an item of a list or an object: whether another one follows. Passes the comma, or the
    /// closing byte.
    #[inline]
    pub(super) fn another(&mut self, close: u8) -> Result<bool, Flaw> {
        match self.peek()? {
            b',' => {
                self.at += 1;
                Ok(true)
            }
            byte if byte == close => {
                self.at += 1;
                Ok(false)
            }
            _ if close == b'}' => Err(Flaw::Expected("',' or '}'")),
            _ => Err(Flaw::Expected("',' or ']'")),
        }
    }

    /// Nothing but blanks may follow.
    pub(super) fn end(&mut self) -> Result<(), Flaw> {
        match self.peek() {
            Err(_) => Ok(()),
            Ok(_) => Err(Flaw::Expected("the end of the record")),
        }
    }

    /// `true`, `false` or `null`, whose first letter is next.
    pub(super) fn word(&mut self) -> Result<PropertyValue<'a>, Flaw> {
        let rest = &self.bytes[self.at..];
        let (length, value) = if rest.starts_with(b"true") {
            (4, PropertyValue::Bool(true))
        } else if rest.starts_with(b"false") {
            (5, PropertyValue::Bool(false))
        } else if rest.starts_with(b"null") {
            (4, PropertyValue::Null)
        } else {
            let words = [b"true".as_slice(), b"false", b"null"];
            let cut_off = !rest.is_empty() && words.iter().any(|word| word.starts_with(rest));
            return Err(if cut_off { Flaw::Ends } else { Flaw::Expected("a JSON value") });
        };
        self.at += length;
        Ok(value)
    }

    /// A string whose opening quote is next.
    #[inline]
    pub(super) fn string(&mut self) -> Result<Cow<'a, str>, Flaw> {
        match self.plain_string() {
            Some(text) => Ok(Cow::Borrowed(text)),
            None => self.escaped_string().map(Cow::Owned),
        }
    }

    /// The string whose opening quote is next, if it holds nothing but plain characters; else
    /// nothing is passed.
    #[inline]
    fn plain_string(&mut self) -> Option<&'a str> {
        let start = self.at + 1;
        let end = self.plain_until(start);
        if self.bytes.get(end) != Some(&b'"') {
            return None;
        }
        self.at = end + 1;
        self.whole.get(start..end)
    }

    /// Where the first quote, backslash or control character at or after `at` is.
    #[inline]
    fn plain_until(&self, mut at: usize) -> usize {
        const ONES: u64 = u64::from_ne_bytes([1; 8]);
        const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
        while let Some(eight) = self.bytes.get(at..at + 8).and_then(|eight| eight.first_chunk::<8>()) {
            let word = u64::from_le_bytes(*eight);
            // The high bit of each byte that is zero after the subtraction borrows; of a false
            // positive only the bytes after a true one can be.
            let quote = word ^ (ONES * u64::from(b'"'));
            let backslash = word ^ (ONES * u64::from(b'\\'));
            let found = ((quote.wrapping_sub(ONES) & !quote)
                | (backslash.wrapping_sub(ONES) & !backslash)
                | (word.wrapping_sub(ONES * 0x20) & !word))
                & HIGH;
            if found != 0 {
                return at + (found.trailing_zeros() / 8) as usize;
            }
            at += 8;
        }
        while let Some(&byte) = self.bytes.get(at)
            && byte != b'"'
            && byte != b'\\'
            && byte >= 0x20
        {
            at += 1;
        }
        at
    }

    /// A string whose opening quote is next, with escapes in it.
    #[cold]
    fn escaped_string(&mut self) -> Result<String, Flaw> {
        let mut text = String::new();
        let mut from = self.at + 1;
        loop {
            self.at = self.plain_until(from);
            text.push_str(&self.whole[from..self.at]);
            match self.bytes.get(self.at) {
                None => return Err(Flaw::Ends),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => text.push(self.escape()?),
                Some(_) => return Err(Flaw::ControlCharacter),
            }
            from = self.at;
        }
    }

    /// The character an escape stands for, whose backslash is next.
    fn escape(&mut self) -> Result<char, Flaw> {
        let char = match self.bytes.get(self.at + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            Some(_) => return Err(Flaw::Escape),
            None => return Err(Flaw::Ends),
        };
        self.at += 2;
        Ok(char)
    }

    fn unicode_escape(&mut self) -> Result<char, Flaw> {
        let first = self.four_digits(self.at)?;
        if !(0xD800..0xE000).contains(&first) {
            self.at += 6;
            return char::from_u32(first).ok_or(Flaw::Surrogate);
        }
        let second_at = self.at + 6;
        if first >= 0xDC00 {
            return Err(Flaw::Surrogate);
        }
        match self.bytes.get(second_at..) {
            None | Some([] | [b'\\']) => return Err(Flaw::Ends),
            Some([b'\\', b'u', ..]) => {}
            Some(_) => return Err(Flaw::Surrogate),
        }
        let second = self.four_digits(second_at)?;
        if !(0xDC00..0xE000).contains(&second) {
            return Err(Flaw::Surrogate);
        }
        self.at += 12;
        char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00)).ok_or(Flaw::Surrogate)
    }

    /// The digits of the `\u` escape at byte `at`.
    fn four_digits(&self, at: usize) -> Result<u32, Flaw> {
        let mut code = 0;
        for offset in 2..6 {
            let digit = match self.bytes.get(at + offset) {
                Some(&byte) => char::from(byte).to_digit(16).ok_or(Flaw::Escape)?,
                None => return Err(Flaw::Ends),
            };
            code = code * 16 + digit;
        }
        Ok(code)
    }

    /// A number whose first byte, a digit or a minus, is next. Where no float can hold an integer
    /// exactly and `keep_digits` is set, its text.
    #[inline]
    pub(super) fn number(&mut self, keep_digits: bool) -> Result<PropertyValue<'a>, Flaw> {
        let start = self.at;
        let negative = self.bytes.get(start) == Some(&b'-');
        self.at += usize::from(negative);
        let (whole, whole_digits) = self.digits(0)?;
        if whole_digits > 1 && self.bytes[self.at - whole_digits] == b'0' {
            self.at -= whole_digits;
            return Err(Flaw::LeadingZero);
        }
        match self.bytes.get(self.at) {
            Some(b'.' | b'e' | b'E') => self.float(start, negative, whole, whole_digits),
            _ if whole_digits <= SAFE_DIGITS && !(negative && whole == 0) => {
                let value = whole as i64;
                Ok(PropertyValue::Int(if negative { -value } else { value }))
            }
            _ => self.large_integer(start, keep_digits),
        }
    }

    /// Passes digits, at least one: `sum` continued by them (wrapping), and how many.
    #[inline]
    fn digits(&mut self, mut sum: u64) -> Result<(u64, usize), Flaw> {
        let start = self.at;
        while let Some(digit) = self.bytes.get(self.at).map(|byte| byte.wrapping_sub(b'0'))
            && digit < 10
        {
            sum = sum.wrapping_mul(10).wrapping_add(u64::from(digit));
            self.at += 1;
        }
        match self.at - start {
            0 if self.at == self.bytes.len() => Err(Flaw::Ends),
            0 => Err(Flaw::Expected("a digit")),
            count => Ok((sum, count)),
        }
    }

    /// Goes on after the whole part of a number that is no integer.
    fn float(
        &mut self,
        start: usize,
        negative: bool,
        whole: u64,
        digits: usize,
    ) -> Result<PropertyValue<'a>, Flaw> {
        let (mut mantissa, mut digits, mut fraction_digits) = (whole, digits, 0);
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            (mantissa, fraction_digits) = self.digits(mantissa)?;
            digits += fraction_digits;
        }
        let has_exponent = matches!(self.bytes.get(self.at), Some(b'e' | b'E'));
        if has_exponent {
            self.at += 1;
            self.at += usize::from(matches!(self.bytes.get(self.at), Some(b'+' | b'-')));
            self.digits(0)?;
        }
        // Both exact as floats, so that the division rounds once, as it should.
        if !has_exponent && digits <= 15 {
            let value = mantissa as f64 / EXACT_POWERS_OF_TEN[fraction_digits];
            return Ok(PropertyValue::Float(if negative { -value } else { value }));
        }
        self.parse_float(start)
    }

    fn parse_float(&self, start: usize) -> Result<PropertyValue<'a>, Flaw> {
        match self.whole[start..self.at].parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(PropertyValue::Float(value)),
            _ => Err(Flaw::OutOfRange(start)),
        }
    }

    /// An integer of many digits, or minus zero.
    #[cold]
    fn large_integer(&self, start: usize, keep_digits: bool) -> Result<PropertyValue<'a>, Flaw> {
        let text = &self.whole[start..self.at];
        match text.parse::<i64>() {
            // Which no integer can say.
            Ok(0) => Ok(PropertyValue::Float(-0.0)),
            Ok(value) => Ok(PropertyValue::Int(value)),
            Err(_) if keep_digits => Ok(PropertyValue::String(Cow::Borrowed(text))),
            Err(_) => self.parse_float(start),
        }
    }
}
