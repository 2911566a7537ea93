//! Charts as SVG that reads well on light and on dark pages.
//! Never: a script, a font or a picture from elsewhere.

use std::fmt::Write;

const WIDTH: f64 = 720.0;
/// Follows the reader's setting; the accent colours keep their contrast on both grounds.
const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:#1f2328}.title{font-weight:600;\
font-size:15px}.quiet{fill:#59636e}.grid{stroke:#d1d9e0}.spread{stroke:#1f2328}\
.own{fill:#0969da}.other{fill:#8c959f}.line0{stroke:#0969da}.dot0{fill:#0969da}\
.line1{stroke:#bc4c00}.dot1{fill:#bc4c00}.line2{stroke:#8250df}.dot2{fill:#8250df}\
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.quiet{fill:#9198a1}.grid{stroke:#3d444d}\
.spread{stroke:#f0f6fc}.own{fill:#4493f8}.other{fill:#656c76}.line0{stroke:#4493f8}\
.dot0{fill:#4493f8}.line1{stroke:#f0883e}.dot1{fill:#f0883e}.line2{stroke:#ab7df8}\
.dot2{fill:#ab7df8}}";

/// A figure with its spread.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figure {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

/// One bar.
pub(crate) struct Bar {
    pub(crate) label: String,
    pub(crate) figure: Figure,
    pub(crate) own: bool,
}

/// Horizontal bars from zero; a thin line on each spans its rounds.
pub(crate) fn bars(title: &str, unit: &str, bars: &[Bar]) -> String {
    const LEFT: f64 = 190.0;
    const RIGHT: f64 = 100.0;
    const TOP: f64 = 48.0;
    const STEP: f64 = 34.0;
    let largest = bars.iter().map(|bar| bar.figure.max).fold(f64::MIN_POSITIVE, f64::max);
    let scale = (WIDTH - LEFT - RIGHT) / largest;
    let mut out = start(title, &format!("{title}, {unit}"), TOP + STEP * bars.len() as f64 + 8.0);
    for (index, bar) in bars.iter().enumerate() {
        let top = TOP + STEP * index as f64;
        let middle = top + 12.0;
        let class = if bar.own { "own" } else { "other" };
        let Figure { median, min, max } = bar.figure;
        let (from, to) = (LEFT + min * scale, LEFT + max * scale);
        let _written = writeln!(
            out,
            "<text x='{}' y='{}' text-anchor='end'>{}</text>\
             <rect class='{class}' x='{LEFT}' y='{top}' width='{:.1}' height='24' rx='2'/>\
             <path class='spread' d='M{from:.1} {middle}H{to:.1}'/>\
             <text x='{:.1}' y='{}'>{} {unit}</text>",
            LEFT - 10.0,
            top + 17.0,
            escape(&bar.label),
            median * scale,
            to + 8.0,
            top + 17.0,
            short(median),
        );
    }
    out.push_str("</svg>\n");
    out
}

/// One line; its points stand at equal distances, as powers of ten do.
pub(crate) struct Curve {
    pub(crate) label: String,
    pub(crate) points: Vec<(usize, f64)>,
}

/// Lines over a grid from zero.
pub(crate) fn curves(title: &str, unit: &str, along: &str, curves: &[Curve]) -> String {
    const LEFT: f64 = 60.0;
    const TOP: f64 = 64.0;
    const BOTTOM: f64 = 300.0;
    const SIZES_MAX: usize = 20;
    let all = || curves.iter().flat_map(|curve| &curve.points);
    let highest = ceiling(all().map(|(_, figure)| *figure).fold(0.0, f64::max));
    let sizes: Vec<usize> = curves
        .first()
        .map_or_else(Vec::new, |curve| curve.points.iter().map(|(size, _)| *size).collect());
    let step = (WIDTH - LEFT - 60.0) / (sizes.len().max(2) - 1) as f64;
    let across = |index: usize| LEFT + 20.0 + step * index as f64;
    let height = |figure: f64| BOTTOM - figure / highest * (BOTTOM - TOP);
    let mut out = start(title, &format!("{title}, in {unit}, by {along}"), BOTTOM + 52.0);
    for part in 0..=4 {
        let figure = highest * f64::from(part) / 4.0;
        let y = height(figure);
        let _written = writeln!(
            out,
            "<path class='grid' d='M{LEFT} {y:.1}H{}'/><text class='quiet' x='{}' y='{:.1}' \
             text-anchor='end'>{}</text>",
            WIDTH - 30.0,
            LEFT - 8.0,
            y + 4.0,
            short(figure),
        );
    }
    // As many sizes as can stand beside each other.
    for (index, size) in sizes.iter().enumerate().step_by(sizes.len().div_ceil(SIZES_MAX).max(1)) {
        let _written = writeln!(
            out,
            "<text class='quiet' x='{:.1}' y='{}' text-anchor='middle'>{}</text>",
            across(index),
            BOTTOM + 20.0,
            thousands(*size),
        );
    }
    let _written = writeln!(
        out,
        "<text class='quiet' x='{}' y='{}' text-anchor='middle'>{}</text>",
        WIDTH / 2.0,
        BOTTOM + 42.0,
        escape(&format!("{unit}, by {along}")),
    );
    for (index, curve) in curves.iter().enumerate() {
        let points: Vec<(f64, f64)> =
            curve.points.iter().enumerate().map(|(at, it)| (across(at), height(it.1))).collect();
        draw(&mut out, index, &curve.label, &points);
    }
    out.push_str("</svg>\n");
    out
}

/// A line, its dots and its place in the legend.
fn draw(out: &mut String, index: usize, label: &str, points: &[(f64, f64)]) {
    let mut path = String::new();
    for (at, (x, y)) in points.iter().enumerate() {
        let _written = write!(path, "{}{x:.1} {y:.1}", if at == 0 { 'M' } else { 'L' });
        let _written = writeln!(out, "<circle class='dot{index}' cx='{x:.1}' cy='{y:.1}' r='4'/>");
    }
    let x = 68.0 + 180.0 * index as f64;
    let _written = writeln!(
        out,
        "<path class='line{index}' d='{path}' fill='none' stroke-width='2'/>\
         <circle class='dot{index}' cx='{x}' cy='44' r='5'/>\
         <text x='{}' y='48'>{}</text>",
        x + 12.0,
        escape(label),
    );
}

fn start(title: &str, description: &str, height: f64) -> String {
    let (title, description) = (escape(title), escape(description));
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' role='img'>\n\
         <title>{title}</title><desc>{description}</desc>\n<style>{STYLE}</style>\n\
         <text class='title' x='12' y='24'>{title}</text>\n"
    )
}

/// Three digits that matter.
pub(crate) fn short(figure: f64) -> String {
    match figure {
        figure if figure >= 100.0 => format!("{figure:.0}"),
        figure if figure >= 10.0 => format!("{figure:.1}"),
        figure => format!("{figure:.2}"),
    }
}

/// `10000` is `10,000`.
pub(crate) fn thousands(number: usize) -> String {
    match number / 1_000 {
        0 => number.to_string(),
        more => format!("{},{:03}", thousands(more), number % 1_000),
    }
}

/// The next 1, 2, 4 or 8 times a power of ten: four steps of it are round numbers.
fn ceiling(figure: f64) -> f64 {
    if figure <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(figure.log10().floor());
    let steps = [1.0, 1.2, 1.6, 2.0, 2.4, 3.2, 4.0, 6.0, 8.0, 10.0];
    steps.into_iter().map(|step| step * power).find(|it| *it >= figure).unwrap_or(10.0 * power)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (figure, expect) in [(0.347, "0.35"), (12.34, "12.3"), (637.4, "637")] {
            assert_eq!(short(figure), expect);
        }
        for (number, expect) in [(10, "10"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(thousands(number), expect);
        }
        for (figure, expect) in [(0.0, 1.0), (5.7, 6.0), (13.0, 16.0), (0.34, 0.4)] {
            assert!((ceiling(figure) - expect).abs() < 1e-9, "{figure}");
        }
    }

    #[test]
    fn charts_are_closed_and_escaped() {
        let figure = Figure { median: 5.0, min: 4.0, max: 6.0 };
        let bar = Bar { label: String::from("a<b"), figure, own: true };
        let curve = Curve { label: String::from("x&y"), points: vec![(1, 1.0), (10, 2.0)] };
        for chart in [bars("t", "µs", &[bar]), curves("t", "µs", "members", &[curve])] {
            assert!(chart.starts_with("<svg ") && chart.ends_with("</svg>\n"));
            assert!(!chart.contains("a<b") && !chart.contains("x&y"));
        }
    }
}
