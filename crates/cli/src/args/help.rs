//! The texts of `--help` that are more than one line.

use std::fmt::Write as _;

use clap::Command;

/// The commands in the order one meets them.
const GROUPS: [(&str, &[&str]); 5] = [
    ("Start here", &["demo"]),
    ("Data in", &["import", "attach", "detach"]),
    ("Answers out", &["report", "sql", "users", "user", "inspect", "export"]),
    ("What it means", &["lexicon", "cohort", "event", "metric", "formula", "lookup", "check-plan"]),
    ("Look after it", &["compact", "delete-user", "snapshots"]),
];

/// Shows the commands in groups; those in no group, `help` and `version`, come last.
pub(super) fn grouped(command: Command) -> Command {
    let mut text = String::new();
    let styles = command.get_styles();
    let (header, literal) = (*styles.get_header(), *styles.get_literal());
    for (heading, names) in GROUPS {
        let _ = writeln!(text, "\n{header}{heading}:{header:#}");
        for name in names {
            let about =
                command.find_subcommand(name).and_then(Command::get_about).cloned().unwrap_or_default();
            let _ = writeln!(text, "  {literal}{name:<12}{literal:#} {about}");
        }
    }
    command.help_template(format!(
        "{{about}}\n\n{{usage-heading}} {{usage}}\n{text}\n{header}Options:{header:#}\n{{options}}{{after-help}}"
    ))
    .after_help(TOP)
}

const TOP: &str = "\
`tallymark COMMAND --help` explains a command and gives examples.

  tallymark demo                                    what it looks like, on real data
  tallymark import events.ndjson.gz                 your own events, into ./tallymark-data
  tallymark inspect                                 what is in there
  tallymark sql 'SELECT event, count(*) FROM events GROUP BY event'
  tallymark sql                                     a prompt with completion; \\h helps";

pub(super) const IMPORT: &str = "\
Examples:
  tallymark import events.ndjson.gz                 one file, into ./tallymark-data
  tallymark import 'logs/2024-*/*.json.zst'         a glob; directories work as well
  zcat events.gz | tallymark import -               standard input
  tallymark import orders.csv --event-name Order --time-column placed_at --user-column customer
  tallymark import data/ --strict                   stop at the first bad record
  tallymark import data/ --rejects refused.ndjson   keep what was refused, each with its reason
  tallymark import data/ --output json              the summary for a script
  tallymark import data/ --plan plan.json           say what is not as planned; it is stored all the same

A JSON record is an event in Mixpanel's form (/track, /import, raw export) or ours, or a profile or
group update ($set, $set_once, $add, $append, $union, $remove, $unset, $delete):
  {\"event\":\"Order\",\"time\":1700000000,\"distinct_id\":\"u1\",\"properties\":{\"total\":9.5}}
  {\"$distinct_id\":\"u1\",\"$set\":{\"plan\":\"pro\"}}

Every record read is stored, a duplicate of one (same event, user, time and insert id: its content
replaces the older one's), or refused. Refused records don't stop an import unless it is --strict.
Ctrl-C stops with what is committed so far; importing the same files again stores what is missing,
if the events have insert ids.";

pub(super) const ATTACH: &str = "\
Examples:
  tallymark attach visits /data/visits/ --event-column action --time-column ts --user-column uid
  tallymark sql 'SELECT event, count(*) FROM visits GROUP BY event'

The files are read where they are and never written. Every question lists them anew: new,
changed and removed files are seen. The first question about them reads all times and users, and
brings the columns it needs into memory, as far as there is room.";

pub(super) const DETACH: &str = "\
Example:
  tallymark detach visits";

pub(super) const SQL: &str = "\
Examples:
  tallymark sql                                     a prompt: history, completion, \\d, \\h
  tallymark sql 'SELECT event, count(*) AS n FROM events GROUP BY event ORDER BY n DESC'
  tallymark sql \"SELECT date_trunc('week', time) AS week, count(DISTINCT user_id) AS users
                 FROM events GROUP BY week ORDER BY week\"
  tallymark sql --file report.sql --output csv > report.csv
  tallymark sql 'SELECT * FROM events' --output parquet --out events.parquet
  tallymark sql 'EXPLAIN SELECT count(*) FROM events WHERE time >= now() - INTERVAL 7 DAY'
  tallymark sql --as-of-snapshot 12 'SELECT count(*) FROM events'

Tables:
  events             one row an event: event, time, distinct_id, user_id, …, then its properties
  merged_events      the same, with what the lexicon merges under one name, as reports read it
  users, groups      profiles
  identities         which ids are one user
  event_catalog      event names, how often, from when to when
  property_catalog   properties, their columns and types
  definitions        what was saved by name, such as cohorts
  lookup.NAME        the lookup table of that name

Names are taken as they are written, upper and lower case differ; those with blanks or signs go in
double quotes: \"Order Total\". Texts go in single quotes. All times are UTC.";

pub(super) const REPORT: &str = "\
Examples, over the data of `tallymark demo --dataset ./shop`:
  echo '{\"report\": \"insights\", \"range\": \"2010-12-01 to 2010-12-08\", \"interval\": \"day\",
         \"metrics\": [{\"event\": \"Order Placed\", \"measure\": \"unique_users\"}]}' > orders.json
  tallymark report orders.json --dataset ./shop

  echo '{\"report\": \"insights\", \"range\": \"2024-01-01 to 2024-06-30\", \"breakdowns\": [\"platform\"],
         \"metrics\": [{\"event\": \"purchase\"}, {\"event\": \"home\"}],
         \"formulas\": [{\"name\": \"bought, %\", \"formula\": \"A / B * 100\"}]}' |
    tallymark report - --dataset ./shop

  echo '{\"report\": \"funnel\", \"range\": \"2024-01-01 to 2024-06-30\", \"window\": \"1 session\",
         \"steps\": [\"product_view\", \"add_to_cart\", \"purchase\"]}' |
    tallymark report - --dataset ./shop

  tallymark report save Orders orders.json --dataset ./shop
  tallymark report --saved Orders --interval hour --output csv --dataset ./shop

The users behind a number, and the same as a cohort:
  tallymark report orders.json --users '{\"metric\": \"A\", \"time\": \"2010-12-01\"}' --dataset ./shop
  tallymark report orders.json --users '{\"metric\": \"A\", \"time\": \"2010-12-01\"}' \\
    --save-cohort 'First buyers' --dataset ./shop

The field report says what is asked: insights, funnel, retention, frequency, lifecycle, stickiness,
flows, correlation, experiment, impact, cohort, sessions. Insights say metrics (events and what is
measured of them), and perhaps range, interval, breakdowns, where, formulas, compare, time_zone:
--schema prints all there is. In SQL the same is asked by SELECT * FROM insights('{…}'),
funnel('{…}') and so on.";

pub(super) const COHORT: &str = "\
Examples:
  tallymark cohort save Subscribers subscribers.json
  echo '{\"all\": [{\"did\": {\"event\": \"Play\", \"in\": \"last 7 days\", \"times\": {\"at_least\": 2}}},
                 {\"where\": \"user.plan = 'pro'\"}]}' | tallymark cohort save 'Active pros' -
  echo '{\"any\": [{\"users\": [\"u1\", \"u2\"]}]}' | tallymark cohort save Testers -
  tallymark cohort list
  tallymark cohort members Subscribers --columns plan,seats --output csv > subscribers.csv
  tallymark cohort members 'Active pros' --as-of 2024-03-31
  tallymark cohort size 'Active pros' --interval day --range 'last 30 days'
  tallymark cohort show Testers
  tallymark cohort delete Testers

A cohort has either \"all\" or \"any\", a list of conditions. Each is one of did, did_not, where,
in_cohort, not_in_cohort, users, all, any, not. Members are found anew whenever a question is asked.";

pub(super) const EVENT: &str = "\
Examples:
  tallymark event save Listen listen.json           one name for several events
  tallymark event list
  tallymark event show Listen                       the definition, as JSON
  tallymark event delete Listen                     the stored events stay

A definition is what a report may say as an event: a name, a list, or an object with a filter.
  [\"Play\", {\"event\": \"Stream\", \"where\": {\"property\": \"mins\", \"at_least\": 1}}]
The names in it are those of stored events. Its own name stands for it wherever a report or cohort
names an event, also where stored events have that name.";

pub(super) const METRIC: &str = "\
Examples:
  tallymark metric save Hours hours.json            what is measured, of which events
  tallymark metric list
  tallymark metric show Hours                       the definition, as JSON
  tallymark metric delete Hours

A definition is what a report may say as a metric:
  {\"event\": \"Play\", \"measure\": {\"aggregate\": \"sum\", \"of\": \"hours\"}}
A report names it by {\"saved\": \"Hours\"}; changing it changes every report that does.";

pub(super) const FORMULA: &str = "\
Examples:
  tallymark formula save Conversion conversion.json arithmetic over metrics
  tallymark formula list
  tallymark formula show Conversion                 the definition, as JSON
  tallymark formula delete Conversion

A definition is what a report may say as a formula, with metrics of its own for its letters:
  {\"formula\": \"B / A\", \"metrics\": [{\"event\": \"home\"}, {\"event\": \"purchase\"}]}
A report names it among its formulas by {\"saved\": \"Conversion\"}; changing it changes every
report that does.";

pub(super) const LOOKUP: &str = "\
Examples:
  tallymark lookup save songs songs.csv --property song_id
  tallymark lookup save companies companies.parquet --property company --property user.company
  tallymark lookup list
  tallymark lookup show songs
  tallymark sql 'SELECT artist, count(*) FROM events JOIN lookup.songs USING (song_id)
                 GROUP BY artist'
  tallymark lookup delete songs

A table is a CSV or Parquet file with a header. Its first column is the key, different in each row;
the others are known of the property in reports: \"lookup.song_id.artist\", or
{\"lookup\": \"songs\", \"of\": \"song_id\", \"column\": \"artist\"}. Of a property that is a list each item
is looked up. Saving a table again changes all history.";

pub(super) const USERS: &str = "\
Examples:
  tallymark users                                   everybody with a profile
  tallymark users --where \"plan = 'pro' AND seats > 5\" --sort seats --desc
  tallymark users --columns '$name,plan' --limit 0 --output csv > users.csv
  tallymark users --all                             those who only have events, too
  tallymark users --all --where 'plan IS NULL'

What is listed is the SQL table users: user_id, last_seen, first_event_time, and a column for each
property. Names and texts are written as in SQL, but --sort and --columns take names as they are.";

pub(super) const USER: &str = "\
Examples:
  tallymark user u1
  tallymark user '$device:4f1c' --days 0 --hide heartbeat
  tallymark user u1 --output json | jq .profile

Any id will do: all ids of one person are shown as one user.";

pub(super) const LEXICON: &str = "\
Examples:
  tallymark lexicon                                 what there is, how often, and what is said of it
  tallymark lexicon set event Play --display-name 'Song played' --tag core --owner ada@example.com
  tallymark lexicon set event heartbeat --hidden
  tallymark lexicon set event debug --blocked       new ones are not stored
  tallymark lexicon set event-property mins --type number --description 'Minutes played'
  tallymark lexicon export > lexicon.json
  tallymark lexicon import lexicon.json --dataset ./other
  tallymark sql \"SELECT event, rows FROM event_catalog WHERE NOT hidden AND 'core' = ANY(tags)\"

Names in the data, in SQL and in exports stay as they are. A hidden event is stored and can be asked
for by name; only menus and $all_events leave it out. Of a blocked event or event property new
data is not stored, which import tells; what is stored stays.";

pub(super) const CHECK_PLAN: &str = "\
Examples:
  tallymark check-plan plan.json
  tallymark check-plan plan.json --since 2024-03-01 --output csv > violations.csv
  tallymark check-plan plan.json --save web         keep it, then: tallymark check-plan web
  tallymark import events.ndjson --plan plan.json   check what comes in

A plan has a JSON Schema for each event; known are required, properties, additionalProperties, and of
a property type, enum, minimum, maximum, pattern, format (date, date-time):
  {\"events\": {
    \"Play\": {
      \"required\": [\"genre\"],
      \"properties\": {
        \"genre\": {\"type\": \"string\", \"enum\": [\"pop\", \"jazz\"]},
        \"mins\": {\"type\": \"number\", \"minimum\": 0}}}},
   \"allow_other_events\": false}

Each violation is counted and has up to three examples. The exit code is 0 if all is as planned, else
1. A property that is null counts as missing.";

pub(super) const INSPECT: &str = "\
Examples:
  tallymark inspect
  tallymark inspect --files                         the files any Parquet reader may read
  tallymark inspect --memory --column plan          what columns cost in memory
  tallymark inspect --output json | jq .events";

pub(super) const EXPORT: &str = "\
Examples:
  tallymark export > events.ndjson                  everything
  tallymark export --from 2024-03-01 --to 2024-03-31 --event purchase --out march.ndjson
  tallymark export --format parquet --out events.parquet

Exported NDJSON imported again gives the same events.";

pub(super) const COMPACT: &str = "\
Examples:
  tallymark compact
  tallymark compact --all                           after many users were merged

Readers are not disturbed: files of retained snapshots stay until those expire.";

pub(super) const DELETE_USER: &str = "\
Examples:
  tallymark delete-user user_0042                   asks first
  tallymark delete-user user_0042 --yes --output json

All ids of the user are found and erased, whichever one is given; every other row stays as it was.
A scan of all live files then proves that nothing is left. Snapshots from before the deletion are
no longer retained.";

pub(super) const SNAPSHOTS: &str = "\
Examples:
  tallymark snapshots
  tallymark sql --as-of-snapshot 12 'SELECT count(*) FROM events'";

pub(super) const DEMO: &str = "\
Examples:
  tallymark demo                                    in a temporary dataset, gone afterwards
  tallymark demo --dataset ./shop                   the same, to go on with";

pub(super) const VERSION: &str = "\
Example:
  tallymark version";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::args::Cli;

    #[test]
    fn every_command_is_in_one_group() {
        let mut listed: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        let command = Cli::command();
        let mut all: Vec<&str> =
            command.get_subcommands().map(Command::get_name).filter(|name| *name != "version").collect();
        listed.sort_unstable();
        all.sort_unstable();
        assert_eq!(listed, all);
    }
}
