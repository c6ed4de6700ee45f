//! Which conditions rows meet.

use arrow::array::UInt32Array;
use datafusion::common::Result;
use std::ops::Range;

use super::super::codes::WantedCodes;
use super::super::expr::BoundExpr;
use super::super::filter::BoundFilter;
use super::super::inputs::{BoundSegment, Rows};

/// The conditions of a scan, prepared for one segment: bit i of a row's mask says whether it meets
/// condition i.
#[derive(Debug)]
pub(super) struct Masks {
    /// The conditions that some row may meet.
    possible: u64,
    /// For each dictionary, and for the minute of the day, what the conditions say of its codes.
    tables: Vec<Table>,
    /// What of conditions cannot be looked up.
    rest: Vec<(usize, BoundFilter)>,
    /// Set if the codes of one dictionary decide and are bytes.
    of_bytes: Option<ByteMasks>,
}

/// The masks of codes of one byte.
#[derive(Debug)]
pub(super) struct ByteMasks {
    /// Those whose mask is not 0.
    pub(super) wanted: WantedCodes,
    pub(super) masks: Box<[u64; 256]>,
}

/// See [`Masks::of_few`].
#[derive(Debug)]
pub(super) struct FewRows {
    pub(super) all: u64,
    pub(super) more: Vec<(u32, u64)>,
}

#[derive(Debug)]
struct Table {
    /// One of the expressions: they all have the same codes.
    codes: BoundExpr,
    /// The mask of each code.
    masks: Vec<u64>,
}

impl Masks {
    pub(super) fn new(conditions: Vec<BoundFilter>, segment: &BoundSegment) -> Self {
        let mut masks = Self { possible: 0, tables: Vec::new(), rest: Vec::new(), of_bytes: None };
        for (at, condition) in conditions.into_iter().enumerate() {
            let Some((tables, rest)) = condition.into_tables() else { continue };
            masks.possible |= 1 << at;
            for (codes, accepted) in tables {
                masks.restrict(at, codes, &accepted);
            }
            if !rest.is_everything() {
                masks.rest.push((at, rest));
            }
        }
        if let ([table], true) = (masks.tables.as_slice(), masks.rest.is_empty())
            && let Some(codes) = table.codes.byte_codes(segment)
        {
            let mut of_codes = Box::new([0; 256]);
            for (mask, of_code) in of_codes.iter_mut().zip(&table.masks) {
                *mask = of_code & masks.possible;
            }
            let known = table.codes.rows_by_code(segment);
            let wanted = WantedCodes::new(of_codes.iter().map(|mask| *mask != 0), codes, known);
            masks.of_bytes = Some(ByteMasks { wanted, masks: of_codes });
        }
        masks
    }

    /// The codes of all rows and their masks, where nothing else decides.
    pub(super) fn of_bytes<'a>(&'a self, segment: &'a BoundSegment) -> Option<(&'a [u8], &'a ByteMasks)> {
        Some((self.tables.first()?.codes.byte_codes(segment)?, self.of_bytes.as_ref()?))
    }

    /// The condition is met only by these codes.
    fn restrict(&mut self, condition: usize, codes: BoundExpr, accepted: &[bool]) {
        let known = self.tables.iter().position(|table| table.codes.has_codes_of(&codes));
        let at = known.unwrap_or_else(|| {
            self.tables.push(Table { codes, masks: vec![u64::MAX; accepted.len()] });
            self.tables.len() - 1
        });
        for (mask, accepted) in self.tables[at].masks.iter_mut().zip(accepted) {
            *mask &= !(u64::from(!accepted) << condition);
        }
    }

    /// The mask of all rows, if they have the same.
    pub(super) fn constant(&self) -> Option<u64> {
        let is_constant = self.possible == 0 || self.tables.is_empty() && self.rest.is_empty();
        is_constant.then_some(self.possible)
    }

    /// What all of some rows meet, and the rows that meet more, ascending, with that; `None` if codes
    /// have to be looked at.
    pub(super) fn of_few(&self, segment: &BoundSegment, rows: Range<usize>) -> Result<Option<FewRows>> {
        if !self.tables.is_empty() {
            return Ok(None);
        }
        let mut found = FewRows { all: self.possible, more: Vec::new() };
        for (condition, filter) in &self.rest {
            let bit = 1 << condition;
            found.all &= !bit;
            match filter.select(segment, Rows::Range(rows.clone()))? {
                Rows::Range(rows) => found.more.extend(rows.map(|row| (row as u32, bit))),
                Rows::List(rows) => found.more.extend(rows.values().iter().map(|row| (*row, bit))),
            }
        }
        if self.rest.len() > 1 {
            found.more.sort_unstable();
            found.more.dedup_by(|later, kept| {
                let is_same = later.0 == kept.0;
                kept.1 |= if is_same { later.1 } else { 0 };
                is_same
            });
        }
        Ok(Some(found))
    }

    /// Replaces what is in `out` by the mask of each of some rows.
    pub(super) fn of_rows(
        &self,
        segment: &BoundSegment,
        range: Range<usize>,
        out: &mut Vec<u64>,
    ) -> Result<()> {
        let (first, rows) = (range.start as u32, Rows::Range(range));
        out.clear();
        let (first_table, others) = match self.tables.split_first() {
            Some((table, others)) => (Some(table), others),
            None => (None, &[][..]),
        };
        match first_table {
            Some(Table { codes, masks }) => {
                codes.map(segment, masks, &rows, |mask| out.push(mask & self.possible))?;
            }
            None => out.resize(rows.count(), self.possible),
        }
        for Table { codes, masks } in others {
            let mut each = out.iter_mut();
            codes.map(segment, masks, &rows, |mask| {
                if let Some(known) = each.next() {
                    *known &= mask;
                }
            })?;
        }
        for (condition, filter) in &self.rest {
            let bit = 1 << condition;
            let asked: Vec<u32> =
                (first..).zip(&*out).filter(|(_, mask)| **mask & bit != 0).map(|(row, _)| row).collect();
            let asked =
                if asked.len() == out.len() { rows.clone() } else { Rows::List(UInt32Array::from(asked)) };
            if asked.count() == 0 {
                continue;
            }
            for mask in out.iter_mut() {
                *mask &= !bit;
            }
            match filter.select(segment, asked)? {
                Rows::Range(met) => {
                    out[met.start - first as usize..met.end - first as usize]
                        .iter_mut()
                        .for_each(|mask| *mask |= bit);
                }
                Rows::List(met) => {
                    met.values().iter().for_each(|row| out[(row - first) as usize] |= bit);
                }
            }
        }
        Ok(())
    }
}
