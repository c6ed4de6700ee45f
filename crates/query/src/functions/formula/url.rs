//! `parse_url` (K-11): the registered name in an address.
//!
//! The registered name of `https://www.google.co.uk/search` is `google.co.uk`: a public suffix and the
//! label before it. There are thousands of public suffixes, and the list changes every week; known
//! here are all of one label, and those of two that [`SECOND_LEVELS`] describes. An address that has no
//! registered name (`localhost`, numbers) is its own.

use datafusion::common::{Result, ScalarValue, plan_err};

use arrow::datatypes::DataType;

use super::definition::{Definition, Takes, each_text, literal_text};

pub(super) const PARSE_URL: Definition = Definition {
    name: "parse_url",
    usage: "an address and 'domain' or 'full_domain'",
    takes: &[Takes::Text, Takes::Text],
    required: 2,
    returns: |_| DataType::Utf8View,
    nullable: true,
    check: Some(check_part),
    evaluate: |arguments| {
        let (urls, parts) = (arguments.texts(0), arguments.texts(1));
        Ok(each_text(arguments.rows, |row| Part::named(parts.at(row)?)?.of(urls.at(row)?)))
    },
};

/// Labels that stand before the two letters of a country in public suffixes (`co.uk`, `com.au`,
/// `co.jp`), wherever they do.
const SECOND_LEVELS: [&str; 14] =
    ["ac", "co", "com", "edu", "go", "gob", "gov", "gouv", "ltd", "ne", "net", "nom", "or", "org"];

#[derive(Clone, Copy)]
enum Part {
    /// `google` of `google.co.uk`.
    Domain,
    /// `google.co.uk`.
    FullDomain,
}

impl Part {
    fn named(name: &str) -> Option<Self> {
        match name {
            "domain" => Some(Self::Domain),
            "full_domain" => Some(Self::FullDomain),
            _ => None,
        }
    }

    fn of(self, url: &str) -> Option<String> {
        let host = host(url)?;
        let host = host.as_str();
        if !host.contains('.') || host.split('.').all(|label| label.bytes().all(|byte| byte.is_ascii_digit()))
        {
            return Some(host.to_owned());
        }
        let name = registered(host);
        match self {
            Self::Domain => name.split('.').next().map(str::to_owned),
            Self::FullDomain => Some(name.to_owned()),
        }
    }
}

fn check_part(literals: &[Option<&ScalarValue>]) -> Result<()> {
    match literal_text(literals, 1) {
        Some(name) if Part::named(name).is_none() => {
            plan_err!("parse_url: there is no part {name:?}; there are 'domain' and 'full_domain'")
        }
        _ => Ok(()),
    }
}

/// The host of an address, in lower case; the address may lack its scheme.
fn host(url: &str) -> Option<String> {
    let url = url.trim();
    let (has_authority, rest) = match url.split_once("://") {
        Some((scheme, rest)) if !scheme.contains(['/', '?', '#']) => (true, rest),
        _ => url.strip_prefix("//").map_or((false, url), |rest| (true, rest)),
    };
    let authority = rest.split(['/', '?', '#', '\\']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if let Some(address) = host.strip_prefix('[') {
        return Some(address.split_once(']')?.0.to_lowercase());
    }
    let host = host.split_once(':').map_or(host, |(host, _)| host).trim_end_matches('.');
    let is_label = |label: &str| {
        !label.is_empty() && label.chars().all(|letter| letter.is_alphanumeric() || "-_".contains(letter))
    };
    let is_host = host.split('.').all(is_label) && (has_authority || host.contains('.'));
    is_host.then(|| host.to_lowercase())
}

/// The public suffix and the label before it.
fn registered(host: &str) -> &str {
    let mut dots = host.rmatch_indices('.').map(|(at, _)| at);
    let Some(last) = dots.next() else { return host };
    let Some(second) = dots.next() else { return host };
    let has_two = host.len() - last == 3 && SECOND_LEVELS.contains(&&host[second + 1..last]);
    if !has_two {
        return &host[second + 1..];
    }
    dots.next().map_or(host, |third| &host[third + 1..])
}
