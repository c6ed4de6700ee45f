//! What comes from other events of the user: borrowed (K-50) and computed properties (A-1, A-3),
//! attribution (A-10 to A-18).

super::cases! {
    alpha {
        a_1_buyers_by_frequency_of_play:
            r#"{"metrics": [{"event": "Buy"}], "breakdowns": [{"property": {"per_user": "events", "event": "Play"}}]}"#
            => All ["A [$overall]: 2", "A [2]: 2"];
        a_1_of_a_day_alone:
            r#"{"range": "2024-01-03 to 2024-01-03", "metrics": [{"event": "Buy"}],
                "breakdowns": [{"property": {"per_user": "events", "event": "Play"}}]}"#
            => All ["A [$overall]: 1", "A [1]: 1"];
        a_1_per_bucket_over_time:
            r#"{"interval": "day", "metrics": [{"event": "Buy"}], "breakdowns": [{"property": {"per_user": "events", "event": "Play"}}]}"#
            => NonZero ["A 2024-01-03 [$overall]: 1", "A 2024-01-08 [$overall]: 1", "A 2024-01-03 [1]: 1",
                "A 2024-01-08 [1]: 1"];
        a_1_players_by_frequency:
            r#"{"metrics": [{"event": "Play"}], "breakdowns": [{"property": {"per_user": "events", "event": "Play"}}]}"#
            => All ["A [$overall]: 3", "A [2]: 2", "A [3]: 1"];
        a_1_who_did_not_has_none:
            r#"{"metrics": [{"event": "Play"}],
                "breakdowns": [{"property": {"per_user": "events", "event": "Buy"}},
                               {"property": {"per_user": {"aggregate": "sum", "of": "amount"}, "event": "Buy"}},
                               {"property": {"per_user": {"aggregate": "max", "of": "amount"}, "event": "Buy"}}]}"#
            => All ["A [$overall, $overall, $overall]: 3", "A [0, 0, (not set)]: 1", "A [1, 20, 20]: 1", "A [1, 50, 50]: 1"];
        a_1_as_a_filter:
            r#"{"metrics": [{"event": "Play", "where": {"property":
                {"per_user": {"aggregate": "sum", "of": "mins"}, "event": {"event": "Play", "where": {"property": "genre", "is_set": true}}},
                "at_least": 36}}]}"#
            => All ["A: 2"];
        a_1_nobody_has_no_frequency:
            r#"{"metrics": [{"event": "Play", "measure": "total_events"}],
                "breakdowns": [{"property": {"per_user": "events", "event": "Play"}}]}"#
            => All ["A [$overall]: 8", "A [2]: 4", "A [3]: 3", "A [(not set)]: 1"];
    }
    touched {
        k_50_at_most_seven_days_before:
            r#"{"metrics": [{"event": "X", "measure": "total_events"}], "breakdowns": ["n", {"property": {"borrow": "p", "from": "E"}}]}"#
            => All ["A [$overall, $overall]: 3", "A [2, a]: 1", "A [7, a]: 1", "A [7.5, (not set)]: 1"];
        k_50_as_far_back_as_is_said:
            r#"{"metrics": [{"event": "X", "measure": "total_events",
                "where": {"property": {"borrow": "p", "from": "E", "within": "2 days"}, "equals": "a"}}]}"#
            => All ["A: 1"];
        k_50_of_one_time_the_order_of_arrival_counts:
            r#"{"metrics": [{"event": "Y", "measure": "total_events"}], "breakdowns": [{"property": {"borrow": "p", "from": "F"}}]}"#
            => All ["A [$overall]: 2", "A [(not set)]: 1", "A [b]: 1"];
        a_3_seconds_to_the_next:
            r#"{"metrics": [{"event": "Page", "measure": "total_events"},
                            {"event": "Page", "measure": {"aggregate": "average", "of": {"seconds_to_next": "Page"}}}],
                "breakdowns": [{"property": {"seconds_to_next": "Page"}}]}"#
            => All ["A [$overall]: 3", "A [5]: 1", "A [60]: 1", "A [Did not convert]: 1",
                "B [$overall]: 32.5", "B [5]: 5", "B [60]: 60", "B [Did not convert]: null"];
        a_3_of_other_events_there_is_none:
            r#"{"metrics": [{"event": "X", "measure": "total_events"}], "breakdowns": [{"property": {"seconds_to_next": "Page"}}]}"#
            => All ["A [$overall]: 3", "A [(not set)]: 3"];
        a_14_total_by_last_touch:
            r#"{"metrics": [{"event": "Buy", "measure": "total_events"},
                            {"event": "Buy", "measure": {"aggregate": "sum", "of": "amount"}}],
                "breakdowns": [{"property": {"attributed": "src"}}]}"#
            => All ["A [$overall]: 3", "A [Instagram]: 2", "A [Facebook]: 1",
                "B [$overall]: 42", "B [Instagram]: 30", "B [Facebook]: 12"];
        a_15_the_last_conversion_qualifies:
            r#"{"metrics": [{"event": "Buy"}], "breakdowns": [{"property": {"attributed": "src", "model": "last"}}]}"#
            => All ["A [$overall]: 1", "A [Facebook]: 1"];
        a_15_the_first_conversion_qualifies:
            r#"{"metrics": [{"event": "Buy", "count_once": "first"}], "breakdowns": [{"property": {"attributed": "src", "model": "last"}}]}"#
            => All ["A [$overall]: 1", "A [Instagram]: 1"];
        a_15_within_each_bucket:
            r#"{"interval": "week", "metrics": [{"event": "Buy"}], "breakdowns": [{"property": {"attributed": "src"}}]}"#
            => NonZero ["A 2024-04-29 [$overall]: 1", "A 2024-05-06 [$overall]: 1", "A 2024-05-06 [Facebook]: 1",
                "A 2024-04-29 [Instagram]: 1"];
        a_11_time_decay:
            r#"{"metrics": [{"event": "Decide", "measure": "total_events"}], "breakdowns": [{"property": {"attributed": "src", "model": "time_decay"}}]}"#
            => All ["A [$overall]: 1", "A [Z]: 0.571428571", "A [Y]: 0.285714286", "A [X]: 0.142857143"];
        a_11_j:
            r#"{"metrics": [{"event": "Decide", "measure": "total_events"}], "breakdowns": [{"property": {"attributed": "src", "model": "j_shaped"}}]}"#
            => All ["A [$overall]: 1", "A [Z]: 0.6", "A [X]: 0.2", "A [Y]: 0.2"];
        a_12_inverse_j_of_two_touches:
            r#"{"metrics": [{"event": "Order", "measure": "total_events"}], "breakdowns": [{"property": {"attributed": "src", "model": "inverse_j_shaped"}}]}"#
            => All ["A [$overall]: 3", "A [Google]: 1.75", "A [Facebook]: 0.75", "A [Direct]: 0.25", "A [LinkedIn]: 0.25"];
        a_12_six_touches_under_u:
            r#"{"metrics": [{"event": "Sixth", "measure": "total_events"}], "breakdowns": [{"property": {"attributed": "src", "model": "u_shaped"}}]}"#
            => All ["A [$overall]: 1", "A [a]: 0.4", "A [f]: 0.4", "A [b]: 0.05", "A [c]: 0.05", "A [d]: 0.05", "A [e]: 0.05"];
        a_11_weights_of_ones_own:
            r#"{"metrics": [{"event": "Decide", "measure": "total_events"}],
                "breakdowns": [{"property": {"attributed": "src", "model": {"first": 3, "middle": 0, "last": 1}}}]}"#
            => All ["A [$overall]: 1", "A [X]: 0.75", "A [Z]: 0.25"];
        a_11_participation:
            r#"{"metrics": [{"event": "Share", "measure": "total_events"}], "breakdowns": [{"property": {"attributed": "src", "model": "participation"}}]}"#
            => All ["A [$overall]: 1", "A [X]: 1", "A [Y]: 1"];
        a_11_linear:
            r#"{"metrics": [{"event": "Share", "measure": "total_events"}], "breakdowns": [{"property": {"attributed": "src", "model": "linear"}}]}"#
            => All ["A [$overall]: 1", "A [X]: 0.666666667", "A [Y]: 0.333333333"];
        a_10_beyond_the_lookback:
            r#"{"metrics": [{"event": "Return", "measure": "total_events"}], "breakdowns": [{"property": {"attributed": "src"}}]}"#
            => All ["A [$overall]: 1", "A [(not set)]: 1"];
        a_10_a_longer_lookback:
            r#"{"metrics": [{"event": "Return", "measure": "total_events"}], "breakdowns": [{"property": {"attributed": "src", "within": "31 days"}}]}"#
            => All ["A [$overall]: 1", "A [X]: 1"];
        a_10_touchpoints_can_be_filtered:
            r#"{"metrics": [{"event": "Share", "measure": "total_events"}], "breakdowns": [{"property":
                {"attributed": "src", "touchpoints": {"event": "Visit", "where": {"property": "src", "equals": "Y"}}}}]}"#
            => All ["A [$overall]: 1", "A [Y]: 1"];
        a_16_last_touch_is:
            r#"{"metrics": [{"event": "Order", "measure": "total_events", "where": {"property": {"attributed": "src"}, "equals": "Google"}}]}"#
            => All ["A: 1"];
        a_16_any_touch_is:
            r#"{"metrics": [{"event": "Order", "measure": "total_events",
                             "where": {"property": {"attributed": "src", "model": "linear"}, "equals": "Google"}}]}"#
            => All ["A: 2"];
        a_16_last_touch_is_not:
            r#"{"metrics": [{"event": "Order", "measure": "total_events", "where": {"property": {"attributed": "src"}, "does_not_equal": "Direct"}}]}"#
            => All ["A: 2"];
        b_30_others_have_the_rest_of_the_credit:
            r#"{"metrics": [{"event": "Order", "measure": "total_events"}], "top": 1, "other": true,
                "breakdowns": [{"property": {"attributed": "src", "model": "linear"}}]}"#
            => All ["A [$overall]: 3", "A [Google]: 1.5", "A [$other]: 1.5"];
    }
    planned {
        u_20_as_it_was_at_the_time_of_the_event:
            r#"{"interval": "month", "metrics": [{"event": "Play", "measure": "total_events"}], "breakdowns": [{"property": {"user_history": "plan"}}]}"#
            => NonZero ["A 2023-12-01 [$overall]: 1", "A 2024-01-01 [$overall]: 1", "A 2024-05-01 [$overall]: 3",
                "A 2024-06-01 [$overall]: 1", "A 2024-09-01 [$overall]: 1", "A 2023-12-01 [(not set)]: 1",
                "A 2024-05-01 [(not set)]: 2", "A 2024-09-01 [(not set)]: 1", "A 2024-01-01 [free]: 1",
                "A 2024-05-01 [free]: 1", "A 2024-06-01 [pro]: 1"];
        u_20_in_filters_and_measures:
            r#"{"metrics": [{"event": "Play", "measure": {"aggregate": "sum", "of": {"user_history": "seats"}}},
                            {"event": "Play", "measure": "total_events", "where": {"property": {"user_history": "plan"}, "equals": "free"}}]}"#
            => All ["A: 11", "B: 2"];
        u_21_the_current_value_is_another_property:
            r#"{"metrics": [{"event": "Play", "measure": "total_events"}], "breakdowns": ["user.plan"]}"#
            => All ["A [$overall]: 7", "A [(not set)]: 7"];
    }
}
