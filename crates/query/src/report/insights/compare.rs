//! What a number is compared with (S-76, S-79).

use tallymark_report::Comparison;

use super::series::{Point, Series};

/// The series of the same metric that one is compared with: of a segment, or of all.
pub(super) fn partner<'a>(series: &'a [Series], one: &Series, with: &Comparison) -> Option<&'a Series> {
    let wanted = match with {
        // What is measured without regard to segments is no segment.
        Comparison::Segment(labels) => Some(one.segments.as_ref().map(|_| labels)?),
        Comparison::Overall => None,
        _ => return None,
    };
    series.iter().find(|other| other.metric == one.metric && other.segments.as_ref() == wanted)
}

/// The point that another, at `index` of its series, is compared with. S-76: point k pairs with point
/// k; bins of distributions pair by name.
pub(super) fn point<'a>(partner: &'a Series, index: usize, point: &Point) -> Option<&'a Point> {
    if point.bin.is_none() {
        return partner.points.get(index);
    }
    partner.points.iter().find(|other| other.position == point.position && other.bin == point.bin)
}
