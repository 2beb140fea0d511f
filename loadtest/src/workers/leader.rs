//! A leader's workers as one sender: each gets its share, and their seconds are added up as those of our
//! own threads would be.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use super::check;
use super::clock::{Offset, QUESTIONS, Reading};
use super::link::{Heard, Link};
use super::messages::{Order, PIECE_BYTES_MAX, Preparation, Prepared, Report, Share};
use super::wire::printable;
use super::{LOOK_EVERY, WORKERS_MAX, Workers, WorkersError};
use crate::engine::{RunClock, Stop};
use crate::plan::{Load, LoadModel, Parcel, Plan};
use crate::result::{Subject, WorkerSubject};
use crate::run::gather::Gather;
use crate::run::senders::{Purpose, Sending};
use crate::run::{RunError, calibration, preflight, threads};
use crate::tally::Tally;
use crate::timing::Nanos;

/// Reports of all workers that wait to be added up.
const HEARD_QUEUED_MAX: usize = 1_024;
/// From the last question about the clock to the first slot: orders arrive and threads start meanwhile.
const LEAD: Duration = Duration::from_millis(250);
/// What a worker may take beyond the time that its task needs by itself.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long a worker that was told to stop may take to say what it has.
const STOP_WAIT: Duration = Duration::from_secs(5);
/// How long an answer about the clock may take.
const CLOCK_WAIT: Duration = Duration::from_secs(5);

/// Workers that have proved themselves.
#[derive(Debug)]
pub(crate) struct Team {
    /// Dropped before the links, whose threads would wait for room in it.
    heard: Receiver<(usize, Heard)>,
    members: Vec<Member>,
    clock: RunClock,
    parcel: Parcel,
    faults: Vec<String>,
}

#[derive(Debug)]
struct Member {
    address: String,
    link: Link,
    prepared: Prepared,
    offset: Offset,
    /// Whether it has not said yet that its share is over.
    at_work: bool,
}

impl Team {
    /// Connects to every worker; both sides prove that they hold the token.
    pub(crate) fn open(workers: &Workers, clock: &RunClock, stop: &Stop) -> Result<Self, RunError> {
        let count = workers.addresses.len();
        if !(1..=WORKERS_MAX).contains(&count) {
            return Err(WorkersError::Count(count).into());
        }
        let (ear, heard) = sync_channel(HEARD_QUEUED_MAX);
        let mut members = Vec::with_capacity(count);
        for (index, address) in workers.addresses.iter().enumerate() {
            if let Some(reason) = stop.reason() {
                return Err(RunError::Stopped(reason));
            }
            let link = Link::open(index, address, &workers.token, clock, ear.clone())?;
            members.push(Member {
                address: address.clone(),
                link,
                prepared: Prepared::default(),
                offset: Offset::default(),
                at_work: false,
            });
        }
        Ok(Team {
            heard,
            members,
            clock: clock.clone(),
            parcel: workers.parcel.clone(),
            faults: Vec::new(),
        })
    }

    /// Sends the plan to all of them; each proves that it may send it, and tries one request of each kind.
    pub(crate) fn prepare(
        &mut self,
        plan: &Plan,
        run_id: &str,
        purpose: Purpose,
        stop: &Stop,
    ) -> Result<(), RunError> {
        for member in &self.members {
            for (file, content) in &self.parcel.files {
                // An empty file is a piece too.
                let whole = content.is_empty().then_some(&[][..]);
                for piece in whole.into_iter().chain(content.chunks(PIECE_BYTES_MAX)) {
                    if let Some(reason) = stop.reason() {
                        return Err(RunError::Stopped(reason));
                    }
                    member.link.order(Order::Piece {
                        file: file.clone(),
                        content: piece.to_vec(),
                    });
                }
            }
            member.link.order(Order::Prepare(Box::new(Preparation {
                run_id: run_id.to_owned(),
                purpose,
                file_name: self.parcel.file_name.clone(),
                text: self.parcel.text.clone(),
                variables: self.parcel.variables.clone(),
            })));
        }
        let kinds = u32::try_from(preflight::KINDS_MAX).unwrap_or(u32::MAX);
        let wait = plan.load.timeout.saturating_mul(kinds) + PATIENCE;
        let prepared = self.answers(stop, wait, |report, _| match report {
            Report::Prepared(prepared) => Some(prepared),
            _ => None,
        })?;
        for (member, prepared) in self.members.iter_mut().zip(prepared) {
            if prepared.scenario_hash != plan.scenario_hash {
                return Err(RunError::Workers(WorkersError::Failed {
                    address: member.address.clone(),
                    why: "it reads the plan differently".to_owned(),
                }));
            }
            member.prepared = Prepared {
                machine: printable(&prepared.machine),
                ..prepared
            };
        }
        Ok(())
    }

    /// Calls per second that all of them reach together. They share a load evenly, so the weakest says
    /// how much each can be given.
    pub(crate) fn calibrate(&mut self, load: &Load, stop: &Stop) -> Result<f64, RunError> {
        for member in &self.members {
            member.link.order(Order::Calibrate);
        }
        let wait = calibration::MEASURED + load.timeout + PATIENCE;
        let reached = self.answers(stop, wait, |report, _| match report {
            Report::Calibrated { per_second } => Some(per_second),
            _ => None,
        })?;
        let weakest = reached.iter().copied().fold(f64::INFINITY, f64::min);
        Ok(weakest.max(0.0) * reached.len() as f64)
    }

    /// Lets them send a load and tells each second to `each` when it is whole. A worker that is lost ends
    /// it and leaves a fault.
    pub(crate) fn send(
        &mut self,
        sending: Sending,
        load: &Load,
        stop: &Arc<Stop>,
        mut each: impl FnMut(u32, Tally),
    ) -> Result<(), RunError> {
        let threads = self.threads_for(load)?;
        match self.set_clocks(stop) {
            Ok(()) => {}
            Err(RunError::Stopped(_)) => return Ok(()),
            Err(error) => {
                self.give_up(&error, stop);
                return Ok(());
            }
        }
        let start = self.begin(sending, threads, stop);
        let of = threads as usize * self.members.len();
        let mut gather = Gather::new(0, of);
        let whole = load.duration + load.timeout + PATIENCE;
        let mut until = start.plus(whole.as_nanos() as u64);
        let mut is_stopping = false;
        while self.members.iter().any(|member| member.at_work) {
            if stop.is_raised() && !is_stopping {
                is_stopping = true;
                until = until.min(self.clock.now().plus(STOP_WAIT.as_nanos() as u64));
            }
            match self.heard.recv_timeout(LOOK_EVERY) {
                Ok((who, heard)) => {
                    let whole = self.hear(who, heard, threads, load, &mut gather, stop);
                    for (at, tally) in whole {
                        each(at, tally);
                    }
                }
                Err(_) if self.clock.now() > until => self.give_up_late(stop),
                Err(_) => {}
            }
        }
        for member in &self.members {
            member.link.watch(None);
        }
        gather
            .rest()
            .into_iter()
            .for_each(|(at, tally)| each(at, tally));
        Ok(())
    }

    /// How many they are.
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// What went wrong, in sentences.
    pub(crate) fn faults(&self) -> Vec<String> {
        self.faults.clone()
    }

    /// Writes down which machines sent, and how far their clocks agree.
    pub(crate) fn sign(&self, subject: &mut Subject) {
        subject.workers = self
            .members
            .iter()
            .map(|member| WorkerSubject {
                address: member.address.clone(),
                machine: member.prepared.machine.clone(),
                clock_error_ms: member.offset.error_nanos as f64 / 1e6,
            })
            .collect();
        let mut machines: Vec<&str> = Vec::new();
        for member in &self.members {
            if !machines.contains(&member.prepared.machine.as_str()) {
                machines.push(&member.prepared.machine);
            }
        }
        let noun = if self.members.len() == 1 {
            "worker"
        } else {
            "workers"
        };
        subject.machine = format!("{} {noun}: {}", self.members.len(), machines.join("; "));
    }

    /// Threads of each worker: as many for all, so that shares are even.
    fn threads_for(&self, load: &Load) -> Result<u32, RunError> {
        let workers = self.members.len();
        let count = u32::try_from(workers).unwrap_or(u32::MAX);
        let weakest = self.members.iter().map(|member| member.prepared.cpus).min();
        let mut threads = threads::threads_for(load, weakest.unwrap_or(1), count);
        let callers = match load.model {
            LoadModel::Closed { connections } => ("load.closed.connections", connections),
            LoadModel::Open { .. } => ("load.connections_max", load.connections_max),
        };
        for (what, most) in [callers, ("load.in_flight_max", load.in_flight_max)] {
            if most < count {
                return Err(RunError::Workers(WorkersError::TooFew {
                    what,
                    most,
                    workers,
                }));
            }
            threads = threads.min(most / count);
        }
        Ok(threads)
    }

    /// Asks what every worker's clock shows.
    fn set_clocks(&mut self, stop: &Stop) -> Result<(), RunError> {
        let mut readings: Vec<Vec<Reading>> = vec![Vec::new(); self.members.len()];
        for _ in 0..QUESTIONS {
            let asked: Vec<Nanos> = self
                .members
                .iter()
                .map(|member| {
                    let asked = self.clock.now();
                    member.link.order(Order::Ask);
                    asked
                })
                .collect();
            let answers = self.answers(stop, CLOCK_WAIT, |report, heard| match report {
                Report::Clock { nanos } => Some((nanos, heard)),
                _ => None,
            })?;
            for ((kept, asked), (there, heard)) in readings.iter_mut().zip(asked).zip(answers) {
                kept.push(Reading {
                    asked,
                    heard,
                    there,
                });
            }
        }
        for (member, readings) in self.members.iter_mut().zip(&readings) {
            member.offset = Offset::of(readings).unwrap_or_default();
        }
        Ok(())
    }

    /// Gives every worker its share. All begin at one instant, which is given.
    fn begin(&mut self, sending: Sending, threads: u32, stop: &Arc<Stop>) -> Nanos {
        let farthest = self.members.iter().map(|member| member.offset.error_nanos);
        let way = farthest.max().unwrap_or(0).saturating_mul(4);
        let start = self.clock.now().plus(LEAD.as_nanos() as u64 + way);
        let each = u64::from(threads);
        let of = each * self.members.len() as u64;
        for (index, member) in self.members.iter_mut().enumerate() {
            member.at_work = true;
            member.link.order(Order::Send(Share {
                sending,
                first: each * index as u64,
                threads,
                of,
                start_nanos: member.offset.there(start),
            }));
            member.link.watch(Some(stop));
        }
        start
    }

    /// Takes what a worker says while it sends; gives the seconds that are whole with it.
    fn hear(
        &mut self,
        who: usize,
        heard: Heard,
        threads: u32,
        load: &Load,
        gather: &mut Gather,
        stop: &Stop,
    ) -> Vec<(u32, Tally)> {
        let Some(member) = self.members.get_mut(who) else {
            return Vec::new();
        };
        match heard {
            Heard::Report(Report::Second(second), _) if member.at_work => {
                let first = u64::from(threads) * who as u64;
                match check::second(&second, first, threads, load) {
                    Ok(()) => return gather.add(&second),
                    Err(why) => self.lose(who, why, stop),
                }
            }
            Heard::Report(Report::Ended, _) => member.at_work = false,
            Heard::Report(Report::Failed { why }, _) => {
                member.at_work = false;
                let error = WorkersError::Failed {
                    address: member.address.clone(),
                    why: printable(&why),
                };
                self.give_up(&error, stop);
            }
            Heard::Lost(why) => self.lose(who, &why, stop),
            Heard::Report(..) => {}
        }
        Vec::new()
    }

    /// Waits until every worker has said what `pick` takes.
    fn answers<T>(
        &mut self,
        stop: &Stop,
        wait: Duration,
        pick: impl Fn(Report, Nanos) -> Option<T>,
    ) -> Result<Vec<T>, RunError> {
        let until = self.clock.now().plus(wait.as_nanos() as u64);
        let mut found: Vec<Option<T>> = self.members.iter().map(|_| None).collect();
        while let Some(missing) = found.iter().position(Option::is_none) {
            if let Some(reason) = stop.reason() {
                return Err(RunError::Stopped(reason));
            }
            match self.heard.recv_timeout(LOOK_EVERY) {
                Ok((who, Heard::Report(Report::Failed { why }, _))) => {
                    return Err(RunError::Workers(WorkersError::Failed {
                        address: self.address(who),
                        why: printable(&why),
                    }));
                }
                Ok((who, Heard::Lost(why))) => return Err(self.lost(who, &why).into()),
                Ok((who, Heard::Report(report, heard))) => {
                    if let (Some(place), Some(answer)) = (found.get_mut(who), pick(report, heard)) {
                        *place = Some(answer);
                    }
                }
                Err(RecvTimeoutError::Timeout) if self.clock.now() <= until => {}
                Err(_) => {
                    let span = model::format_duration(wait);
                    let why = format!("it did not answer within {span}");
                    return Err(self.lost(missing, &why).into());
                }
            }
        }
        Ok(found.into_iter().flatten().collect())
    }

    fn address(&self, who: usize) -> String {
        self.members
            .get(who)
            .map_or_else(String::new, |member| member.address.clone())
    }

    fn lost(&self, who: usize, why: &str) -> WorkersError {
        WorkersError::Lost {
            address: self.address(who),
            why: printable(why),
        }
    }

    /// What a worker would have sent is missing, so the others stop too.
    fn lose(&mut self, who: usize, why: &str, stop: &Stop) {
        if let Some(member) = self.members.get_mut(who) {
            member.at_work = false;
            // Whatever it still does, it does not do it for us.
            member.link.order(Order::Stop);
        }
        let error = self.lost(who, why);
        self.give_up(&error, stop);
    }

    fn give_up(&mut self, error: &dyn std::fmt::Display, stop: &Stop) {
        let sentence = error.to_string();
        stop.raise(sentence.clone());
        self.faults.push(sentence);
    }

    /// Those that should have ended by now are lost.
    fn give_up_late(&mut self, stop: &Stop) {
        for who in 0..self.members.len() {
            if self.members.get(who).is_some_and(|member| member.at_work) {
                self.lose(who, "it did not end when it should have", stop);
            }
        }
    }
}
