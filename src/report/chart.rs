//! Charts: curves as inline SVG that fill the width there is, labels as text beside them, which
//! stays as large as all other text.

use std::time::Duration;

use super::html::Html;
use super::text;

/// The plane that curves are drawn in; it is stretched to whatever size the page has.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 100.0;

/// Labels of the axes, beside the one at 0.
const STEPS: [f64; 4] = [1.0, 0.75, 0.5, 0.25];

/// How a curve goes from point to point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Straight, with the area below it.
    Area,
    /// What was so stays so until it changes.
    Steps,
    /// No curve: each point is one.
    Dots,
}

/// One chart.
#[derive(Debug)]
pub struct Chart<'a> {
    /// Part of the ids of its elements.
    pub id: &'static str,
    /// Class of the curve, for its colour.
    pub class: &'static str,
    /// What it shows.
    pub title: &'static str,
    /// The same in a sentence with its figures, for those who do not see the curve.
    pub summary: String,
    /// How it is drawn.
    pub shape: Shape,
    /// Seconds and values, in order of time.
    pub points: Vec<(f64, f64)>,
    /// Seconds at the right end.
    pub until: f64,
    /// The value at the bottom.
    pub bottom: f64,
    /// The value at the top, above the bottom.
    pub top: f64,
    /// A line at this value, and what it is.
    pub limit: Option<(f64, String)>,
    /// Lines at these seconds.
    pub marks: &'a [f64],
    /// A value's label.
    pub label: fn(f64) -> String,
}

/// The next number above that looks well on an axis with four steps.
pub fn nice(value: f64) -> f64 {
    if value <= 0.0 || !value.is_finite() {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 1.2, 1.6, 2.0, 2.4, 3.2, 4.0, 6.0, 8.0, 10.0];
    steps.into_iter().map(|step| step * power).find(|nice| *nice >= value).unwrap_or(10.0 * power)
}

/// The same for things that are counted: each step is a whole number.
pub fn nice_count(count: f64) -> f64 {
    if count <= 40.0 { ((count / 4.0).ceil() * 4.0).max(4.0) } else { nice(count) }
}

impl Chart<'_> {
    fn x(&self, seconds: f64) -> f64 {
        if self.until > 0.0 { (seconds / self.until).clamp(0.0, 1.0) * WIDTH } else { 0.0 }
    }

    fn y(&self, value: f64) -> f64 {
        let share = (value - self.bottom) / (self.top - self.bottom);
        if share.is_finite() { (1.0 - share.clamp(0.0, 1.0)) * HEIGHT } else { HEIGHT }
    }

    /// Writes it.
    pub fn write(&self, html: &mut Html) {
        html.raw("<figure class=\"chart\"><h3 id=\"").raw(self.id).raw("-h\">").raw(self.title);
        html.raw("</h3>\n<div class=\"plot\"><div class=\"y\" aria-hidden=\"true\">");
        for share in STEPS.into_iter().chain([0.0]) {
            let value = self.bottom + share * (self.top - self.bottom);
            html.raw("<span>").text(&(self.label)(value)).raw("</span>");
        }
        html.raw("</div>\n<svg role=\"img\" aria-labelledby=\"").raw(self.id).raw("-t ").raw(self.id);
        html.raw("-d\" viewBox=\"0 0 1000 100\" preserveAspectRatio=\"none\"><title id=\"").raw(self.id);
        html.raw("-t\">").raw(self.title).raw("</title><desc id=\"").raw(self.id).raw("-d\">");
        html.text(&self.summary).raw("</desc>\n<path class=\"grid\" d=\"");
        for share in STEPS.into_iter().chain([0.0]) {
            html.raw("M0 ").number((1.0 - share) * HEIGHT).raw("H1000");
        }
        html.raw("\"/>");
        if !self.marks.is_empty() {
            html.raw("<path class=\"mark\" d=\"");
            for mark in self.marks {
                html.raw("M").number(self.x(*mark)).raw(" 0V100");
            }
            html.raw("\"/>");
        }
        self.curve(html);
        if let Some((limit, _)) = &self.limit {
            html.raw("<path class=\"limit\" d=\"M0 ").number(self.y(*limit)).raw("H1000\"/>");
        }
        html.raw("</svg>\n<div class=\"x\" aria-hidden=\"true\">");
        for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
            let seconds = Duration::from_secs_f64((share * self.until).clamp(0.0, 1e9));
            html.raw("<span>").text(&text::duration(seconds)).raw("</span>");
        }
        html.raw("</div></div>\n<figcaption>").text(&self.summary);
        if let Some((_, what)) = &self.limit {
            html.raw(" <span class=\"key\">").text(what).raw("</span>");
        }
        html.raw("</figcaption></figure>\n");
    }

    fn curve(&self, html: &mut Html) {
        let Some((first, _)) = self.points.first().copied() else { return };
        let place = |html: &mut Html, (seconds, value): (f64, f64)| {
            html.number(self.x(seconds)).raw(" ").number(self.y(value));
        };
        if self.shape == Shape::Dots {
            html.raw("<path class=\"dots ").raw(self.class).raw("\" d=\"");
            for point in &self.points {
                html.raw("M");
                place(html, *point);
                html.raw("h0");
            }
            html.raw("\"/>");
            return;
        }
        let write_line = |html: &mut Html, start: &'static str| {
            html.raw(start);
            for (index, point) in self.points.iter().enumerate() {
                match (index, self.shape) {
                    (0, _) => {}
                    (_, Shape::Steps) => {
                        html.raw("H").number(self.x(point.0)).raw("V").number(self.y(point.1));
                        continue;
                    }
                    _ => {
                        html.raw("L");
                    }
                }
                place(html, *point);
            }
            if self.shape == Shape::Steps {
                html.raw("H1000");
            }
        };
        html.raw("<path class=\"area ").raw(self.class).raw("\" d=\"");
        write_line(html, "M");
        let last =
            if self.shape == Shape::Steps { WIDTH } else { self.x(self.points[self.points.len() - 1].0) };
        html.raw("L").number(last).raw(" 100L").number(self.x(first)).raw(" 100Z\"/><path class=\"line ");
        html.raw(self.class).raw("\" d=\"");
        write_line(html, "M");
        html.raw("\"/>");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        let all = |values: &[f64], round: fn(f64) -> f64| -> Vec<String> {
            values.iter().map(|value| round(*value).to_string()).collect()
        };
        let values = [0.0, 1.0, 1.1, 7.0, 81.0, 412.0, 1001.0, -1.0, f64::NAN, f64::INFINITY];
        assert_eq!(all(&values, nice), ["1", "1", "1.2", "8", "100", "600", "1200", "1", "1", "1"]);
        assert_eq!(all(&[0.0, 3.0, 5.0, 21.0, 41.0], nice_count), ["4", "4", "8", "24", "60"]);
    }

    #[test]
    fn curves_stay_within_their_plane() {
        let chart = Chart {
            id: "c",
            class: "memory",
            title: "T",
            summary: "S".into(),
            shape: Shape::Area,
            points: vec![(0.0, 5.0), (2.0, 50.0), (9.0, -3.0)],
            until: 4.0,
            bottom: 0.0,
            top: 10.0,
            limit: Some((20.0, "limit".into())),
            marks: &[2.0],
            label: |value| format!("{value}"),
        };
        let mut html = Html::default();
        chart.write(&mut html);
        let page = html.into_string();
        assert!(page.contains("d=\"M0 50L500 0L1000 100\""), "{page}");
        assert!(page.contains("class=\"limit\" d=\"M0 0H1000\"") && page.contains("M500 0V100"), "{page}");
        let mut html = Html::default();
        Chart { shape: Shape::Dots, ..chart }.write(&mut html);
        assert!(html.into_string().contains("M0 50h0M500 0h0M1000 100h0"));
    }
}
