//! Ruling lines: strokes, thin boxes and the edges of filled boxes, joined to long straight lines.

/// A horizontal (vertical) line: its y (x), and where it begins and ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rule {
    pub at: f64,
    pub from: f64,
    pub to: f64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    pub horizontal: Vec<Rule>,
    pub vertical: Vec<Rule>,
}

/// A box is a line when it is no thicker than this, in points.
const THIN: f64 = 2.5;
const LENGTH_MIN: f64 = 8.0;
const HEIGHT_MIN: f64 = 4.0;

impl Rules {
    pub(crate) fn of(boxes: &[[f64; 4]]) -> Rules {
        let mut rules = Rules::default();
        for [x0, y0, x1, y1] in boxes.iter().copied() {
            let (width, height) = (x1 - x0, y1 - y0);
            if height <= THIN && width > LENGTH_MIN {
                rules.horizontal.push(Rule { at: (y0 + y1) / 2.0, from: x0, to: x1 });
            } else if width <= THIN && height > HEIGHT_MIN {
                rules.vertical.push(Rule { at: (x0 + x1) / 2.0, from: y0, to: y1 });
            } else if width > LENGTH_MIN && height > HEIGHT_MIN {
                rules.horizontal.extend([y0, y1].map(|at| Rule { at, from: x0, to: x1 }));
                rules.vertical.extend([x0, x1].map(|at| Rule { at, from: y0, to: y1 }));
            }
        }
        Rules { horizontal: joined(rules.horizontal), vertical: joined(rules.vertical) }
    }

    /// Whether two places lie between rules of one width, of which there are three at least: those that
    /// tables are set with that have no vertical lines.
    pub(crate) fn frame(&self, above: f64, below: f64) -> bool {
        const ALIKE: f64 = 4.0;
        const WIDTH_MIN: f64 = 150.0;
        let over = self.horizontal.iter().filter(|rule| rule.at <= above + 1.0 && rule.to - rule.from >= WIDTH_MIN);
        over.into_iter().any(|first| {
            let alike = |rule: &&Rule| (rule.from - first.from).abs() <= ALIKE && (rule.to - first.to).abs() <= ALIKE;
            let count = self.horizontal.iter().filter(alike).count();
            count >= 3 && self.horizontal.iter().filter(alike).any(|rule| rule.at >= below - 1.0)
        })
    }

    /// Whether a vertical line stands between two ends on a row.
    pub(crate) fn cuts(&self, left: f64, right: f64, y: f64) -> bool {
        // Sorted by place: only those between the ends are looked at.
        let from = self.vertical.partition_point(|rule| rule.at < left - 1.0);
        let between = self.vertical.get(from..).unwrap_or_default().iter().take_while(|rule| rule.at <= right + 1.0);
        between.into_iter().any(|rule| rule.from <= y && y <= rule.to)
    }
}

/// Joins lines that lie on each other (2 points) and touch (3 points); sorted by place.
fn joined(mut lines: Vec<Rule>) -> Vec<Rule> {
    const BESIDE: f64 = 2.0;
    const GAP: f64 = 3.0;
    lines.sort_by(|a, b| a.at.total_cmp(&b.at).then(a.from.total_cmp(&b.from)));
    let mut out: Vec<Rule> = Vec::new();
    for line in lines {
        let near = out.iter_mut().rev().take(40).take_while(|other| line.at - other.at <= BESIDE);
        match near.into_iter().find(|other| line.from <= other.to + GAP && line.to >= other.from - GAP) {
            Some(other) => {
                other.from = other.from.min(line.from);
                other.to = other.to.max(line.to);
            }
            None => out.push(line),
        }
    }
    out
}
