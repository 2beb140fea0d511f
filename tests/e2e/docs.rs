//! The guide's examples are true: every YAML block in docs/ is a whole file that `check` accepts, or
//! `loadtest check` where it is a load plan, and `test` runs where it is a unit test of the rules above it.

use std::fs;
use std::path::Path;

use super::house::{Folder, rampart, text};

/// What `<!-- check: alerting with teams -->` stands on.
const TEAMS: &str =
    "events: {double-11: {from: 2026-11-10T20:00, to: 2026-11-12T00:00, time_zone: Asia/Shanghai}}
teams: {team-guide: {owns: [\"guide/*\"], im: team-chat, schedule: guide}}
";
const FENCE: &str = "```yaml\n";

/// What `<!-- check: unit test of video.yaml -->` tests: the page's rules with the group `video`.
const UNDER_TEST: &str = "video.yaml";

struct Block {
    /// The page and the line of the fence.
    place: String,
    /// The word of the mark before it; empty when there is none.
    kind: String,
    text: String,
}

/// Every YAML block of one page.
fn blocks_of(page: &Path) -> Vec<Block> {
    let whole = fs::read_to_string(page).unwrap();
    let blocks = whole.match_indices(FENCE).map(|(at, fence)| {
        let (before, after) = (&whole[..at], &whole[at + fence.len()..]);
        let mark = before.lines().last().unwrap_or("");
        let kind = mark
            .strip_prefix("<!-- check: ")
            .and_then(|mark| mark.strip_suffix(" -->"))
            .unwrap_or("");
        let (text, _) = after
            .split_once("```")
            .unwrap_or_else(|| panic!("{}: a block has no end", page.display()));
        Block {
            place: format!("{}:{}", page.display(), before.lines().count() + 1),
            kind: kind.to_owned(),
            text: text.to_owned(),
        }
    });
    blocks.collect()
}

/// Writes the files that make the block whole and gives the command that checks it.
fn lay_out(block: &Block, page: &[Block], folder: &Folder) -> Vec<String> {
    if block.kind == "unit test of video.yaml" {
        let whole = |block: &&Block| block.kind == "rules" && block.text.contains("name: video");
        let rules = page.iter().find(whole).unwrap();
        folder.write(UNDER_TEST, &rules.text);
        return vec![
            "test".to_owned(),
            folder.write("video_test.yaml", &block.text),
        ];
    }
    if block.kind == "load plan" {
        let plan = folder.write("plan.yaml", &block.text);
        return vec!["loadtest".to_owned(), "check".to_owned(), plan];
    }

    let with_alerting = |teams: &str| {
        folder.write("alerting.yaml", &block.text);
        folder.write(
            "rampart.yaml",
            &format!("alerting: {{file: alerting.yaml}}\n{teams}"),
        )
    };
    let file = match block.kind.as_str() {
        "main" => folder.write("rampart.yaml", &block.text),
        "rules" => folder.write("rules.yaml", &block.text),
        "alertmanager" => folder.write("alertmanager.yml", &block.text),
        "alerting" => with_alerting(""),
        "alerting with teams" => with_alerting(TEAMS),
        _ => panic!(
            "{}: no mark such as <!-- check: main --> stands before this block",
            block.place
        ),
    };
    vec!["check".to_owned(), file]
}

#[test]
fn every_yaml_block_of_the_guide_is_accepted() {
    let (mut found, mut load_plans) = (0, 0);
    for entry in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/docs")).unwrap() {
        let page = entry.unwrap().path();
        if page.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        let blocks = blocks_of(&page);
        for block in &blocks {
            let folder = Folder::new();
            let command = lay_out(block, &blocks, &folder);
            let command: Vec<&str> = command.iter().map(String::as_str).collect();
            let checked = rampart(&command);
            assert_eq!(
                checked.status.code(),
                Some(0),
                "{}\n{}\n{}",
                block.place,
                block.text,
                text(&checked.stderr)
            );
            found += 1;
            load_plans += u32::from(block.kind == "load plan");
        }
    }
    assert!(found >= 10, "only {found} YAML blocks are left in docs/");
    assert!(load_plans >= 2, "only {load_plans} of them are load plans");
}
