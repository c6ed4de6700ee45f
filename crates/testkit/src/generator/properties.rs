//! A planned event → its properties and ids.

use std::borrow::Cow;

use tallymark_event::{DateShape, PropertyValue};

use super::draw::{Draw, mix};
use super::plan::{EVENT_NAMES, EventPlan};

/// What the values of a property are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PropertyShape {
    /// Strings.
    Text,
    /// Integers.
    Int,
    /// Numbers, some of them whole.
    Float,
    /// Booleans.
    Bool,
    /// Strings that are dates (D-22).
    Date,
    /// Lists of strings.
    Texts,
    /// Lists of integers.
    Ints,
    /// Objects.
    Object,
    /// Values of several types.
    Mixed,
}

/// Every property that may come up and what its values are (or null), in the order first described.
pub const PROPERTIES: &[(&str, PropertyShape)] = &[
    ("platform", PropertyShape::Text),
    ("country", PropertyShape::Text),
    ("$browser", PropertyShape::Text),
    ("app_version", PropertyShape::Text),
    ("utm_source", PropertyShape::Text),
    ("referrer", PropertyShape::Text),
    ("experiment", PropertyShape::Object),
    ("battery", PropertyShape::Float),
    ("cold_start", PropertyShape::Bool),
    ("network", PropertyShape::Text),
    ("page", PropertyShape::Text),
    ("load_ms", PropertyShape::Int),
    ("Scroll Depth", PropertyShape::Float),
    ("query", PropertyShape::Text),
    ("results", PropertyShape::Int),
    ("filters", PropertyShape::Texts),
    ("item_id", PropertyShape::Text),
    ("category", PropertyShape::Text),
    ("price", PropertyShape::Mixed),
    ("tags", PropertyShape::Texts),
    ("quantity", PropertyShape::Int),
    ("reason", PropertyShape::Text),
    ("cart.value", PropertyShape::Float),
    ("shipping method", PropertyShape::Text),
    ("delivery_date", PropertyShape::Date),
    ("payment_method", PropertyShape::Text),
    ("saved_card", PropertyShape::Bool),
    ("amount", PropertyShape::Float),
    ("currency", PropertyShape::Text),
    ("item_ids", PropertyShape::Texts),
    ("coupon", PropertyShape::Text),
    ("order", PropertyShape::Object),
    ("method", PropertyShape::Text),
    ("plan", PropertyShape::Text),
    ("trial_ends", PropertyShape::Date),
    ("channel", PropertyShape::Text),
    ("length", PropertyShape::Int),
    ("rating", PropertyShape::Mixed),
    ("video_id", PropertyShape::Text),
    ("seconds", PropertyShape::Float),
    ("completed", PropertyShape::Bool),
    ("Setting Name", PropertyShape::Text),
    ("value", PropertyShape::Mixed),
    ("campaign", PropertyShape::Text),
    ("sent_at", PropertyShape::Date),
    ("code", PropertyShape::Mixed),
    ("message", PropertyShape::Text),
    ("topic", PropertyShape::Text),
    ("wait_s", PropertyShape::Int),
    ("scores", PropertyShape::Ints),
];

/// A value on its way out.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'v> {
    Null,
    Bool(bool),
    Int(i64),
    /// Hundredths.
    Cents(i64),
    /// Needs no escapes in JSON.
    Plain(&'v str),
    /// Any text.
    Text(&'v str),
    Texts(&'v [&'static str]),
    Ints(&'v [i64]),
    /// Keys need no escapes.
    Object(&'v [(&'static str, Value<'v>)]),
}

/// Where properties go. Names need no escapes in JSON.
pub(super) trait Sink {
    fn put(&mut self, name: &'static str, value: Value<'_>);
}

/// Keeps them.
#[derive(Debug, Default)]
pub(super) struct Collect(pub(super) Vec<(Cow<'static, str>, PropertyValue<'static>)>);

impl Sink for Collect {
    fn put(&mut self, name: &'static str, value: Value<'_>) {
        self.0.push((Cow::Borrowed(name), owned(value)));
    }
}

fn owned(value: Value<'_>) -> PropertyValue<'static> {
    match value {
        Value::Null => PropertyValue::Null,
        Value::Bool(value) => PropertyValue::Bool(value),
        Value::Int(value) => PropertyValue::Int(value),
        Value::Cents(cents) if cents % 100 == 0 => PropertyValue::Int(cents / 100),
        Value::Cents(cents) => PropertyValue::Float(cents as f64 / 100.0),
        Value::Plain(text) | Value::Text(text) => PropertyValue::from(text.to_owned()),
        Value::Texts(items) => PropertyValue::from(items.to_vec()),
        Value::Ints(items) => PropertyValue::from(items.to_vec()),
        Value::Object(entries) => {
            let entries = entries.iter().map(|&(key, value)| (Cow::Borrowed(key), owned(value)));
            PropertyValue::Object(entries.collect())
        }
    }
}

/// The id of a user: looks random, differs for every user.
pub(super) fn user_id(user: u64) -> String {
    // A bijection of 40 bits: odd multiplication and xor-shift.
    const MASK: u64 = (1 << 40) - 1;
    let spread = user.wrapping_mul(0x9_e377_9b97).wrapping_add(0x5_1234_5679) & MASK;
    let spread = (spread ^ (spread >> 17)).wrapping_mul(0xb_f584_76d5) & MASK;
    format!("u{spread:010x}")
}

/// A device of a user, as a UUID.
pub(super) fn device_id(seed: u64, user: u64, number: u64) -> String {
    let high = mix(seed ^ mix(user) ^ number);
    let low = mix(high ^ user);
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        0x8000 | (low >> 48 & 0x3fff),
        low & 0xffff_ffff_ffff
    )
}

/// 32 hex digits.
pub(super) fn insert_id(plan: &EventPlan) -> String {
    format!("{:016x}{:016x}", plan.seed, insert_id_low(plan))
}

/// The half that makes it unique: a bijection of the event's number.
pub(super) fn insert_id_low(plan: &EventPlan) -> u64 {
    mix(plan.number ^ 0x7461_6c6c_796d_6b21)
}

const COUNTRIES: [&str; 24] = [
    "US", "IN", "BR", "DE", "GB", "FR", "JP", "MX", "ID", "CA", "ES", "IT", "TR", "NL", "PL", "KR", "AU",
    "SE", "AR", "ZA", "NG", "CH", "DK", "NZ",
];
const BROWSERS: [&str; 5] = ["Chrome", "Safari", "Edge", "Firefox", "Samsung Internet"];
const VERSIONS: [&str; 9] =
    ["4.2.1", "4.2.0", "4.1.7", "4.1.2", "4.0.0", "3.9.4", "3.8.0", "3.2.2", "2.14.1"];
const SOURCES: [&str; 6] = ["google", "newsletter", "instagram", "partner", "bing", "tiktok"];
const REFERRERS: [&str; 4] =
    ["$direct", "https://search.example/", "https://news.example/story?id=7", "https://blog.example/"];
const PAGES: [&str; 16] = [
    "/",
    "/shop",
    "/pricing",
    "/shop/coffee",
    "/shop/tea",
    "/about",
    "/blog",
    "/shop/mugs",
    "/faq",
    "/account",
    "/blog/how-to-brew",
    "/shop/sale",
    "/stores",
    "/careers",
    "/legal/terms",
    "/blog/2024/best-of",
];
const CATEGORIES: [&str; 8] = ["coffee", "tea", "mugs", "grinders", "filters", "sweets", "books", "machines"];
const QUERIES: [&str; 14] = [
    "espresso",
    "french press",
    "decaf",
    "gift",
    "green tea",
    "café crème",
    "mug \"large\"",
    "filter 4",
    "moka",
    "beans 1kg",
    "抹茶",
    "kettle",
    "sale",
    "descaler",
];
const TAGS: [&str; 10] =
    ["new", "sale", "organic", "fair-trade", "bestseller", "limited", "vegan", "gift", "bulk", "decaf"];
const COUPONS: [&str; 5] = ["WELCOME10", "SPRING", "FREESHIP", "VIP-2024", "B2B"];
const MESSAGES: [&str; 5] = [
    "card declined",
    "timeout after 30s",
    "unexpected token '<' in JSON",
    "cannot read \"total\" of undefined\n    at cart.js:112:9",
    "network unreachable",
];

/// Describes an event. What is the same in the whole session (platform, country, …) comes from its
/// seed, the rest from the event's own.
pub(super) fn describe(plan: &EventPlan, out: &mut impl Sink) {
    let mut draw = Draw::new(plan.seed);
    describe_session(plan, &mut draw, out);
    match EVENT_NAMES[plan.event] {
        "App Open" => {
            if draw.percent(40) {
                out.put("battery", Value::Cents(draw.below(101) as i64));
            }
            out.put("cold_start", Value::Bool(draw.percent(30)));
            out.put("network", Value::Plain(draw.first_of(&["wifi", "4g", "5g", "offline"])));
        }
        "Page View" => {
            out.put("page", Value::Plain(draw.first_of(&PAGES)));
            out.put("load_ms", Value::Int(60 + draw.low(4_000) as i64));
            if draw.percent(20) {
                out.put("Scroll Depth", Value::Cents(draw.below(101) as i64));
            }
        }
        "Search" => {
            out.put("query", Value::Text(draw.first_of(&QUERIES)));
            out.put("results", Value::Int(draw.low(400) as i64));
            if draw.percent(30) {
                put_tags(out, "filters", &mut draw);
            }
        }
        "View Item" => {
            put_item(out, &mut draw);
            out.put("category", Value::Plain(draw.first_of(&CATEGORIES)));
            put_price(out, &mut draw);
            if draw.percent(25) {
                put_tags(out, "tags", &mut draw);
            }
        }
        "Add to Cart" => {
            put_item(out, &mut draw);
            put_price(out, &mut draw);
            out.put("quantity", Value::Int(1 + draw.low(6) as i64));
        }
        "Remove from Cart" => {
            put_item(out, &mut draw);
            let reason = if draw.percent(50) {
                Value::Null
            } else {
                Value::Plain(draw.of(&["too expensive", "mistake"]))
            };
            out.put("reason", reason);
        }
        "Checkout" => {
            out.put("cart.value", Value::Cents(500 + draw.low(30_000) as i64));
            out.put("quantity", Value::Int(1 + draw.low(9) as i64));
        }
        "Enter Shipping" => {
            out.put("shipping method", Value::Plain(draw.first_of(&["standard", "express", "pick-up"])));
            let days = plan.time / 86_400_000 + 1 + draw.below(6) as i64;
            put_date(out, "delivery_date", DateShape::Date, days);
        }
        "Enter Payment" => {
            out.put(
                "payment_method",
                Value::Plain(draw.first_of(&["card", "paypal", "invoice", "gift card"])),
            );
            out.put("saved_card", Value::Bool(draw.percent(45)));
        }
        "Purchase" => describe_purchase(plan, &mut draw, out),
        "Sign Up" => {
            out.put("method", Value::Plain(draw.first_of(&["email", "google", "apple"])));
            out.put("plan", Value::Plain(draw.first_of(&["free", "pro", "team"])));
            put_date(out, "trial_ends", DateShape::Seconds, plan.time + 14 * 86_400_000);
        }
        "Log In" => out.put("method", Value::Plain(draw.first_of(&["email", "google", "apple"]))),
        "Share" => {
            out.put("channel", Value::Plain(draw.first_of(&["whatsapp", "copy link", "email", "x"])));
            put_item(out, &mut draw);
        }
        "Like" => put_item(out, &mut draw),
        "Comment" => {
            out.put("length", Value::Int(1 + draw.low(600) as i64));
            let stars = 1 + draw.below(5);
            let rating = match draw.below(20) {
                0 => Value::Null,
                1 => Value::Plain("great"),
                2..=4 => Value::Plain(["1", "2", "3", "4", "5"][stars as usize - 1]),
                5 => Value::Cents(stars as i64 * 100 - 50),
                _ => Value::Int(stars as i64),
            };
            out.put("rating", rating);
        }
        "Watch Video" => {
            out.put("video_id", Value::Plain(&format!("v{:04}", draw.low(3_000))));
            out.put("seconds", Value::Cents(draw.low(90_000) as i64));
            out.put("completed", Value::Bool(draw.percent(35)));
        }
        "Change Setting" => {
            let (name, value) = match draw.below(5) {
                0 => ("notifications", Value::Bool(draw.percent(50))),
                1 => ("Font Size", Value::Int(10 + draw.below(12) as i64)),
                2 => ("theme", Value::Plain(draw.of(&["dark", "light"]))),
                3 => ("quiet hours", Value::Ints(&[22, 7])),
                _ => ("language", Value::Plain(draw.of(&["en", "de", "pt-BR", "ja"]))),
            };
            out.put("Setting Name", Value::Plain(name));
            out.put("value", value);
        }
        "Notification Opened" => {
            out.put("campaign", Value::Plain(draw.first_of(&["win-back", "cart reminder", "weekly digest"])));
            put_date(out, "sent_at", DateShape::MillisZ, plan.time - draw.low(7_200_000) as i64);
        }
        "Error" => {
            let code = if draw.percent(70) {
                Value::Int(draw.of(&[400, 404, 409, 500, 503]))
            } else {
                Value::Plain("E_TIMEOUT")
            };
            out.put("code", code);
            out.put("message", Value::Text(draw.first_of(&MESSAGES)));
        }
        "Support Chat" => {
            out.put("topic", Value::Plain(draw.first_of(&["delivery", "refund", "account", "other"])));
            out.put("wait_s", Value::Int(draw.low(1_800) as i64));
            if draw.percent(30) {
                let scores = [1 + draw.below(5) as i64, 1 + draw.below(5) as i64, 1 + draw.below(5) as i64];
                out.put("scores", Value::Ints(&scores[..=draw.below(3) as usize]));
            }
        }
        _ => {}
    }
}

fn describe_session(plan: &EventPlan, draw: &mut Draw, out: &mut impl Sink) {
    let mut session = Draw::new(plan.session_seed);
    let platform = session.first_of(&["web", "ios", "android"]);
    out.put("platform", Value::Plain(platform));
    out.put("country", Value::Plain(Draw::new(plan.user).first_of(&COUNTRIES)));
    let (browser, version) = (session.first_of(&BROWSERS), session.first_of(&VERSIONS));
    if matches!(EVENT_NAMES[plan.event], "App Open" | "Purchase" | "Error" | "Log In") {
        if platform == "web" {
            out.put("$browser", Value::Plain(browser));
        } else {
            out.put("app_version", Value::Plain(version));
        }
    }
    if plan.opens_session {
        if session.percent(30) {
            out.put("utm_source", Value::Plain(session.first_of(&SOURCES)));
        }
        if platform == "web" {
            out.put("referrer", Value::Plain(session.first_of(&REFERRERS)));
        }
    }
    if draw.percent(1) {
        let variant = Value::Plain(draw.of(&["control", "A", "B"]));
        out.put("experiment", Value::Object(&[("name", Value::Plain("new checkout")), ("variant", variant)]));
    }
}

fn describe_purchase(plan: &EventPlan, draw: &mut Draw, out: &mut impl Sink) {
    let lines = 1 + draw.low(4);
    out.put("amount", Value::Cents(lines as i64 * 400 + draw.low(30_000) as i64));
    out.put("currency", Value::Plain(draw.first_of(&["USD", "EUR", "GBP"])));
    put_tags(out, "item_ids", draw);
    match draw.below(10) {
        0 => out.put("coupon", Value::Null),
        1 | 2 => out.put("coupon", Value::Plain(draw.first_of(&COUPONS))),
        _ => {}
    }
    let number = format!("O-{:08}", plan.number % 100_000_000);
    let gift = Value::Bool(draw.percent(12));
    let order = [("id", Value::Plain(&number)), ("lines", Value::Int(lines as i64)), ("gift", gift)];
    out.put("order", Value::Object(&order));
}

fn put_item(out: &mut impl Sink, draw: &mut Draw) {
    out.put("item_id", Value::Plain(&format!("sku-{:05}", draw.low(20_000))));
}

/// Now and then some client sends its price as text.
fn put_price(out: &mut impl Sink, draw: &mut Draw) {
    let cents = 199 + draw.low(15_000) as i64;
    if draw.percent(1) {
        out.put("price", Value::Plain(&format!("{}.{:02}", cents / 100, cents % 100)));
    } else {
        out.put("price", Value::Cents(cents));
    }
}

/// One to three different ones.
fn put_tags(out: &mut impl Sink, name: &'static str, draw: &mut Draw) {
    let first = draw.below(TAGS.len() as u64) as usize;
    let tags = [TAGS[first], TAGS[(first + 3) % TAGS.len()], TAGS[(first + 4) % TAGS.len()]];
    out.put(name, Value::Texts(&tags[..=draw.low(3) as usize]));
}

fn put_date(out: &mut impl Sink, name: &'static str, shape: DateShape, value: i64) {
    // Beyond the year 9999 dates have no spelling; the generator then leaves the property out.
    if let Some(text) = shape.spell(value) {
        out.put(name, Value::Plain(&text));
    }
}
