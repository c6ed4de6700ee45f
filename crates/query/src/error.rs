//! What can go wrong between a question and its answer.

use std::fmt;

use datafusion::common::DataFusionError;
use tallymark_report::DefinitionKind;

/// What this crate's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of this crate: the message says this level only, `source` carries the cause.
///
/// While a result is streamed, its errors are DataFusion's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A report whose definition says nothing that can be answered.
    #[error(transparent)]
    Definition(#[from] tallymark_report::DefinitionError),
    /// The text is not SQL.
    #[error("cannot read the SQL text")]
    Parse {
        /// Where reading stopped.
        source: DataFusionError,
    },
    /// There is no statement in the text.
    #[error("there is no statement in the SQL text")]
    NoStatement,
    /// A table that does not exist.
    #[error("there is no table {}{}", Quoted(name), Hint { suggestions, otherwise: "`SHOW TABLES` lists all" })]
    UnknownTable {
        /// The name asked for.
        name: String,
        /// Names that are close to it, closest first.
        suggestions: Vec<String>,
    },
    /// A column that does not exist, or not there.
    #[error(
        "there is no column {}{}",
        Quoted(name),
        Hint { suggestions, otherwise: "`DESCRIBE` a table to see its columns; `property_catalog` lists all properties" }
    )]
    UnknownColumn {
        /// The name asked for.
        name: String,
        /// Names that are close to it, closest first.
        suggestions: Vec<String>,
    },
    /// A function that does not take values of such types.
    #[error("{function} does not take {}; it takes {}{}", Given { types, column }, takes.join(", "), Conversion { types, column })]
    WrongArguments {
        /// The function's name.
        function: String,
        /// The types it was given, separated by commas; `text` for all kinds of strings.
        types: String,
        /// What it takes instead, each a list of types.
        takes: Vec<String>,
        /// The column it was given, where its only argument is one.
        column: Option<String>,
    },
    /// A statement that would write, or that reaches outside the dataset.
    #[error("{statement} is not allowed in SQL: {advice}")]
    NotAllowed {
        /// What was asked for, such as `INSERT`.
        statement: String,
        /// What to do instead.
        advice: &'static str,
    },
    /// The query is wrong in some other way.
    #[error("cannot plan the query")]
    Plan {
        /// What is wrong.
        source: DataFusionError,
    },
    /// The query failed while it ran.
    #[error("cannot run the query")]
    Run {
        /// Why.
        source: DataFusionError,
    },
    /// Something saved cannot be understood.
    #[error("cannot read the saved {kind} {}", Quoted(name))]
    SavedDefinition {
        /// What it is of.
        kind: DefinitionKind,
        /// Its name.
        name: String,
        /// What is wrong with it.
        source: tallymark_report::DefinitionError,
    },
    /// Columns could not be brought into memory.
    #[error("cannot load the events")]
    Load {
        /// Why.
        source: tallymark_memory::Error,
    },
    /// Memory, disk or settings for queries could not be had.
    #[error("cannot set up query execution")]
    Configure {
        /// Why.
        source: DataFusionError,
    },
    /// An attached dataset cannot be reached or is not Parquet.
    #[error("cannot read {url}, attached as {}", Quoted(name))]
    ReadAttached {
        /// The attachment's name.
        name: String,
        /// Where it is.
        url: String,
        /// Why.
        source: DataFusionError,
    },
    /// The place of an attached dataset is not a path or URL this build can open.
    #[error("cannot open {url}, attached as {}", Quoted(name))]
    OpenAttached {
        /// The attachment's name.
        name: String,
        /// Where it is.
        url: String,
        /// Why.
        source: Box<tallymark_storage::Error>,
    },
    /// An attached dataset lacks a column it was said to have.
    #[error(
        "{} has no column {}: name the column of the {role} with {flag}; its columns are {}",
        Quoted(name),
        Quoted(column),
        columns.join(", ")
    )]
    NoAttachedColumn {
        /// The attachment's name.
        name: String,
        /// The column that is missing.
        column: String,
        /// What the column is for: `event`, `time` or `user`.
        role: &'static str,
        /// The flag that names it.
        flag: &'static str,
        /// The columns there are, with their types.
        columns: Vec<String>,
    },
    /// The time column of an attached dataset cannot be understood as a time.
    #[error("cannot read column {} ({data_type}) of {} as the time: {advice}", Quoted(column), Quoted(name))]
    AttachedTime {
        /// The attachment's name.
        name: String,
        /// Its time column.
        column: String,
        /// The Arrow type of the column.
        data_type: String,
        /// What to do.
        advice: &'static str,
    },
    /// Rows could not be exported.
    #[error("cannot export the events of {from}{}", if from == to { String::new() } else { format!(" to {to}") })]
    Export {
        /// The first of the days that were being read,
        from: tallymark_event::Day,
        /// and the last.
        to: tallymark_event::Day,
        /// Why.
        source: DataFusionError,
    },
}

impl Error {
    /// The error about the question that DataFusion has carried while the answer was read; its own,
    /// and all about reading, are given back.
    ///
    /// # Errors
    /// The error itself, if it is another.
    pub fn found_in(error: DataFusionError) -> std::result::Result<Self, DataFusionError> {
        match error {
            DataFusionError::Context(text, inner) => {
                Self::found_in(*inner).map_err(|inner| DataFusionError::Context(text, Box::new(inner)))
            }
            DataFusionError::Diagnostic(diagnostic, inner) => Self::found_in(*inner)
                .map_err(|inner| DataFusionError::Diagnostic(diagnostic, Box::new(inner))),
            DataFusionError::External(inner) => match inner.downcast::<Self>() {
                Ok(own) if own.is_of_question() => Ok(*own),
                Ok(own) => Err(DataFusionError::External(own)),
                Err(inner) => Err(DataFusionError::External(inner)),
            },
            other => Err(other),
        }
    }

    fn is_of_question(&self) -> bool {
        matches!(self, Self::Definition(_) | Self::UnknownColumn { .. } | Self::SavedDefinition { .. })
    }
}

/// A name as it has to be written in SQL.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('"', "\"\""))
    }
}

/// What a function was given.
struct Given<'a> {
    types: &'a str,
    column: &'a Option<String>,
}

impl fmt::Display for Given<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.column {
            Some(column) => write!(f, "{} of type {}", Quoted(column), self.types),
            None => write!(f, "({})", self.types),
        }
    }
}

/// How text becomes what a function takes.
struct Conversion<'a> {
    types: &'a str,
    column: &'a Option<String>,
}

impl fmt::Display for Conversion<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.column {
            Some(column) if self.types == TEXT => write!(
                f,
                ". Numbers that came under the same name are in {}, if property_catalog lists it; \
                 TRY_CAST({} AS DOUBLE) reads numbers from text",
                Quoted(&format!("{column}@number")),
                Quoted(column)
            ),
            _ if self.types.contains(TEXT) => write!(f, ". TRY_CAST(… AS DOUBLE) reads numbers from text"),
            _ => Ok(()),
        }
    }
}

/// What all kinds of strings are called.
pub(crate) const TEXT: &str = "text";

/// What to do about a name that does not exist.
struct Hint<'a> {
    suggestions: &'a [String],
    otherwise: &'static str,
}

impl fmt::Display for Hint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.suggestions {
            [] => write!(f, "; {}", self.otherwise),
            [only] => write!(f, "; did you mean {}? ({})", Quoted(only), self.otherwise),
            [rest @ .., last] => {
                f.write_str("; did you mean ")?;
                for (index, name) in rest.iter().enumerate() {
                    write!(f, "{}{}", if index == 0 { "" } else { ", " }, Quoted(name))?;
                }
                write!(f, " or {}? ({})", Quoted(last), self.otherwise)
            }
        }
    }
}

/// An error of memory on its way through DataFusion.
pub(crate) fn not_loaded(source: tallymark_memory::Error) -> DataFusionError {
    DataFusionError::External(Box::new(Error::Load { source }))
}
