//! Refused lines, kept in bounded files so that their sender can see what was wrong.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use model::Timestamp;
use serde::Serialize;

use crate::events;
use crate::formats::Refusal;

/// Refused lines waiting to be written; beyond it they are counted and dropped.
const QUEUE_LINES_MAX: usize = 1_024;
/// The size at which a source's file is put aside and begun anew; one older file is kept.
pub(crate) const FILE_BYTES_MAX: u64 = 8 << 20;

#[derive(Debug, Serialize)]
struct Letter {
    at: Timestamp,
    source: String,
    line: usize,
    reason: String,
    text: String,
}

/// The way to the dead letters. Cloning is cheap; the writer ends when it is closed.
#[derive(Clone, Debug)]
pub(crate) struct DeadLetters {
    sender: Arc<Mutex<Option<SyncSender<Letter>>>>,
    writer: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl DeadLetters {
    /// Starts the writer; files go to `directory`, which is made when the first one is needed.
    pub(crate) fn start(directory: PathBuf) -> Self {
        let (sender, receiver) = sync_channel(QUEUE_LINES_MAX);
        let writer = std::thread::Builder::new()
            .name("dead-letters".to_owned())
            .spawn(move || write_all(&directory, &receiver));
        if let Err(error) = &writer {
            tracing::warn!(%error, "refused lines are not kept: no thread could be started");
        }
        DeadLetters {
            sender: Arc::new(Mutex::new(Some(sender))),
            writer: Arc::new(Mutex::new(writer.ok())),
        }
    }

    /// Keeps one refused line, unless the writer is far behind.
    pub(crate) fn keep(&self, source: &str, refusal: &Refusal, at: Timestamp) {
        let letter = Letter {
            at,
            source: source.to_owned(),
            line: refusal.line,
            reason: refusal.reason.clone(),
            text: refusal.text.clone(),
        };
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = match &*sender {
            Some(sender) => sender.try_send(letter),
            None => return,
        };
        match sent {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => events::dead_letter_lost(source, "the queue is full"),
            Err(TrySendError::Disconnected(_)) => {
                events::dead_letter_lost(source, "the writer has ended");
            }
        }
    }

    /// Writes what is queued and ends the writer. Blocks until it is done.
    pub(crate) fn close(&self) {
        let sender = self
            .sender
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop(sender);
        let writer = self
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(writer) = writer {
            let _ended = writer.join();
        }
    }
}

fn write_all(directory: &Path, letters: &Receiver<Letter>) {
    while let Ok(letter) = letters.recv() {
        if let Err(error) = write(directory, &letter) {
            events::dead_letter_lost(&letter.source, &error.to_string());
        }
    }
}

fn write(directory: &Path, letter: &Letter) -> std::io::Result<()> {
    std::fs::create_dir_all(directory)?;
    let path = directory.join(format!("{}.ndjson", letter.source));
    let mut file = open(&path)?;
    if file.metadata()?.len() >= FILE_BYTES_MAX {
        std::fs::rename(&path, directory.join(format!("{}.ndjson.1", letter.source)))?;
        file = open(&path)?;
    }
    let mut line = serde_json::to_vec(letter)?;
    line.push(b'\n');
    file.write_all(&line)
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::RefusalKind;

    fn refusal(text: &str) -> Refusal {
        Refusal {
            line: 4,
            kind: RefusalKind::BadField,
            reason: "field outcome: unknown value \"okk\"".to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn keeps_line_and_reason_and_stays_bounded() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("rejected");
        let letters = DeadLetters::start(directory.clone());
        letters.keep("sdk", &refusal("{\"outcome\":\"okk\"}"), Timestamp::EPOCH);
        letters.close();
        letters.keep("sdk", &refusal("after the end"), Timestamp::EPOCH);
        let written = std::fs::read_to_string(directory.join("sdk.ndjson")).unwrap();
        assert_eq!(
            written,
            "{\"at\":\"1970-01-01T00:00:00.000Z\",\"source\":\"sdk\",\"line\":4,\"reason\":\"field outcome: unknown value \\\"okk\\\"\",\"text\":\"{\\\"outcome\\\":\\\"okk\\\"}\"}\n"
        );

        let full = File::create(directory.join("sdk.ndjson")).unwrap();
        full.set_len(FILE_BYTES_MAX).unwrap();
        let letters = DeadLetters::start(directory.clone());
        letters.keep("sdk", &refusal("next"), Timestamp::EPOCH);
        letters.close();
        let size = |name: &str| std::fs::metadata(directory.join(name)).unwrap().len();
        assert_eq!(size("sdk.ndjson.1"), FILE_BYTES_MAX);
        assert!(size("sdk.ndjson") < 1_000);
    }
}
