//! The table as a plot: how many times as long as natively each workload takes, on a logarithmic scale.

use std::fmt::Write;

/// Pixels.
const LEFT: f64 = 190.0;
const WIDTH: f64 = 560.0;
const RIGHT: f64 = 70.0;
const TOP: f64 = 56.0;
const BAR: f64 = 9.0;
const GAP: f64 = 9.0;

/// Told apart by people who do not see all colours, too (Okabe and Ito).
const COLOURS: [&str; 6] = ["#0072b2", "#56b4e9", "#999999", "#e69f00", "#d55e00", "#cc79a7"];

/// A row: its title, and for each tool how many times as long as natively it takes, if it does.
struct Row {
    title: String,
    factors: Vec<Option<f64>>,
}

/// An SVG image of the first table in a Markdown text that [`crate::table`] has made.
///
/// # Errors
/// One line if there is none.
pub fn svg(text: &str) -> Result<String, String> {
    let (tools, rows) = read(text).ok_or("there is no table of frng-bench to plot")?;
    let largest = rows.iter().flat_map(|row| &row.factors).flatten().fold(10.0_f64, |one, other| one.max(*other));
    // Whole powers of ten, from what is faster than natively on.
    let smallest = rows.iter().flat_map(|row| &row.factors).flatten().fold(1.0_f64, |one, other| one.min(*other));
    let (low, high) = (smallest.log10().floor(), largest.log10().ceil());
    let x = |factor: f64| LEFT + WIDTH * (factor.log10() - low) / (high - low);
    let group = BAR * tools.len() as f64 + GAP;
    let bottom = TOP + group * rows.len() as f64;
    let mut image = Image::new(LEFT + WIDTH + RIGHT, bottom + 34.0);
    image.text(LEFT, 20.0, "start", "How many times as long as natively (shorter is better, logarithmic)");
    let mut legend = LEFT;
    for (tool, colour) in tools.iter().zip(COLOURS.iter().cycle()) {
        image.rectangle(legend, 32.0, 10.0, 10.0, colour, tool);
        image.text(legend + 14.0, 41.0, "start", tool);
        legend += 30.0 + 6.6 * tool.chars().count() as f64;
    }
    for power in low as i32..=high as i32 {
        let factor = 10_f64.powi(power);
        image.line(x(factor), TOP - 4.0, bottom, if power == 0 { "#000000" } else { "#cccccc" });
        image.text(x(factor), bottom + 16.0, "middle", &format!("{factor}×"));
    }
    for (index, row) in rows.iter().enumerate() {
        let y = TOP + group * index as f64;
        image.text(LEFT - 8.0, y + (group - GAP) / 2.0 + 4.0, "end", &row.title);
        for (place, (factor, colour)) in row.factors.iter().zip(COLOURS.iter().cycle()).enumerate() {
            let Some(factor) = *factor else { continue };
            // From the line of the native run to either side.
            let (from, to) = (x(factor.min(1.0)), x(factor.max(1.0)));
            let y = y + BAR * place as f64;
            let told = format!("{}, {}: {}", row.title, tools[place], shown(factor));
            image.rectangle(from, y, (to - from).max(1.0), BAR - 1.0, colour, &told);
            image.text(to + 4.0, y + BAR - 1.0, "start small", &shown(factor));
        }
    }
    Ok(image.finish())
}

fn shown(factor: f64) -> String {
    let digits = match factor {
        0.0..0.095 => 2,
        0.0..9.95 => 1,
        _ => 0,
    };
    format!("{factor:.digits$}×")
}

/// Tools but the native run, and rows.
fn read(text: &str) -> Option<(Vec<String>, Vec<Row>)> {
    let mut lines = text.lines().skip_while(|line| !line.starts_with("| | native |"));
    let tools: Vec<String> = cells(lines.next()?).skip(2).map(String::from).collect();
    let rows = lines.skip(1).take_while(|line| line.starts_with('|')).filter_map(|line| {
        let mut cells = cells(line);
        let title = cells.next()?.replace('`', "");
        let native = seconds(cells.next()?)?;
        let factors = cells.map(|cell| seconds(cell).map(|took| took / native)).collect();
        Some(Row { title, factors })
    });
    let rows: Vec<Row> = rows.collect();
    (!rows.is_empty() && !tools.is_empty()).then_some((tools, rows))
}

fn cells(line: &str) -> impl Iterator<Item = &str> {
    line.trim().trim_start_matches('|').trim_end_matches('|').split('|').map(str::trim)
}

/// `1.40 µs`; nothing for `fails`.
fn seconds(cell: &str) -> Option<f64> {
    let (value, unit) = cell.split_once(' ')?;
    let unit = match unit {
        "ns" => 1e-9,
        "µs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        _ => return None,
    };
    value.parse::<f64>().ok().map(|value| value * unit).filter(|seconds| *seconds > 0.0)
}

/// SVG under way. Writing to its string cannot fail.
struct Image(String);

impl Image {
    fn new(width: f64, height: f64) -> Image {
        Image(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n\
             <style>text {{ font: 12px sans-serif }} .small {{ font-size: 8px }}</style>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
        ))
    }

    /// `place` is the anchor, and a class after a blank.
    fn text(&mut self, x: f64, y: f64, place: &str, text: &str) {
        let (anchor, class) = place.split_once(' ').unwrap_or((place, ""));
        let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
        let _ = writeln!(
            self.0,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\"{class}>{}</text>",
            escaped(text)
        );
    }

    fn rectangle(&mut self, x: f64, y: f64, width: f64, height: f64, colour: &str, title: &str) {
        let size = format!("width=\"{width:.1}\" height=\"{height:.1}\"");
        let title = escaped(title);
        let _ =
            writeln!(self.0, "<rect x=\"{x:.1}\" y=\"{y:.1}\" {size} fill=\"{colour}\"><title>{title}</title></rect>");
    }

    fn line(&mut self, x: f64, from: f64, to: f64, colour: &str) {
        let _ =
            writeln!(self.0, "<line x1=\"{x:.1}\" y1=\"{from:.1}\" x2=\"{x:.1}\" y2=\"{to:.1}\" stroke=\"{colour}\"/>");
    }

    fn finish(mut self) -> String {
        self.0.push_str("</svg>\n");
        self.0
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "A machine.\n\n| | native | frng (inline) | fakeroot |\n|---|--:|--:|--:|\n\
        | `stat` of <x> | 2.00 µs | 4.00 µs | fails |\n| `getuid` | 100 ns | 50.0 ns | 10.0 µs |\n\nMore.\n";

    #[test]
    fn factors_are_those_of_the_table() {
        let (tools, rows) = read(TABLE).unwrap();
        assert_eq!(tools, ["frng (inline)", "fakeroot"]);
        assert_eq!(rows[0].title, "stat of <x>");
        let near = |one: Option<f64>, other: f64| (one.unwrap() / other - 1.0).abs() < 1e-9;
        assert!(near(rows[0].factors[0], 2.0) && rows[0].factors[1].is_none());
        assert!(near(rows[1].factors[0], 0.5) && near(rows[1].factors[1], 100.0));
        assert!(svg("no table").is_err());
    }

    #[test]
    fn bars_begin_at_the_native_line_and_end_at_their_factor() {
        let image = svg(TABLE).unwrap();
        // From a tenth to a hundred: a third of the width for each power of ten.
        let power = WIDTH / 3.0;
        let bar = |x: f64, width: f64| {
            format!("<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\"", x, TOP + BAR * 2.0 + GAP)
        };
        let half = power * 2_f64.log10();
        assert!(image.contains(&bar(LEFT + power - half, half)), "{image}");
        assert!(image.contains("stat of &lt;x&gt;, frng (inline): 2.0×"), "{image}");
        assert_eq!(image.matches("<title>").count(), 2 + 3);
        assert_eq!(image.matches("<rect").count(), image.matches("</rect>").count() + 1);
    }

    #[test]
    fn the_readme_has_a_table_to_plot() {
        let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
        assert!(read(&readme).unwrap().1.len() > 5);
    }
}
