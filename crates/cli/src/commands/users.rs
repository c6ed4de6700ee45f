//! `tallymark users`

use arrow::array::AsArray as _;
use arrow::datatypes::Int64Type;
use tallymark::Engine;
use tallymark::datafusion::prelude::SessionContext;

use super::open_for_reading;
use crate::args::{Dataset, UsersArgs};
use crate::failure::{Outcome, advised};
use crate::output::{Format, TableStyle, Target, write_rows};
use crate::terminal::{Terminal, note};
use crate::text::{count, counted};

/// What every user has, in order.
const USER_ID: &str = "user_id";
const FIRST_EVENT_TIME: &str = "first_event_time";

/// Lists users by their profiles.
pub(super) async fn run(args: &UsersArgs, dataset: &Dataset, terminal: Terminal) -> anyhow::Result<Outcome> {
    let target = Target::new(args.out.clone());
    target.check(args.output, terminal)?;
    let engine = open_for_reading(dataset).await?;
    let session_ctx = engine.session()?;
    let people = if args.all { everybody(&engine, &session_ctx).await? } else { "users".to_owned() };
    let condition = args.filter.as_ref().map(|filter| format!(" WHERE ({filter}\n)")).unwrap_or_default();
    let matching = format!("SELECT count(*) FROM {people}{condition}");
    let advice = "`tallymark sql 'DESCRIBE users'` lists the properties; texts go in single quotes";
    let matching = number(&engine, &session_ctx, &matching).await.map_err(|error| advised(error, advice))?;

    let query = format!("SELECT {} FROM {people}{condition}{}", columns(args), order(args));
    let answer = engine.sql_in(&session_ctx, &query).await.map_err(|error| advised(error, advice))?;
    let (schema, style) = (answer.schema(), TableStyle::new(terminal, Some(0), args.out.is_none()));
    write_rows(answer, schema, args.output, style, &target, terminal).await?;
    let users = counted(matching, "user");
    let verb = if matching == 1 { "matches" } else { "match" };
    if args.limit > 0 && matching > args.limit {
        note(format!("{users} {verb}, {} shown (--limit 0 shows all)", count(args.limit)));
    } else if args.output == Format::Table {
        note(format!("{users} {verb}"));
    }
    Ok(Outcome::Done)
}

/// Users with a profile and those with events only, under the columns of `users`.
async fn everybody(engine: &Engine, session_ctx: &SessionContext) -> anyhow::Result<String> {
    let schema = engine.sql_in(session_ctx, "SELECT * FROM users LIMIT 0").await?.schema();
    let columns = schema.fields().iter().map(|field| match field.name().as_str() {
        USER_ID => "coalesce(users.user_id, seen.user_id) AS user_id".to_owned(),
        FIRST_EVENT_TIME => "seen.first_event_time".to_owned(),
        name => format!("users.{}", quoted(name)),
    });
    Ok(format!(
        "(SELECT {} FROM users FULL JOIN (SELECT user_id, min(time) AS first_event_time FROM events \
         WHERE user_id IS NOT NULL GROUP BY user_id) AS seen ON users.user_id = seen.user_id) AS people",
        columns.collect::<Vec<_>>().join(", ")
    ))
}

/// The user always comes first.
fn columns(args: &UsersArgs) -> String {
    if args.columns.is_empty() {
        return "*".to_owned();
    }
    let wanted = args.columns.iter().filter(|name| *name != USER_ID).map(|name| quoted(name));
    std::iter::once(USER_ID.to_owned()).chain(wanted).collect::<Vec<_>>().join(", ")
}

fn order(args: &UsersArgs) -> String {
    let column = quoted(args.sort.as_deref().unwrap_or(USER_ID));
    let direction = if args.desc { "DESC" } else { "ASC" };
    let limit = if args.limit == 0 { String::new() } else { format!(" LIMIT {}", args.limit) };
    format!(" ORDER BY {column} {direction} NULLS LAST, {USER_ID}{limit}")
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

async fn number(engine: &Engine, session_ctx: &SessionContext, query: &str) -> tallymark::Result<u64> {
    let batches = engine.sql_in(session_ctx, query).await?.collect().await?;
    let counts = batches.iter().filter(|batch| batch.num_rows() > 0);
    Ok(counts.map(|batch| batch.column(0).as_primitive::<Int64Type>().value(0) as u64).sum())
}
