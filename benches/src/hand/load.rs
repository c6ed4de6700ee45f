//! Parquet files → [`Columns`].

use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use arrow::array::{Array, ArrayRef, AsArray as _, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::Columns;

const BATCH_ROWS: usize = 65_536;
const MS_PER_DAY: i64 = 86_400_000;
const NAMES: [&str; 11] = [
    "event", "time", "user_id", "country", "platform", "category", "currency", "page", "item_id", "amount",
    "load_ms",
];

impl Columns {
    /// Reads the files of a dataset, each sorted by (user, time, sequence), in order of day.
    ///
    /// # Errors
    /// If a file cannot be read, or the rows of a user are out of order because the files of a day
    /// overlap.
    pub(crate) fn load(files: &[PathBuf], threads: usize) -> Result<Self> {
        let mut loader = Loader::default();
        for path in files {
            loader.file(path).with_context(|| format!("cannot load {}", path.display()))?;
        }
        let mut columns = loader.finish();
        columns.threads = threads;
        let in_order = columns.user.windows(2).zip(columns.time.windows(2));
        ensure!(
            in_order.into_iter().all(|(users, times)| users[0] < users[1] || times[0] <= times[1]),
            "the files of a day overlap: compact the dataset"
        );
        Ok(columns)
    }
}

/// Columns in the order of the files.
#[derive(Default)]
struct Loader {
    columns: Columns,
    ids: HashMap<String, u32>,
    event: Interner,
    country: Interner,
    platform: Interner,
    category: Interner,
    currency: Interner,
    page: Interner,
    item: Interner,
}

impl Loader {
    fn file(&mut self, path: &PathBuf) -> Result<()> {
        let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?;
        let wanted = builder
            .parquet_schema()
            .columns()
            .iter()
            .enumerate()
            .filter(|(_, column)| NAMES.contains(&column.path().string().as_str()))
            .map(|(at, _)| at);
        let mask = ProjectionMask::leaves(builder.parquet_schema(), wanted.collect::<Vec<_>>());
        for batch in builder.with_projection(mask).with_batch_size(BATCH_ROWS).build()? {
            self.batch(&batch?)?;
        }
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch) -> Result<()> {
        let column = |name: &str, data_type: &DataType| -> Result<ArrayRef> {
            match batch.column_by_name(name) {
                Some(column) => Ok(cast(column, data_type)?),
                None => Ok(arrow::array::new_null_array(data_type, batch.num_rows())),
            }
        };
        let users = column("user_id", &DataType::Utf8View)?;
        ensure!(users.null_count() == 0, "hand loops do not know events of nobody");
        let mut last: Option<(&str, u32)> = None;
        for id in users.as_string_view().iter().flatten() {
            let number = match last {
                Some((same, number)) if same == id => number,
                _ => {
                    let next = self.ids.len() as u32;
                    match self.ids.get(id) {
                        Some(number) => *number,
                        None => *self.ids.entry(id.to_owned()).or_insert(next),
                    }
                }
            };
            last = Some((id, number));
            self.columns.user.push(number);
        }
        let times = cast(&column("time", &tallymark_event::columns::timestamp_type())?, &DataType::Int64)?;
        self.columns.time.extend_from_slice(times.as_primitive::<Int64Type>().values());
        let text = |name: &str| column(name, &DataType::Utf8View);
        self.event.bytes(&text("event")?, &mut self.columns.event.of_row)?;
        self.country.bytes(&text("country")?, &mut self.columns.country.of_row)?;
        self.platform.bytes(&text("platform")?, &mut self.columns.platform.of_row)?;
        self.category.bytes(&text("category")?, &mut self.columns.category.of_row)?;
        self.currency.bytes(&text("currency")?, &mut self.columns.currency.of_row)?;
        self.page.bytes(&text("page")?, &mut self.columns.page.of_row)?;
        let items = text("item_id")?;
        for item in items.as_string_view() {
            let code = item.map(|item| self.item.code(item));
            let code = code.map_or(Ok(u16::MAX), u16::try_from).context("too many items")?;
            self.columns.item.of_row.push(code);
        }
        let amounts = column("amount", &DataType::Float64)?;
        let amounts = amounts.as_primitive::<Float64Type>().iter();
        self.columns.amount.extend(amounts.map(|amount| amount.unwrap_or(f64::NAN)));
        let loads = column("load_ms", &DataType::Int32)?;
        self.columns.load_ms.extend(loads.as_primitive::<Int32Type>().iter().map(|ms| ms.unwrap_or(-1)));
        Ok(())
    }

    /// Orders the rows by user; those of one user keep the order of the files.
    fn finish(self) -> Columns {
        let Self { mut columns, ids, event, country, platform, category, currency, page, item } = self;
        let mut starts = vec![0_u32; ids.len() + 1];
        for &user in &columns.user {
            starts[user as usize + 1] += 1;
        }
        for user in 1..starts.len() {
            starts[user] += starts[user - 1];
        }
        let places: Vec<u32> = columns
            .user
            .iter()
            .map(|&user| {
                let place = starts[user as usize];
                starts[user as usize] += 1;
                place
            })
            .collect();
        scatter(&mut columns.user, &places);
        scatter(&mut columns.time, &places);
        scatter(&mut columns.event.of_row, &places);
        scatter(&mut columns.country.of_row, &places);
        scatter(&mut columns.platform.of_row, &places);
        scatter(&mut columns.category.of_row, &places);
        scatter(&mut columns.currency.of_row, &places);
        scatter(&mut columns.page.of_row, &places);
        scatter(&mut columns.item.of_row, &places);
        scatter(&mut columns.amount, &places);
        scatter(&mut columns.load_ms, &places);
        let day_of = |time: &i64| time.div_euclid(MS_PER_DAY) as i32;
        columns.first_day = columns.time.iter().map(day_of).min().unwrap_or(0);
        columns.day = columns.time.iter().map(|time| (day_of(time) - columns.first_day) as u8).collect();
        columns.days = columns.day.iter().max().map_or(0, |day| usize::from(*day) + 1);
        columns.event.names = event.names;
        columns.country.names = country.names;
        columns.platform.names = platform.names;
        columns.category.names = category.names;
        columns.currency.names = currency.names;
        columns.page.names = page.names;
        columns.item.names = item.names;
        columns.ids = ids;
        columns
    }
}

fn scatter<T: Copy + Default>(values: &mut Vec<T>, places: &[u32]) {
    let mut moved = vec![T::default(); values.len()];
    for (&value, &place) in values.iter().zip(places) {
        moved[place as usize] = value;
    }
    *values = moved;
}

/// Gives texts numbers in order of appearance.
#[derive(Default)]
struct Interner {
    codes: HashMap<String, usize>,
    names: Vec<String>,
}

impl Interner {
    fn code(&mut self, text: &str) -> usize {
        if let Some(&code) = self.codes.get(text) {
            return code;
        }
        let code = self.names.len();
        self.codes.insert(text.to_owned(), code);
        self.names.push(text.to_owned());
        code
    }

    fn bytes(&mut self, column: &ArrayRef, codes: &mut Vec<u8>) -> Result<()> {
        let mut last: Option<(&str, u8)> = None;
        for text in column.as_string_view() {
            let code = match (text, last) {
                (None, _) => u8::MAX,
                (Some(text), Some((same, code))) if same == text => code,
                (Some(text), _) => {
                    let code = u8::try_from(self.code(text)).context("too many different values")?;
                    last = Some((text, code));
                    code
                }
            };
            codes.push(code);
        }
        Ok(())
    }
}
