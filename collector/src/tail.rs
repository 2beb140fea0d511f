//! Files that grow: followed across rotation, each line read exactly once.
//!
//! Where reading stands (device, inode, offset and a fingerprint of the first bytes) is committed
//! with the rows it describes, so that a crash at any point neither loses nor repeats a line.

mod directory;
mod follower;
mod head;

use std::sync::Arc;
use std::time::Duration;

use model::Timestamp;
use store::{Batch, InvocationRows, Position};
use tokio::sync::watch;

use crate::config::{FileInput, SourceConfig};
use crate::events;
use crate::formats::{Decoded, Decoder, RefusalKind};
use crate::intake::{Intake, pause_or_stop};
use crate::ledger::Ledger;
use follower::{Chunk, Follower, Scan};

/// How often files are looked at.
const POLL_EVERY: Duration = Duration::from_millis(200);
/// How often a file that cannot be read is tried at most.
const RETRY_MAX: Duration = Duration::from_secs(5);

/// One file source at work.
pub(crate) struct Tail {
    intake: Arc<Intake>,
    ledger: Arc<Ledger>,
    input: FileInput,
    key: String,
}

/// What travels to the blocking thread and back.
struct Work {
    follower: Follower,
    decoder: Decoder,
}

/// Why a look gave nothing, and the work to go on with unless it is lost.
type Failure = (Option<Box<Work>>, String);

/// What one look at the files gave.
enum Look {
    /// Lines, and where reading stands after them.
    Lines(Box<Gathered>),
    /// Everything is read.
    Idle,
}

struct Gathered {
    chunk: Chunk,
    batch: Batch,
    decoded: Decoded,
}

impl Tail {
    pub(crate) fn new(intake: Arc<Intake>, ledger: Arc<Ledger>, input: FileInput) -> Self {
        Tail {
            key: format!("file:{}", ledger.source()),
            intake,
            ledger,
            input,
        }
    }

    /// Follows the files until told to stop.
    pub(crate) async fn run(self, config: SourceConfig, mut stop: watch::Receiver<bool>) {
        let mut pause = POLL_EVERY;
        let mut work = Some(self.begin(&config));
        while !*stop.borrow() {
            let began = self.intake.clock.now();
            let current = work.take().unwrap_or_else(|| self.begin(&config));
            match self.look(current, began).await {
                Ok((mut done, Look::Lines(gathered))) => {
                    pause = POLL_EVERY;
                    if !self.commit(&mut done.follower, *gathered, &mut stop).await {
                        return;
                    }
                    work = Some(done);
                    continue;
                }
                Ok((done, Look::Idle)) => {
                    pause = POLL_EVERY;
                    self.ledger.works();
                    self.intake
                        .watermarks()
                        .advance(self.ledger.source(), began - self.input.flush_delay);
                    work = Some(done);
                }
                Err((done, error)) => {
                    self.ledger.fails(&error);
                    work = done;
                    pause = (pause * 2).min(RETRY_MAX);
                }
            }
            if pause_or_stop(pause, &mut stop).await {
                return;
            }
        }
    }

    /// Takes up where the last commit left off.
    fn begin(&self, config: &SourceConfig) -> Box<Work> {
        let stored = self.intake.store.position(&self.key);
        let (follower, lost) = Follower::resume(
            &self.input.path,
            self.input.from_beginning,
            stored.as_deref(),
        );
        for path in lost {
            events::rotation_lost(self.ledger.source(), &path);
        }
        Box::new(Work {
            follower,
            decoder: Decoder::new(config.format.clone(), Arc::clone(&config.meaning)),
        })
    }

    /// Looks for new lines and decodes a chunk of them, off the async threads.
    async fn look(&self, work: Box<Work>, began: Timestamp) -> Result<(Box<Work>, Look), Failure> {
        let elapsed = self.intake.clock.elapsed();
        let (ledger, key) = (Arc::clone(&self.ledger), self.key.clone());
        let looked = tokio::task::spawn_blocking(move || {
            let mut work = work;
            let scan = match work.follower.scan(elapsed) {
                Ok(scan) => scan,
                Err(error) => return Err((Some(work), error.to_string())),
            };
            report(&ledger, &scan);
            match work.follower.read_chunk() {
                Ok(None) => match trouble(&work, scan) {
                    Some(error) => Err((Some(work), error)),
                    None => Ok((work, Look::Idle)),
                },
                Ok(Some(chunk)) => {
                    let gathered = gather(&mut work, chunk, key, began);
                    Ok((work, Look::Lines(Box::new(gathered))))
                }
                Err(error) => Err((Some(work), error.to_string())),
            }
        });
        // A panic loses the place in memory; the committed one is taken up again.
        looked
            .await
            .unwrap_or_else(|panic| Err((None, format!("reading failed: {panic}"))))
    }

    /// Commits the lines and moves on; `false` when told to stop first.
    async fn commit(
        &self,
        follower: &mut Follower,
        gathered: Gathered,
        stop: &mut watch::Receiver<bool>,
    ) -> bool {
        let Gathered {
            chunk,
            batch,
            decoded,
        } = gathered;
        let committed = self
            .intake
            .commit_patiently(&self.ledger, batch, stop)
            .await;
        if committed.is_none() {
            return false;
        }
        if chunk.too_long > 0 {
            self.ledger.rejected(RefusalKind::TooLong, chunk.too_long);
        }
        self.intake
            .book(&self.ledger, &decoded, chunk.bytes.len() as u64);
        follower.advance(&chunk);
        true
    }
}

/// Why having nothing to read does not mean that everything is read.
fn trouble(work: &Work, scan: Scan) -> Option<String> {
    let nothing = scan.files == 0;
    scan.trouble
        .or_else(|| nothing.then(|| format!("no file matches {}", work.follower.pattern())))
}

fn report(ledger: &Ledger, scan: &Scan) {
    for path in &scan.truncated {
        events::truncated(ledger.source(), path);
    }
}

fn gather(work: &mut Work, chunk: Chunk, key: String, now: Timestamp) -> Gathered {
    let mut rows = InvocationRows::new();
    let decoded = work.decoder.decode(&chunk.bytes, now, &mut rows);
    let position = Position {
        source: key,
        value: work.follower.position_after(&chunk),
    };
    Gathered {
        batch: Batch {
            invocations: (!rows.is_empty()).then(|| rows.finish()),
            positions: vec![position],
            ..Batch::default()
        },
        chunk,
        decoded,
    }
}

#[cfg(test)]
mod tests;
