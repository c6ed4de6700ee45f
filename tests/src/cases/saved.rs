//! Saved events (P-41), merged ones and merged properties (M-22).

super::cases! {
    saved {
        p_41_a_saved_event_is_any_of_its_events:
            r#"{"metrics": [{"event": "Rock or buy", "measure": "total_events"}, {"event": "Rock or buy"},
                            {"event": ["Rock or buy", "Jazz", "Buy"], "measure": "total_events"}]}"#
            => All ["A: 6", "B: 3", "C: 8"];
        p_41_filters_where_it_is_named_come_on_top:
            r#"{"metrics": [{"event": {"event": "Rock or buy", "where": {"property": "mins", "at_least": 10}}, "measure": "total_events"}]}"#
            => All ["A: 2"];
        p_41_it_stands_for_stored_events_of_its_name_too:
            r#"{"metrics": [{"event": "Play", "measure": "total_events"}, {"event": "$all_events", "measure": "total_events"}]}"#
            => All ["A: 7", "B: 10"];
        s_51_the_first_time_of_a_saved_event:
            r#"{"metrics": [{"event": {"event": "Jazz", "first_time": "ever"}, "measure": "total_events"},
                            {"event": {"event": "Play", "first_time": "ever", "where": {"property": "genre", "equals": "jazz"}},
                             "measure": "total_events"},
                            {"event": {"event": "Jazz", "first_time": "ever", "where": {"property": "mins", "at_least": 20}},
                             "measure": "total_events"}]}"#
            => All ["A: 2", "B: 0", "C: 1"];
        c_4_a_saved_event_was_done: r#"{"all": [{"did": {"event": "Jazz"}}]}"# => All ["u1", "u2"];
        c_9_a_saved_event_then_another: r#"{"all": [{"did": {"event": "Jazz", "then": "Rock or buy"}}]}"# => All ["u1"];
    }
    merged {
        m_22_events_are_read_under_one_name:
            r#"{"metrics": [{"event": "Play", "measure": "total_events"}, {"event": "play", "measure": "total_events"},
                            {"event": "$all_events", "measure": "total_events"}],
                "breakdowns": ["event"]}"#
            => All ["A [$overall]: 4", "A [Play]: 4", "A [Buy]: 0", "B [$overall]: 0", "B [Play]: 0", "B [Buy]: 0",
                "C [$overall]: 6", "C [Play]: 4", "C [Buy]: 2"];
        m_22_the_value_of_the_target_wins:
            r#"{"metrics": [{"event": "Play", "measure": "total_events"}], "breakdowns": ["genre"]}"#
            => All ["A [$overall]: 4", "A [rock]: 2", "A [folk]: 1", "A [jazz]: 1"];
        m_22_the_name_of_the_source_has_no_values:
            r#"{"metrics": [{"event": "Play", "measure": "total_events", "where": {"property": "style", "is_set": true}},
                            {"event": "Play", "measure": "total_events", "where": {"property": "genre", "does_not_equal": "rock"}}]}"#
            => All ["A: 0", "B: 2"];
        m_22_p_32_matching_items_of_merged_lists:
            r#"{"metrics": [{"event": "Buy", "measure": "total_events",
                             "where": {"property": "tags", "equals": ["a", "b"], "include": "matching_items"}}],
                "breakdowns": ["tags"]}"#
            => All ["A [$overall]: 2", "A [a]: 1", "A [b]: 1"];
    }
}
