//! Arithmetic over metrics (S-70, S-71).

/// What formulas are worked out with.
pub(in crate::oracle) trait Arithmetic: Sized {
    fn of_number(number: f64) -> Self;
    fn negative(self) -> Self;
    fn plus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
    /// `None` of a division by 0.
    fn over(self, other: Self) -> Option<Self>;
}

impl Arithmetic for f64 {
    fn of_number(number: f64) -> Self {
        number
    }

    fn negative(self) -> Self {
        -self
    }

    fn plus(self, other: Self) -> Self {
        self + other
    }

    fn times(self, other: Self) -> Self {
        self * other
    }

    fn over(self, other: Self) -> Option<Self> {
        (other != 0.0).then(|| self / other)
    }
}

/// The value of a formula, where letters have these values: null where one is null, or something is
/// divided by 0.
pub(in crate::oracle) fn evaluate<N: Arithmetic>(
    formula: &str,
    letters: &dyn Fn(&str) -> Option<N>,
) -> Option<N> {
    let mut reader = Reader { text: formula, letters };
    let value = reader.sum();
    assert!(reader.text.trim().is_empty(), "{} is left of {formula}", reader.text);
    value
}

struct Reader<'a, N> {
    text: &'a str,
    letters: &'a dyn Fn(&str) -> Option<N>,
}

impl<'a, N: Arithmetic> Reader<'a, N> {
    fn take(&mut self, wanted: char) -> bool {
        let rest = self.text.trim_start().strip_prefix(wanted);
        self.text = rest.unwrap_or(self.text);
        rest.is_some()
    }

    fn take_while(&mut self, wanted: fn(char) -> bool) -> &'a str {
        let text = self.text.trim_start();
        let end = text.find(|c| !wanted(c)).unwrap_or(text.len());
        self.text = &text[end..];
        &text[..end]
    }

    fn sum(&mut self) -> Option<N> {
        let mut sum = self.product();
        loop {
            let is_taken_off = match (self.take('+'), self.take('-')) {
                (true, _) => false,
                (_, true) => true,
                _ => return sum,
            };
            let next = self.product().map(|next| if is_taken_off { next.negative() } else { next });
            sum = sum.zip(next).map(|(sum, next)| sum.plus(next));
        }
    }

    fn product(&mut self) -> Option<N> {
        let mut product = self.factor();
        loop {
            if self.take('*') {
                let next = self.factor();
                product = product.zip(next).map(|(product, next)| product.times(next));
            } else if self.take('/') {
                let next = self.factor();
                product = product.zip(next).and_then(|(product, next)| product.over(next));
            } else {
                return product;
            }
        }
    }

    fn factor(&mut self) -> Option<N> {
        if self.take('-') {
            return self.factor().map(N::negative);
        }
        if self.take('(') {
            let value = self.sum();
            assert!(self.take(')'), "a bracket is not closed before {}", self.text);
            return value;
        }
        let letter = self.take_while(|c| c.is_ascii_alphabetic());
        if !letter.is_empty() {
            return (self.letters)(letter);
        }
        Some(N::of_number(self.take_while(|c| c.is_ascii_digit() || c == '.').parse().unwrap()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s_70_the_usual_order_of_operations() {
        let value = |formula: &str| {
            evaluate(formula, &|letter| match letter {
                "A" => Some(6.0),
                "B" => Some(0.0),
                _ => None,
            })
        };
        assert_eq!(value("A + 2 * 3 - 1"), Some(11.0));
        assert_eq!(value("(A + 2) * 3 / 4"), Some(6.0));
        assert_eq!(value("A - 1 - 1"), Some(4.0));
        assert_eq!(value("A / 2 / 3"), Some(1.0));
        assert_eq!(value("-A*-1.5"), Some(9.0));
        assert_eq!(value("A / B"), None);
        assert_eq!(value("1 + C * 0"), None);
    }
}
