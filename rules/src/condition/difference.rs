//! Whether one part is provably worse than another: what `compare` and `outlier` have in common.

use model::Ratio;

use super::{Enough, Evidence, Verdict};
use crate::wilson;
use crate::windows::Tally;

/// Breach: even the lower end of the interval of how much worse `own` is than `other` lies over `worse_by`.
/// Both have calls enough.
pub(super) fn judge(own: &Tally, other: &Tally, worse_by: Ratio, enough: &Enough) -> Verdict {
    let (value, baseline) = (own.success_rate(), other.success_rate());
    let proven = wilson::difference_at_least(
        (other.succeeded(), other.counted),
        (own.succeeded(), own.counted),
        enough.z(),
    );
    if proven <= worse_by.get() {
        return Verdict::Ok {
            value,
            recovered: baseline - value <= worse_by.get(),
        };
    }
    Verdict::Breach {
        value,
        evidence: Evidence {
            calls: own.counted,
            failed: own.failed,
            baseline: Some(baseline),
            ..Evidence::default()
        },
    }
}

/// `2pp`.
pub(super) fn points(worse_by: Ratio) -> String {
    worse_by.to_string().replace('%', "pp")
}
