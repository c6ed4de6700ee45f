//! Which call meets which fault.

use std::fmt;
use std::time::Duration;

use object_store::path::Path;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// A kind of call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// `put_opts`: the whole object.
    Put,
    /// `put_multipart_opts`.
    StartUpload,
    /// A part of a multipart upload.
    UploadPart,
    /// The end of a multipart upload, which makes the object visible.
    CompleteUpload,
    /// The abandonment of a multipart upload.
    AbortUpload,
    /// `get_opts`: an object, a range of it, or its head.
    Get,
    /// `get_ranges`.
    GetRanges,
    /// Any listing.
    List,
    /// One object of `delete_stream`.
    Delete,
    /// `copy_opts`; the path is where to.
    Copy,
    /// `rename_opts`; the path is where to.
    Rename,
}

impl Operation {
    /// Whether the call is meant to change what is stored.
    pub fn writes(self) -> bool {
        match self {
            Self::Get | Self::GetRanges | Self::List => false,
            Self::Put
            | Self::StartUpload
            | Self::UploadPart
            | Self::CompleteUpload
            | Self::AbortUpload
            | Self::Delete
            | Self::Copy
            | Self::Rename => true,
        }
    }
}

/// One call to a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// What was asked.
    pub operation: Operation,
    /// Of which object or, for listings, under which prefix.
    pub path: Option<Path>,
    /// How many bytes were sent, or asked for by ranges; 0 where the call says nothing about it.
    pub bytes: u64,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{:?} {path}", self.operation),
            None => write!(f, "{:?}", self.operation),
        }
    }
}

/// How much of a failed call comes to pass all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: the call never reached the store.
    None,
    /// The first half of the bytes of a put or of a part; half of what is read or listed. Calls
    /// without bytes have their whole effect.
    ///
    /// For puts this is what stores do that write objects in place. Object stores proper and
    /// object_store's local directory make an object visible whole or not at all.
    Part,
    /// All: only the answer was lost. Reads deliver what they read and then fail.
    Whole,
}

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The call fails; the next one may work.
    Fail(Effect),
    /// The call fails, and so does every one after it.
    Crash(Effect),
    /// The call succeeds, later.
    Delay(Duration),
}

/// How often a seeded plan does what, as probabilities per call from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FaultRates {
    /// [`Fault::Fail`] with [`Effect::None`].
    pub fail_before: f64,
    /// [`Fault::Fail`] with [`Effect::Whole`].
    pub fail_after: f64,
    /// [`Fault::Fail`] with [`Effect::Part`]: only where the store under test is meant to bear it.
    pub tear: f64,
    /// [`Fault::Delay`] of up to `delay_max`.
    pub delay: f64,
    /// The longest delay.
    pub delay_max: Duration,
}

impl Default for FaultRates {
    /// Something happens to one call in ten, nothing tears.
    fn default() -> Self {
        Self {
            fail_before: 0.04,
            fail_after: 0.03,
            tear: 0.0,
            delay: 0.03,
            delay_max: Duration::from_millis(2),
        }
    }
}

/// Decides for each call, in the order they are made, whether it meets a fault.
///
/// Where calls are made from several tasks their order, and so the faults, may differ from run to
/// run of the same seed.
pub struct FaultPlan(Box<Rule>);

type Rule = dyn FnMut(&Call) -> Option<Fault> + Send;

impl fmt::Debug for FaultPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FaultPlan")
    }
}

impl FaultPlan {
    /// Any rule: asked once per call.
    pub fn new(rule: impl FnMut(&Call) -> Option<Fault> + Send + 'static) -> Self {
        Self(Box::new(rule))
    }

    /// No faults.
    pub fn none() -> Self {
        Self::new(|_| None)
    }

    /// One fault, at the call with this 0-based number, counted from when the plan is set. With
    /// [`only`](Self::only) just the calls it lets through count.
    pub fn at(call_index: usize, fault: Fault) -> Self {
        let mut seen = 0;
        Self::new(move |_| {
            seen += 1;
            (seen == call_index + 1).then_some(fault)
        })
    }

    /// Faults at random, the same for the same seed and the same calls.
    pub fn seeded(seed: u64, rates: FaultRates) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        Self::new(move |_| {
            // Both draws are made for every call, so that one rate does not shift the others' luck.
            let (mut roll, share) = (random.random::<f64>(), random.random::<f64>());
            let faults = [
                (rates.fail_before, Fault::Fail(Effect::None)),
                (rates.fail_after, Fault::Fail(Effect::Whole)),
                (rates.tear, Fault::Fail(Effect::Part)),
                (rates.delay, Fault::Delay(rates.delay_max.mul_f64(share))),
            ];
            faults.into_iter().find_map(|(rate, fault)| {
                let hit = roll < rate;
                roll -= rate;
                hit.then_some(fault)
            })
        })
    }

    /// The same plan for the calls that match; the others go through, uncounted.
    #[must_use]
    pub fn only(self, mut matches: impl FnMut(&Call) -> bool + Send + 'static) -> Self {
        let Self(mut rule) = self;
        Self::new(move |call| if matches(call) { rule(call) } else { None })
    }

    pub(super) fn fault_for(&mut self, call: &Call) -> Option<Fault> {
        (self.0)(call)
    }
}
