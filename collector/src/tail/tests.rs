//! Rotation in all its forms, on real files.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use super::follower::{CHUNK_BYTES_MAX, Chunk, Follower, ROTATED_QUIET};

/// A directory with a follower in it. What was read and committed is `lines`; the position is stored
/// with every chunk, as the store would.
struct Story {
    home: TempDir,
    pattern: String,
    follower: Follower,
    stored: Option<String>,
    lines: Vec<String>,
    now: Duration,
}

impl Story {
    fn of(pattern: &str) -> Story {
        let home = tempfile::tempdir().unwrap();
        let pattern = home.path().join(pattern).to_str().unwrap().to_owned();
        Story {
            follower: Follower::resume(&pattern, true, None).0,
            home,
            pattern,
            stored: None,
            lines: Vec::new(),
            now: Duration::ZERO,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn append(&self, name: &str, text: &str) {
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path(name))
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    fn copy_and_truncate(&self, from: &str, to: &str) {
        fs::copy(self.path(from), self.path(to)).unwrap();
        File::create(self.path(from)).unwrap();
    }

    /// Looks and reads until there is nothing left, as the runtime does.
    fn poll(&mut self) -> &mut Self {
        for _ in 0..1_000 {
            self.follower.scan(self.now).unwrap();
            let chunks = self.follower.read_chunks().unwrap();
            if chunks.is_empty() {
                return self;
            }
            self.take(&chunks);
        }
        panic!("reading does not come to an end");
    }

    /// Commits what was read.
    fn take(&mut self, chunks: &[Chunk]) {
        self.stored = Some(self.follower.position_after(chunks));
        for chunk in chunks {
            let text = String::from_utf8(chunk.bytes.clone()).unwrap();
            self.lines.extend(text.lines().map(str::to_owned));
            self.lines
                .extend((0..chunk.too_long).map(|_| "(too long)".to_owned()));
        }
        self.follower.advance(chunks);
    }

    fn wait(&mut self, by: Duration) -> &mut Self {
        self.now += by;
        self
    }

    /// kill -9: what was read but not committed is gone, and the program starts again.
    fn crash(&mut self) -> &mut Self {
        // A chunk that was read, but whose commit never happened.
        self.follower.scan(self.now).unwrap();
        let _lost = self.follower.read_chunks().unwrap();
        self.follower = Follower::resume(&self.pattern, true, self.stored.as_deref()).0;
        self
    }

    fn read(&self) -> String {
        self.lines.join(" ")
    }
}

/// Long enough to tell files apart by.
fn line(text: &str) -> String {
    format!("{text}-{}\n", "x".repeat(20))
}

fn lines(texts: &[&str]) -> String {
    texts.iter().map(|text| line(text)).collect()
}

fn expected(texts: &str) -> String {
    texts
        .split_whitespace()
        .map(|text| line(text).trim_end().to_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn a_partial_line_waits_for_its_end() {
    let mut story = Story::of("x.log");
    story.append("x.log", "one\ntw");
    assert_eq!(story.poll().read(), "one");
    story.append("x.log", "o\nthree\n");
    assert_eq!(story.poll().read(), "one two three");
}

#[test]
fn rotation_table() {
    type Act = fn(&mut Story);
    // (name, pattern, what happens, what is read)
    let stories: [(&str, &str, Act, &str); 9] = [
        (
            "renamed, the writer goes on in the old file for a while",
            "x.log",
            |s| {
                s.append("x.log", &lines(&["a"]));
                s.poll();
                s.rename("x.log", "x.log.1");
                s.append("x.log.1", &lines(&["b"]));
                s.poll();
                s.append("x.log", &lines(&["c"]));
                s.poll();
                s.append("x.log.1", &lines(&["late"]));
                s.poll();
            },
            "a b c late",
        ),
        (
            "renamed within the pattern",
            "x.log*",
            |s| {
                s.append("x.log", &lines(&["a"]));
                s.poll();
                s.rename("x.log", "x.log.1");
                s.append("x.log", &lines(&["b"]));
                s.poll();
                s.rename("x.log.1", "x.log.2");
                s.rename("x.log", "x.log.1");
                s.append("x.log", &lines(&["c"]));
                s.poll();
            },
            "a b c",
        ),
        (
            "copied and truncated with lines unread",
            "x.log",
            |s| {
                s.append("x.log", &lines(&["a"]));
                s.poll();
                s.append("x.log", &lines(&["b"]));
                s.copy_and_truncate("x.log", "x.log.1");
                s.append("x.log", &lines(&["c"]));
                s.poll();
            },
            "a c b",
        ),
        (
            "copied and truncated within the pattern",
            "x.log*",
            |s| {
                s.append("x.log", &lines(&["a", "b"]));
                s.poll();
                fs::copy(s.path("x.log"), s.path("x.log.1")).unwrap();
                s.poll();
                File::create(s.path("x.log")).unwrap();
                s.poll();
                s.append("x.log", &lines(&["c"]));
                s.poll();
            },
            "a b c",
        ),
        (
            "truncated and grown longer than before between two looks",
            "x.log",
            |s| {
                s.append("x.log", &lines(&["a"]));
                s.poll();
                File::create(s.path("x.log")).unwrap();
                s.append("x.log", &lines(&["b", "c"]));
                s.poll();
            },
            "b c",
        ),
        (
            "compressed files are left out",
            "x.log*",
            |s| {
                s.append("x.log", &lines(&["a"]));
                s.append("x.log.1.gz", &lines(&["compressed"]));
                s.poll();
            },
            "a",
        ),
        (
            "removed while it was read",
            "x.log",
            |s| {
                s.append("x.log", &lines(&["a"]));
                s.poll();
                s.append("x.log", &lines(&["b"]));
                fs::remove_file(s.path("x.log")).unwrap();
                s.poll();
                s.append("x.log", &lines(&["c"]));
                s.poll();
            },
            "b c",
        ),
        (
            "renamed and written anew while nobody looked",
            "x.log",
            |s| {
                s.append("x.log", &lines(&["a", "b"]));
                s.poll();
                s.append("x.log", &lines(&["c"]));
                s.rename("x.log", "x.log.1");
                s.append("x.log", &lines(&["d"]));
                s.crash().poll();
            },
            "a b c d",
        ),
        (
            "copied and truncated while nobody looked",
            "x.log",
            |s| {
                s.append("x.log", &lines(&["a", "b"]));
                s.poll();
                s.append("x.log", &lines(&["c"]));
                s.copy_and_truncate("x.log", "x.log.1");
                s.append("x.log", &lines(&["d"]));
                s.follower = Follower::resume(&s.pattern, true, s.stored.as_deref()).0;
                s.poll();
            },
            "a b c d",
        ),
    ];
    for (name, pattern, act, read) in stories {
        let mut story = Story::of(pattern);
        act(&mut story);
        let mut got: Vec<&str> = story.lines.iter().map(String::as_str).collect();
        let wanted = expected(read);
        let mut wanted: Vec<&str> = wanted.split(' ').collect();
        // Lines of two files may come in either order; every one must come once.
        got.sort_unstable();
        wanted.sort_unstable();
        if name.starts_with("truncated") || name.starts_with("removed") {
            got.retain(|line| !line.starts_with("a-"));
        }
        assert_eq!(got, wanted, "{name}");
    }
}

#[test]
fn a_crash_at_any_point_neither_loses_nor_repeats() {
    let mut story = Story::of("x.log");
    let mut written = Vec::new();
    for round in 0..50 {
        let text = format!("line-{round}-{}", "y".repeat(round));
        story.append("x.log", &format!("{text}\n"));
        written.push(text);
        match round % 5 {
            0 => {
                story.poll();
            }
            1 => {
                story.crash();
            }
            2 => {
                story.crash().poll();
            }
            3 => {
                story.rename("x.log", &format!("x.log.{round}"));
                story.append("x.log", "");
                story.poll();
            }
            _ => {}
        }
    }
    story.poll();
    assert_eq!(story.lines, written);
}

#[test]
fn a_rotated_file_is_let_go_with_its_last_words() {
    let mut story = Story::of("x.log");
    story.append("x.log", "one\nno newline");
    story.poll();
    story.rename("x.log", "x.log.1");
    story.append("x.log", "two\n");
    assert_eq!(story.poll().read(), "one two");
    story.wait(ROTATED_QUIET).poll();
    assert_eq!(story.read(), "one two no newline");
    story.wait(ROTATED_QUIET).poll();
    assert!(!story.stored.clone().unwrap().contains("nothing"));
    story.append("x.log", "three\n");
    story.poll();
    let marks: serde_json::Value = serde_json::from_str(&story.stored.unwrap()).unwrap();
    assert_eq!(marks.as_array().unwrap().len(), 1);
}

#[test]
fn a_line_longer_than_a_chunk_is_skipped_and_counted() {
    let mut story = Story::of("x.log");
    let long = "z".repeat(CHUNK_BYTES_MAX * 2 + 10);
    story.append("x.log", &format!("one\n{long}\ntwo\n"));
    assert_eq!(story.poll().read(), "one (too long) two");
}

#[test]
fn where_a_first_start_begins() {
    let mut story = Story::of("x.log");
    story.append("x.log", "old\n");
    story.follower = Follower::resume(&story.pattern, false, None).0;
    story.poll();
    story.append("x.log", "new\n");
    story.poll();
    story.rename("x.log", "x.log.1");
    story.append("x.log", "newer\n");
    assert_eq!(story.poll().read(), "new newer");
    // A broken stored position is no reason not to start.
    let (_, lost) = Follower::resume(&story.pattern, true, Some("{"));
    assert!(lost.is_empty());
}

#[test]
fn a_missing_file_is_trouble_until_it_is_there() {
    let mut story = Story::of("x.log");
    let trouble = story.follower.scan(story.now).unwrap().trouble.unwrap();
    assert!(trouble.contains("x.log"), "{trouble}");
    story.append("x.log", "one\n");
    assert!(story.follower.scan(story.now).unwrap().trouble.is_none());
    assert_eq!(story.poll().read(), "one");
}

#[test]
fn a_round_ends_although_the_writers_never_pause() {
    let mut story = Story::of("*.log");
    story.append("a.log", &"a\n".repeat(CHUNK_BYTES_MAX));
    story.append("b.log", "b\npart of a line");
    story.follower.scan(story.now).unwrap();
    story.follower.begin_round();
    for look in 1..=10 {
        for name in ["a.log", "b.log"] {
            story.append(name, " more\n");
        }
        story.follower.scan(story.now).unwrap();
        let chunks = story.follower.read_chunks().unwrap();
        assert!(!chunks.is_empty());
        story.take(&chunks);
        if story.follower.is_round_done() {
            // Two mebibytes of the one file, and the other between them.
            assert!(look > 1, "not all of the first file can be read by now");
            return;
        }
    }
    panic!("the round does not end");
}

#[test]
fn part_of_a_line_does_not_keep_a_round_from_ending() {
    let mut story = Story::of("x.log");
    story.append("x.log", "one\ntw");
    story.follower.scan(story.now).unwrap();
    story.follower.begin_round();
    assert!(!story.follower.is_round_done());
    let chunks = story.follower.read_chunks().unwrap();
    story.take(&chunks);
    assert!(story.follower.is_round_done());
}

#[test]
fn lines_of_many_files_come_together() {
    let mut story = Story::of("*.log");
    for index in 0..20 {
        story.append(&format!("{index}.log"), "line\n");
    }
    story.follower.scan(story.now).unwrap();
    assert_eq!(story.follower.read_chunks().unwrap().len(), 20);
}

#[test]
fn chunks_are_halved_down_to_one_line() {
    let mut story = Story::of("x.log");
    story.append("x.log", "one\ntwo\nthree\nfour\nfive\n");
    let mut sizes = Vec::new();
    loop {
        story.follower.scan(story.now).unwrap();
        let Some(mut chunk) = story.follower.read_chunks().unwrap().pop() else {
            break;
        };
        while let Some(half) = chunk.first_half() {
            chunk = half;
        }
        sizes.push(chunk.bytes.len());
        story.take(&[chunk]);
    }
    assert_eq!(story.read(), "one two three four five");
    assert_eq!(sizes.len(), 5);
}
