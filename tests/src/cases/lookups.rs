//! Lookup tables (U-40 to U-45, B-22).

super::cases! {
    looked_up {
        b_22_a_list_is_looked_up_item_by_item:
            r#"{"metrics": [{"event": "Purchase", "measure": "total_events"}], "breakdowns": ["lookup.ids.category"]}"#
            => All ["A [$overall]: 3", "A [Electronics - music]: 3", "A [Clothing - shirt]: 2", "A [Shoes]: 2",
                "A [Clothing - pants]: 1"];
        b_21_looked_up_list_by_its_keys:
            r#"{"metrics": [{"event": "Purchase", "measure": "total_events"}], "breakdowns": ["lookup.ids.category", "ids"]}"#
            => All ["A [$overall, $overall]: 3", "A [Electronics - music, P4]: 3", "A [Clothing - shirt, P2]: 2",
                "A [Clothing - shirt, P4]: 2", "A [Electronics - music, P2]: 2", "A [Electronics - music, P3]: 2",
                "A [Shoes, P3]: 2", "A [Shoes, P4]: 2", "A [Clothing - pants, P1]: 1", "A [Clothing - pants, P2]: 1",
                "A [Clothing - pants, P4]: 1", "A [Clothing - shirt, P1]: 1", "A [Clothing - shirt, P3]: 1",
                "A [Electronics - music, P1]: 1", "A [Shoes, P2]: 1"];
        p_30_any_category:
            r#"{"metrics": [{"event": "Purchase", "measure": "total_events",
                             "where": {"property": "lookup.ids.category", "equals": "Shoes"}}], "breakdowns": ["ids"]}"#
            => All ["A [$overall]: 2", "A [P3]: 2", "A [P4]: 2", "A [P2]: 1"];
        p_30_any_category_contains:
            r#"{"metrics": [{"event": "Purchase", "measure": "total_events",
                             "where": {"property": "lookup.ids.category", "contains": "Clothing"}}], "breakdowns": ["ids"]}"#
            => All ["A [$overall]: 2", "A [P2]: 2", "A [P4]: 2", "A [P1]: 1", "A [P3]: 1"];
        p_30_any_price:
            r#"{"metrics": [{"event": "Purchase", "measure": "total_events",
                             "where": {"property": {"lookup": "items", "of": "ids", "column": "price"}, "less_than": 100}}],
                "breakdowns": ["ids"]}"#
            => All ["A [$overall]: 2", "A [P2]: 2", "A [P4]: 2", "A [P1]: 1", "A [P3]: 1"];
        u_44_what_is_not_in_the_table_is_an_item_that_is_not_set:
            r#"{"metrics": [{"event": "Stray", "measure": "total_events"}], "breakdowns": ["lookup.ids.category"]}"#
            => All ["A [$overall]: 1", "A [(not set)]: 1", "A [Clothing - pants]: 1"];
        u_43_keys_without_a_row_are_not_set:
            r#"{"metrics": [{"event": "View", "measure": "total_events"}], "breakdowns": ["lookup.id.category"]}"#
            => All ["A [$overall]: 4", "A [(not set)]: 2", "A [Clothing - shirt]: 1", "A [Shoes]: 1"];
        u_41_cells_are_numbers:
            r#"{"metrics": [{"event": "View", "measure": {"aggregate": "sum", "of": "lookup.id.price"}},
                            {"event": "View", "measure": {"aggregate": "average", "of": "lookup.id.price"}},
                            {"event": "View", "measure": {"aggregate": "distinct", "of": "lookup.id.category"}},
                            {"event": "Stray", "measure": {"aggregate": "distinct", "of": "lookup.ids.category"}}]}"#
            => All ["A: 163", "B: 81.5", "C: 2", "D: 1"];
        c_8_cohorts_know_what_is_looked_up:
            r#"{"report": "cohort", "any": [{"did": {"event": "View", "times":
                {"aggregate": "max", "of": "lookup.id.price", "at_least": 100}}},
                {"did": {"event": {"event": "Purchase", "where": {"property": "lookup.ids.price", "equals": 54}}}}]}"#
            => All ["u1", "u2"];
    }
}
