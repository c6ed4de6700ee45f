//! Values written either as a word or as an object.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A type that is written as text where that says all, else as something longer.
pub(crate) trait WordOr<'de>: Sized {
    /// What is expected, for errors.
    const EXPECTED: &'static str;
    /// What an object is read as.
    type Object: Deserialize<'de>;
    /// What a list is read as; [`NoList`] if there is none such.
    type List: Deserialize<'de>;

    fn of_word(word: &str) -> Result<Self, String>;
    fn of_object(object: Self::Object) -> Result<Self, String>;
    fn of_list(list: Self::List) -> Result<Self, String>;
}

/// No list is expected.
pub(crate) enum NoList {}

impl<'de> Deserialize<'de> for NoList {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom("a list is not expected here"))
    }
}

/// Reads text, a list or an object without guessing, so that errors name the right place.
pub(crate) fn word_or<'de, T: WordOr<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct Either<T>(PhantomData<T>);

    impl<'de, T: WordOr<'de>> Visitor<'de> for Either<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(T::EXPECTED)
        }

        fn visit_str<E: Error>(self, word: &str) -> Result<T, E> {
            T::of_word(word).map_err(E::custom)
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            let object = T::Object::deserialize(MapAccessDeserializer::new(map))?;
            T::of_object(object).map_err(A::Error::custom)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T, A::Error> {
            let list = T::List::deserialize(SeqAccessDeserializer::new(list))?;
            T::of_list(list).map_err(A::Error::custom)
        }
    }

    deserializer.deserialize_any(Either(PhantomData))
}
