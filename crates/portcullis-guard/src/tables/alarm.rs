//! Reports tables that are nearly full to the security log, once for each level.
//! Never: a decision about a request; the tables make those.

use std::collections::HashMap;

use crate::tables::buckets::TableUse;

/// How full a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum TableLevel {
    /// Less than four fifths.
    #[default]
    Normal,
    /// Four fifths and more.
    High,
    /// Nineteen twentieths and more.
    NearlyFull,
}

impl TableLevel {
    fn of(used: usize, max: usize) -> Self {
        let used = used.saturating_mul(20);
        if used >= max.saturating_mul(19) {
            Self::NearlyFull
        } else if used >= max.saturating_mul(16) {
            Self::High
        } else {
            Self::Normal
        }
    }
}

/// The level that was last reported for each table.
#[derive(Debug, Default)]
pub struct TableAlarm {
    reported: HashMap<&'static str, TableLevel>,
}

impl TableAlarm {
    /// Takes one sample; returns the tables whose level has changed.
    ///
    /// A level is left when the table is a tenth below it, so that a table at the edge is
    /// reported once.
    pub fn sample(&mut self, tables: &[TableUse]) -> Vec<(TableUse, TableLevel)> {
        let mut news = Vec::new();
        for table in tables {
            let reported = self.reported.entry(table.table).or_default();
            let level = TableLevel::of(table.used, table.max);
            let lasting = TableLevel::of(table.used.saturating_add(table.max / 10), table.max);
            if level > *reported || lasting < *reported {
                *reported = level;
                news.push((*table, level));
            }
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_is_reported_once_until_it_is_left() {
        let mut alarm = TableAlarm::default();
        let mut at = |used| {
            let news = alarm.sample(&[TableUse { table: "t", used, max: 100 }]);
            news.first().map(|(_, level)| *level)
        };
        let (high, full) = (Some(TableLevel::High), Some(TableLevel::NearlyFull));
        let samples = [
            (79, None),
            (80, high),
            (79, None),
            (94, None),
            (95, full),
            (94, None),
            (100, None),
            (84, high),
            (71, None),
            (69, Some(TableLevel::Normal)),
            (99, full),
        ];
        for (used, expect) in samples {
            assert_eq!(at(used), expect, "{used}");
        }
    }
}
