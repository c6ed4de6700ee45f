//! Sessions (section 10): how many there are, by the user named in `who`.

super::cases! {
    alpha {
        x_20_sessions_with_an_event:
            r#"{"metrics": [{"event": "$all_events", "measure": "sessions"}, {"event": "Buy", "measure": "sessions"},
                            {"event": "$all_events", "measure": {"aggregate": "max", "per_user": "sessions"}}]}"#
            => All ["A: 7", "B: 2", "C: 3"];
        x_20_session_starts_and_ends:
            r#"{"metrics": [{"event": "$session_start", "measure": "total_events"}, {"event": "$session_start"},
                            {"event": "$session_start", "measure": {"aggregate": "average", "per_user": "events"}},
                            {"event": "$session_end", "measure": {"aggregate": "average", "of": "$duration_s"}},
                            {"event": "$session_end", "measure": "total_events", "where": {"property": "$event_count", "equals": 1}},
                            {"event": "$session_end", "measure": "sessions", "where": {"property": "$origin_end", "equals": "Buy"}}]}"#
            => All ["A: 7", "B: 3", "C: 2.33333333", "D: 128.571429", "E: 5", "F: 1"];
        p_40_session_events_are_none_of_all_events:
            r#"{"metrics": [{"event": "$all_events", "measure": "total_events"}, {"event": "$session_start", "measure": "total_events"},
                            {"event": ["$all_events", "$session_start"], "measure": "total_events"},
                            {"event": ["Play", "$session_end"], "measure": "total_events"}]}"#
            => All ["A: 10", "B: 7", "C: 17", "D: 15"];
        x_10_sessions_by_what_they_begin_with:
            r#"{"interval": "day", "range": "2024-01-03 to 2024-01-04", "breakdowns": ["$origin_start", "event"],
                "metrics": [{"event": "$session_start", "measure": "total_events"}]}"#
            => NonZero ["A 2024-01-03 [$overall, $overall]: 1", "A 2024-01-03 [Buy, $session_start]: 1"];
    }
    clock {
        x_2_a_session_ends_before_a_longer_gap:
            r#"{"metrics": [{"event": "$all_events", "measure": "sessions"}], "breakdowns": ["who"],
                "where": {"property": "who", "equals": ["gap", "midnight", "equal", "longer", "excluded"]}}"#
            => All ["A [$overall]: 9", "A [excluded]: 2", "A [gap]: 2", "A [longer]: 2", "A [midnight]: 2", "A [equal]: 1"];
        x_2_another_timeout:
            r#"{"sessions": {"timeout_seconds": 60}, "metrics": [{"event": "$all_events", "measure": "sessions"}],
                "where": {"property": "who", "equals": "gap"}}"#
            => All ["A: 5"];
        x_5_midnight_is_that_of_the_zone:
            r#"{"time_zone": "America/Los_Angeles", "metrics": [{"event": "$all_events", "measure": "sessions"}],
                "breakdowns": ["who"], "where": {"property": "who", "equals": ["los angeles", "midnight"]}}"#
            => All ["A [$overall]: 3", "A [los angeles]: 2", "A [midnight]: 1"];
        x_5_without_a_cut_at_midnight:
            r#"{"sessions": {"midnight_cut": false}, "metrics": [{"event": "$all_events", "measure": "sessions"}],
                "where": {"property": "who", "equals": "midnight"}}"#
            => All ["A: 1"];
        x_14_a_session_is_counted_where_it_starts:
            r#"{"interval": "hour", "range": "2024-01-02T13:00 to 2024-01-02T15:00",
                "metrics": [{"event": "$all_events", "measure": "sessions"}], "where": {"property": "who", "equals": "gap"}}"#
            => All ["A 2024-01-02T13:00: 2", "A 2024-01-02T14:00: 0"];
        x_7_an_excluded_event_is_in_no_session:
            r#"{"metrics": [{"event": "$campaign_delivery", "measure": "sessions"}]}"# => All ["A: 0"];
        x_7_more_excluded_events:
            r#"{"sessions": {"excluded_events": ["B", "D"]}, "metrics": [{"event": "$all_events", "measure": "sessions"}],
                "where": {"property": "who", "equals": "gap"}}"#
            => All ["A: 3"];
        x_3_from_a_start_to_an_end:
            r#"{"sessions": {"start": "Login", "end": "Logout"},
                "metrics": [{"event": "$all_events", "measure": "sessions"}], "breakdowns": ["who"]}"#
            => All ["A [$overall]: 2", "A [closed]: 1", "A [open]: 1"];
        x_3_what_is_outside_is_in_no_session:
            r#"{"sessions": {"start": "Login", "end": "Logout"},
                "metrics": [{"event": "B", "measure": "sessions"}, {"event": "Logout", "measure": "sessions"}]}"#
            => All ["A: 1", "B: 1"];
        x_4_as_long_as_the_id_is_the_same:
            r#"{"sessions": {"id": "id"}, "metrics": [{"event": "$all_events", "measure": "sessions"}], "breakdowns": ["who"]}"#
            => All ["A [$overall]: 11", "A [back again]: 3", "A [empty id]: 3", "A [same id]: 2", "A [two ids]: 2",
                "A [without id]: 1"];
        x_4_without_the_id_an_event_is_in_no_session:
            r#"{"sessions": {"id": "id"}, "metrics": [{"event": "B", "measure": "sessions"}],
                "where": {"property": "who", "equals": "without id"}}"#
            => All ["A: 0"];
        x_10_how_long_sessions_are:
            r#"{"metrics": [{"event": "$session_start", "measure": "total_events"}, {"event": "$session_end", "measure": "total_events"},
                            {"event": "$session_end", "measure": {"aggregate": "sum", "of": "$duration_s"}},
                            {"event": "$session_start", "measure": {"aggregate": "max", "of": "$duration_s"}},
                            {"event": "$session_end", "measure": {"aggregate": "sum", "of": "$event_count"}}],
                "where": {"property": "who", "equals": "gap"}}"#
            => All ["A: 2", "B: 2", "C: 2700", "D: 2100", "E: 5"];
        x_10_a_single_event:
            r#"{"metrics": [{"event": "$session_end", "measure": {"aggregate": "max", "of": "$duration_s"}},
                            {"event": "$session_end", "measure": {"aggregate": "min", "of": "$event_count"}}],
                "where": {"property": "who", "equals": "longer"}}"#
            => All ["A: 0", "B: 1"];
        x_12_a_session_without_an_end:
            r#"{"sessions": {"start": "Login", "end": "Logout"}, "breakdowns": ["who"],
                "metrics": [{"event": "$session_start", "measure": "total_events"}, {"event": "$session_end", "measure": "total_events"},
                            {"event": "$session_start", "measure": {"aggregate": "sum", "of": "$duration_s"}}]}"#
            => All ["A [$overall]: 2", "A [closed]: 1", "A [open]: 1", "B [$overall]: 1", "B [closed]: 1", "B [open]: 0",
                "C [$overall]: 2700", "C [closed]: 2700", "C [open]: 0"];
        x_4_starts_by_id:
            r#"{"sessions": {"id": "id"}, "metrics": [{"event": "$session_start", "measure": "total_events"}], "breakdowns": ["who"]}"#
            => All ["A [$overall]: 11", "A [back again]: 3", "A [empty id]: 3", "A [same id]: 2", "A [two ids]: 2",
                "A [without id]: 1"];
    }
}
