//! `tallymark demo`: what a first visitor sees.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;
use tallymark::report::Report;
use tallymark::{Engine, EngineConfig, ImportOptions, Input, Inspection};
use tempfile::TempDir;

use super::{import, inspect, open_for_writing, print};
use crate::args::{Dataset, quoted};
use crate::failure::Outcome;
use crate::output::{Format, TableStyle, Target, write_report, write_rows};
use crate::terminal::{Paint, Terminal};
use crate::text::{bytes, count, counted, duration, minute};

/// Columns of the report where nobody says how many there are.
const WIDTH_ASSUMED: usize = 100;

/// Event names and properties listed.
const NAMES_SHOWN: usize = 12;

/// The bundled data, which `data/README.md` describes: origin, licence, and what is in it.
const SETS: [Set; 3] = [
    Set {
        name: "online-retail",
        about: "real: a week of a gift shop, its orders and returns (UCI, CC BY 4.0)",
        files: &[
            ("events.ndjson.gz", include_bytes!("../../../../data/online-retail/events.ndjson.gz")),
            ("profiles.ndjson.gz", include_bytes!("../../../../data/online-retail/profiles.ndjson.gz")),
        ],
    },
    Set {
        name: "ecom-sessions",
        about: "half a year of a web shop's sessions, with stories hidden in it (retentioneering, Apache-2.0)",
        files: &[
            ("events.ndjson.gz", include_bytes!("../../../../data/ecom-sessions/events.ndjson.gz")),
            ("profiles.ndjson.gz", include_bytes!("../../../../data/ecom-sessions/profiles.ndjson.gz")),
        ],
    },
    Set {
        name: "coffee-shop",
        about: "small and tricky: devices that become users, repeats, mixed types",
        files: &[("events.ndjson", include_bytes!("../../../../data/coffee-shop/events.ndjson"))],
    },
];

struct Set {
    name: &'static str,
    about: &'static str,
    files: &'static [(&'static str, &'static [u8])],
}

/// A question and what to look at in its answer.
struct Question {
    heading: &'static str,
    sql: &'static str,
    remark: &'static str,
}

/// A question as a definition.
struct ReportQuestion {
    heading: &'static str,
    definition: &'static str,
    remark: &'static str,
}

/// Imports the bundled data and asks it questions.
pub(super) async fn run(dataset: &Dataset, terminal: Terminal) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    let paint = terminal.out;
    let temporary = TempDir::with_prefix("tallymark-demo-").context("cannot make a temporary directory")?;
    let dataset = if dataset.is_named {
        dataset.clone()
    } else {
        Dataset { url: temporary.path().join("dataset").display().to_string(), is_named: false }
    };
    print::text(&format!(
        "{}\nEvents in, answers out. What follows is done here and now, with data inside this program.\n",
        paint.strong(concat!("tallymark ", env!("CARGO_PKG_VERSION"), " demo")),
    ))?;

    section("1. Import", paint)?;
    let engine = open_for_writing(&dataset, "demo", EngineConfig::default()).await?;
    for set in &SETS {
        import_set(set, temporary.path(), &engine, terminal).await?;
    }
    let inspection = engine.inspect().await?;
    print::text(&stored(&inspection, paint))?;

    section("2. What is in there", paint)?;
    inspect::print_catalog(&inspection, NAMES_SHOWN, terminal)?;

    section("3. Ask in SQL", paint)?;
    for question in &QUESTIONS {
        ask(question, &engine, terminal).await?;
    }

    section("4. Ask with a report", paint)?;
    ask_report(&engine, terminal).await?;
    engine.close().await?;

    section("5. What to try next", paint)?;
    print::text(&next(&dataset, paint))?;
    print::text(&format!(
        "\n{}\n",
        paint.faint(format!("All of this took {}.", duration(started.elapsed())))
    ))?;
    Ok(Outcome::Done)
}

fn section(heading: &str, paint: Paint) -> anyhow::Result<()> {
    let rule = "─".repeat(72 - heading.chars().count());
    print::text(&format!("\n{} {}\n\n", paint.strong(heading), paint.faint(rule)))
}

async fn import_set(set: &Set, directory: &Path, engine: &Engine, terminal: Terminal) -> anyhow::Result<()> {
    let paint = terminal.out;
    let inputs = unpack(set, directory)?.into_iter().map(Input::Path).collect();
    let imported = import::import(engine, inputs, ImportOptions::default(), None, terminal).await?;
    let mut parts =
        vec![counted(imported.events, "event"), counted(imported.profile_updates, "profile update")];
    if imported.duplicates > 0 {
        parts.push(format!("{} replaced", counted(imported.duplicates, "duplicate")));
    }
    if imported.refused > 0 {
        parts.push(format!("{} refused", count(imported.refused)));
    }
    print::text(&format!(
        "{} {}  {}\n  {} of JSON in {:.2} s: {}\n",
        paint.good("✓"),
        paint.strong(set.name),
        paint.faint(set.about),
        bytes(imported.bytes_read),
        imported.elapsed_ms as f64 / 1000.0,
        parts.join(", "),
    ))
}

/// Writes the files of a set where the import finds them, as if they were anybody's.
fn unpack(set: &Set, directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let directory = directory.join(set.name);
    std::fs::create_dir(&directory).context("cannot unpack the bundled data")?;
    let write = |(name, content): &(&str, &[u8])| {
        let path = directory.join(name);
        File::create(&path).and_then(|mut file| file.write_all(content)).map(|()| path)
    };
    set.files.iter().map(write).collect::<Result<_, _>>().context("cannot unpack the bundled data")
}

fn stored(inspection: &Inspection, paint: Paint) -> String {
    let span = match (inspection.first_time, inspection.last_time) {
        (Some(first), Some(last)) => format!(" from {} to {}", minute(first), minute(last)),
        _ => String::new(),
    };
    format!(
        "\nStored: {} of {}{span},\nas {} of plain Parquet, one directory a day, {}.\n",
        paint.strong(counted(inspection.events, "event")),
        counted(inspection.users, "user"),
        counted(inspection.files, "file"),
        bytes(inspection.bytes),
    )
}

async fn ask(question: &Question, engine: &Engine, terminal: Terminal) -> anyhow::Result<()> {
    let paint = terminal.out;
    print::text(&format!("{}\n{}\n", paint.strong(question.heading), paint.code(question.sql)))?;
    let answer = engine.sql(question.sql).await?;
    let schema = answer.schema();
    let style = TableStyle { timing: true, ..TableStyle::new(terminal, Some(0), true) };
    write_rows(answer, schema, Format::Table, style, &Target::Stdout, terminal).await?;
    print::text(&format!("{}\n\n", question.remark))
}

/// A report instead of SQL, shown as on a terminal wherever it goes.
async fn ask_report(engine: &Engine, terminal: Terminal) -> anyhow::Result<()> {
    let paint = terminal.out;
    print::text(&format!("{}\n{}\n", paint.strong(REPORT.heading), paint.code(REPORT.definition)))?;
    let report = Report::parse(REPORT.definition).context("cannot read the demo's report")?;
    let answer = engine.report(report.clone()).await?;
    let style = TableStyle::new(terminal, Some(0), true);
    let width = style.width.or(Some(WIDTH_ASSUMED));
    let style = TableStyle { timing: true, width, ..style };
    write_report(answer, &report, Format::Table, style, &Target::Stdout, terminal).await?;
    print::text(&format!("{}\n", REPORT.remark))
}

fn next(dataset: &Dataset, paint: Paint) -> String {
    let program = program();
    let flag = dataset.flag();
    let mut lines = Vec::new();
    if dataset.is_named {
        lines.push((format!("{program} sql{flag}"), "a prompt over this data; \\h helps"));
        lines.push((format!("{program} report{flag} FILE"), "answer a report; report --help has some"));
        lines.push((format!("{program} inspect{flag}"), "everything that is in it"));
        lines.push((format!("{program} export{flag} --event purchase | head -3"), "events back as JSON"));
    } else {
        lines.push((format!("{program} demo --dataset ./shop"), "the same, to go on with"));
        lines.push((format!("{program} sql --dataset ./shop"), "then a prompt over it; \\h helps"));
    }
    lines.push((format!("{program} import FILE…"), "your own events, into ./tallymark-data"));
    lines.push((format!("{program} --help"), "all commands"));
    let wide = lines.iter().map(|(command, _)| command.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (command, what) in lines {
        let blanks = " ".repeat(wide - command.chars().count());
        let _ = writeln!(text, "  {}{blanks}   {}", paint.code(&command), paint.faint(what));
    }
    if !dataset.is_named {
        text.push_str("\nThis dataset was a temporary one and is gone.\n");
    }
    text
}

/// How this program was called, if not by its name.
fn program() -> String {
    let called = std::env::args().next().filter(|name| name.contains(std::path::MAIN_SEPARATOR));
    called.map_or_else(|| "tallymark".to_owned(), |name| quoted(&name))
}

/// What `tallymark report` would read from a file.
const REPORT: ReportQuestion = ReportQuestion {
    heading: "How many who said where to ship did buy? (ecom-sessions)",
    definition: r#"{"report": "insights", "range": "2024-01-01 to 2024-06-30", "interval": "month",
 "metrics": [{"name": "buyers", "event": "purchase"}, {"name": "at shipping", "event": "shipping_details"}],
 "formulas": [{"name": "bought, %", "formula": "A / B * 100"}],
 "breakdowns": ["platform"]}"#,
    remark: "A definition says what is measured, over which time, split by what; `tallymark report FILE` answers it.\n\
             From 9 April to 9 May a bug sent mobile shoppers back from shipping to the cart.",
};

const QUESTIONS: [Question; 6] = [
    Question {
        heading: "Which countries bring the revenue? (online-retail)",
        sql: "\
SELECT country, count(DISTINCT user_id) AS customers, sum(quantity) AS items,
       round(sum(amount), 2) AS revenue
FROM events WHERE event = 'Item Purchased'
GROUP BY country ORDER BY revenue DESC LIMIT 5",
        remark: "Properties are columns with real types: no casts, no JSON paths.",
    },
    Question {
        heading: "How many were active, day by day? (online-retail)",
        sql: "\
SELECT day, count(*) AS events, count(DISTINCT user_id) AS users,
       count(*) FILTER (WHERE event = 'Order Placed') AS orders
FROM events WHERE time < '2011-01-01'
GROUP BY day ORDER BY day",
        remark: "Only the files of these days were opened: EXPLAIN shows which.",
    },
    Question {
        heading: "Something is wrong with payments. When? (ecom-sessions)",
        sql: "\
SELECT date_trunc('month', time) AS month,
       count(DISTINCT user_id) FILTER (WHERE event = 'payment_details') AS reached_payment,
       count(DISTINCT user_id) FILTER (WHERE event = 'purchase')        AS bought,
       count(DISTINCT user_id) FILTER (WHERE event = 'payment_error')   AS saw_an_error,
       count(*) FILTER (WHERE event = 'support_chat')                   AS chats
FROM events WHERE time >= '2024-01-01' AND event IN
     ('payment_details', 'purchase', 'payment_error', 'support_chat')
GROUP BY month ORDER BY month",
        remark: "An incident from 19 May to 7 June is in this data on purpose.",
    },
    Question {
        heading: "Who buys? Events joined with profiles. (ecom-sessions)",
        sql: "\
SELECT users.acquisition_channel AS channel, count(DISTINCT users.user_id) AS users,
       count(*) FILTER (WHERE event = 'purchase') AS purchases
FROM events JOIN users USING (user_id)
WHERE users.acquisition_channel IS NOT NULL
GROUP BY channel ORDER BY purchases DESC",
        remark: "Profile updates became the table `users`, one row a user.",
    },
    Question {
        heading: "A property that is a text here and a number there. (coffee-shop)",
        sql: "\
SELECT size, \"size@number\", count(*) AS orders
FROM events WHERE event = 'Added to Order'
GROUP BY ALL ORDER BY orders DESC",
        remark: "Each type has a column of its own, so that no value is lost or turned into text.",
    },
    Question {
        heading: "Devices that became users. (coffee-shop)",
        sql: "\
SELECT distinct_id AS id_as_sent, user_id, count(*) AS events, min(time) AS first, max(time) AS last
FROM events WHERE distinct_id <> user_id
GROUP BY distinct_id, user_id ORDER BY events DESC LIMIT 5",
        remark: "What was done before signing up belongs to the user too, whichever came first.",
    },
];
