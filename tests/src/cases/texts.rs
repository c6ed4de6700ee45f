//! Casts in measures, and texts that are measured (D-27, D-28, S-28, S-36).

super::cases! {
    alpha {
        s_28_first_and_most_frequent_text:
            r#"{"metrics": [{"event": "Play", "measure": {"aggregate": "first", "of": "genre", "as": "string"}},
                            {"event": "Play", "measure": {"aggregate": "most_frequent", "of": "genre", "as": "string"}},
                            {"event": "Play", "measure": {"aggregate": "most_frequent", "of": "mins", "as": "string"}},
                            {"event": "Buy", "measure": {"aggregate": "first", "of": "genre", "as": "string"}}]}"#
            => All ["A: \"rock\"", "B: \"rock\"", "C: \"10\"", "D: null"];
        s_28_first_text_by_day:
            r#"{"interval": "day", "range": "2024-01-02 to 2024-01-04",
                "metrics": [{"event": "Play", "measure": {"aggregate": "first", "of": "mins", "as": "string"}}]}"#
            => All ["A 2024-01-02: \"5\"", "A 2024-01-03: \"15\"", "A 2024-01-04: null"];
        s_28_first_text_of_each_segment:
            r#"{"metrics": [{"event": "Play", "measure": {"aggregate": "first", "of": "mins", "as": "string"}}], "breakdowns": ["genre"]}"#
            => All ["A [$overall]: \"10\"", "A [rock]: \"10\"", "A [jazz]: \"20\"", "A [(not set)]: \"n/a\"", "A [Rock]: \"40\""];
        s_36_distribution_of_texts:
            r#"{"metrics": [{"event": "Play", "measure": {"aggregate": "distribution", "of": "genre", "as": "string"}}]}"#
            => All ["A {Rock}: 1", "A {jazz}: 2", "A {rock}: 4"];
    }
    values {
        d_28_price_as_number_is_summed:
            r#"{"metrics": [{"event": "Price", "measure": {"aggregate": "sum", "of": "price"}},
                            {"event": "Price", "measure": {"aggregate": "sum", "of": "price", "as": "number"}},
                            {"event": "Price", "measure": {"aggregate": "count", "of": "price", "as": "number"}},
                            {"event": "Price", "measure": {"aggregate": "distinct", "of": "price"}},
                            {"event": "Price", "measure": {"aggregate": "distinct", "of": "price", "as": "string"}},
                            {"event": "Price", "measure": {"aggregate": "distinct", "of": "price", "as": "boolean"}},
                            {"event": "Price", "measure": {"aggregate": "sum", "per_user": {"aggregate": "sum", "of": "price", "as": "number"}}}]}"#
            => All ["A: 5", "B: 10", "C: 2", "D: 3", "E: 2", "F: 2", "G: 10"];
        d_27_texts_of_any_type:
            r#"{"metrics": [{"event": "Value", "measure": {"aggregate": "distribution", "of": "p", "as": "string"}}]}"#
            => All ["A {(empty string)}: 1", "A {5}: 1", "A {Free}: 1", "A {false}: 1", "A {free}: 2", "A {pro}: 1", "A {true}: 1"];
    }
    people {
        u_35_a_scalar_key_gives_one_value_and_a_list_a_list:
            r#"{"metrics": [{"event": "Work", "measure": {"aggregate": "first", "of": "group.company.tier", "as": "string"}},
                            {"event": "Idle", "measure": {"aggregate": "first", "of": "group.company.tier", "as": "string"}},
                            {"event": "Work", "measure": {"aggregate": "sum", "of": "group.company.size"}},
                            {"event": "Work", "measure": {"aggregate": "distribution", "of": "group.company.tier", "as": "string"}}]}"#
            => All ["A: \"gold\"", "B: null", "C: 10", "D {gold}: 2", "D {tin}: 1"];
    }
}
