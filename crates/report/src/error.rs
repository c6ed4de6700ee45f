//! What is wrong with a definition.

use thiserror::Error;

/// Shorthand.
pub type Result<T, E = DefinitionError> = std::result::Result<T, E>;

/// A definition that says nothing that can be answered.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}{problem}{}", place(.path), advice(.hint.as_deref()))]
pub struct DefinitionError {
    /// Where in the JSON, such as `metrics[0].measure`; empty for the whole.
    pub path: String,
    /// What is wrong there.
    pub problem: String,
    /// What would be right.
    pub hint: Option<String>,
}

fn place(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("{path}: ") }
}

fn advice(hint: Option<&str>) -> String {
    hint.map(|hint| format!("; {hint}")).unwrap_or_default()
}

impl DefinitionError {
    /// A problem at a place.
    pub fn new(path: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { path: path.into(), problem: problem.into(), hint: None }
    }

    /// The same with what would be right.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The same, inside of another place.
    #[must_use]
    pub fn within(self, outer: &str) -> Self {
        let path = match (outer.is_empty(), self.path.is_empty()) {
            (true, _) => self.path,
            (false, true) => outer.to_owned(),
            (false, false) if self.path.starts_with('[') => format!("{outer}{}", self.path),
            (false, false) => format!("{outer}.{}", self.path),
        };
        Self { path, ..self }
    }
}

/// The known name closest to one that is not known, if any is close.
pub fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(score, _)| *score > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

/// What a word stands for among those there are of a `kind`; `others` is what else could be written.
pub(crate) fn named<T: Clone>(
    word: &str,
    words: &[(&str, T)],
    kind: &str,
    others: &str,
) -> Result<T, String> {
    if let Some((_, found)) = words.iter().find(|(known, _)| *known == word) {
        return Ok(found.clone());
    }
    let known: Vec<&str> = words.iter().map(|(known, _)| *known).collect();
    let hint = closest(word, known.iter().copied());
    let hint = hint.map(|hint| format!("did you mean \"{hint}\"? ")).unwrap_or_default();
    Err(format!("\"{word}\" is no {kind}; {hint}Known: {}{others}", known.join(", ")))
}

/// What serde found wrong at a path, in our words.
pub(crate) fn of_serde(error: &serde_path_to_error::Error<serde_json::Error>) -> DefinitionError {
    let path = match error.path().to_string() {
        path if path == "." => String::new(),
        path => path,
    };
    let text = error.inner().to_string();
    if let Some(rest) =
        text.strip_prefix("unknown field `").or_else(|| text.strip_prefix("unknown variant `"))
        && let Some((name, expected)) = rest.split_once('`')
    {
        let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
        let hint = match closest(name, known.iter().copied()) {
            Some(closest) => format!("did you mean \"{closest}\"?"),
            None => format!("known here: {}", known.join(", ")),
        };
        // The path of an unknown field ends with the field itself.
        let path = path.strip_suffix(name).map_or(path.as_str(), |outer| outer.trim_end_matches('.'));
        return DefinitionError::new(path, format!("\"{name}\" is not known")).hint(hint);
    }
    DefinitionError::new(path, text)
}
