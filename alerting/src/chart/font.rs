//! A small font of our own: digits, capitals and a few signs, five by seven dots each. Small letters
//! are drawn as capitals, what is not here as a frame.

/// Dots of a glyph across.
pub(super) const WIDTH: usize = 5;
/// Dots of a glyph down.
pub(super) const HEIGHT: usize = 7;

/// The rows of a glyph from the top; in each the highest of five bits is the leftmost dot.
pub(super) fn glyph(character: char) -> [u8; HEIGHT] {
    let wanted = character.to_ascii_uppercase();
    for sheet in SHEETS {
        if let Some(index) = sheet.characters.chars().position(|own| own == wanted) {
            return sheet.rows.map(|row| bits(row, index));
        }
    }
    if character.is_whitespace() {
        [0; HEIGHT]
    } else {
        FRAME
    }
}

const FRAME: [u8; HEIGHT] = [31, 17, 17, 17, 17, 17, 31];

/// Glyphs side by side, as they look.
struct Sheet {
    characters: &'static str,
    rows: [&'static str; HEIGHT],
}

fn bits(row: &str, index: usize) -> u8 {
    let cells = row.bytes().skip(index * (WIDTH + 1)).take(WIDTH);
    cells.fold(0, |bits, cell| bits << 1 | u8::from(cell == b'#'))
}

#[rustfmt::skip]
const SHEETS: [Sheet; 4] = [
    Sheet {
        characters: "0123456789",
        rows: [
            " ###    #    ###   ###     #  #####  ###  #####  ###   ### ",
            "#   #  ##   #   # #   #   ##  #     #         # #   # #   #",
            "#  ##   #       #     #  # #  ####  #        #  #   # #   #",
            "# # #   #      #    ##  #  #      # ####    #    ###   ####",
            "##  #   #     #       # #####     # #   #   #   #   #     #",
            "#   #   #    #    #   #    #  #   # #   #  #    #   #     #",
            " ###   ###  #####  ###     #   ###   ###   #     ###   ### ",
        ],
    },
    Sheet {
        characters: "ABCDEFGHIJKLM",
        rows: [
            " ###  ####   ###  ####  ##### #####  ###  #   #  ###    ### #   # #     #   #",
            "#   # #   # #   # #   # #     #     #   # #   #   #      #  #  #  #     ## ##",
            "#   # #   # #     #   # #     #     #     #   #   #      #  # #   #     # # #",
            "##### ####  #     #   # ####  ####  #  ## #####   #      #  ##    #     # # #",
            "#   # #   # #     #   # #     #     #   # #   #   #      #  # #   #     #   #",
            "#   # #   # #   # #   # #     #     #   # #   #   #   #  #  #  #  #     #   #",
            "#   # ####   ###  ####  ##### #      #### #   #  ###   ##   #   # ##### #   #",
        ],
    },
    Sheet {
        characters: "NOPQRSTUVWXYZ",
        rows: [
            "#   #  ###  ####   ###  ####   #### ##### #   # #   # #   # #   # #   # #####",
            "##  # #   # #   # #   # #   # #       #   #   # #   # #   # #   # #   #     #",
            "# # # #   # #   # #   # #   # #       #   #   # #   # #   #  # #   # #     # ",
            "#  ## #   # ####  #   # ####   ###    #   #   # #   # # # #   #     #     #  ",
            "#   # #   # #     # # # # #       #   #   #   #  # #  # # #  # #    #    #   ",
            "#   # #   # #     #  #  #  #      #   #   #   #  # #  ## ## #   #   #   #    ",
            "#   #  ###  #      ## # #   # ####    #    ###    #   #   # #   #   #   #####",
        ],
    },
    Sheet {
        characters: ".:,%/-_+()=",
        rows: [
            "                  ##  #     #                      #   #         ",
            "       ##         ##  #     #               #     #     #        ",
            "       ##            #     #                #    #       #  #####",
            "                    #     #   #####       #####  #       #       ",
            "       ##    ##    #     #                  #    #       #  #####",
            " ##    ##     #   #  ## #                   #     #     #        ",
            " ##          #    #  ## #           #####          #   #         ",
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sheet_holds_what_it_names() {
        let mut seen = std::collections::BTreeMap::new();
        for sheet in SHEETS {
            for character in sheet.characters.chars() {
                let drawn = glyph(character);
                assert!(drawn.iter().any(|row| *row > 0), "{character} is empty");
                if let Some(other) = seen.insert(drawn, character) {
                    panic!("{character} looks like {other}");
                }
            }
        }
        assert_eq!(glyph('é'), FRAME);
        assert_eq!(glyph(' '), [0; HEIGHT]);
        assert_eq!(glyph('a'), glyph('A'));
    }

    #[test]
    fn digits_and_letters_stand_in_their_cells() {
        // The last column of a cell is a glyph's own; a shifted sheet would spill over.
        for sheet in SHEETS {
            for row in sheet.rows {
                for (index, cell) in row.bytes().enumerate() {
                    let between = index % (WIDTH + 1) == WIDTH;
                    assert!(!between || cell == b' ', "{row:?} at {index}");
                }
            }
        }
    }
}
