//! Tells what happens, as it happens: faults, messages, the person who answers, incidents. Facts come
//! from the messages received and from Rampart's own API, never from what the demo planned.

mod incidents;
mod lines;

use std::time::Duration;

use model::SharedClock;
use tokio::time::MissedTickBehavior;

use crate::fault::{Change, FAILING_FUNCTION, FAILING_UNIT, Plan};
use crate::phone::{Medium, Received};
use crate::platform::Platform;
use crate::pod::Fault;
use crate::{DemoError, Options, Phone, person};
use incidents::{Incidents, News};
use lines::{Round, Teller, headline};

const TICK: Duration = Duration::from_millis(250);
const POLL_EVERY: Duration = Duration::from_millis(500);
const POLL_DEADLINE: Duration = Duration::from_secs(2);
/// How long a person takes to find the phone.
const WAKING_UP: Duration = Duration::from_secs(2);

/// Runs the plan of faults and tells the story until `options.stop` is done.
pub(crate) async fn tell(
    platform: &Platform,
    mut phone: Phone,
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
        round: Round::default(),
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
            Some(received) = phone.next() => story.receive(received)?,
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
    round: Round,
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
        let platform = self.platform.describe();
        self.say(
            "platform",
            &format!("{platform}; watch it on {rampart_url}"),
        )
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
        let (plan, change) = self.plan.advance(self.elapsed());
        self.plan = plan;
        match change {
            Some(Change::Break { fault, round }) => self.break_unit(fault, round)?,
            Some(Change::Heal { .. }) => self.heal_unit()?,
            None => {}
        }
        let now = self.elapsed();
        match self.answering.take_if(|answering| answering.due <= now) {
            Some(answering) => self.answer(&answering.link).await,
            None => Ok(()),
        }
    }

    fn break_unit(&mut self, fault: Fault, round: u64) -> Result<(), DemoError> {
        let pods = self
            .platform
            .set_fault(FAILING_FUNCTION, FAILING_UNIT, fault);
        self.round = Round::begin(round, self.elapsed());
        let what =
            format!("unit {FAILING_UNIT} of {FAILING_FUNCTION} breaks: its {pods} pods answer 500");
        self.say("fault", &what)
    }

    fn heal_unit(&mut self) -> Result<(), DemoError> {
        self.platform
            .set_fault(FAILING_FUNCTION, FAILING_UNIT, Fault::None);
        self.say(
            "fault",
            &format!("unit {FAILING_UNIT} of {FAILING_FUNCTION} is healed"),
        )
    }

    fn receive(&mut self, received: Received) -> Result<(), DemoError> {
        let now = self.elapsed();
        let to = received
            .person
            .as_deref()
            .map_or(String::new(), |person| format!("to {person}: "));
        let text = headline(&received.text);
        let (who, first) = match received.medium {
            Medium::Im => ("chat", &mut self.round.chat),
            Medium::Sms => ("sms", &mut self.round.sms),
            Medium::Phone => ("call", &mut self.round.call),
        };
        let is_first = first.is_none();
        first.get_or_insert(now);
        self.say(who, &format!("{to}{text}"))?;
        self.teller.quote(&received.text)?;
        if received.medium != Medium::Sms || !is_first {
            return Ok(());
        }
        match received.link {
            Some(link) if Plan::is_acknowledged(self.plan.round()) => {
                let due = now + WAKING_UP;
                self.answering = Some(Answering { due, link });
                Ok(())
            }
            Some(_) => self.say(
                "person",
                "sleeps on; unless somebody acknowledges, the phone rings",
            ),
            None => self.say("person", "reads it; it has no link to acknowledge with"),
        }
    }

    async fn answer(&mut self, link: &str) -> Result<(), DemoError> {
        match person::acknowledge(&self.client, link).await {
            Ok(()) => self.say(
                "person",
                "opens the link of the text message and taps \"I have it\"",
            ),
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
                News::Opened { title } => {
                    self.round.opened.get_or_insert(now);
                    self.say(
                        "incident",
                        &format!("opened: {title}{}", self.round.after_fault(now)),
                    )?;
                }
                News::Acknowledged { title } => {
                    self.round.acknowledged.get_or_insert(now);
                    self.say(
                        "incident",
                        &format!("acknowledged, nobody else is woken: {title}"),
                    )?;
                }
                News::Resolved { title } => {
                    self.round.resolved.get_or_insert(now);
                    self.say("incident", &format!("resolved: {title}"))?;
                    if let Some(summary) = self.round.summary() {
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
