//! Lookup tables: files as they are saved, and what they say, written by hand.

use serde_json::{Value, json};

/// A lookup table (U-40).
#[derive(Debug, Clone)]
pub struct Lookup {
    /// Its name.
    pub name: &'static str,
    /// The file.
    pub csv: &'static str,
    /// The properties whose values are keys, as they are written.
    pub properties: &'static [&'static str],
    /// What is known of each key: an object of the columns that are set.
    pub rows: Value,
}

/// The items of fixture LIST (5.6).
pub fn items() -> Lookup {
    Lookup {
        name: "items",
        csv: "id,category,price\n\
              P1,Clothing - pants,100\n\
              P2,Clothing - shirt,54\n\
              P3,Shoes,109\n\
              P4,Electronics - music,199\n",
        properties: &["ids", "id"],
        rows: json!({
            "P1": {"category": "Clothing - pants", "price": 100},
            "P2": {"category": "Clothing - shirt", "price": 54},
            "P3": {"category": "Shoes", "price": 109},
            "P4": {"category": "Electronics - music", "price": 199},
        }),
    }
}

/// Tables over what is in histories: cells of several types, keys that look like numbers, keys that no
/// event has, values without a key.
pub fn of_histories() -> Vec<Lookup> {
    let things = Lookup {
        name: "things",
        csv: "thing,kind,weight,names,made\n\
              rock,music,5,\"[\"\"a\"\",\"\"b\"\"]\",2024-03-31\n\
              jazz,music,7.5,[],2024-04-01\n\
              a,letter,,\"[\"\"a\"\"]\",\n\
              b,letter,10,,2024-03-30\n\
              5,TRUE,n/a,\"[\"\"5\"\",\"\"a\"\"]\",never\n\
              true,false,-1,x,2024-03-31\n\
              Puma,,30,\"[\"\"b\"\",\"\"b\"\"]\",\n\
              none,music,1,[1],2024-03-31\n",
        properties: &["genre", "tags", "mixed"],
        rows: json!({
            "rock": {"kind": "music", "weight": 5, "names": ["a", "b"], "made": "2024-03-31"},
            "jazz": {"kind": "music", "weight": 7.5, "names": [], "made": "2024-04-01"},
            "a": {"kind": "letter", "names": ["a"]},
            "b": {"kind": "letter", "weight": 10, "made": "2024-03-30"},
            "5": {"kind": true, "weight": "n/a", "names": ["5", "a"], "made": "never"},
            "true": {"kind": false, "weight": -1, "names": "x", "made": "2024-03-31"},
            "Puma": {"weight": 30, "names": ["b", "b"]},
            "none": {"kind": "music", "weight": 1, "names": "[1]", "made": "2024-03-31"},
        }),
    };
    let plans = Lookup {
        name: "plans",
        csv: "plan,seats,name\nfree,1,Free\npro,25,\n",
        properties: &["user.plan", "user.likes"],
        rows: json!({"free": {"seats": 1, "name": "Free"}, "pro": {"seats": 25}}),
    };
    vec![things, plans]
}
