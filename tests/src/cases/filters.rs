//! Filters (section 5.6, D-27, D-28).

super::cases! {
    alpha {
        g_9_equals_and_its_complement:
            r#"{"metrics": [{"event": {"event": "Play", "where": {"property": "genre", "equals": "rock"}}, "measure": "total_events"},
                            {"event": {"event": "Play", "where": {"property": "genre", "does_not_equal": "rock"}}, "measure": "total_events"}]}"#
            => All ["A: 4", "B: 4"];
        p_20_contains_ignores_case:
            r#"{"metrics": [{"event": {"event": "Play", "where": {"property": "genre", "contains": "rock"}}, "measure": "total_events"},
                            {"event": {"event": "Play", "where": {"property": "genre", "does_not_contain": "rock"}}, "measure": "total_events"},
                            {"event": {"event": "Play", "where": {"property": "genre", "contains": "rock", "match_case": true}}, "measure": "total_events"},
                            {"event": {"event": "Play", "where": {"property": "genre", "equals": "rock", "match_case": false}}, "measure": "total_events"},
                            {"event": {"event": "Play", "where": {"property": "genre", "starts_with": "RO"}}, "measure": "total_events"},
                            {"event": {"event": "Play", "where": {"property": "genre", "ends_with": "ZZ"}}, "measure": "total_events"}]}"#
            => All ["A: 5", "B: 3", "C: 4", "D: 5", "E: 5", "F: 2"];
        p_21_between_includes_both_ends:
            r#"{"metrics": [{"event": {"event": "Play", "where": {"property": "mins", "between": [10, 30]}}, "measure": "total_events"},
                            {"event": {"event": "Play", "where": {"property": "mins", "not_between": [10, 30]}}, "measure": "total_events"}]}"#
            => All ["A: 4", "B: 4"];
        p_11_text_is_no_number:
            r#"{"metrics": [{"event": {"event": "Play", "where": {"property": "mins", "greater_than": 10}}, "measure": "total_events"},
                            {"event": {"event": "Play", "where": {"property": "mins", "at_least": 10}}, "measure": "total_events"},
                            {"event": {"event": "Play", "where": {"property": "mins", "less_than": 10}}, "measure": "total_events"},
                            {"event": {"event": "Play", "where": {"property": "mins", "at_most": 10}}, "measure": "total_events"}]}"#
            => All ["A: 4", "B: 5", "C: 2", "D: 3"];
        p_1_filters_of_the_report_and_of_the_metric:
            r#"{"where": {"property": "mins", "at_least": 10},
                "metrics": [{"event": "Play", "where": {"property": "genre", "equals": "rock"}, "measure": "total_events"},
                            {"event": "Play", "measure": "total_events"}]}"#
            => All ["A: 2", "B: 5"];
        p_2_all_any_and_not:
            r#"{"metrics": [{"event": "Play", "measure": "total_events",
                             "where": {"any": [{"property": "genre", "equals": "jazz"},
                                               {"all": [{"property": "genre", "equals": "rock"}, {"property": "mins", "less_than": 10}]}]}},
                            {"event": "Play", "measure": "total_events", "where": {"not": {"property": "genre", "equals": ["jazz", "rock"]}}},
                            {"event": "Play", "measure": "total_events", "where": {"property": "genre", "does_not_equal": ["jazz", "rock"]}},
                            {"event": "Play", "measure": "total_events", "where": {"any": []}}]}"#
            => All ["A: 4", "B: 2", "C: 2", "D: 0"];
        p_24_the_time_of_the_event:
            r#"{"metrics": [{"event": "Play", "measure": "total_events", "where": {"property": "time", "was_on": "2024-01-02"}},
                            {"event": "Play", "measure": "total_events", "where": {"property": "time", "was_since": "2024-01-03"}},
                            {"event": "Play", "measure": "total_events", "where": {"property": "time", "was_before": "2024-01-02"}}]}"#
            => All ["A: 3", "B: 2", "C: 3"];
        c_10_in_and_not_in_cohorts:
            r#"{"metrics": [{"event": "Play", "measure": "total_events", "where": {"in_cohort": ["C1", "C2"]}},
                            {"event": "Play", "measure": "total_events", "where": {"not_in_cohort": ["C1", "C2"]}},
                            {"event": "Play", "measure": "total_events", "where": {"not_in_cohort": "C1"}},
                            {"event": "Play", "measure": "total_events", "where": {"not": {"in_cohort": ["C1", "C2"]}}}]}"#
            => All ["A: 5", "B: 5", "C: 5", "D: 3"];
    }
    values {
        p_10_equals:
            r#"{"metrics": [{"event": "Value", "measure": "total_events"}], "breakdowns": ["id"],
                "where": {"property": "p", "equals": "free"}}"#
            => All ["A [$overall]: 2", "A [free]: 1", "A [list]: 1"];
        p_10_does_not_equal:
            r#"{"metrics": [{"event": "Value", "measure": "total_events"}], "breakdowns": ["id"],
                "where": {"property": "p", "does_not_equal": "free"}}"#
            => All ["A [$overall]: 8", "A [5]: 1", "A [Free]: 1", "A [absent]: 1", "A [empty]: 1", "A [empty list]: 1",
                "A [false]: 1", "A [null]: 1", "A [true]: 1"];
        p_10_contains:
            r#"{"metrics": [{"event": "Value", "measure": "total_events"}], "breakdowns": ["id"],
                "where": {"property": "p", "contains": "re"}}"#
            => All ["A [$overall]: 3", "A [Free]: 1", "A [free]: 1", "A [list]: 1"];
        p_10_does_not_contain:
            r#"{"metrics": [{"event": "Value", "measure": "total_events"}], "breakdowns": ["id"],
                "where": {"property": "p", "does_not_contain": "re"}}"#
            => All ["A [$overall]: 7", "A [5]: 1", "A [absent]: 1", "A [empty]: 1", "A [empty list]: 1", "A [false]: 1",
                "A [null]: 1", "A [true]: 1"];
        p_30_all_items:
            r#"{"metrics": [{"event": "Value", "measure": "total_events"}], "breakdowns": ["id"],
                "where": {"property": "p", "equals": "free", "items": "all"}}"#
            => All ["A [$overall]: 1", "A [free]: 1"];
        p_31_not_all_items:
            r#"{"metrics": [{"event": "Value", "measure": "total_events"}], "breakdowns": ["id"],
                "where": [{"property": "p", "does_not_equal": "free", "items": "all"}, {"property": "id", "contains": "list"}]}"#
            => All ["A [$overall]: 2", "A [empty list]: 1", "A [list]: 1"];
        d_26_is_set:
            r#"{"metrics": [{"event": "Value", "measure": "total_events"}], "breakdowns": ["id"],
                "where": {"property": "p", "is_set": false}}"#
            => All ["A [$overall]: 2", "A [absent]: 1", "A [null]: 1"];
        p_22_booleans:
            r#"{"metrics": [{"event": "Value", "measure": "total_events", "where": {"property": "p", "equals": true}},
                            {"event": "Value", "measure": "total_events", "where": {"property": "p", "equals": false}}]}"#
            => All ["A: 1", "B: 1"];
        d_28_price_in_filters:
            r#"{"metrics": [{"event": "Price", "measure": "total_events", "where": {"property": "price", "is_set": true}},
                            {"event": "Price", "measure": "total_events", "where": {"property": "price", "is_set": false}},
                            {"event": "Price", "measure": "total_events", "where": {"property": "price", "as": "number", "is_set": true}},
                            {"event": "Price", "measure": "total_events", "where": {"property": "price", "as": "boolean", "equals": true}},
                            {"event": "Price", "measure": "total_events", "where": {"property": "price", "as": "boolean", "equals": false}},
                            {"event": "Price", "measure": "total_events", "where": {"property": "price", "equals": 5}},
                            {"event": "Price", "measure": "total_events", "where": {"property": "price", "as": "number", "equals": 5}},
                            {"event": "Price", "measure": "total_events", "where": {"property": "price", "as": "string", "equals": "5"}},
                            {"event": "Price", "measure": {"aggregate": "sum", "of": "price"}}]}"#
            => All ["A: 3", "B: 2", "C: 2", "D: 3", "E: 2", "F: 1", "G: 2", "H: 2", "I: 5"];
    }
    list {
        p_30_any_and_all_of_a_list:
            r#"{"metrics": [{"event": "Purchase", "measure": "total_events", "where": {"property": "ids", "equals": "P1"}},
                            {"event": "Purchase", "measure": "total_events", "where": {"property": "ids", "equals": "P1", "items": "all"}},
                            {"event": "Purchase", "measure": "total_events", "where": {"property": "price", "at_least": 109, "items": "all"}}]}"#
            => All ["A: 1", "B: 0", "C: 1"];
        p_30_a_filter_leaves_the_list_whole:
            r#"{"metrics": [{"event": "Purchase", "measure": "total_events", "where": {"property": "ids", "equals": "P1"}}],
                "breakdowns": ["ids"]}"#
            => All ["A [$overall]: 1", "A [P1]: 1", "A [P2]: 1", "A [P4]: 1"];
        p_30_looked_up_list:
            r#"{"metrics": [{"event": "Purchase", "measure": "total_events", "where": {"property": "category", "equals": "Shoes"}}],
                "breakdowns": ["ids"]}"#
            => All ["A [$overall]: 2", "A [P3]: 2", "A [P4]: 2", "A [P2]: 1"];
        p_30_numbers_in_a_list:
            r#"{"metrics": [{"event": "Purchase", "measure": "total_events", "where": {"property": "price", "less_than": 100}}],
                "breakdowns": ["ids"]}"#
            => All ["A [$overall]: 2", "A [P2]: 2", "A [P4]: 2", "A [P1]: 1", "A [P3]: 1"];
        p_33_conditions_on_a_list_of_objects_are_independent:
            r#"{"metrics": [{"event": "Cart", "measure": "total_events",
                             "where": [{"property": "cart.b", "equals": "Puma"}, {"property": "cart.p", "less_than": 20}]}]}"#
            => All ["A: 1"];
        d_25_size_and_items_of_a_list_of_objects:
            r#"{"metrics": [{"event": "Cart", "measure": {"aggregate": "sum", "of": {"item_count": "cart"}}},
                            {"event": "Cart", "measure": {"aggregate": "distinct", "of": "cart.b"}}]}"#
            => All ["A: 2", "B: 2"];
        d_25_objects_are_reached_into:
            r#"{"metrics": [{"event": "Place", "measure": "total_events", "where": {"property": "geo.city", "equals": "Rome"}},
                            {"event": "Place", "measure": {"aggregate": "sum", "of": "geo.at.floor"}}]}"#
            => All ["A: 1", "B: 3"];
    }    people {
        u_35_no_group_has_the_property:
            r#"{"metrics": [{"event": "Idle", "measure": "total_events", "where": {"property": "group.company.tier", "is_set": false}},
                            {"event": "Idle", "measure": "total_events", "where": {"property": "group.company.tier", "as": "boolean", "does_not_equal": false}},
                            {"event": "Idle", "measure": "total_events", "where": {"property": "group.company.tier", "does_not_equal": "gold"}}]}"#
            => All ["A: 2", "B: 1", "C: 2"];
    }
}
