//! QR codes on a terminal.

use anstyle::{AnsiColor, Color, Style};
use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

/// Light blocks on a dark ground, whatever the colours of the terminal are.
const PAPER: Style = Style::new()
    .fg_color(Some(Color::Ansi(AnsiColor::BrightWhite)))
    .bg_color(Some(Color::Ansi(AnsiColor::Black)));

/// A picture of this text, two modules to a character; `None` if it is longer than a QR code can be.
///
/// The light modules are what is printed. So it can be scanned without colours, too, on a dark terminal.
pub(crate) fn draw(text: &str) -> Option<String> {
    // The lowest level of correction: the code is as small as it can be, and a screen has no stains.
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let picture = code
        .render::<Dense1x2>()
        .dark_color(Dense1x2::Light)
        .light_color(Dense1x2::Dark)
        .build();
    let lines = picture.lines();
    let lines: Vec<String> = lines
        .map(|line| format!("{PAPER}{line}{PAPER:#}"))
        .collect();
    Some(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many pixels a module is wide, as a camera sees it.
    const SCALE: usize = 4;

    /// What a camera reads from a terminal.
    fn scan(picture: &str) -> String {
        let rows = picture.lines().flat_map(|line| {
            let line = line.trim_start_matches(&PAPER.render().to_string());
            let line = line.trim_end_matches(&PAPER.render_reset().to_string());
            let is_light = |half: char| {
                let lights = line.chars().map(move |c| c == half || c == '█');
                lights.collect::<Vec<bool>>()
            };
            [is_light('▀'), is_light('▄')]
        });
        let rows: Vec<Vec<bool>> = rows.collect();
        let (width, height) = (rows[0].len() * SCALE, rows.len() * SCALE);
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| {
            if rows[y / SCALE][x / SCALE] { 255 } else { 0 }
        });
        let grids = image.detect_grids();
        assert_eq!(grids.len(), 1, "expected one QR code:\n{picture}");
        grids[0].decode().unwrap().1
    }

    #[test]
    fn a_scanner_reads_what_was_drawn() {
        let longest = format!("https://push.example.org/push/{}", "Az0_-".repeat(60));
        for text in ["https://push.example.org/push/abc", &longest] {
            assert_eq!(scan(&draw(text).unwrap()), text);
        }
    }

    #[test]
    fn the_code_of_a_push_url_fits_a_terminal_of_80_columns() {
        let url = format!("https://push.example.org/push/{}", "x".repeat(240));
        let picture = draw(&url).unwrap();
        let blocks = |line: &str| line.chars().filter(|c| " ▀▄█".contains(*c)).count();
        assert!(picture.lines().all(|line| blocks(line) <= 80), "{picture}");
    }

    #[test]
    fn a_text_that_is_too_long_has_no_picture() {
        assert_eq!(draw(&"x".repeat(3_000)), None);
    }
}
