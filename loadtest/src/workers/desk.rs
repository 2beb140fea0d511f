//! A worker's side of one connection: orders in, reports out, and an end to everything when the leader
//! is gone.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::sync::Arc;

use super::line::Outbox;
use super::messages::{Order, PIECE_BYTES_MAX, Report};
use super::task::{self, Bench, Task};
use super::wire::{Reader, WireError};
use super::{SILENCE_MAX, WorkerSettings, check};
use crate::engine::{RunClock, Stop};
use crate::plan::{PARCEL_BYTES_MAX, PARCEL_FILES_MAX};
use crate::timing::Nanos;

/// Reports that wait to be written: a few seconds of many threads.
pub(super) const REPORTS_QUEUED_MAX: usize = 512;

/// Works for a leader until it is gone, or until `over` is raised. Gives the reason in words.
pub(super) fn work(
    mut reader: Reader<TcpStream>,
    outbox: Outbox<Report>,
    settings: &Arc<WorkerSettings>,
    clock: &RunClock,
    over: &Stop,
) -> String {
    let mut desk = Desk {
        settings,
        clock,
        outbox,
        files: BTreeMap::new(),
        bytes_left: PARCEL_BYTES_MAX,
        bench: None,
        task: None,
    };
    let mut heard = clock.now();
    let why = loop {
        match reader.next() {
            Ok(Some(order)) => {
                heard = clock.now();
                if let Err(why) = desk.act(order) {
                    break format!("the leader sent {why}");
                }
            }
            Ok(None) => {}
            Err(WireError::Closed) => break "the leader is gone".to_owned(),
            Err(error) => break format!("the leader sent {error}"),
        }
        desk.look_at_task();
        if clock.now().since(heard) > SILENCE_MAX.as_nanos() as u64 {
            let span = model::format_duration(SILENCE_MAX);
            break format!("nothing was heard of the leader for {span}");
        }
        if desk.outbox.is_broken() {
            break "the leader does not listen any more".to_owned();
        }
        if let Some(reason) = over.reason() {
            break reason;
        }
    };
    desk.close(&why);
    why
}

struct Desk<'a> {
    settings: &'a Arc<WorkerSettings>,
    clock: &'a RunClock,
    outbox: Outbox<Report>,
    files: BTreeMap<String, Vec<u8>>,
    bytes_left: u64,
    bench: Option<Arc<Bench>>,
    task: Option<Task>,
}

impl Desk<'_> {
    /// Does what it is told. The error ends the connection: no leader of ours would have sent that.
    fn act(&mut self, order: Order) -> Result<(), String> {
        let clock = self.clock.clone();
        let started = match order {
            Order::Alive => return Ok(()),
            Order::Ask => {
                let Nanos(nanos) = clock.now();
                self.outbox.put(Report::Clock { nanos });
                return Ok(());
            }
            Order::Stop => {
                if let Some(task) = &self.task {
                    task.stop("the leader wants it to stop");
                }
                return Ok(());
            }
            _ if self.task.is_some() => {
                return Err("an order while another is carried out".to_owned());
            }
            Order::Piece { file, content } => return self.keep(file, content),
            Order::Prepare(preparation) => {
                self.bench = None;
                self.bytes_left = PARCEL_BYTES_MAX;
                let files = std::mem::take(&mut self.files);
                let settings = Arc::clone(self.settings);
                Task::start(move |stop| task::prepare(*preparation, files, &settings, &clock, stop))
            }
            Order::Calibrate => {
                let bench = self.prepared()?;
                Task::start(move |stop| task::calibrate(&bench, &clock, stop))
            }
            Order::Send(share) => {
                let bench = self.prepared()?;
                check::share(&share, bench.purpose, &bench.plan, clock.now())?;
                let reports = self.outbox.sender().ok_or("an order after the end")?;
                Task::start(move |stop| task::send(&bench, &share, &clock, stop, &reports))
            }
        };
        match started {
            Ok(task) => self.task = Some(task),
            Err(error) => self.outbox.put(Report::Failed {
                why: format!("cannot start a thread: {error}"),
            }),
        }
        Ok(())
    }

    fn prepared(&self) -> Result<Arc<Bench>, String> {
        self.bench
            .clone()
            .ok_or_else(|| "an order before a plan".to_owned())
    }

    /// Keeps more of a file, within what a plan may have.
    fn keep(&mut self, file: String, content: Vec<u8>) -> Result<(), String> {
        let left = self.bytes_left.checked_sub(content.len() as u64);
        let is_new = !self.files.contains_key(&file);
        match left {
            Some(left) if content.len() <= PIECE_BYTES_MAX => self.bytes_left = left,
            _ => return Err("more files than a plan may have".to_owned()),
        }
        if is_new && self.files.len() >= PARCEL_FILES_MAX {
            return Err("more files than a plan may have".to_owned());
        }
        self.files.entry(file).or_default().extend(content);
        Ok(())
    }

    /// Reports a task that is over.
    fn look_at_task(&mut self) {
        if let Some(task) = self.task.take_if(|task| task.is_over()) {
            let (report, bench) = task.end();
            if let Some(bench) = bench {
                self.bench = Some(Arc::new(bench));
            }
            self.outbox.put(report);
        }
    }

    fn close(mut self, why: &str) {
        if let Some(task) = self.task.take() {
            task.stop(why);
            task.end();
        }
    }
}
