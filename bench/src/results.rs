//! The results of a run: for every figure and system the value of each turn.

use serde::Serialize;

use crate::figure::{Figure, System, Target};

/// All that was measured, in the order in which it came.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Results {
    rows: Vec<Row>,
    /// What the figures were measured with, and what was skipped.
    notes: Vec<String>,
}

/// A figure of all systems that have it.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) figure: Figure,
    unit: &'static str,
    series: Vec<Series>,
}

/// The turns of one system.
#[derive(Debug, Serialize)]
struct Series {
    system: System,
    median: f64,
    turns: Vec<f64>,
}

impl Results {
    /// Adds what a system's turn showed.
    pub(crate) fn add(&mut self, figure: Figure, system: System, value: f64) {
        let row = match self.rows.iter().position(|row| row.figure == figure) {
            Some(index) => index,
            None => {
                self.rows.push(Row {
                    figure,
                    unit: figure.unit,
                    series: Vec::new(),
                });
                self.rows.len() - 1
            }
        };
        let Some(row) = self.rows.get_mut(row) else {
            return;
        };
        match row.series.iter_mut().find(|series| series.system == system) {
            Some(series) => {
                series.turns.push(value);
                series.median = median(&series.turns);
            }
            None => row.series.push(Series {
                system,
                median: value,
                turns: vec![value],
            }),
        }
    }

    pub(crate) fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    pub(crate) fn notes(&self) -> &[String] {
        &self.notes
    }

    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    pub(crate) fn row(&self, figure: Figure) -> Option<&Row> {
        self.rows.iter().find(|row| row.figure == figure)
    }
}

impl Row {
    /// The median of a system's turns.
    pub(crate) fn median(&self, system: System) -> Option<f64> {
        self.series(system).map(|series| series.median)
    }

    pub(crate) fn turns(&self, system: System) -> &[f64] {
        self.series(system).map_or(&[], |series| &series.turns)
    }

    /// tagpost : another, the median of the turns' ratios: what disturbs a turn disturbs both.
    pub(crate) fn ratio(&self, to: System) -> Option<f64> {
        let others = self.turns(to);
        let ratios = self.turns(System::Tagpost).iter().zip(others);
        let ratios = ratios.filter(|(_, other)| **other > 0.0);
        let ratios: Vec<f64> = ratios.map(|(tagpost, other)| tagpost / other).collect();
        (!ratios.is_empty()).then(|| median(&ratios))
    }

    /// Whether tagpost reaches the target, where there is one.
    pub(crate) fn reached(&self) -> Option<bool> {
        let median = self.median(System::Tagpost);
        match self.figure.target {
            Target::None => None,
            Target::RatioAtLeast(least) => Some(self.ratio(System::Floor)? >= least),
            Target::RatioAtMost(most) => Some(self.ratio(System::Floor)? <= most),
            Target::AtLeast(least) => Some(median? >= least),
            Target::AtMost(most) => Some(median? <= most),
        }
    }

    fn series(&self, system: System) -> Option<&Series> {
        self.series.iter().find(|series| series.system == system)
    }
}

/// The middle one, or the mean of the two in the middle; 0 of none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
    if sorted.len().is_multiple_of(2) && middle > 0 {
        f64::midpoint(at(middle - 1), at(middle))
    } else {
        at(middle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::{CONFIRMED, CONFIRMED_P99};

    #[test]
    fn a_median_is_the_middle_whatever_the_order() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), 2.5);
        assert_eq!(median(&[7.0]), 7.0);
    }

    #[test]
    fn a_ratio_is_taken_turn_by_turn() {
        let mut results = Results::default();
        for (tagpost, floor) in [(10.0, 10.0), (50.0, 100.0), (9.0, 10.0)] {
            results.add(CONFIRMED, System::Tagpost, tagpost);
            results.add(CONFIRMED, System::Floor, floor);
        }
        let row = results.row(CONFIRMED).unwrap();
        assert_eq!(row.ratio(System::Floor), Some(0.9));
        assert_eq!(row.reached(), Some(false));
    }

    #[test]
    fn a_ratio_to_stay_under_is_reached_from_below() {
        let mut results = Results::default();
        results.add(CONFIRMED_P99, System::Tagpost, 11.0);
        results.add(CONFIRMED_P99, System::Floor, 10.0);
        assert_eq!(results.row(CONFIRMED_P99).unwrap().reached(), Some(true));
    }
}
