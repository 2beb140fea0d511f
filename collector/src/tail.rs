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
use crate::formats::{Decoded, Decoder, REFUSED_TEXT_BYTES_MAX, Refusal, RefusalKind};
use crate::intake::{Intake, Patience, pause_or_stop};
use crate::ledger::Ledger;
use follower::{Chunk, Follower, GATHERED_BYTES_MIN, Scan};

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
    /// Whether it was stored where reading begins. A first start at the end of the files must not
    /// begin at another end when it is started again.
    placed: bool,
    /// When the round that is being read began: the files are complete up to then when it is done.
    round: Option<Timestamp>,
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
    chunks: Vec<Chunk>,
    batch: Batch,
    decoded: Decoded,
    /// Why reading to the end of these files does not mean that everything is read.
    trouble: Option<String>,
}

impl Gathered {
    fn bytes(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.bytes.len()).sum()
    }
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
        let mut work = None;
        while !*stop.borrow() {
            let began = self.intake.clock.now();
            let current = work.take().unwrap_or_else(|| self.begin(&config));
            match self.look(current, began).await {
                Ok((done, Look::Lines(gathered))) => {
                    pause = POLL_EVERY;
                    let much = gathered.bytes() >= GATHERED_BYTES_MIN;
                    let committed = self.commit(done, *gathered, began, &mut stop).await;
                    match committed {
                        Ok(done) => work = Some(done),
                        Err(Halt::Stopped) => return,
                        Err(Halt::Failed(error)) => {
                            self.ledger.fails(&error);
                            pause = RETRY_MAX;
                        }
                    }
                    // Few lines at a time come from a writer at work; more of them will be there
                    // at the next look, for the same price.
                    if much && work.is_some() {
                        continue;
                    }
                }
                Ok((mut done, Look::Idle)) => {
                    pause = POLL_EVERY;
                    self.ledger.works();
                    done.round = None;
                    self.complete_until(began);
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

    /// Everything was read that was in the files at `began`.
    fn complete_until(&self, began: Timestamp) {
        self.intake
            .watermarks()
            .advance(self.ledger.source(), began - self.input.flush_delay);
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
            placed: stored.is_some() || self.input.from_beginning,
            round: None,
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
            if work.round.is_none() {
                work.follower.begin_round();
                work.round = Some(began);
            }
            let chunks = match work.follower.read_chunks() {
                Ok(chunks) => chunks,
                Err(error) => return Err((Some(work), error.to_string())),
            };
            let trouble = trouble(&work, scan);
            match trouble {
                Some(error) if chunks.is_empty() && work.placed => Err((Some(work), error)),
                None if chunks.is_empty() && work.placed => Ok((work, Look::Idle)),
                trouble => {
                    let mut gathered = gather(&mut work, chunks, key, began);
                    gathered.trouble = trouble;
                    Ok((work, Look::Lines(Box::new(gathered))))
                }
            }
        });
        // A panic loses the place in memory; the committed one is taken up again.
        looked
            .await
            .unwrap_or_else(|panic| Err((None, format!("reading failed: {panic}"))))
    }

    /// Commits the lines and moves on. What the store will never take is made smaller until the
    /// one line is found that is the reason, and that is put aside.
    async fn commit(
        &self,
        mut work: Box<Work>,
        mut gathered: Gathered,
        began: Timestamp,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<Box<Work>, Halt> {
        loop {
            let batch = gathered.batch.clone();
            let patience = self.intake.commit_patiently(&self.ledger, batch, stop);
            match patience.await {
                Patience::Committed => break,
                Patience::Stopped => return Err(Halt::Stopped),
                Patience::Impossible(error) => {
                    let reason = error.to_string();
                    if gathered.batch.invocations.is_none() {
                        return Err(Halt::Failed(reason));
                    }
                    let key = self.key.clone();
                    let lessened = tokio::task::spawn_blocking(move || {
                        let gathered = lessen(&mut work, gathered, key, began, &reason);
                        (work, gathered)
                    });
                    let lost = |panic| Halt::Failed(format!("reading failed: {panic}"));
                    (work, gathered) = lessened.await.map_err(lost)?;
                }
            }
        }
        self.book(&mut work, &gathered, began);
        Ok(work)
    }

    fn book(&self, work: &mut Work, gathered: &Gathered, began: Timestamp) {
        let too_long: u64 = gathered.chunks.iter().map(|chunk| chunk.too_long).sum();
        if too_long > 0 {
            self.ledger.rejected(RefusalKind::TooLong, too_long);
        }
        if !gathered.chunks.is_empty() {
            let bytes = gathered.bytes() as u64;
            self.intake
                .book(&self.ledger, &gathered.decoded, bytes, began);
        }
        work.placed = true;
        work.follower.advance(&gathered.chunks);
        match &gathered.trouble {
            Some(trouble) => {
                self.ledger.fails(trouble);
                work.round = None;
            }
            None if work.follower.is_round_done() => {
                self.ledger.works();
                self.complete_until(work.round.take().unwrap_or(began));
            }
            None => {}
        }
    }
}

/// Why a commit did not come about.
enum Halt {
    /// The source was told to stop.
    Stopped,
    /// It cannot be done; reading begins again at the last commit.
    Failed(String),
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

fn gather(work: &mut Work, chunks: Vec<Chunk>, key: String, now: Timestamp) -> Gathered {
    let mut rows = InvocationRows::new();
    let mut decoded = Decoded::default();
    for chunk in &chunks {
        decoded.merge(work.decoder.decode(&chunk.bytes, now, &mut rows), 0);
    }
    let position = Position {
        source: key,
        value: work.follower.position_after(&chunks),
    };
    Gathered {
        batch: Batch {
            invocations: (!rows.is_empty()).then(|| rows.finish()),
            positions: vec![position],
            ..Batch::default()
        },
        chunks,
        decoded,
        trouble: None,
    }
}

/// Less of what the store refused: half of the files, else half of the lines, else none of the one
/// line that is left. The rest is read again after this is committed.
fn lessen(
    work: &mut Work,
    gathered: Gathered,
    key: String,
    now: Timestamp,
    reason: &str,
) -> Gathered {
    let mut chunks = gathered.chunks;
    let first_half = match chunks.as_slice() {
        [only] => only.first_half(),
        _ => None,
    };
    let mut lessened = if let Some(half) = first_half {
        gather(work, vec![half], key, now)
    } else if chunks.len() > 1 {
        chunks.truncate(chunks.len() / 2);
        gather(work, chunks, key, now)
    } else {
        let mut position_only = gather(work, chunks, key, now);
        position_only.batch.invocations = None;
        position_only.decoded = unstorable(&position_only.chunks, reason);
        position_only
    };
    lessened.trouble = gathered.trouble;
    lessened
}

/// One line that can be decoded and yet never be stored.
fn unstorable(chunks: &[Chunk], reason: &str) -> Decoded {
    let mut decoded = Decoded::default();
    let text = chunks.iter().flat_map(|chunk| &chunk.bytes);
    let text: Vec<u8> = text.take(REFUSED_TEXT_BYTES_MAX).copied().collect();
    decoded.rejected.add(RefusalKind::Unstorable, 1);
    decoded.refusals.push(Refusal {
        line: 1,
        kind: RefusalKind::Unstorable,
        reason: reason.to_owned(),
        text: String::from_utf8_lossy(&text).trim_end().to_owned(),
    });
    decoded
}

#[cfg(test)]
mod tests;
