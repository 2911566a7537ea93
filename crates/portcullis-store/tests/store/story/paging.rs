//! Pages of the history in the story.
//! Never: a write.

use super::*;

pub(super) async fn check_pages(world: &World<'_>) {
    let cases: [(Page, &[u64], bool); 9] = [
        ((None, None, 3), &[8, 9, 10], true),
        ((Some(8), None, 3), &[5, 6, 7], true),
        ((Some(3), None, 3), &[1, 2], false),
        ((Some(1), None, 3), &[], false),
        ((None, Some(0), 3), &[1, 2, 3], true),
        ((None, Some(7), 3), &[8, 9, 10], false),
        ((None, Some(10), 3), &[], false),
        ((Some(6), Some(2), 2), &[3, 4], true),
        ((Some(u64::MAX), Some(9), 0), &[10], false),
    ];
    for (page, expect, more) in cases {
        assert_eq!(world.history("lobby", page).await, (expect.to_vec(), more), "{page:?}");
    }
    assert_eq!(world.history("attic", (None, None, 3)).await, (vec![], false));
    assert_eq!(world.history("nowhere", (None, None, 3)).await, (vec![], false));
}

/// Pages of a long room from many starts.
pub(super) async fn check_pages_of_a_long_room(world: &World<'_>, newest: u64) {
    for limit in [1, 31, 64] {
        let length = u64::from(limit);
        for start in (0..=newest + 2).step_by(7) {
            let high = start.min(newest + 1);
            let low = high.saturating_sub(length).max(1);
            let expect = ((low..high).collect(), low > 1 && high > 1);
            let page = (Some(start), None, limit);
            assert_eq!(world.history("lobby", page).await, expect, "{page:?}");

            let high = (start + length).min(newest);
            let expect = ((start + 1..=high).collect(), high < newest && start < newest);
            let page = (None, Some(start), limit);
            assert_eq!(world.history("lobby", page).await, expect, "{page:?}");
        }
    }
}
