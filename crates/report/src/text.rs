//! Values written either as a word or as an object.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
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

    /// The words there are, for the schema; none if any will do.
    fn words() -> Vec<&'static str> {
        Vec::new()
    }

    fn of_word(word: &str) -> Result<Self, String>;
    fn of_object(object: Self::Object) -> Result<Self, String>;

    fn of_list(_list: Self::List) -> Result<Self, String> {
        Err(NO_LIST.to_owned())
    }
}

const NO_LIST: &str = "a list is not expected here";

/// No list is expected.
pub(crate) enum NoList {}

impl<'de> Deserialize<'de> for NoList {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom(NO_LIST))
    }
}

impl JsonSchema for NoList {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "NoList".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        false.into()
    }
}

/// The schema of what [`word_or`] reads as a `T`.
pub(crate) struct Written<T>(PhantomData<T>);

impl<T> JsonSchema for Written<T>
where
    T: WordOr<'static>,
    T::Object: JsonSchema,
    T::List: JsonSchema,
{
    fn schema_name() -> Cow<'static, str> {
        let path = std::any::type_name::<T>();
        path.rsplit("::").next().unwrap_or(path).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut word = schemars::json_schema!({ "type": "string" });
        let words = T::words();
        if !words.is_empty() {
            word.insert("enum".to_owned(), words.into());
        }
        let mut forms =
            vec![word, generator.subschema_for::<T::Object>(), generator.subschema_for::<T::List>()];
        forms.retain(|form| form.as_bool() != Some(false));
        schemars::json_schema!({ "description": T::EXPECTED, "anyOf": forms })
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
