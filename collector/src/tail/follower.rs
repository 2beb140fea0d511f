//! The files of one source and how far each is read. Blocking; knows nothing of what lines mean.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::directory::{self, Found};
use super::head::{Head, Identity, read_at};

/// Bytes read at once, which is also the longest line that is not skipped unread.
pub(super) const CHUNK_BYTES_MAX: usize = 1 << 20;
/// Once so much is gathered from several files, it is handed on.
pub(super) const GATHERED_BYTES_MIN: usize = 64 << 10;
/// How long a file that was rotated away must be quiet before it is let go: its writer may not
/// have opened the new one yet.
pub(super) const ROTATED_QUIET: Duration = Duration::from_secs(5);

/// Where reading stands in one file; this is what is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    path: PathBuf,
    #[serde(flatten)]
    identity: Identity,
    offset: u64,
    head: Head,
}

#[derive(Debug)]
struct Tracked {
    mark: Mark,
    file: File,
    /// Length at the last look.
    length: u64,
    /// Length when the round began; see [`Follower::begin_round`].
    goal: u64,
    /// How far it was read, with the part of a line that still waits for its end.
    seen: u64,
    /// Whether the source's path or pattern still leads to it.
    listed: bool,
    /// Since when a file that is no longer listed has not grown.
    quiet_since: Option<Duration>,
    /// The rest of a line that is too long is being skipped.
    skipping: bool,
    /// Rotated away and quiet: what follows the last newline is a whole line.
    last_line: bool,
}

/// Lines read from one file.
#[derive(Debug)]
pub(super) struct Chunk {
    identity: Identity,
    pub(super) bytes: Vec<u8>,
    end: u64,
    seen: u64,
    skipping: bool,
    /// Lines skipped because they do not even fit a chunk.
    pub(super) too_long: u64,
}

impl Chunk {
    /// The first half of its lines; `None` when there is but one.
    pub(super) fn first_half(&self) -> Option<Chunk> {
        let newlines = self.bytes.iter().enumerate();
        let mut ends = newlines.filter_map(|(at, byte)| (*byte == b'\n').then_some(at + 1));
        let half = self.bytes.len() / 2;
        let first = ends.next()?;
        let length = ends.take_while(|end| *end <= half).last().unwrap_or(first);
        let rest = self.bytes.len().saturating_sub(length) as u64;
        (rest > 0).then(|| Chunk {
            identity: self.identity,
            bytes: self.bytes.get(..length).unwrap_or_default().to_vec(),
            end: self.end - rest,
            seen: self.end - rest,
            skipping: false,
            too_long: self.too_long,
        })
    }
}

/// What a look at the directory gave.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Files that the path or pattern leads to.
    pub(super) files: usize,
    /// Files that begin anew.
    pub(super) truncated: Vec<String>,
    /// Why the path or pattern could not be looked at. Files that are open are still read.
    pub(super) trouble: Option<String>,
}

/// All files of one source.
#[derive(Debug)]
pub(super) struct Follower {
    pattern: String,
    tracked: Vec<Tracked>,
    /// Whether files met for the first time are read from their beginning.
    from_beginning: bool,
    /// Which file is read next, so that a busy one does not starve the others.
    turn: usize,
}

impl Follower {
    /// Takes up the stored position. Also tells which files are gone that were being read.
    pub(super) fn resume(
        pattern: &str,
        from_beginning: bool,
        stored: Option<&str>,
    ) -> (Follower, Vec<String>) {
        let marks: Option<Vec<Mark>> = stored.and_then(|stored| serde_json::from_str(stored).ok());
        let mut follower = Follower {
            pattern: pattern.to_owned(),
            tracked: Vec::new(),
            // Files that appeared while nobody looked are read whole.
            from_beginning: from_beginning || marks.is_some(),
            turn: 0,
        };
        let mut lost = Vec::new();
        for mark in marks.unwrap_or_default() {
            let path = mark.path.display().to_string();
            match find(mark) {
                Some(tracked) => follower.tracked.push(tracked),
                None => lost.push(path),
            }
        }
        (follower, lost)
    }

    pub(super) fn pattern(&self) -> &str {
        &self.pattern
    }

    /// Looks which files there are, notices rotation and truncation, lets finished files go.
    pub(super) fn scan(&mut self, now: Duration) -> io::Result<Scan> {
        let found = directory::matching(&self.pattern);
        let mut scan = Scan::default();
        for tracked in &mut self.tracked {
            tracked.listed = false;
        }
        let mut strangers = Vec::new();
        for found in found.as_deref().unwrap_or_default() {
            scan.files += 1;
            match self
                .tracked
                .iter_mut()
                .find(|t| t.mark.identity == found.identity)
            {
                Some(tracked) => {
                    tracked.listed = true;
                    tracked.mark.path.clone_from(&found.path);
                }
                None => strangers.push(found.clone()),
            }
        }
        self.notice_truncation(&mut scan)?;
        for stranger in strangers {
            self.meet(stranger)?;
        }
        self.from_beginning = true;
        self.let_go(now);
        scan.trouble = found.err().map(|error| error.to_string());
        Ok(scan)
    }

    /// A file that is shorter than what was read of it, or begins differently, was truncated. What
    /// was not read yet may stand in a copy beside it.
    fn notice_truncation(&mut self, scan: &mut Scan) -> io::Result<()> {
        let mut copies = Vec::new();
        for tracked in &mut self.tracked {
            let length = tracked.file.metadata()?.len();
            if length != tracked.length {
                tracked.length = length;
                tracked.quiet_since = None;
            }
            // Also when the length is the same: it may have been emptied and filled again.
            if length >= tracked.mark.offset && tracked.mark.head.still_holds(&tracked.file)? {
                if tracked.mark.head.is_short_of(length) {
                    tracked.mark.head = Head::of(&tracked.file)?;
                }
                continue;
            }
            scan.truncated.push(tracked.mark.path.display().to_string());
            let Mark {
                path,
                identity,
                offset,
                head,
            } = tracked.mark.clone();
            if let Some((found, file)) = directory::copied(&path, identity, head, offset) {
                copies.push(Tracked::new(found, file, offset, head));
            }
            tracked.mark.offset = 0;
            tracked.seen = 0;
            tracked.goal = 0;
            tracked.mark.head = Head::of(&tracked.file)?;
            tracked.skipping = false;
        }
        for copy in copies {
            let known = |t: &Tracked| t.mark.identity == copy.mark.identity;
            if !self.tracked.iter().any(known) {
                self.tracked.push(copy);
            }
        }
        Ok(())
    }

    /// Begins a file not met before, unless it is the copy that a rotation by copying has just made
    /// of one that is being read.
    fn meet(&mut self, found: Found) -> io::Result<()> {
        let known = |t: &Tracked| t.mark.identity == found.identity;
        if self.tracked.len() >= directory::FILES_MAX || self.tracked.iter().any(known) {
            return Ok(());
        }
        let file = match File::open(&found.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for tracked in &self.tracked {
            if directory::is_name_of_copy(&tracked.mark.path, &found.path)
                && tracked.mark.head.is_telling()
                && tracked.mark.head.still_holds(&file)?
            {
                return Ok(());
            }
        }
        let offset = if self.from_beginning { 0 } else { found.length };
        let head = Head::of(&file)?;
        self.tracked.push(Tracked::new(found, file, offset, head));
        Ok(())
    }

    /// Lets files go that were rotated away, have been read, and have been quiet for long enough.
    fn let_go(&mut self, now: Duration) {
        self.tracked.retain_mut(|tracked| {
            if tracked.listed {
                tracked.quiet_since = None;
                tracked.last_line = false;
                return true;
            }
            let since = *tracked.quiet_since.get_or_insert(now);
            let removed = tracked.file.metadata().is_ok_and(|m| m.nlink() == 0);
            if now.saturating_sub(since) < ROTATED_QUIET && !removed {
                return true;
            }
            tracked.last_line = true;
            tracked.mark.offset < tracked.length
        });
    }

    /// Begins a round: it is done when every file was read up to the length it has now. A writer
    /// that never pauses keeps no round from ending, as it would keep the end from being reached.
    pub(super) fn begin_round(&mut self) {
        for tracked in &mut self.tracked {
            tracked.goal = tracked.length;
        }
    }

    /// Whether every file was read as far as it was long when the round began.
    pub(super) fn is_round_done(&self) -> bool {
        let mut tracked = self.tracked.iter();
        tracked.all(|tracked| tracked.seen.max(tracked.mark.offset) >= tracked.goal)
    }

    /// The next whole lines: at most [`CHUNK_BYTES_MAX`] of each file, of as many files as it takes
    /// to gather [`GATHERED_BYTES_MIN`].
    pub(super) fn read_chunks(&mut self) -> io::Result<Vec<Chunk>> {
        let count = self.tracked.len();
        let (mut chunks, mut gathered) = (Vec::new(), 0);
        let begin = self.turn;
        for step in 0..count {
            let index = (begin + step) % count;
            let Some(tracked) = self.tracked.get_mut(index) else {
                continue;
            };
            if let Some(chunk) = tracked.read()? {
                self.turn = index + 1;
                gathered += chunk.bytes.len();
                chunks.push(chunk);
            }
            if gathered >= GATHERED_BYTES_MIN {
                break;
            }
        }
        Ok(chunks)
    }

    /// The position to store together with the rows of `chunks`.
    pub(super) fn position_after(&self, chunks: &[Chunk]) -> String {
        let marks: Vec<Mark> = self
            .tracked
            .iter()
            .map(|tracked| {
                let mut mark = tracked.mark.clone();
                if let Some(chunk) = chunks.iter().find(|chunk| chunk.identity == mark.identity) {
                    mark.offset = chunk.end;
                }
                mark
            })
            .collect();
        // Paths that are not UTF-8 cannot be written as JSON; they are never followed, see
        // `directory`.
        serde_json::to_string(&marks).unwrap_or_default()
    }

    /// Moves on after `chunks` were committed.
    pub(super) fn advance(&mut self, chunks: &[Chunk]) {
        for tracked in &mut self.tracked {
            let identity = tracked.mark.identity;
            if let Some(chunk) = chunks.iter().find(|chunk| chunk.identity == identity) {
                tracked.mark.offset = chunk.end;
                tracked.seen = chunk.seen;
                tracked.skipping = chunk.skipping;
            }
        }
    }
}

impl Tracked {
    fn new(found: Found, file: File, offset: u64, head: Head) -> Self {
        Tracked {
            mark: Mark {
                path: found.path,
                identity: found.identity,
                offset,
                head,
            },
            file,
            length: found.length,
            goal: found.length,
            seen: offset,
            listed: true,
            quiet_since: None,
            skipping: false,
            last_line: false,
        }
    }

    fn read(&mut self) -> io::Result<Option<Chunk>> {
        let offset = self.mark.offset;
        let unread = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        if unread == 0 {
            return Ok(None);
        }
        let mut bytes = vec![0; unread.min(CHUNK_BYTES_MAX)];
        let length = read_at(&self.file, &mut bytes, offset)?;
        bytes.truncate(length);
        let mut chunk = Chunk {
            identity: self.mark.identity,
            bytes,
            end: offset,
            seen: offset + length as u64,
            skipping: false,
            too_long: 0,
        };
        let mut start = 0;
        if self.skipping {
            match chunk.bytes.iter().position(|byte| *byte == b'\n') {
                Some(newline) => start = newline + 1,
                None => return Ok(Some(self.skip(chunk, length, 0))),
            }
        }
        let lines = chunk.bytes.get(start..).unwrap_or_default();
        match lines.iter().rposition(|byte| *byte == b'\n') {
            Some(newline) => {
                chunk.bytes.truncate(start + newline + 1);
                chunk.end = offset + chunk.bytes.len() as u64;
            }
            None if self.last_line => chunk.end = offset + length as u64,
            None if start > 0 => {
                chunk.bytes.truncate(start);
                chunk.end = offset + start as u64;
            }
            None if length == CHUNK_BYTES_MAX => return Ok(Some(self.skip(chunk, length, 1))),
            None => {
                self.seen = chunk.seen;
                return Ok(None);
            }
        }
        chunk.bytes.drain(..start.min(chunk.bytes.len()));
        Ok(Some(chunk))
    }

    /// Nothing of what was read can be used: it is inside one line that is too long.
    fn skip(&self, mut chunk: Chunk, length: usize, too_long: u64) -> Chunk {
        chunk.bytes.clear();
        chunk.end = self.mark.offset + length as u64;
        chunk.skipping = true;
        chunk.too_long = too_long;
        chunk
    }
}

/// The file a stored mark speaks of: where it was, under another name, or as a copy.
fn find(mark: Mark) -> Option<Tracked> {
    if let Some(tracked) = open_same(&mark, &mark.path) {
        return Some(tracked);
    }
    if let Some((path, _)) = directory::renamed(&mark.path, mark.identity)
        && let Some(tracked) = open_same(&mark, &path)
    {
        return Some(tracked);
    }
    let (found, file) = directory::copied(&mark.path, mark.identity, mark.head, mark.offset)?;
    Some(Tracked::new(found, file, mark.offset, mark.head))
}

fn open_same(mark: &Mark, path: &Path) -> Option<Tracked> {
    let file = File::open(path).ok()?;
    let metadata = file.metadata().ok()?;
    let same = Identity::of(&metadata) == mark.identity
        && metadata.len() >= mark.offset
        && mark.head.still_holds(&file).ok()?;
    same.then(|| {
        let found = Found {
            path: path.to_owned(),
            identity: mark.identity,
            length: metadata.len(),
        };
        Tracked::new(found, file, mark.offset, mark.head)
    })
}
