//! Draws a problem: place and message, the line, carets under what is meant, the hint.

use std::fmt;

use crate::{Level, Problem};

/// The widest part of a source line that is drawn, in terminal columns.
const COLUMNS_MAX: usize = 100;
/// What stays visible before the carets when a line is cut.
const COLUMNS_BEFORE: usize = 30;
/// A hint stands beside the carets when both end within this many columns.
const BESIDE_COLUMNS_MAX: usize = 96;
const TAB_COLUMNS: usize = 4;

pub(crate) fn draw(problem: &Problem, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Problem {
        file, line, column, ..
    } = problem;
    let advice = match problem.level {
        Level::Error => "",
        Level::Advice => "advice: ",
    };
    write!(f, "{file}:{line}:{column}: {advice}{}", problem.message)?;
    let number = line.to_string();
    let gutter = number.len();
    let drawn = cut(problem);
    write!(f, "\n{:gutter$} |\n{number} | {}", "", drawn.text)?;
    write!(
        f,
        "\n{:gutter$} | {:before$}{}",
        "",
        "",
        "^".repeat(drawn.carets),
        before = drawn.before
    )?;
    match &problem.hint {
        None => Ok(()),
        Some(hint) if fits_beside(&drawn, hint) => write!(f, " {hint}"),
        Some(hint) => {
            for (index, line) in hint.lines().enumerate() {
                let sign = if index == 0 { '=' } else { ' ' };
                write!(f, "\n{:gutter$} {sign} {line}", "")?;
            }
            Ok(())
        }
    }
}

struct Drawn {
    text: String,
    before: usize,
    carets: usize,
}

fn fits_beside(drawn: &Drawn, hint: &str) -> bool {
    let columns: usize = hint.chars().map(columns_of).sum();
    !hint.contains('\n') && drawn.before + drawn.carets + 1 + columns <= BESIDE_COLUMNS_MAX
}

/// The drawn line with the columns before the carets and under them. Tabs become spaces and control
/// characters a replacement, so that what a file holds cannot steer a terminal.
fn cut(problem: &Problem) -> Drawn {
    let kept_from = problem.source_line_skipped;
    let first = problem.column.saturating_sub(1).saturating_sub(kept_from);
    let after = first + problem.width;
    let chars: Vec<char> = problem.source_line.chars().collect();
    let columns_to_first: usize = chars.iter().take(first).map(|c| columns_of(*c)).sum();
    let total: usize = chars.iter().map(|c| columns_of(*c)).sum();
    let skip_columns = if total <= COLUMNS_MAX {
        0
    } else {
        columns_to_first.saturating_sub(COLUMNS_BEFORE)
    };
    let mut drawn = Drawn {
        text: String::new(),
        before: 0,
        carets: 0,
    };
    let mut passed = 0;
    let mut column = 0;
    if kept_from > 0 || skip_columns > 0 {
        drawn.text.push('…');
        drawn.before += 1;
        column += 1;
    }
    for (index, c) in chars.iter().enumerate() {
        let columns = columns_of(*c);
        passed += columns;
        if passed <= skip_columns && index < first {
            continue;
        }
        if column + columns > COLUMNS_MAX {
            drawn.text.push('…');
            break;
        }
        column += columns;
        match c {
            '\t' => drawn.text.push_str(&" ".repeat(TAB_COLUMNS)),
            c if c.is_control() => drawn.text.push('\u{fffd}'),
            c => drawn.text.push(*c),
        }
        if index < first {
            drawn.before += columns;
        } else if index < after {
            drawn.carets += columns;
        }
    }
    drawn.carets = drawn.carets.max(1);
    drawn
}

/// Terminal columns of a character: 2 for East Asian wide and full-width forms and pictographs
/// (Unicode UAX #11), 0 for what combines with the character before.
fn columns_of(c: char) -> usize {
    match u32::from(c) {
        0x09 => TAB_COLUMNS,
        0x0300..=0x036F
        | 0x200B..=0x200F
        | 0x202A..=0x202E
        | 0x2066..=0x2069
        | 0x20D0..=0x20FF
        | 0xFE00..=0xFE0F
        | 0xFE20..=0xFE2F => 0,
        0x1100..=0x115F
        | 0x2E80..=0x303E
        | 0x3041..=0x33FF
        | 0x3400..=0x4DBF
        | 0x4E00..=0x9FFF
        | 0xA000..=0xA4CF
        | 0xA960..=0xA97F
        | 0xAC00..=0xD7A3
        | 0xF900..=0xFAFF
        | 0xFE30..=0xFE4F
        | 0xFF00..=0xFF60
        | 0xFFE0..=0xFFE6
        | 0x1F300..=0x1F64F
        | 0x1F680..=0x1F6FF
        | 0x1F900..=0x1FAFF
        | 0x20000..=0x3FFFD => 2,
        _ => 1,
    }
}
