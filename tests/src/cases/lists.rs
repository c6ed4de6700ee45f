//! What filters leave of lists, conditions on one object, ranges of items (P-32, P-33, B-10).

super::cases! {
    list {
        p_32_only_matching_items_are_segments:
            r#"{"metrics": [{"event": "Purchase", "measure": "total_events",
                             "where": {"property": "ids", "equals": "P1", "include": "matching_items"}}],
                "breakdowns": ["ids"]}"#
            => All ["A [$overall]: 1", "A [P1]: 1"];
        p_32_only_matching_items_are_summed:
            r#"{"metrics": [{"event": "Cart", "measure": {"aggregate": "distinct", "of": "cart.b"},
                             "where": {"property": "cart.p", "greater_than": 20}},
                            {"event": "Cart", "measure": {"aggregate": "distinct", "of": "cart.b"},
                             "where": {"property": "cart.p", "greater_than": 20, "include": "matching_items"}},
                            {"event": "Cart", "measure": {"aggregate": "sum", "of": {"item_count": "cart"}},
                             "where": {"property": "cart.p", "greater_than": 20, "include": "matching_items"}}]}"#
            => All ["A: 2", "B: 1", "C: 1"];
        p_32_all_conditions_leave_what_matches_all:
            r#"{"where": {"property": "price", "less_than": 150, "include": "matching_items"},
                "metrics": [{"event": {"event": "Purchase",
                                       "where": {"property": "price", "greater_than": 60, "include": "matching_items"}},
                             "measure": "total_events"}],
                "breakdowns": ["price"]}"#
            => All ["A [$overall]: 3", "A [109]: 2", "A [100]: 1"];
        p_32_a_negative_operator_leaves_what_is_not_so:
            r#"{"metrics": [{"event": "Purchase", "measure": "total_events",
                             "where": {"property": "ids", "does_not_equal": "P4", "items": "all", "include": "matching_items"}}],
                "breakdowns": ["ids"]}"#
            => All ["A [$overall]: 3", "A [P2]: 2", "A [P3]: 2", "A [P1]: 1"];
        p_33_one_object_meets_all:
            r#"{"metrics": [{"event": "Cart", "measure": "total_events",
                             "where": {"list_contains": "cart", "where": [{"property": "b", "equals": "Puma"}, {"property": "p", "less_than": 20}]}},
                            {"event": "Cart", "measure": "total_events",
                             "where": {"list_contains": "cart", "where": [{"property": "b", "equals": "Puma"}, {"property": "p", "at_least": 30}]}},
                            {"event": "Cart", "measure": "total_events",
                             "where": {"not": {"list_contains": "cart", "where": {"property": "p", "less_than": 20}}}},
                            {"event": "Tag", "measure": "total_events",
                             "where": {"list_contains": "tags", "where": {"property": "b", "is_set": false}}}]}"#
            => All ["A: 0", "B: 1", "C: 0", "D: 0"];
        p_33_p_32_matching_objects:
            r#"{"metrics": [{"event": "Cart", "measure": "total_events",
                             "where": {"list_contains": "cart", "where": [{"property": "b", "contains": "a"}, {"property": "p", "less_than": 20}],
                                       "include": "matching_items"}}],
                "breakdowns": ["cart.b", "cart.p"]}"#
            => All ["A [$overall, $overall]: 1", "A [Adi, 15]: 1"];
        s_28_most_frequent_item:
            r#"{"metrics": [{"event": "Purchase", "measure": {"aggregate": "most_frequent", "of": "ids", "as": "string"}},
                            {"event": "Tag", "measure": {"aggregate": "distribution", "of": "tags", "as": "string"}}]}"#
            => All ["A: \"P4\"", "B {a}: 1", "B {b}: 1"];
    }
    numbers {
        b_10_items_of_lists_choose_ranges:
            r#"{"metrics": [{"event": "Lists", "measure": "total_events"}], "breakdowns": [{"property": "v", "buckets": "auto"}]}"#
            => All ["A [$overall]: 3", "A [[0, 2)]: 2", "A [(non-numeric values)]: 1", "A [(not set)]: 1", "A [[10, 12)]: 1", "A [[2, 4)]: 1",
                "A [[4, 6)]: 1", "A [[6, 8)]: 1", "A [[8, 10)]: 1"];
    }
}
