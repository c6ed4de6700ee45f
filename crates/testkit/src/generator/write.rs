//! Planned events → NDJSON.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::plan::{EVENT_NAMES, EventPlan, Identity};
use super::properties::{Sink, Value, describe, device_id, insert_id_low, user_id};
use super::{EventGenerator, Written};

/// How many events are formatted at a time.
const CHUNK_EVENTS: usize = 8_192;

/// Some planned events, and where their lines are to be sent.
type Job = (Vec<EventPlan>, SyncSender<Vec<u8>>);

/// One thread plans, `threads` format chunks, the calling one writes them in order. Every queue is
/// bounded, so memory does not grow with the number of events.
pub(super) fn write_ndjson(
    generator: &EventGenerator,
    out: &mut dyn Write,
    threads: NonZeroUsize,
) -> io::Result<Written> {
    let queued = threads.get() * 2;
    let (jobs, waiting_jobs) = sync_channel::<Job>(queued);
    let (order, finished) = sync_channel::<Receiver<Vec<u8>>>(queued);
    let waiting_jobs = Mutex::new(waiting_jobs);
    thread::scope(|scope| {
        scope.spawn(move || plan_jobs(generator, &jobs, &order));
        for _ in 0..threads.get() {
            scope.spawn(|| format_jobs(generator, &waiting_jobs));
        }
        let mut written = Written::default();
        for chunk in &finished {
            // A chunk is missing only if its thread panicked, which the scope then passes on.
            let Ok(lines) = chunk.recv() else { break };
            if let Err(error) = out.write_all(&lines) {
                // Unblocks the other threads, which stop when nobody listens.
                drop(finished);
                return Err(error);
            }
            written.bytes += lines.len() as u64;
        }
        written.events = generator.config.events;
        Ok(written)
    })
}

fn plan_jobs(generator: &EventGenerator, jobs: &SyncSender<Job>, order: &SyncSender<Receiver<Vec<u8>>>) {
    let mut plans = generator.plans().peekable();
    while plans.peek().is_some() {
        let chunk: Vec<EventPlan> = plans.by_ref().take(CHUNK_EVENTS).collect();
        let (lines, result) = sync_channel(1);
        if order.send(result).is_err() || jobs.send((chunk, lines)).is_err() {
            return;
        }
    }
}

fn format_jobs(generator: &EventGenerator, jobs: &Mutex<Receiver<Job>>) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((chunk, lines)) = job else { return };
        let mut text = Vec::with_capacity(chunk.len() * 256);
        for plan in &chunk {
            write_line(&mut text, generator, plan);
        }
        // Nobody takes the lines once writing has failed.
        let _ = lines.send(text);
    }
}

/// Writes on the calling thread.
pub(super) fn write_plans(
    generator: &EventGenerator,
    plans: impl Iterator<Item = EventPlan>,
    out: &mut dyn Write,
) -> io::Result<Written> {
    let mut written = Written::default();
    let mut text = Vec::new();
    for plan in plans {
        text.clear();
        write_line(&mut text, generator, &plan);
        out.write_all(&text)?;
        written.events += 1;
        written.bytes += text.len() as u64;
    }
    Ok(written)
}

/// The line [`crate::json::event_line`] gives for the event, letter for letter, and a line break.
fn write_line(line: &mut Vec<u8>, generator: &EventGenerator, plan: &EventPlan) {
    line.extend_from_slice(br#"{"event":""#);
    line.extend_from_slice(EVENT_NAMES[plan.event].as_bytes());
    line.extend_from_slice(br#"","properties":{"time":"#);
    write_int(line, plan.time);
    line.extend_from_slice(br#","distinct_id":""#);
    let user = user_id(plan.user);
    match plan.identity {
        Identity::User => {
            line.extend_from_slice(user.as_bytes());
        }
        Identity::Device(number) => {
            let device = device_id(generator.config.seed, plan.user, number);
            line.extend_from_slice(b"$device:");
            line.extend_from_slice(device.as_bytes());
            line.extend_from_slice(br#"","$device_id":""#);
            line.extend_from_slice(device.as_bytes());
        }
        Identity::Both(number) => {
            let device = device_id(generator.config.seed, plan.user, number);
            line.extend_from_slice(user.as_bytes());
            line.extend_from_slice(br#"","$device_id":""#);
            line.extend_from_slice(device.as_bytes());
            line.extend_from_slice(br#"","$user_id":""#);
            line.extend_from_slice(user.as_bytes());
        }
    }
    line.extend_from_slice(br#"","$insert_id":""#);
    write_hex(line, plan.seed);
    write_hex(line, insert_id_low(plan));
    line.push(b'"');
    describe(plan, &mut Line(line));
    line.extend_from_slice(b"}}\n");
}

/// Puts properties into an object that has entries already.
struct Line<'l>(&'l mut Vec<u8>);

impl Sink for Line<'_> {
    fn put(&mut self, name: &'static str, value: Value<'_>) {
        self.0.extend_from_slice(b",\"");
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
        write_value(self.0, value);
    }
}

fn write_value(line: &mut Vec<u8>, value: Value<'_>) {
    match value {
        Value::Null => line.extend_from_slice(b"null"),
        Value::Bool(true) => line.extend_from_slice(b"true"),
        Value::Bool(false) => line.extend_from_slice(b"false"),
        Value::Int(value) => write_int(line, value),
        Value::Cents(cents) => write_cents(line, cents),
        Value::Plain(text) => {
            line.push(b'"');
            line.extend_from_slice(text.as_bytes());
            line.push(b'"');
        }
        Value::Text(text) => {
            serde_json::to_writer(line, text).expect("text is JSON, and memory takes any number of bytes");
        }
        Value::Texts(items) => write_list(line, items, |line, item| write_value(line, Value::Plain(item))),
        Value::Ints(items) => write_list(line, items, |line, item| write_int(line, *item)),
        Value::Object(entries) => {
            line.push(b'{');
            for (index, &(key, value)) in entries.iter().enumerate() {
                if index > 0 {
                    line.push(b',');
                }
                write_value(line, Value::Plain(key));
                line.push(b':');
                write_value(line, value);
            }
            line.push(b'}');
        }
    }
}

fn write_list<T>(line: &mut Vec<u8>, items: &[T], write_item: impl Fn(&mut Vec<u8>, &T)) {
    line.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            line.push(b',');
        }
        write_item(line, item);
    }
    line.push(b']');
}

fn write_int(line: &mut Vec<u8>, value: i64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        line.push(b'-');
    }
    line.extend_from_slice(&digits[at..]);
}

/// Hundredths, at least zero, in the shortest spelling.
fn write_cents(line: &mut Vec<u8>, cents: i64) {
    write_int(line, cents / 100);
    let (tenth, hundredth) = ((cents / 10 % 10) as u8, (cents % 10) as u8);
    if tenth != 0 || hundredth != 0 {
        line.extend_from_slice(&[b'.', b'0' + tenth]);
    }
    if hundredth != 0 {
        line.push(b'0' + hundredth);
    }
}

fn write_hex(line: &mut Vec<u8>, value: u64) {
    for shift in (0..64).step_by(4).rev() {
        line.push(b"0123456789abcdef"[(value >> shift & 15) as usize]);
    }
}
