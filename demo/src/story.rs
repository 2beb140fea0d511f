//! Tells what happens, as it happens: faults, messages, the person who answers, incidents. Facts come
//! from the messages received and from Rampart's own API, never from what the demo planned.

mod incidents;
mod lines;

use std::time::Duration;

use model::SharedClock;
use tokio::time::MissedTickBehavior;

use crate::board::Board;
use crate::fault::{Change, Plan, Trouble};
use crate::phone::{Medium, Received};
use crate::platform::Platform;
use crate::{DemoError, Options, Phone, person};
use incidents::{Incidents, News};
use lines::{Teller, headline};

const TICK: Duration = Duration::from_millis(250);
const POLL_EVERY: Duration = Duration::from_millis(500);
const POLL_DEADLINE: Duration = Duration::from_secs(2);
/// How long a person takes to find the phone.
const WAKING_UP: Duration = Duration::from_secs(2);

/// Runs the plan of faults and tells the story until `options.stop` is done.
pub(crate) async fn tell(
    platform: &Platform,
    mut phone: Phone,
    board: Board,
    options: Options,
    clock: &SharedClock,
) -> Result<(), DemoError> {
    let client = crate::loopback_client(POLL_DEADLINE)?;
    let mut story = Story {
        platform,
        client: client.clone(),
        incidents: Incidents::new(client, &options.rampart_url),
        teller: Teller::new(options.out),
        clock,
        begun: clock.elapsed(),
        plan: Plan::START,
        board,
        answering: None,
    };
    story.open(&options.rampart_url)?;
    let mut stop = options.stop;
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut polls = tokio::time::interval(POLL_EVERY);
    polls.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = &mut stop => return story.close(),
            _ = ticks.tick() => story.tick().await?,
            _ = polls.tick() => story.poll().await?,
            Some(received) = phone.next() => story.receive(&received)?,
        }
    }
}

struct Story<'a> {
    platform: &'a Platform,
    client: reqwest::Client,
    incidents: Incidents,
    teller: Teller,
    clock: &'a SharedClock,
    begun: Duration,
    plan: Plan,
    board: Board,
    answering: Option<Answering>,
}

/// Somebody who has read a text message and is about to tap its link.
struct Answering {
    due: Duration,
    link: String,
}

impl Story<'_> {
    fn elapsed(&self) -> Duration {
        self.clock.elapsed().saturating_sub(self.begun)
    }

    fn say(&mut self, who: &str, what: &str) -> Result<(), DemoError> {
        let elapsed = self.elapsed();
        Ok(self.teller.line(elapsed, who, what)?)
    }

    fn open(&mut self, rampart_url: &str) -> Result<(), DemoError> {
        self.board.open(rampart_url);
        let platform = self.platform.describe();
        self.say("platform", &platform)
    }

    fn close(mut self) -> Result<(), DemoError> {
        let (sent, lost) = self.platform.counts();
        self.say(
            "platform",
            &format!("stops after {sent} calls, {lost} records lost"),
        )
    }

    /// Moves the plan on, and lets the person tap when they have found their phone.
    async fn tick(&mut self) -> Result<(), DemoError> {
        let now = self.elapsed();
        self.board.tick(now, self.platform.counts().0);
        let (plan, changes) = self.plan.advance(now);
        self.plan = plan;
        for change in changes {
            match change {
                Change::Begin { round } => {
                    let trouble = Trouble::of(round);
                    self.platform.set_trouble(trouble, true);
                    self.board.begin(round, now);
                    self.say("trouble", begins(trouble))?;
                }
                Change::Heal { round } => {
                    let trouble = Trouble::of(round);
                    self.platform.set_trouble(trouble, false);
                    self.board.note(now, |round| &mut round.healed);
                    self.say("trouble", heals(trouble))?;
                }
            }
        }
        match self.answering.take_if(|answering| answering.due <= now) {
            Some(answering) => self.answer(&answering.link).await,
            None => Ok(()),
        }
    }

    fn receive(&mut self, received: &Received) -> Result<(), DemoError> {
        let now = self.elapsed();
        let to = received
            .person
            .as_deref()
            .map_or(String::new(), |person| format!("to {person}: "));
        let text = headline(&received.text);
        self.board.receive(now, received);
        let mut first = false;
        let (who, medium) = match received.medium {
            Medium::Im => ("chat", received.medium),
            Medium::Sms => ("sms", received.medium),
            Medium::Phone => ("call", received.medium),
        };
        self.board.round(|round| {
            first = match medium {
                Medium::Im => round.chat.is_none(),
                Medium::Sms => round.sms.is_none(),
                Medium::Phone => round.call.is_none(),
            };
        });
        // Who is told of it has been found out about it; the API is only asked twice a second.
        self.board.note(now, |round| &mut round.discovered);
        self.board.note(now, |round| match medium {
            Medium::Im => &mut round.chat,
            Medium::Sms => &mut round.sms,
            Medium::Phone => &mut round.call,
        });
        self.say(who, &format!("{to}{text}"))?;
        self.teller.quote(&received.text)?;
        if medium != Medium::Sms || (!first && self.board.summary().is_some()) {
            return Ok(());
        }
        match &received.link {
            Some(link) if Trouble::of(self.plan.round()).is_answered() => {
                let due = now + WAKING_UP;
                let link = link.clone();
                self.answering = Some(Answering { due, link });
                Ok(())
            }
            Some(_) => {
                self.board.answered("asleep");
                self.say(
                    "person",
                    "sleeps on; unless somebody acknowledges, the phone rings",
                )
            }
            None => self.say("person", "reads it; it has no link to acknowledge with"),
        }
    }

    async fn answer(&mut self, link: &str) -> Result<(), DemoError> {
        match person::acknowledge(&self.client, link).await {
            Ok(()) => {
                self.board.answered("acknowledged");
                self.say(
                    "person",
                    "opens the link of the text message and taps \"I have it\"",
                )
            }
            Err(error) => self.say(
                "person",
                &format!("opens the link of the text message, but {error}"),
            ),
        }
    }

    async fn poll(&mut self) -> Result<(), DemoError> {
        let now = self.elapsed();
        for news in self.incidents.poll().await {
            match news {
                News::Opened { id, title } => {
                    let after = self.board.note(now, |round| &mut round.discovered);
                    self.board.round(|round| {
                        round.incident.get_or_insert(id);
                        round.title.get_or_insert_with(|| title.clone());
                    });
                    let after = after.map_or(String::new(), |after| {
                        format!(", {after:.1} s after the trouble began")
                    });
                    self.say("incident", &format!("opened: {title}{after}"))?;
                }
                News::Acknowledged { title } => {
                    self.board.note(now, |round| &mut round.acknowledged);
                    self.say(
                        "incident",
                        &format!("acknowledged, nobody else is woken: {title}"),
                    )?;
                }
                News::Resolved { title } => {
                    self.board.note(now, |round| &mut round.resolved);
                    self.say("incident", &format!("resolved: {title}"))?;
                    if let Some(summary) = self.board.summary() {
                        self.say("round", &summary)?;
                    }
                }
                News::Unreachable => self.say("rampart", "does not answer; records wait for it")?,
                News::Back => self.say("rampart", "answers again")?,
            }
        }
        Ok(())
    }
}

fn begins(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::UnitFails => "unit b of guide/wow-video-feed breaks: its pods answer 500",
        Trouble::FewFail => "2 % of the calls of travel/rail-recommend fail, in both units",
        Trouble::FallsSilent => "nobody calls store/coupon any more",
        Trouble::DataLate => {
            "the gateway keeps its records back; all functions are well, and nothing may page as silence"
        }
    }
}

fn heals(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::UnitFails => "unit b of guide/wow-video-feed is healed",
        Trouble::FewFail => "travel/rail-recommend is healed",
        Trouble::FallsSilent => "store/coupon is called again",
        Trouble::DataLate => "the gateway sends what it kept back",
    }
}
