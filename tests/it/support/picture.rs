//! A drawing of a pull request as its page on a forge shows it, made of what the forge has.
//!
//! Of Markdown it reads what highwater writes: paragraphs, bullets, rules, code spans, and links around code spans. Invariant: no
//! text leaves the box, whatever fonts there are, since each piece is drawn as wide as it was reckoned (`textLength`).

use std::fmt::Write;

/// What is drawn.
pub struct Page<'a> {
    /// The title.
    pub title: &'a str,
    /// The number.
    pub number: u64,
    /// Whose it is, and from where to where it goes, in Markdown.
    pub subtitle: &'a str,
    /// Its labels.
    pub labels: &'a [&'a str],
    /// Its body, in Markdown.
    pub body: &'a str,
}

/// The whole width, in pixels as all lengths here.
const WIDTH: f64 = 960.0;
/// Where text begins and, from the other side, ends.
const MARGIN: f64 = 28.0;
/// How far bullets are moved in.
const INDENT: f64 = 22.0;
/// From one line to the next.
const LINE: f64 = 24.0;
/// More room before a paragraph.
const GAP: f64 = 10.0;
/// Between two words.
const SPACE: f64 = 4.2;
/// Around a code span.
const PADDING: f64 = 4.0;

const STYLE: &str = "\
text{font:14px -apple-system,BlinkMacSystemFont,\"Segoe UI\",\"Noto Sans\",Helvetica,Arial,sans-serif;fill:#1f2328}\
.title{font-size:22px;font-weight:600}.dim{fill:#59636e}.white{fill:#ffffff;font-weight:600}\
.code{font:12px ui-monospace,SFMono-Regular,\"SF Mono\",Menlo,Consolas,\"Liberation Mono\",monospace}\
.link{fill:#0969da}.page{fill:#ffffff;stroke:#d0d7de}.span{fill:#eff1f3}.rule{fill:#d0d7de}.open{fill:#1f883d}\
.label{fill:none;stroke:#0366d6}\
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.dim{fill:#9198a1}.white{fill:#ffffff}.link{fill:#4493f8}\
.page{fill:#0d1117;stroke:#3d444d}.span{fill:#262c36}.rule{fill:#3d444d}.open{fill:#238636}.label{stroke:#4493f8}}";

/// How a piece of text looks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    Plain,
    Code,
    /// A code span that leads somewhere.
    Link,
}

/// A text that is not broken.
struct Piece {
    text: String,
    look: Look,
    /// Whether there is a space before it.
    apart: bool,
}

impl Piece {
    fn width(&self) -> f64 {
        match self.look {
            Look::Plain => plain_width(&self.text, 14.0),
            Look::Code | Look::Link => self.text.chars().count() as f64 * 7.3 + 2.0 * PADDING,
        }
    }
}

/// The width of words in a usual font: what most of them take, and a little more.
fn plain_width(text: &str, size: f64) -> f64 {
    let each = text.chars().map(|letter| match letter {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' => 0.27,
        'f' | 't' | 'r' | '(' | ')' | '/' | '-' | ' ' => 0.36,
        'm' | 'w' | 'M' | 'W' => 0.84,
        letter if letter.is_uppercase() => 0.67,
        _ => 0.56,
    });
    each.sum::<f64>() * size
}

/// The drawing, as SVG.
pub fn drawn(page: &Page<'_>) -> String {
    let mut canvas = Canvas {
        marks: String::new(),
        y: 48.0,
    };
    canvas.head(page);
    for block in page.body.split("\n\n").flat_map(blocks) {
        canvas.block(&block);
    }
    let height = canvas.y - LINE + MARGIN;
    let mut svg = String::new();
    let _ = writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height:.0}\" viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\">"
    );
    let _ = writeln!(svg, "<title>{}</title>", escaped(page.title));
    let _ = writeln!(svg, "<style>{STYLE}</style>");
    let (width, height) = (WIDTH - 1.0, height - 1.0);
    let _ = writeln!(
        svg,
        "<rect class=\"page\" x=\"0.5\" y=\"0.5\" width=\"{width:.0}\" height=\"{height:.0}\" rx=\"8\"/>"
    );
    svg.push_str(&canvas.marks);
    svg.push_str("</svg>\n");
    svg
}

/// A part of the body with room before it.
enum Block {
    Paragraph(String),
    Bullets(Vec<String>),
    Rule,
}

/// What stands between two empty lines.
fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        match (line.strip_prefix("- "), blocks.last_mut()) {
            _ if line == "---" => blocks.push(Block::Rule),
            (Some(bullet), Some(Block::Bullets(known))) => known.push(bullet.to_owned()),
            (Some(bullet), _) => blocks.push(Block::Bullets(vec![bullet.to_owned()])),
            (None, Some(Block::Paragraph(known))) => {
                known.push(' ');
                known.push_str(line);
            }
            (None, _) => blocks.push(Block::Paragraph(line.to_owned())),
        }
    }
    blocks
}

/// Takes a line of Markdown apart.
fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut apart = false;
    let mut rest = text;
    while !rest.is_empty() {
        let (look, inside, after) = if let Some((inside, after)) = linked(rest) {
            (Look::Link, inside, after)
        } else if let Some((inside, after)) = code_span(rest) {
            (Look::Code, inside, after)
        } else {
            let end = rest[1..]
                .find(['`', '[', ' '])
                .map_or(rest.len(), |at| at + 1);
            let (word, after) = rest.split_at(end);
            if word == " " {
                (apart, rest) = (true, after);
                continue;
            }
            let begins = word.strip_prefix(' ');
            apart |= begins.is_some();
            (Look::Plain, begins.unwrap_or(word).to_owned(), after)
        };
        pieces.push(Piece {
            text: inside,
            look,
            apart,
        });
        (apart, rest) = (false, after);
    }
    pieces
}

/// The inside of the code span that a text begins with, and what follows.
fn code_span(text: &str) -> Option<(String, &str)> {
    let inside = text.trim_start_matches('`');
    let fence = &text[..text.len() - inside.len()];
    if fence.is_empty() {
        return None;
    }
    let end = inside.find(fence)?;
    Some((
        inside[..end].trim().to_owned(),
        &inside[end + fence.len()..],
    ))
}

/// The same for a link around a code span.
fn linked(text: &str) -> Option<(String, &str)> {
    let (inside, rest) = code_span(text.strip_prefix('[')?)?;
    let (_, rest) = rest.strip_prefix("](")?.split_once(')')?;
    Some((inside, rest))
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}

/// Where marks are made, from the top to the bottom.
struct Canvas {
    marks: String,
    /// The line that letters stand on.
    y: f64,
}

impl Canvas {
    /// Title, state, who wants what, labels.
    fn head(&mut self, page: &Page<'_>) {
        let width = plain_width(page.title, 23.0);
        self.text(MARGIN, width, "title", page.title);
        let number = format!("#{}", page.number);
        self.text(
            MARGIN + width + 8.0,
            plain_width(&number, 22.0),
            "title dim",
            &number,
        );
        self.y += 36.0;
        let top = self.y - 19.0;
        self.rectangle("open", [MARGIN, top, 70.0, 28.0], 14.0);
        self.text(MARGIN + 17.0, 36.0, "white", "Open");
        self.flow(page.subtitle, MARGIN + 82.0, "dim");
        self.y += 12.0;
        self.labels(page.labels);
        self.rule();
    }

    fn labels(&mut self, labels: &[&str]) {
        let mut x = MARGIN;
        for label in labels {
            let width = plain_width(label, 14.0);
            let top = self.y - 16.0;
            self.rectangle("label", [x, top, width + 20.0, 22.0], 11.0);
            self.text(x + 10.0, width, "dim", label);
            x += width + 28.0;
        }
        if !labels.is_empty() {
            self.y += LINE;
        }
    }

    fn block(&mut self, block: &Block) {
        match block {
            Block::Rule => self.rule(),
            Block::Paragraph(text) => {
                self.y += GAP;
                self.flow(text, MARGIN, "");
            }
            Block::Bullets(bullets) => {
                self.y += GAP / 2.0;
                for bullet in bullets {
                    self.rectangle("rule", [MARGIN + 8.0, self.y - 7.0, 5.0, 5.0], 2.5);
                    self.flow(bullet, MARGIN + INDENT, "");
                }
            }
        }
    }

    fn rule(&mut self) {
        let top = self.y - 4.0;
        self.rectangle("rule", [MARGIN, top, WIDTH - 2.0 * MARGIN, 1.0], 0.0);
        self.y += LINE - GAP / 2.0;
    }

    /// Words from `left` on, in as many lines as they need.
    fn flow(&mut self, text: &str, left: f64, class: &str) {
        let right = WIDTH - MARGIN;
        let mut x = left;
        let pieces = pieces(text);
        for (at, piece) in pieces.iter().enumerate() {
            // What stands close together stays together.
            let close = pieces[at + 1..].iter().take_while(|next| !next.apart);
            let needed = piece.width() + close.map(Piece::width).sum::<f64>();
            if piece.apart && x > left {
                x += SPACE;
                if x + needed > right {
                    (x, self.y) = (left, self.y + LINE);
                }
            }
            self.piece(piece, x, class);
            x += piece.width();
        }
        self.y += LINE;
    }

    fn piece(&mut self, piece: &Piece, x: f64, class: &str) {
        let width = piece.width();
        if piece.look == Look::Plain {
            return self.text(x, width, class, &piece.text);
        }
        self.rectangle("span", [x, self.y - 14.0, width, 19.0], 5.0);
        let class = if piece.look == Look::Link {
            "code link"
        } else {
            "code"
        };
        self.text(x + PADDING, width - 2.0 * PADDING, class, &piece.text);
    }

    fn text(&mut self, x: f64, width: f64, class: &str, text: &str) {
        assert!(x + width <= WIDTH - MARGIN / 2.0, "`{text}` leaves the box");
        let class = match class {
            "" => String::new(),
            class => format!(" class=\"{class}\""),
        };
        let (y, text) = (self.y, escaped(text));
        let _ = writeln!(
            self.marks,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" textLength=\"{width:.1}\" lengthAdjust=\"spacingAndGlyphs\"{class}>{text}</text>"
        );
    }

    fn rectangle(&mut self, class: &str, [x, y, width, height]: [f64; 4], round: f64) {
        let _ = writeln!(
            self.marks,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"{round}\"/>"
        );
    }
}
