//! The plot of a run: bars of the medians, and a dot for every turn.

use std::fmt::Write as _;

use crate::figure::{CONFIRMED, CONFIRMED_P50, CONFIRMED_P99, Figure, STEADY_P50, System};
use crate::results::Results;
use crate::table::number;

const PANELS: [(Figure, &str); 4] = [
    (CONFIRMED, "confirmed publishes a second"),
    (CONFIRMED_P50, "publish → confirmed, p50, ms"),
    (CONFIRMED_P99, "publish → confirmed, p99, ms"),
    (STEADY_P50, "the same at a steady 100/s, p50, ms"),
];

const WIDTH: f64 = 760.0;
const LEFT: f64 = 130.0;
/// The length of the longest bar. Its value is to the right of it.
const BAR: f64 = 540.0;
const LINE: f64 = 24.0;
const PANEL_GAP: f64 = 44.0;

/// The whole plot as an SVG document.
pub(crate) fn svg(results: &Results) -> String {
    let mut body = String::new();
    let mut y = 30.0;
    for (figure, title) in PANELS {
        let Some(row) = results.row(figure) else {
            continue;
        };
        let _ = writeln!(
            body,
            r#"<text x="0" y="{y}" class="title">{title}</text>"#,
            y = y - 8.0
        );
        let systems = System::ALL.into_iter();
        let series = systems.filter_map(|system| Some((system, row.median(system)?)));
        let series: Vec<(System, f64)> = series.collect();
        let most = System::ALL
            .into_iter()
            .flat_map(|system| row.turns(system))
            .fold(0.0, |most: f64, turn| most.max(*turn));
        let scale = |value: f64| if most > 0.0 { value / most * BAR } else { 0.0 };
        for (system, median) in series {
            let class = match system {
                System::Tagpost => "tagpost",
                System::Floor => "floor",
                _ => "peer",
            };
            let name = system.name();
            let (middle, width) = (y + LINE / 2.0, scale(median));
            let _ = writeln!(
                body,
                r#"<text x="{x}" y="{base}" class="name">{name}</text><rect x="{LEFT}" y="{top}" width="{width:.1}" height="16" class="{class}"/>"#,
                x = LEFT - 8.0,
                base = middle + 4.0,
                top = middle - 8.0,
            );
            let mut end = width;
            for turn in row.turns(system) {
                end = end.max(scale(*turn));
                let _ = writeln!(
                    body,
                    r#"<circle cx="{x:.1}" cy="{middle}" r="2.5"/>"#,
                    x = LEFT + scale(*turn)
                );
            }
            let _ = writeln!(
                body,
                r#"<text x="{x:.1}" y="{base}">{value}</text>"#,
                x = LEFT + end + 8.0,
                base = middle + 4.0,
                value = number(median)
            );
            y += LINE;
        }
        y += PANEL_GAP;
    }
    let height = y - PANEL_GAP + 10.0;
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="system-ui, sans-serif" font-size="13">
<style>
svg {{ background: #fff }} .title {{ font-weight: 600 }} .name {{ text-anchor: end }}
.tagpost {{ fill: #d9480f }} .floor {{ fill: #868e96 }} .peer {{ fill: #ced4da }}
circle {{ fill: none; stroke: #212529 }} text {{ fill: #212529 }}
</style>
{body}</svg>
"#
    )
}
