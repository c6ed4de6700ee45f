//! Which of many names was probably meant.

use datafusion::common::utils::datafusion_strsim::levenshtein;

/// The most suggestions worth reading.
const SUGGESTIONS_MAX: usize = 3;

/// The names closest to `wanted`, closest first: the same but for case, then few letters apart,
/// then those that contain it.
pub(crate) fn closest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let wanted = wanted.to_lowercase();
    let letters = wanted.chars().count();
    let mut ranked: Vec<(usize, &str)> = names
        .into_iter()
        .filter_map(|name| distance(&wanted, letters, &name.to_lowercase()).map(|distance| (distance, name)))
        .collect();
    ranked.sort_unstable();
    ranked.dedup();
    ranked.into_iter().take(SUGGESTIONS_MAX).map(|(_, name)| name.to_owned()).collect()
}

fn distance(wanted: &str, letters: usize, name: &str) -> Option<usize> {
    let bare = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
    if wanted == name {
        return Some(0);
    }
    // `song_length` for `Song Length`, `browser` for `$browser`.
    if bare(wanted) == bare(name) && !bare(wanted).is_empty() {
        return Some(1);
    }
    let apart = levenshtein(wanted, name);
    let swapped = apart == 2 && sorted(wanted) == sorted(name);
    if swapped || apart <= (letters / 3).max(1) {
        return Some(1 + apart);
    }
    (letters >= 3 && name.contains(wanted)).then_some(letters + name.len())
}

fn sorted(text: &str) -> Vec<char> {
    let mut letters: Vec<char> = text.chars().collect();
    letters.sort_unstable();
    letters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_name_comes_first() {
        let names = ["event", "time", "Song Length", "$browser", "song", "plan", "Plan"];
        assert_eq!(closest("Event", names), ["event"]);
        assert_eq!(closest("song_length", names), ["Song Length"]);
        assert_eq!(closest("browser", names), ["$browser"]);
        assert_eq!(closest("tiem", names), ["time"]);
        assert_eq!(closest("tme", names), ["time"]);
        assert_eq!(closest("PLAN", names), ["Plan", "plan"]);
        assert_eq!(closest("zzz", names), Vec::<String>::new());
        assert_eq!(closest("", names), Vec::<String>::new());
    }
}
