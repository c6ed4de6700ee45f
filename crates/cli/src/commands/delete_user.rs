//! `tallymark delete-user`

use std::io::{self, BufRead as _, Write as _};

use anyhow::Context as _;
use tallymark::DeleteReport;

use super::{open_existing_for_writing, print};
use crate::args::{Dataset, DeleteUserArgs, ReportFormat};
use crate::failure::{Outcome, failure};
use crate::terminal::{Paint, Terminal, note};
use crate::text::{count, counted};

/// Erases a user and proves it.
pub(super) async fn run(
    args: &DeleteUserArgs,
    dataset: &Dataset,
    terminal: Terminal,
) -> anyhow::Result<Outcome> {
    if !args.yes && !is_confirmed(&args.id, dataset, terminal)? {
        note("nothing was deleted");
        return Ok(Outcome::Refused);
    }
    let engine = open_existing_for_writing(dataset, "delete-user").await?;
    let deleted = engine.delete_user(&args.id).await;
    let closed = engine.close().await;
    let deleted = deleted?;
    closed?;
    match args.output {
        ReportFormat::Json => print::json(&deleted)?,
        ReportFormat::Table => print::text(&proof(&args.id, &deleted, terminal.out))?,
    }
    if deleted.remaining > 0 {
        return Err(failure(
            format!("{} of the user are still there", counted(deleted.remaining, "row")),
            "an import was probably running; delete the user again",
        ));
    }
    Ok(Outcome::Done)
}

fn proof(id: &str, deleted: &DeleteReport, paint: Paint) -> String {
    if deleted.events + deleted.profiles + deleted.definitions == 0 && deleted.ids.len() <= 1 {
        return format!("There is nothing of {id} here: no event, no profile, no link\n");
    }
    let ids = deleted.ids.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let listed = match deleted.definitions {
        0 => String::new(),
        definitions => format!("  cohorts     {}  {}\n", count(definitions), paint.faint("listed the user")),
    };
    format!(
        "{} user {}\n  ids         {ids}\n  events      {}\n  profiles    {}\n{listed}  rewritten   {}\n  left        {}  {}\n",
        paint.good("Erased"),
        paint.strong(&deleted.user_id),
        count(deleted.events),
        count(deleted.profiles),
        counted(deleted.files_rewritten, "file"),
        paint.strong(count(deleted.remaining)),
        paint.faint("rows of this user, by a scan of all live files"),
    )
}

/// Asks whoever sits at the terminal.
fn is_confirmed(id: &str, dataset: &Dataset, terminal: Terminal) -> anyhow::Result<bool> {
    if !terminal.stdin || !terminal.stderr {
        return Err(failure(
            "deleting a user cannot be undone, and there is nobody to ask",
            "say --yes if you are sure",
        ));
    }
    let mut err = io::stderr().lock();
    write!(
        err,
        "Erase all events, the profile and the ids of {id} in {}? This cannot be undone. [y/N] ",
        dataset.url
    )
    .and_then(|()| err.flush())
    .context("cannot ask")?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).context("cannot read the answer")?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
