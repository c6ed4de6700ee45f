//! Saved events (P-41).

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
}
