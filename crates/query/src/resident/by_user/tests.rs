//! What a matcher sees is what SQL over files gives in order of user, time and sequence.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;

use datafusion::common::{Column, DFSchema};
use datafusion::execution::SessionState;
use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryPool};
use datafusion::logical_expr::{Expr, lit};
use datafusion::prelude::SessionContext;
use tallymark_memory::UserDirectory;

use super::super::tests::dataset;
use super::{Matcher, UserCounts, UserEvents, UserScan};
use crate::tables::DatasetTables;
use crate::testing::{TestDataset, rows};

/// Of all kinds: codes of one dictionary and of several, times, numbers, users, none.
const CONDITIONS: &[&str] = &[
    "event = 'Buy'",
    "event IN ('Play', 'Share') AND plan = 'pro'",
    "price > 300",
    "price > 300 AND event = 'Quit'",
    "time >= '2024-03-30T11:30:00Z' AND event = 'Play'",
    "date_part('hour', time) < 7",
    "user_id IN ('user-2', 'user-3') AND flag",
    "length(user_id) > 6 AND event = 'Share'",
    "event = 'Nothing'",
];
/// A code, one of few, a number, a list, one for all.
const LABELS: &[&str] = &["event", "plan", "CAST(price AS VARCHAR)", "make_array(plan, event)", "'all'"];

/// Writes down all it sees: a line for each record, `user|time|mask|label…`.
struct WriteDown {
    users: Arc<UserDirectory>,
    label_count: usize,
}

impl Matcher for WriteDown {
    type Partial = Vec<String>;

    fn start(&self) -> Vec<String> {
        Vec::new()
    }

    fn user(&self, user: &UserEvents<'_>, partial: &mut Vec<String>) {
        for record in user.records {
            let labels = (0..self.label_count).map(|at| {
                let texts = user.labels(at, record).iter().map(|label| user.text(at, *label));
                texts.collect::<Vec<_>>().join("+")
            });
            let id = self.users.id(user.user);
            let line = [id.to_owned(), record.time.to_string(), record.conditions.to_string()];
            partial.push(line.into_iter().chain(labels).collect::<Vec<_>>().join("|"));
        }
    }

    fn merge(&self, total: &mut Vec<String>, later: Vec<String>) {
        total.extend(later);
    }

    fn bytes(&self, partial: &Vec<String>) -> usize {
        partial.len()
    }
}

/// What a matcher sees, with ranges of about so many rows.
async fn seen(
    session_ctx: &SessionContext,
    conditions: &[&str],
    labels: &[&str],
    range_rows: usize,
) -> Vec<String> {
    seen_with(session_ctx, conditions, labels, range_rows, |scan| scan).await
}

/// The same with a scan that leaves something out.
async fn seen_with(
    session_ctx: &SessionContext,
    conditions: &[&str],
    labels: &[&str],
    range_rows: usize,
    with: impl FnOnce(UserScan) -> UserScan,
) -> Vec<String> {
    let matcher = |users, label_count| WriteDown { users, label_count };
    seen_by(&session_ctx.state(), conditions, labels, range_rows, with, matcher).await
}

/// What a matcher makes of that, which is made for these users and so many labels.
async fn seen_by<M: Matcher>(
    state: &SessionState,
    conditions: &[&str],
    labels: &[&str],
    range_rows: usize,
    with: impl FnOnce(UserScan) -> UserScan,
    matcher: impl FnOnce(Arc<UserDirectory>, usize) -> M,
) -> M::Partial {
    let events = state.config().get_extension::<DatasetTables>().unwrap().events();
    let schema = DFSchema::try_from(events.schema.as_ref().clone()).unwrap();
    let exprs = |texts: &[&str]| -> Vec<Expr> {
        texts.iter().map(|text| state.create_logical_expr(text, &schema).unwrap()).collect()
    };
    let mut scan = UserScan::try_new(state, &events, exprs(conditions), exprs(labels)).unwrap();
    scan.range_rows = range_rows;
    let scan = with(scan);
    let layout = events.layout_of(state, &[], scan.inputs()).await.unwrap();
    let matcher = matcher(Arc::clone(layout.users()), labels.len());
    scan.run(layout, matcher, &state.runtime_env().memory_pool).await.unwrap()
}

#[tokio::test]
async fn columns_that_have_no_room_in_memory_are_the_querys_own() {
    let dataset = dataset().await;
    let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(2000));
    for (session_ctx, fits) in [(dataset.session(), false), (dataset.resident_session(), true)] {
        let state = session_ctx.state();
        let events = state.config().get_extension::<DatasetTables>().unwrap().events();
        let condition = Expr::Column(Column::from_name("event")).eq(lit("Nothing"));
        let scan = UserScan::try_new(&state, &events, vec![condition], Vec::new()).unwrap();
        let layout = events.layout_of(&state, &[], scan.inputs()).await.unwrap();
        let matcher = WriteDown { users: Arc::clone(layout.users()), label_count: 0 };
        let seen = scan.run(layout, matcher, &pool).await;
        if fits {
            assert!(seen.unwrap().is_empty());
        } else {
            assert!(seen.unwrap_err().to_string().contains("UserScan columns"));
        }
    }
    assert_eq!(pool.reserved(), 0);
}

/// The same lines from SQL over files.
async fn expected(dataset: &TestDataset, conditions: &[&str], labels: &[&str]) -> Vec<String> {
    let mask: Vec<String> = conditions
        .iter()
        .enumerate()
        .map(|(at, condition)| format!("CASE WHEN {condition} THEN {} ELSE 0 END", 1u64 << at))
        .collect();
    let (mut named, mut names) = (String::new(), String::new());
    for (at, label) in labels.iter().enumerate() {
        let text = if label.starts_with("make_array") { "array_to_string" } else { "coalesce" };
        let or = if label.starts_with("make_array") { "+" } else { "" };
        write!(named, ", {text}({label}, '{or}') AS label_{at}").unwrap();
        write!(names, ", label_{at}").unwrap();
    }
    let question = format!(
        "SELECT user_id, t, mask{names} FROM (SELECT user_id, CAST(time AS BIGINT) AS t, {} AS mask, sequence{named} \
         FROM events WHERE user_id IS NOT NULL) WHERE mask <> 0 ORDER BY user_id, t, sequence",
        mask.join(" + "),
    );
    rows(&dataset.session(), &question).await
}

#[tokio::test]
async fn users_come_with_their_wanted_events_in_order() {
    let dataset = dataset().await;
    let memory = dataset.resident_session();
    let everything = &["true", "event = 'Buy'"][..];
    for (conditions, labels) in [
        (CONDITIONS, LABELS),
        (&CONDITIONS[..1], &LABELS[..1]),
        (&["true"], LABELS),
        (everything, &[]),
        (&["event = 'Nothing'"], LABELS),
        (&["time < '2024-03-30T11:30:00Z'"], &[]),
        (&["price > 300"], &LABELS[3..4]),
    ] {
        let expected = expected(&dataset, conditions, labels).await;
        for range_rows in [1, 4, 50, 1 << 20] {
            let seen = seen(&memory, conditions, labels, range_rows).await;
            assert_eq!(seen, expected, "{conditions:?} {labels:?} {range_rows}");
        }
    }
}

#[tokio::test]
async fn once_between_cuts_leaves_out_what_meets_nothing_new_that_day() {
    const HOUR: i64 = 60 * 60 * 1000;
    let dataset = dataset().await;
    let memory = dataset.resident_session();
    // The start of a day, its end, and hours within.
    let day = 1_711_756_800_000;
    let cuts = vec![day - 30 * HOUR, day, day + HOUR, day + 5 * HOUR, day + 24 * HOUR, day + 35 * HOUR];
    let asked = [
        &["true"][..],
        &["event = 'Buy'"],
        CONDITIONS,
        &["true", "event = 'Buy'"],
        &["true", "price > 300", "flag"],
    ];
    for conditions in asked {
        let mut met: HashMap<(String, i64, usize), u64> = HashMap::new();
        let mut expected = expected(&dataset, conditions, &[]).await;
        expected.retain(|line| {
            let (user, time, mask) = parts(line);
            let between = cuts.partition_point(|cut| *cut <= time);
            let met = met.entry((user, time.div_euclid(24 * HOUR), between)).or_default();
            let has_new = mask & !*met != 0;
            *met |= mask;
            has_new
        });
        for range_rows in [4, 1 << 20] {
            let scan = |scan: UserScan| scan.once_between(cuts.clone());
            let seen = seen_with(&memory, conditions, &[], range_rows, scan).await;
            assert_eq!(seen, expected, "{conditions:?} {range_rows}");
        }
    }
}

/// The user, time and mask of a line.
fn parts(line: &str) -> (String, i64, u64) {
    let mut parts = line.split('|');
    let user = parts.next().unwrap().to_owned();
    (user, parts.next().unwrap().parse().unwrap(), parts.next().unwrap().parse().unwrap())
}

#[tokio::test]
async fn units_tell_of_the_second_condition_what_the_first_does_not_show() {
    const HOUR: i64 = 60 * 60 * 1000;
    let dataset = dataset().await;
    let memory = dataset.resident_session();
    let day = 1_711_756_800_000;
    let hours: Vec<i64> = (0..300).map(|hour| day - 34 * HOUR + hour * HOUR / 4).collect();
    let all_begins = [
        vec![day - 30 * HOUR, day, day + HOUR, day + 5 * HOUR, day + 24 * HOUR, day + 35 * HOUR],
        vec![day - 300 * HOUR, day - 12 * HOUR, day + 300 * HOUR],
        vec![day + 2 * HOUR],
        hours,
    ];
    let asked = [
        (&["true", "event = 'Buy'"][..], &LABELS[..1]),
        (&["event = 'Play'", "true"], &[][..]),
        (&["price > 300", "true"], LABELS),
        (&["price > 300", "flag"], &[]),
        (&["event = 'Buy'", "event = 'Play'"], &LABELS[..1]),
        (&["event = 'Buy' AND flag", "event IN ('Play', 'Buy')"], &[]),
        (&["refund > 0", "rated"], &[]),
        (&["refund > 0", "true"], &[]),
        (&["true", "true"], &[]),
        // With a third one: the first is met only by a user's first event ever that meets it.
        (&["true", "true", "true"], &[]),
        (&["event = 'Buy' AND flag", "true", "event = 'Buy'"], LABELS),
        (&["price > 300 AND event <> 'Quit'", "flag", "price > 300"], &[]),
        (&["refund > 0", "true", "refund IS NOT NULL"], &[]),
        (&["event = 'Play'", "event = 'Buy'", "event IN ('Play', 'Share')"], &LABELS[..1]),
        (&["time >= '2024-03-30T11:30:00Z'", "event = 'Play'", "true"], &[]),
    ];
    for ((conditions, labels), begins) in
        asked.iter().flat_map(|asked| all_begins.iter().map(move |all| (asked, all)))
    {
        // The units of each user: with the first condition, with the second, with that behind the first.
        let mut units: HashMap<String, [BTreeSet<usize>; 3]> = HashMap::new();
        let mut expected = expected(&dataset, conditions, labels).await;
        let mut ever: HashMap<String, i64> = HashMap::new();
        for (user, time, _) in expected.iter().map(|line| parts(line)).filter(|(_, _, mask)| mask & 4 != 0) {
            ever.entry(user).or_insert(time);
        }
        expected.retain(|line| {
            let (user, time, mut mask) = parts(line);
            if conditions.len() > 2 && ever.get(&user) != Some(&time) {
                mask &= !1;
            }
            let Some(unit) = begins.partition_point(|begin| *begin <= time).checked_sub(1) else {
                return false;
            };
            let [first, next, behind] = units.entry(user).or_default();
            if mask & 2 != 0 {
                next.insert(unit);
                if first.contains(&unit) {
                    behind.insert(unit);
                }
            }
            mask & 1 != 0 && first.insert(unit)
        });
        let expected: Vec<String> = expected
            .iter()
            .map(|line| {
                let mut fields: Vec<String> = line.split('|').map(str::to_owned).collect();
                // Of the condition that is told of, nothing is shown.
                fields[2] = "1".to_owned();
                let [_, next, behind] = &units[&fields[0]];
                let unit = begins.partition_point(|begin| *begin <= fields[1].parse().unwrap()) - 1;
                let after: Vec<usize> = next.iter().copied().filter(|next| *next > unit).collect();
                format!("{}|{}", fields.join("|"), told(unit, behind.contains(&unit), &after))
            })
            .collect();
        for range_rows in [4, 1 << 20] {
            let state = memory.state();
            let matcher = |users, label_count| Told(WriteDown { users, label_count }, begins.clone());
            let scan = |scan: UserScan| {
                let scan = scan.with_units(begins.clone(), 0, 1);
                if conditions.len() > 2 { scan.first_ever(2) } else { scan }
            };
            let seen = seen_by(&state, conditions, labels, range_rows, scan, matcher).await;
            assert_eq!(seen, expected, "{conditions:?} {begins:?} {range_rows}");
        }
    }
}

/// What is told of a unit: whether the condition was met behind the other there, and where later.
fn told(unit: usize, is_behind: bool, after: &[usize]) -> String {
    format!("{unit} {is_behind} {after:?} {:?}", after.last())
}

/// Writes down what is told of the unit of each event too.
struct Told(WriteDown, Vec<i64>);

impl Matcher for Told {
    type Partial = Vec<String>;

    fn start(&self) -> Vec<String> {
        self.0.start()
    }

    fn user(&self, user: &UserEvents<'_>, partial: &mut Vec<String>) {
        let first = partial.len();
        self.0.user(user, partial);
        for (line, record) in partial[first..].iter_mut().zip(user.records) {
            let unit = self.1.partition_point(|begin| *begin <= record.time) - 1;
            let after: Vec<usize> = user.met.after(unit).collect();
            assert_eq!(user.met.last_after(unit), after.last().copied());
            *line = format!("{line}|{}", told(unit, user.met.is_behind(unit), &after));
        }
    }

    fn merge(&self, total: &mut Vec<String>, later: Vec<String>) {
        self.0.merge(total, later);
    }

    fn bytes(&self, partial: &Vec<String>) -> usize {
        self.0.bytes(partial)
    }
}

#[tokio::test]
async fn once_ever_the_first_wanted_event_of_each_user_is_among_those_shown() {
    let dataset = dataset().await;
    let memory = dataset.resident_session();
    for condition in CONDITIONS.iter().chain(&["true", "flag"]) {
        let first_of = |lines: Vec<String>| {
            let mut known = std::collections::HashSet::new();
            let is_first = |line: &String| known.insert(line.split('|').next().unwrap().to_owned());
            lines.into_iter().filter(is_first).collect::<Vec<_>>()
        };
        let expected = first_of(expected(&dataset, &[condition], &[]).await);
        for range_rows in [4, 1 << 20] {
            let scan = |scan: UserScan| scan.once_ever();
            let seen = seen_with(&memory, &[condition], &[], range_rows, scan).await;
            assert_eq!(first_of(seen), expected, "{condition} {range_rows}");
        }
    }
}

#[tokio::test]
async fn users_are_found_by_how_many_events_they_have() {
    let dataset = dataset().await;
    let memory = dataset.resident_session();
    let state = memory.state();
    let events = state.config().get_extension::<DatasetTables>().unwrap().events();
    let schema = DFSchema::try_from(events.schema.as_ref().clone()).unwrap();
    let pool = &state.runtime_env().memory_pool;
    for _ in 0..3 {
        for condition in CONDITIONS.iter().chain(&["true", "flag"]) {
            for (wanted, test) in [
                (">= 1", (|_| true) as fn(u32) -> bool),
                ("> 20", |count| count > 20),
                ("= 3", |count| count == 3),
            ] {
                let expr = state.create_logical_expr(condition, &schema).unwrap();
                let counts = UserCounts::try_new(&state, &events, expr).unwrap();
                let layout = events.layout_of(&state, &[], counts.inputs()).await.unwrap();
                let users = Arc::clone(layout.users());
                let found = counts.users_where(layout, test, pool).await.unwrap();
                let found: Vec<String> = found.into_iter().map(|user| users.id(user).to_owned()).collect();
                let question = format!(
                    "SELECT user_id FROM events WHERE {condition} AND user_id IS NOT NULL GROUP BY user_id \
                     HAVING count(*) {wanted} ORDER BY user_id"
                );
                assert_eq!(found, rows(&dataset.session(), &question).await, "{condition} {wanted}");
            }
        }
    }
    assert_eq!(pool.reserved(), 0);
}
