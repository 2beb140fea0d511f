//! Nights in which somebody, another alert or the time of day keeps things quiet.

use super::*;
use crate::pipeline::mute::INHIBITION_GRACE;
use crate::testing::alert;

impl Night {
    /// Somebody silences a function from now on.
    pub(super) fn silence(&mut self, function: &str, seconds: u64) {
        let silence = Silence {
            id: format!("silence-{}", self.silences.len()),
            matchers: vec![format!("function=\"{function}\"").parse().unwrap()],
            starts_at: self.now,
            ends_at: self.now + Duration::from_secs(seconds),
            updated_at: self.now,
            created_by: "ann".into(),
            comment: "deploy".into(),
        };
        self.silences.push(silence.clone());
        self.unset.push(silence);
        self.hand_over_again();
    }

    /// Somebody ends all silences of a function.
    pub(super) fn expire(&mut self, function: &str) {
        let now = self.now;
        let is_meant = |silence: &&mut Silence| {
            silence.matchers[0].value() == function && silence.ends_at > now
        };
        for silence in self.silences.iter_mut().filter(is_meant) {
            silence.ends_at = now;
            self.unset.push(silence.clone());
        }
        self.hand_over_again();
    }

    /// Whether nobody may be paged about a function, by what its sources and people did; unknown
    /// while something of it is not confirmed.
    pub(super) fn is_surely_muted(&self, function: &str) -> bool {
        let active =
            |silence: &&Silence| silence.starts_at <= self.now && self.now < silence.ends_at;
        let silenced = self
            .silences
            .iter()
            .filter(active)
            .any(|silence| silence.matchers[0].value() == function);
        let inhibited = function == "cart" && self.firing.contains_key("login");
        self.unsent.is_empty() && self.unset.is_empty() && (silenced || inhibited)
    }

    /// How long nobody could be told of a function; each time with what it takes to begin again.
    pub(super) fn was_muted_for(&self, function: &str, from: Timestamp, to: Timestamp) -> Duration {
        let again = INHIBITION_GRACE + Duration::from_mins(1);
        let silences = self.silences.iter();
        let silences = silences
            .filter(|silence| silence.matchers[0].value() == function)
            .map(|silence| (silence.starts_at, silence.ends_at));
        let inhibitors = self.episodes.iter();
        let inhibitors = inhibitors
            .filter(|episode| function == "cart" && episode.function == "login")
            .map(|episode| (episode.from, episode.to.unwrap_or(self.now)));
        silences
            .chain(inhibitors)
            .filter(|(begin, end)| *begin <= to && from <= *end + again)
            .map(|(begin, end)| end.min(to).since(begin.max(from)) + again)
            .sum()
    }

    fn story_of_only(&self) -> String {
        self.disk.story(&self.only_incident())
    }
}

#[test]
fn a_silence_stops_the_steps_and_they_go_on_where_they_were() {
    let mut night = Night::seeded(40);
    night.fire("feed");
    night.run_for(60);
    night.silence("feed", 600);
    night.run_for(20 * 60);
    assert_eq!(
        night.pages()[..3],
        [
            "0:00 firing team-chat",
            // Due a minute after the silence began, so a minute after it ended.
            "12:00 firing sms first",
            "15:00 firing phone first",
        ]
    );
    let story = night.story_of_only();
    // In the alerting file's time zone, as every other time that people read.
    let until = "muted: silenced by ann until 2026-11-11 02:11:00 +08:00";
    assert!(story.contains(until), "{story}");
    assert!(
        story.contains("(deploy), silence silence-0; nobody is told"),
        "{story}"
    );
    assert!(
        story.contains("no longer muted; goes on where it was"),
        "{story}"
    );
}

#[test]
fn what_fires_silenced_is_told_when_the_silence_is_ended_early() {
    let mut night = Night::seeded(41);
    night.silence("feed", 3_600);
    night.fire("feed");
    night.run_for(600);
    assert!(night.pages().is_empty(), "{:?}", night.pages());
    night.expire("feed");
    night.run_for(121);
    assert_eq!(
        night.pages(),
        ["10:00 firing team-chat", "12:00 firing sms first"]
    );
}

#[test]
fn who_heard_that_it_fires_hears_its_end_although_it_is_silenced() {
    let mut night = Night::seeded(42);
    night.fire("feed");
    night.run_for(60);
    night.silence("feed", 3_600);
    night.run_for(60);
    night.resolve("feed");
    night.run_for(60);
    assert_eq!(
        night.pages(),
        ["0:00 firing team-chat", "2:00 resolved team-chat"]
    );
    // It comes back while the silence lasts: those told hear of it when the silence ends.
    night.fire("feed");
    night.run_for(3_600);
    let pages = night.pages();
    assert_eq!(pages[2], "61:00 firing team-chat", "{pages:?}");
    assert_eq!(pages[3], "62:00 firing sms first", "{pages:?}");
}

#[test]
fn silenced_from_beginning_to_end_it_is_nobodys_business() {
    let mut night = Night::seeded(43);
    night.silence("feed", 3_600);
    night.fire("feed");
    night.run_for(600);
    night.resolve("feed");
    night.run_for(2 * 3_600);
    assert!(night.pages().is_empty(), "{:?}", night.pages());
    assert!(
        night
            .story_of_only()
            .contains("resolved before anybody was told")
    );
}

#[test]
fn what_ends_a_moment_after_its_inhibitor_wakes_nobody() {
    for lasts in [10, 40] {
        let mut night = Night::seeded(44);
        night.fire("login");
        night.run_for(1);
        night.fire("cart");
        night.run_for(300);
        night.resolve("login");
        night.run_for(lasts);
        night.resolve("cart");
        night.run_for(60);
        let of_cart = |heard: &&Heard| {
            let incident = &night.disk.incidents[&heard.incident].0;
            incident.labels.get("function") == Some("cart")
        };
        let told = night.heard.iter().filter(of_cart).count();
        // After the grace it is trouble of its own.
        let expected = if lasts > INHIBITION_GRACE.as_secs() {
            2
        } else {
            0
        };
        assert_eq!(told, expected, "{lasts}: {:?}", night.pages());
        let stories: Vec<String> = night
            .disk
            .incidents
            .keys()
            .map(|id| night.disk.story(id))
            .collect();
        let stories = stories.join("\n");
        assert!(
            stories.contains("inhibited by SuccessRateLow for guide/login"),
            "{stories}"
        );
    }
}

#[test]
fn the_process_dies_while_the_silence_lasts_and_after_it() {
    for (dies_after, down_for) in [(100, 0), (100, 900)] {
        let mut night = Night::seeded(45);
        night.fire("feed");
        night.run_for(60);
        night.silence("feed", 600);
        night.run_for(dies_after);
        night.die_for(down_for);
        night.run_for(2_000);
        let pages = night.pages();
        assert_eq!(pages[0], "0:00 firing team-chat");
        // The plan had a minute to go when it was stopped.
        let sms = if down_for == 0 { "12:00" } else { "18:40" };
        assert_eq!(pages[1], format!("{sms} firing sms first"), "{pages:?}");
    }
}

#[test]
fn what_was_refused_while_it_was_silenced_is_owed() {
    let mut night = Night::seeded(46);
    night.moods("team-chat", [Mood::Fails]);
    night.fire("feed");
    night.silence("feed", 600);
    night.run_for(700);
    let pages = night.pages();
    assert_eq!(pages[0], "10:00 firing team-chat", "{pages:?}");
    assert!(
        night.story_of_only().contains("goes on with step 1"),
        "{}",
        night.story_of_only()
    );
}

#[test]
fn an_acknowledgement_that_runs_out_while_it_is_silenced_rings_when_that_ends() {
    let mut night = Night::seeded(47);
    night.fire("feed");
    night.run_for(10);
    let id = night.only_incident();
    night.act(&id, Action::Acknowledge);
    night.silence("feed", 40 * 60);
    night.run_for(45 * 60);
    // Thirty minutes acknowledged, forty silenced: the first step comes when both are over.
    assert_eq!(
        night.pages(),
        [
            "0:00 firing team-chat",
            "40:10 firing team-chat",
            "42:10 firing sms first",
            "45:10 firing phone first"
        ]
    );
}

/// An alert of the one group of `batch`, which leads to a plain receiver.
fn batch(unit: &str, now: Timestamp) -> Alert {
    let mut alert = failing("batch", now);
    alert.labels.set("unit", unit);
    alert
}

#[test]
fn what_joins_silenced_is_not_told_until_it_is_not() {
    let mut night = Night::seeded(48);
    let mut silence = Silence {
        id: "unit-b".into(),
        matchers: vec!["unit=\"b\"".parse().unwrap()],
        starts_at: night.now,
        ends_at: night.now + Duration::from_mins(20),
        updated_at: night.now,
        created_by: String::new(),
        comment: String::new(),
    };
    night.step(Event::Silences(vec![silence.clone()]));
    night.hand_over(batch("a", night.now));
    night.run_for(10);
    night.hand_over(batch("b", night.now));
    night.run_for(900);
    assert_eq!(night.pages(), ["0:00 firing war-room"]);
    let story = night.story_of_only();
    assert!(story.contains("is muted: silenced until"), "{story}");
    // What a message lists is what is not muted.
    silence.ends_at = night.now;
    night.hand_over(batch("c", night.now));
    night.run_for(1);
    let last = &night.said.last().unwrap().incident;
    assert_eq!((last.alerts_total, last.alerts.len()), (2, 2), "{last:?}");
    night.step(Event::Silences(vec![silence]));
    night.run_for(310);
    assert_eq!(night.pages().len(), 3, "{:?}", night.pages());
    let last = &night.said.last().unwrap().incident;
    assert_eq!(last.note.as_deref(), Some("one more alert joined"));
    assert_eq!(last.alerts_total, 3);
}

#[test]
fn what_people_heard_of_ends_for_them_although_something_unheard_fires_on() {
    let mut night = Night::seeded(52);
    let mut silence = Silence {
        id: "unit-b".into(),
        matchers: vec!["unit=\"b\"".parse().unwrap()],
        starts_at: night.now,
        ends_at: night.now + Duration::from_mins(20),
        updated_at: night.now,
        created_by: String::new(),
        comment: String::new(),
    };
    night.step(Event::Silences(vec![silence.clone()]));
    let (a, b) = (batch("a", night.now), batch("b", night.now));
    night.hand_over(a.clone());
    night.run_for(10);
    night.hand_over(b.clone());
    night.run_for(10);
    // The way is shut for a moment: the end is still owed.
    night.moods("war-room", [Mood::Fails]);
    night.hand_over(resolved(a, night.now));
    night.run_for(10);
    assert_eq!(
        night.pages(),
        ["0:00 firing war-room", "0:21 resolved war-room"]
    );
    let last = &night.said.last().unwrap().incident;
    assert_eq!(last.status, IncidentStatus::Resolved);
    assert_eq!((last.alerts_total, last.alerts.len()), (1, 1), "{last:?}");
    // What nobody heard of is trouble of its own when it is muted no longer.
    silence.ends_at = night.now;
    night.step(Event::Silences(vec![silence]));
    night.run_for(30);
    night.hand_over(resolved(b, night.now));
    night.run_for(600);
    assert_eq!(
        night.pages()[2..],
        ["0:30 firing war-room", "1:00 resolved war-room"]
    );
}

#[test]
fn a_route_that_is_quiet_at_night_tells_in_the_morning() {
    let mut night = Night::seeded(49);
    let quiet = ALERTING.replace(
        "    - matchers: ['severity=critical']\n",
        "    - matchers: ['severity=critical']\n      mute_time_intervals: [small-hours]\n",
    );
    // 18:00 UTC is two o'clock in Shanghai; the interval ends at 02:30.
    let quiet = format!(
        "{quiet}
time_intervals:
  - {{name: small-hours, time_intervals: [{{times: [{{start_time: '00:00', end_time: '02:30'}}], location: Asia/Shanghai}}]}}
"
    );
    let (config, teams) = config(&quiet, TEAMS);
    night.policy = Arc::new(Policy::new(config, teams));
    night.step(Event::Reload(Arc::clone(&night.policy)));
    night.fire("feed");
    night.run_for(1_799);
    assert!(night.pages().is_empty(), "{:?}", night.pages());
    night.run_for(1);
    assert_eq!(night.pages(), ["30:00 firing team-chat"]);
    assert!(
        night
            .story_of_only()
            .contains("quiet in the time interval small-hours")
    );
}

/// An alert as a sender outside posts it.
fn posted(function: &str, starts_at: Timestamp, ends_at: Timestamp) -> Alert {
    Alert {
        ends_at: Some(ends_at),
        ..failing(function, starts_at)
    }
}

#[test]
fn a_repetition_that_changes_nothing_costs_nothing() {
    let mut night = Night::seeded(50);
    let (start, minute) = (night.now, Duration::from_mins(1));
    let alerts = |now: Timestamp| -> Vec<Alert> {
        let one = |n: usize| {
            let labels = [
                ("alertname", "Up"),
                ("severity", "info"),
                ("instance", &format!("i{n}")),
            ];
            Alert {
                ends_at: Some(now + Duration::from_mins(4)),
                ..alert(&labels, model::AlertStatus::Firing, start)
            }
        };
        (0..4_000).map(one).collect()
    };
    night.step(Event::Posted(alerts(night.now)));
    night.run_for(30);
    for _ in 0..3 {
        night.run_until(night.now + minute);
        let effects = step(
            &mut night.memory,
            Event::Posted(alerts(night.now)),
            night.now,
        );
        assert!(effects.is_empty(), "{} effects", effects.len());
    }
    assert_eq!(night.pages(), ["0:00 firing war-room"]);
    // Texts follow without a write; a new process gives senders time to repeat.
    let mut newer = alerts(night.now);
    newer[7].annotations.insert("summary".into(), "42".into());
    let effects = step(&mut night.memory, Event::Posted(newer.clone()), night.now);
    assert!(effects.is_empty());
    let id = night.only_incident();
    let held = &night.memory.incident(&id).unwrap().alerts[&newer[7].fingerprint()];
    assert_eq!(held.alert.annotations["summary"], "42");
    night.die_for(200);
    night.run_for(100);
    assert_eq!(night.pages().len(), 1, "{:?}", night.pages());
    // Nobody repeats them any more: they are over.
    night.run_for(300);
    assert_eq!(night.pages().len(), 2, "{:?}", night.pages());
    assert!(night.pages()[1].ends_with("resolved war-room"));
}

#[test]
fn what_is_posted_resolves_when_it_is_said_or_no_longer_repeated_and_can_come_back() {
    let mut night = Night::seeded(51);
    let start = night.now;
    let until = |night: &Night| night.now + Duration::from_mins(4);
    night.step(Event::Posted(vec![posted("feed", start, until(&night))]));
    night.run_for(60);
    // Said.
    let over = resolved(posted("feed", start, start), night.now);
    night.step(Event::Posted(vec![over.clone()]));
    let effects = step(&mut night.memory, Event::Posted(vec![over]), night.now);
    assert!(
        effects
            .iter()
            .all(|effect| !matches!(effect, Effect::Store(_)))
    );
    night.run_for(60);
    // No longer repeated, and then repeated with the old beginning.
    let again = night.now;
    night.step(Event::Posted(vec![posted("feed", again, until(&night))]));
    night.run_for(600);
    night.step(Event::Posted(vec![posted("feed", again, until(&night))]));
    night.run_for(60);
    let kinds: Vec<String> = night
        .pages()
        .iter()
        .filter(|page| page.ends_with("team-chat"))
        .map(|page| page.split(' ').nth(1).unwrap().to_owned())
        .collect();
    assert_eq!(
        kinds,
        ["firing", "resolved", "firing", "resolved", "firing"]
    );
}
