//! Arguments of `tallymark lexicon`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use tallymark::{LexiconKind, PropertyType};

use crate::output::Format;

/// `tallymark lexicon`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct LexiconArgs {
    #[command(subcommand)]
    pub(crate) command: Option<LexiconCommand>,
    #[command(flatten)]
    pub(crate) list: LexiconListArgs,
}

/// What to list.
#[derive(Debug, Args)]
pub(crate) struct LexiconListArgs {
    /// Only these
    #[arg(long, value_enum, value_name = "KIND")]
    pub(crate) kind: Option<LexiconKindChoice>,
    /// Only what has this tag
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Option<String>,
    /// How they are printed
    #[arg(long, value_enum, default_value = "table", value_name = "FORMAT")]
    pub(crate) output: Format,
}

/// What to do with the lexicon.
#[derive(Debug, Subcommand)]
pub(crate) enum LexiconCommand {
    /// Say something of an event or a property; what is not named stays as it was
    Set(LexiconSetArgs),
    /// Take over the entries of a JSON file, in place of those of the same names
    Import {
        /// The file; - is standard input
        file: String,
        /// Forget all other entries
        #[arg(long)]
        replace: bool,
    },
    /// Write all entries as JSON
    Export {
        /// The file [default: standard output]
        file: Option<PathBuf>,
    },
}

/// `tallymark lexicon set`
#[expect(clippy::struct_excessive_bools, reason = "flags")]
#[derive(Debug, Args)]
pub(crate) struct LexiconSetArgs {
    /// What it is
    #[arg(value_enum)]
    pub(crate) kind: LexiconKindChoice,
    /// The name it is sent under
    pub(crate) name: String,
    /// What to call it where people read; "" for nothing
    #[arg(long, value_name = "TEXT")]
    pub(crate) display_name: Option<String>,
    /// What it means; "" for nothing
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// A word to find it by, in place of those it had; may be given again; "" for none
    #[arg(long = "tag", value_name = "TAG")]
    pub(crate) tags: Vec<String>,
    /// Who knows about it; "" for nobody
    #[arg(long, value_name = "TEXT")]
    pub(crate) owner: Option<String>,
    /// Keep it out of menus, and of $all_events
    #[arg(long)]
    pub(crate) hidden: bool,
    /// Undo --hidden
    #[arg(long, conflicts_with = "hidden")]
    pub(crate) visible: bool,
    /// Do not store new data of it; what is stored stays
    #[arg(long)]
    pub(crate) blocked: bool,
    /// Undo --blocked
    #[arg(long, conflicts_with = "blocked")]
    pub(crate) stored: bool,
    /// Read it under this name in reports and merged_events, as if it had been sent so; "" for its own
    #[arg(long, value_name = "NAME")]
    pub(crate) merged_into: Option<String>,
    /// The type values of the property should have
    #[arg(long = "type", value_enum, value_name = "TYPE")]
    pub(crate) expected_type: Option<TypeChoice>,
    /// Forget first what was said before
    #[arg(long)]
    pub(crate) clear: bool,
}

/// What a lexicon has entries of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LexiconKindChoice {
    /// An event
    Event,
    /// A property of events
    #[value(alias = "property")]
    EventProperty,
    /// A property of users' profiles
    UserProperty,
}

impl LexiconKindChoice {
    /// As the engine takes it.
    pub(crate) fn kind(self) -> LexiconKind {
        match self {
            Self::Event => LexiconKind::Event,
            Self::EventProperty => LexiconKind::EventProperty,
            Self::UserProperty => LexiconKind::UserProperty,
        }
    }
}

/// Types of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TypeChoice {
    String,
    Number,
    Boolean,
    Date,
    List,
    Object,
}

impl TypeChoice {
    /// As the engine takes it.
    pub(crate) fn property_type(self) -> PropertyType {
        match self {
            Self::String => PropertyType::String,
            Self::Number => PropertyType::Number,
            Self::Boolean => PropertyType::Boolean,
            Self::Date => PropertyType::Date,
            Self::List => PropertyType::List,
            Self::Object => PropertyType::Object,
        }
    }
}
