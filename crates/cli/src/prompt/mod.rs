//! The SQL prompt.
//!
//! 1. `line.rs`: what was typed → a command of the prompt, or statements.
//! 2. `names.rs`: the dataset's names, for completion.
//! 3. `complete.rs`: completion, and whether a line is finished.
//! 4. This file: read, ask, show, again.

mod complete;
mod help;
mod line;
mod names;

use std::path::PathBuf;

use anyhow::Context as _;
use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::{CompletionType, Config, Editor};

use crate::args::{Dataset, Overrides};
use crate::asker::Asker;
use crate::commands::definitions::Definition;
use crate::failure::report;
use crate::output::{Format, TableStyle, Target, write_report, write_rows};
use crate::statements::Script;
use crate::terminal::{Terminal, note};
use complete::PromptHelper;
use line::Line;
use names::Names;

pub(crate) use names::{sql_literal, sql_name};

/// Reads statements until somebody has had enough.
pub(crate) async fn run(
    asker: Asker,
    dataset: &Dataset,
    format: Format,
    style: TableStyle,
    terminal: Terminal,
) -> anyhow::Result<()> {
    let mut prompt = Prompt {
        asker,
        format,
        style: TableStyle { timing: true, limit_advice: "\\limit 0", ..style },
        terminal,
    };
    let names = Names::read(&mut prompt.asker).await;
    note(format!(
        "tallymark {} on {}: {}, {}\n{}",
        env!("CARGO_PKG_VERSION"),
        terminal.err.strong(&dataset.url),
        crate::text::counted(names.event_count() as u64, "event name"),
        if names.property_count() == 1 {
            "1 property".to_owned()
        } else {
            format!("{} properties", names.property_count())
        },
        terminal.err.faint("Statements end in ;  \\d shows tables, \\h helps, Tab completes, \\q leaves"),
    ));
    let config = Config::builder()
        .completion_type(CompletionType::List)
        .completion_show_all_if_ambiguous(true)
        .history_ignore_space(true)
        .build();
    let mut editor: Editor<PromptHelper, DefaultHistory> =
        Editor::with_config(config).context("cannot open the prompt")?;
    editor.set_helper(Some(PromptHelper::new(names, terminal.err)));
    let history = history_file();
    if let Some(path) = &history {
        // The first time there is none.
        let _ = editor.load_history(path);
    }
    loop {
        match tokio::task::block_in_place(|| editor.readline("tallymark> ")) {
            Ok(text) => {
                let _ = editor.add_history_entry(text.trim_end());
                if !prompt.answer(&text).await? {
                    break;
                }
            }
            Err(ReadlineError::Interrupted) => note(terminal.err.faint("\\q or Ctrl-D leaves")),
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(anyhow::Error::new(error).context("cannot read from the terminal")),
        }
    }
    if let Some(path) = history {
        let saved = path.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(ReadlineError::from);
        if let Err(error) = saved.and_then(|()| editor.save_history(&path)) {
            note(format!("cannot keep the history in {}: {error}", path.display()));
        }
    }
    Ok(())
}

/// What is asked.
#[derive(Clone, Copy)]
enum Question<'a> {
    /// A statement of SQL.
    Statement(&'a str),
    /// A report: the name of a saved one, or a file.
    Report(&'a str),
}

struct Prompt {
    asker: Asker,
    format: Format,
    style: TableStyle,
    terminal: Terminal,
}

impl Prompt {
    /// Does what a line says; `false` when it says to leave. Only a terminal that is gone is an
    /// error: a wrong statement is told and forgotten.
    async fn answer(&mut self, text: &str) -> anyhow::Result<bool> {
        match Line::read(text) {
            Line::Nothing => {}
            Line::Quit => return Ok(false),
            Line::Help => note(help::text(self.terminal.err)),
            Line::Timing => {
                self.style.timing = !self.style.timing;
                note(if self.style.timing { "timing is on" } else { "timing is off" });
            }
            Line::Memory => {
                if let Some(usage) = self.asker.memory_usage() {
                    crate::commands::memory::print(&usage, self.terminal)?;
                }
            }
            Line::Output(format) => self.set_format(format),
            Line::LimitRows(rows) => {
                self.style.rows_max = if rows == 0 { usize::MAX } else { rows };
            }
            Line::Query(query) => self.show(Question::Statement(&query), Format::Table).await?,
            Line::Report(source) => self.show(Question::Report(&source), self.format).await?,
            Line::Unknown(message) => note(message),
            Line::Statements => {
                for statement in Script::split(text).statements() {
                    self.show(Question::Statement(statement), self.format).await?;
                }
            }
        }
        Ok(true)
    }

    fn set_format(&mut self, format: Format) {
        if format.is_binary() {
            note("this format is binary and would only garble the terminal: table, csv, json or ndjson");
        } else {
            self.format = format;
        }
    }

    /// Asks and prints; Ctrl-C gives up on the answer.
    async fn show(&mut self, question: Question<'_>, format: Format) -> anyhow::Result<()> {
        let asked = tokio::select! {
            asked = self.ask(question, format) => asked,
            _ = tokio::signal::ctrl_c() => {
                note("stopped");
                return Ok(());
            }
        };
        match asked {
            Err(error) if crate::failure::is_broken_pipe(&error) => Err(error),
            Err(error) => {
                note(report(&error, self.terminal.err));
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    async fn ask(&mut self, question: Question<'_>, format: Format) -> anyhow::Result<()> {
        self.asker.refresh().await?;
        let (style, target, terminal) = (self.style, &Target::Stdout, self.terminal);
        match question {
            Question::Statement(statement) => {
                let answer = self.asker.sql(statement).await?;
                let schema = answer.schema();
                if schema.fields().is_empty() {
                    answer.collect().await?;
                    return Ok(());
                }
                write_rows(answer, schema, format, style, target, terminal).await
            }
            Question::Report(source) => {
                let definition = Definition::named(self.asker.engine(), source)?;
                let report = definition.report(&Overrides::default())?;
                let answer = self.asker.report(report.clone()).await?;
                write_report(answer, &report, format, style, target, terminal).await
            }
        }
    }
}

/// Where what was typed is remembered, whatever the dataset: in the user's data directory if there
/// is one, else in the home directory.
fn history_file() -> Option<PathBuf> {
    let home = std::env::home_dir();
    let data = std::env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| home.as_ref().map(|home| home.join(".local/share")).filter(|path| path.is_dir()));
    match data {
        Some(data) => Some(data.join("tallymark/history")),
        None => home.map(|home| home.join(".tallymark_history")),
    }
}
