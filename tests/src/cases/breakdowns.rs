//! Breakdowns (section 5.7).

super::cases! {
    alpha {
        b_5_total_by_genre:
            r#"{"metrics": [{"event": "Play", "measure": "total_events"}], "breakdowns": ["genre"]}"#
            => All ["A [$overall]: 8", "A [rock]: 4", "A [jazz]: 2", "A [(not set)]: 1", "A [Rock]: 1"];
        b_3_a_user_counts_in_every_segment:
            r#"{"metrics": [{"event": "Play"}], "breakdowns": ["genre"]}"#
            => All ["A [$overall]: 3", "A [jazz]: 2", "A [rock]: 2", "A [(not set)]: 1", "A [Rock]: 1"];
        b_3_unique_users_of_one_day:
            r#"{"range": "2024-01-01 to 2024-01-01", "metrics": [{"event": "Play"}], "breakdowns": ["genre"]}"#
            => All ["A [$overall]: 2", "A [rock]: 2", "A [jazz]: 1"];
        b_4_count_once_first:
            r#"{"metrics": [{"event": "Play", "count_once": "first"}], "breakdowns": ["genre"]}"#
            => All ["A [$overall]: 3", "A [rock]: 2", "A [(not set)]: 1"];
        b_4_count_once_last:
            r#"{"metrics": [{"event": "Play", "count_once": "last"}], "breakdowns": ["genre"]}"#
            => All ["A [$overall]: 3", "A [Rock]: 1", "A [jazz]: 1", "A [rock]: 1"];
        b_4_count_once_in_each_bucket:
            r#"{"interval": "day", "metrics": [{"event": "Play", "count_once": "first"}], "breakdowns": ["genre"]}"#
            => NonZero ["A 2024-01-01 [$overall]: 2", "A 2024-01-02 [$overall]: 2", "A 2024-01-03 [$overall]: 1",
                "A 2024-01-08 [$overall]: 1", "A 2024-01-01 [rock]: 2", "A 2024-01-02 [rock]: 1",
                "A 2024-01-02 [(not set)]: 1", "A 2024-01-08 [Rock]: 1", "A 2024-01-03 [jazz]: 1"];
        b_6_nobody_lists_no_segment_of_users:
            r#"{"range": "2024-01-02 to 2024-01-02", "metrics": [{"event": "Play", "where": {"property": "mins", "equals": 7}}],
                "breakdowns": ["genre"]}"#
            => All ["A [$overall]: 0"];
        b_6_nobody_lists_a_segment_of_events:
            r#"{"range": "2024-01-02 to 2024-01-02",
                "metrics": [{"event": "Play", "measure": "total_events", "where": {"property": "mins", "equals": 7}}],
                "breakdowns": ["genre"]}"#
            => All ["A [$overall]: 1", "A [rock]: 1"];
        b_23_cohorts:
            r#"{"metrics": [{"event": "Play", "measure": "total_events"}], "breakdowns": [{"cohorts": ["C1", "C2"]}]}"#
            => All ["A [$overall]: 8", "A [In C2]: 5", "A [Not In C1]: 4", "A [In C1]: 3", "A [Not In C2]: 2"];
        b_30_other_is_counted_anew:
            r#"{"metrics": [{"event": "Play"}], "breakdowns": ["genre"], "top": 2, "other": true}"#
            => All ["A [$overall]: 3", "A [jazz]: 2", "A [rock]: 2", "A [$other]: 1"];
        b_31_top_two_by_total:
            r#"{"metrics": [{"event": "Play", "measure": "total_events"}], "breakdowns": ["genre"], "top": 2, "other": true}"#
            => All ["A [$overall]: 8", "A [rock]: 4", "A [jazz]: 2", "A [$other]: 2"];
        b_31_rank_of_aggregates:
            r#"{"metrics": [{"event": "Play", "measure": {"aggregate": "min", "of": "mins"}},
                            {"event": "Play", "measure": {"aggregate": "max", "of": "mins"}}], "breakdowns": ["genre"]}"#
            => All ["A [$overall]: 5", "A [rock]: 5", "A [jazz]: 15", "A [Rock]: 40", "A [(not set)]: null",
                "B [$overall]: 40", "B [rock]: 30", "B [jazz]: 20", "B [Rock]: 40", "B [(not set)]: null"];
        b_31_average_ranks_by_what_contributes:
            r#"{"metrics": [{"event": "Play", "measure": {"aggregate": "average", "of": "mins"}}], "breakdowns": ["genre"], "top": 2}"#
            => All ["A [$overall]: 18.1428571", "A [rock]: 13", "A [jazz]: 17.5"];
        b_32_the_first_metric_ranks:
            r#"{"metrics": [{"event": "Buy", "measure": "total_events"}, {"event": "Play", "measure": "total_events"}],
                "breakdowns": ["genre"], "top": 1, "other": true}"#
            => All ["A [$overall]: 2", "A [(not set)]: 2", "A [$other]: 0", "B [$overall]: 8", "B [(not set)]: 1", "B [$other]: 7"];
        b_32_rank_is_over_the_whole_range:
            r#"{"interval": "week", "metrics": [{"event": "Play", "measure": "total_events"}], "breakdowns": ["genre"], "top": 1, "other": true}"#
            => All ["A 2024-01-01 [$overall]: 7", "A 2024-01-08 [$overall]: 1", "A 2024-01-01 [rock]: 4",
                "A 2024-01-08 [rock]: 0", "A 2024-01-01 [$other]: 3", "A 2024-01-08 [$other]: 1"];
        d_52_time_by_unit:
            r#"{"metrics": [{"event": "Play", "measure": "total_events"}], "breakdowns": [{"property": "time", "unit": "week"}]}"#
            => All ["A [$overall]: 8", "A [2024-01-01T00:00:00+00:00]: 7", "A [2024-01-08T00:00:00+00:00]: 1"];
    }
    list {
        b_20_each_distinct_item:
            r#"{"metrics": [{"event": "Tag", "measure": "total_events"}], "breakdowns": ["tags"]}"#
            => All ["A [$overall]: 2", "A [(not set)]: 1", "A [a]: 1", "A [b]: 1"];
        b_20_list_of_ids:
            r#"{"metrics": [{"event": "Purchase", "measure": "total_events"}], "breakdowns": ["ids"]}"#
            => All ["A [$overall]: 3", "A [P4]: 3", "A [P2]: 2", "A [P3]: 2", "A [P1]: 1"];
        b_22_looked_up_list:
            r#"{"metrics": [{"event": "Purchase", "measure": "total_events"}], "breakdowns": ["category"]}"#
            => All ["A [$overall]: 3", "A [music]: 3", "A [Shoes]: 2", "A [shirt]: 2", "A [pants]: 1"];
        b_21_two_lists_are_every_pair:
            r#"{"metrics": [{"event": "Purchase", "measure": "total_events"}], "breakdowns": ["category", "ids"]}"#
            => All ["A [$overall, $overall]: 3", "A [music, P4]: 3", "A [Shoes, P3]: 2", "A [Shoes, P4]: 2", "A [music, P2]: 2",
                "A [music, P3]: 2", "A [shirt, P2]: 2", "A [shirt, P4]: 2", "A [Shoes, P2]: 1", "A [music, P1]: 1",
                "A [pants, P1]: 1", "A [pants, P2]: 1", "A [pants, P4]: 1", "A [shirt, P1]: 1", "A [shirt, P3]: 1"];
    }
    values {
        d_28_price_as_string:
            r#"{"metrics": [{"event": "Price", "measure": "total_events"}], "breakdowns": [{"property": "price", "as": "string"}]}"#
            => All ["A [$overall]: 5", "A [(not set)]: 2", "A [5]: 2", "A [abc]: 1"];
        d_28_price_as_number:
            r#"{"metrics": [{"event": "Price", "measure": "total_events"}], "breakdowns": [{"property": "price", "as": "number"}]}"#
            => All ["A [$overall]: 5", "A [(not set)]: 2", "A [5]: 2", "A [(non-numeric values)]: 1"];
        d_28_price_in_ranges:
            r#"{"metrics": [{"event": "Price", "measure": "total_events"}], "breakdowns": [{"property": "price", "buckets": "auto"}]}"#
            => All ["A [$overall]: 5", "A [(non-numeric values)]: 2", "A [(not set)]: 2", "A [5]: 1"];
        b_16_booleans:
            r#"{"metrics": [{"event": "Price", "measure": "total_events"}], "breakdowns": [{"property": "price", "as": "boolean"}]}"#
            => All ["A [$overall]: 5", "A [true]: 3", "A [false]: 2"];
        g_10_labels:
            r#"{"metrics": [{"event": "Value", "measure": "total_events"}], "breakdowns": ["p"]}"#
            => All ["A [$overall]: 10", "A [(not set)]: 3", "A [free]: 2", "A [(empty string)]: 1", "A [5]: 1", "A [Free]: 1",
                "A [false]: 1", "A [pro]: 1", "A [true]: 1"];
    }
    numbers {
        b_10_a_hundred_integers:
            r#"{"metrics": [{"event": "Hundred", "measure": "total_events"}], "breakdowns": [{"property": "v", "buckets": "auto"}]}"#
            => All ["A [$overall]: 100", "A [[10, 20)]: 10", "A [[20, 30)]: 10", "A [[30, 40)]: 10", "A [[40, 50)]: 10",
                "A [[50, 60)]: 10", "A [[60, 70)]: 10", "A [[70, 80)]: 10", "A [[80, 90)]: 10", "A [[90, 100)]: 10",
                "A [[0, 10)]: 9", "A [[100, 110)]: 1"];
        b_11_even_ranges:
            r#"{"metrics": [{"event": "Even", "measure": "total_events"}],
                "breakdowns": [{"property": "v", "buckets": {"even": {"from": 50, "to": 100, "size": 10}}}]}"#
            => All ["A [$overall]: 6", "A [[50, 60)]: 2", "A [< 50]: 1", "A [[60, 70)]: 1", "A [[90, 100)]: 1", "A [≥ 100]: 1"];
        b_11_varied_ranges:
            r#"{"metrics": [{"event": "Varied", "measure": "total_events"}],
                "breakdowns": [{"property": "v", "buckets": {"at": [10, 20, 50, 100]}}]}"#
            => All ["A [$overall]: 5", "A [(non-numeric values)]: 1", "A [(not set)]: 1", "A [< 10]: 1", "A [[10, 20)]: 1",
                "A [≥ 100]: 1"];
        b_13_groups_of_texts:
            r#"{"metrics": [{"event": "Country", "measure": "total_events"}],
                "breakdowns": [{"property": "v", "buckets": {"groups": [{"name": "NA", "values": ["US", "CA"]}, {"name": "X", "values": ["US", "MX"]}]}}]}"#
            => All ["A [$overall]: 4", "A [(not set)]: 1", "A [(remaining values)]: 1", "A [NA]: 1", "A [X]: 1"];
        b_14_numbers_as_text:
            r#"{"metrics": [{"event": "Even", "measure": "total_events"}], "breakdowns": [{"property": "v", "as": "string"}]}"#
            => All ["A [$overall]: 6", "A [100]: 1", "A [49]: 1", "A [50]: 1", "A [59.9]: 1", "A [60]: 1", "A [99]: 1"];
        s_36_ranges_of_a_distribution:
            r#"{"metrics": [{"event": "Hundred", "measure": {"aggregate": "distribution", "of": "v"}}]}"#
            => All ["A {[0, 10)}: 9", "A {[10, 20)}: 10", "A {[20, 30)}: 10", "A {[30, 40)}: 10", "A {[40, 50)}: 10",
                "A {[50, 60)}: 10", "A {[60, 70)}: 10", "A {[70, 80)}: 10", "A {[80, 90)}: 10", "A {[90, 100)}: 10",
                "A {[100, 110)}: 1"];
    }
}
