//! The edges of the lease, one row each.

use std::time::Duration;

use super::*;

const TIMING: Timing = Timing {
    lease: Duration::from_secs(9),
};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn row(holder: &str, epoch: u64, until_us: i64, lapsed: bool) -> Answer {
    Answer::Row(Held {
        holder: holder.to_owned(),
        name: holder.to_owned(),
        epoch,
        until_us,
        lapsed,
        changes: 0,
    })
}

fn leading(epoch: u64, sure_until: Duration) -> Standing {
    Standing::Leading { epoch, sure_until }
}

/// Answers one after the other, each with when it came, the question it was for, what follows and
/// what is asked next.
#[track_caller]
fn story(lines: &[(u64, Ask, Answer, Option<Effect>, Ask)]) -> Lease {
    let mut lease = Lease::new("a".to_owned(), TIMING);
    for (at, asked, answer, effect, next) in lines {
        assert_eq!(lease.ask(), *asked, "asked at {at}");
        let heard = lease.hear(*asked, answer.clone(), seconds(*at), seconds(*at));
        assert_eq!(heard, *effect, "at {at}");
        assert_eq!(lease.ask(), *next, "next at {at}");
    }
    lease
}

#[test]
fn a_free_lease_is_taken_and_kept() {
    let take = Ask::Take { epoch: 4 };
    let renew = Ask::Renew { epoch: 5 };
    let lead = Some(Effect::Lead { epoch: 5 });
    let lease = story(&[
        (0, Ask::Look, row("", 4, 0, true), None, take),
        (1, take, Answer::Done, lead, renew),
        (4, renew, Answer::Done, None, renew),
    ]);
    assert_eq!(lease.standing(), leading(5, seconds(4) + TIMING.sure_for()));
    assert_eq!(lease.due(), seconds(7), "within a third of its time");
}

#[test]
fn a_lease_is_left_to_its_holder_until_nobody_renewed_it_for_its_whole_length() {
    let (look, take) = (Ask::Look, Ask::Take { epoch: 2 });
    story(&[
        (0, look, row("b", 2, 9, false), None, look),
        (5, look, row("b", 2, 12, false), None, look),
        // By the database's clock it is over; by ours it was renewed a moment ago.
        (6, look, row("b", 2, 12, true), None, look),
        (13, look, row("b", 2, 12, true), None, look),
        (14, look, row("b", 2, 12, true), None, take),
    ]);
    story(&[
        (0, look, row("b", 2, 9, false), None, look),
        (20, look, row("b", 2, 9, false), None, look),
    ]);
}

#[test]
fn a_database_that_was_away_gives_the_leader_time_to_come_back() {
    let (look, take) = (Ask::Look, Ask::Take { epoch: 2 });
    story(&[
        (0, look, row("b", 2, 9, true), None, look),
        (8, look, Answer::Away, None, look),
        (60, look, row("b", 2, 9, true), None, look),
        (68, look, row("b", 2, 9, true), None, look),
        (69, look, row("b", 2, 9, true), None, take),
    ]);
}

#[test]
fn whoever_is_beaten_stands_back() {
    let (look, take) = (Ask::Look, Ask::Take { epoch: 0 });
    let renew = Ask::Renew { epoch: 1 };
    let lead = Some(Effect::Lead { epoch: 1 });
    let lease = story(&[
        (0, look, row("", 0, 0, true), None, take),
        (0, take, Answer::Beaten, None, look),
        (1, look, row("", 0, 0, true), None, take),
        (1, take, Answer::Done, lead, renew),
        // Away is not lost: whoever else took it shows in the next answer.
        (4, renew, Answer::Away, None, renew),
        (30, renew, Answer::Beaten, Some(Effect::Follow), look),
    ]);
    assert_eq!(lease.standing(), Standing::Following);
}

#[test]
fn an_answer_that_was_lost_gives_the_lease_in_a_new_epoch() {
    let (look, take) = (Ask::Look, Ask::Take { epoch: 0 });
    let lead = Some(Effect::Lead { epoch: 2 });
    let again = Ask::Take { epoch: 1 };
    let renew = Ask::Renew { epoch: 2 };
    story(&[
        (0, look, row("", 0, 0, true), None, take),
        (0, take, Answer::Away, None, look),
        (1, look, row("a", 1, 9, false), None, again),
        (1, again, Answer::Done, lead, renew),
    ]);
}

#[test]
fn times_follow_from_the_length() {
    assert_eq!(TIMING.renew_every(), seconds(3));
    assert!(TIMING.retry_every() < TIMING.look_every());
    assert!(TIMING.sure_for() < TIMING.lease);
    assert!(TIMING.hold_back() > TIMING.lease);
}
