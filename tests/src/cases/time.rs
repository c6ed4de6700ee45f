//! Zones, days, dates (G-2 … G-8, P-23).

super::cases! {
    alpha {
        g_2_later_events_do_not_exist:
            r#"{"as_of": "2024-01-02T09:30:00Z", "metrics": [{"event": "Play", "measure": "total_events"}]}"# => All ["A: 5"];
        g_4_with_times_of_day_the_end_is_not_included:
            r#"{"range": "2024-01-01T09:00 to 2024-01-01T11:00", "metrics": [{"event": "Play", "measure": "total_events"}]}"#
            => All ["A: 2"];
        g_5_weeks_may_start_on_sunday:
            r#"{"interval": "week", "week_start": "sunday", "metrics": [{"event": "Play", "measure": "total_events"}]}"#
            => All ["A 2023-12-31: 7", "A 2024-01-07: 1"];
        g_8_last_days:
            r#"{"range": "last 7 days", "metrics": [{"event": "Play", "measure": "total_events"}]}"# => All ["A: 5"];
        g_8_last_hours:
            r#"{"range": "last 15 hours", "metrics": [{"event": "$all_events", "measure": "total_events"}]}"# => All ["A: 1"];
    }
    zones {
        d_50_the_zone_decides_the_day:
            r#"{"interval": "day", "time_zone": "America/Los_Angeles", "range": "2023-12-31 to 2024-01-01",
                "metrics": [{"event": "Tick", "measure": "total_events"}]}"#
            => All ["A 2023-12-31T08:00: 1", "A 2024-01-01T08:00: 1"];
        g_6_a_day_of_23_hours:
            r#"{"interval": "day", "time_zone": "America/New_York", "range": "2024-03-09 to 2024-03-11",
                "metrics": [{"event": "Tick", "measure": "total_events"}]}"#
            => All ["A 2024-03-09T05:00: 1", "A 2024-03-10T05:00: 2", "A 2024-03-11T04:00: 1"];
        g_6_the_hour_that_comes_twice:
            r#"{"interval": "hour", "time_zone": "America/New_York", "range": "2024-11-03 to 2024-11-03",
                "metrics": [{"event": "Tick", "measure": "total_events"}]}"#
            => NonZero ["A 2024-11-03T05:00: 1", "A 2024-11-03T06:00: 1"];
        g_6_the_hour_that_comes_twice_as_a_segment:
            r#"{"time_zone": "America/New_York", "range": "2024-11-03 to 2024-11-03",
                "metrics": [{"event": "Tick", "measure": "total_events"}], "breakdowns": [{"property": "time", "unit": "hour"}]}"#
            => All ["A [$overall]: 2", "A [2024-11-03T01:00:00-04:00]: 1", "A [2024-11-03T01:00:00-05:00]: 1"];
        p_23_a_date_time_is_on_the_day_of_the_zone:
            r#"{"time_zone": "Asia/Tokyo",
                "metrics": [{"event": "Dated", "measure": "total_events", "where": {"property": "d", "was_on": "2024-01-06"}},
                            {"event": "Dated", "measure": "total_events", "where": {"property": "d", "was_not_on": "2024-01-05"}}]}"#
            => All ["A: 1", "B: 1"];
        p_23_a_civil_date_is_not_moved:
            r#"{"time_zone": "America/Los_Angeles",
                "metrics": [{"event": "Dated", "measure": "total_events", "where": {"property": "c", "was_on": "2024-01-05"}},
                            {"event": "Dated", "measure": "total_events", "where": {"property": "c", "was_between": ["2024-01-05", "2024-01-06"]}},
                            {"event": "Dated", "measure": "total_events", "where": {"property": "c", "was_before": "2024-01-05"}},
                            {"event": "Dated", "measure": "total_events", "where": {"property": "c", "was_since": "2024-01-05"}}]}"#
            => All ["A: 1", "B: 1", "C: 0", "D: 1"];
        p_23_in_the_last_and_in_the_next:
            r#"{"as_of": "2024-01-05T23:00:00Z",
                "metrics": [{"event": "Dated", "measure": "total_events", "where": {"property": "d", "was_in_the_next": "1 hour"}},
                            {"event": "Dated", "measure": "total_events", "where": {"property": "d", "was_in_the_last": "3 days"}},
                            {"event": "Dated", "measure": "total_events", "where": {"property": "c", "was_in_the_last": "1 day"}},
                            {"event": "Dated", "measure": "total_events", "where": {"property": "c", "was_not_in_the_last": "1 day"}},
                            {"event": "Dated", "measure": "total_events", "where": {"property": "c", "was_before_the_last": "1 day"}}]}"#
            => All ["A: 1", "B: 0", "C: 1", "D: 0", "E: 0"];
        b_15_dates_by_unit:
            r#"{"time_zone": "America/Los_Angeles", "metrics": [{"event": "Dated", "measure": "total_events"}],
                "breakdowns": [{"property": "c", "unit": "month"}]}"#
            => All ["A [$overall]: 1", "A [2024-01-01T00:00:00-08:00]: 1"];
        b_15_dates_as_they_are:
            r#"{"metrics": [{"event": "Dated", "measure": "total_events"}], "breakdowns": [{"property": "d", "as": "date"}]}"#
            => All ["A [$overall]: 1", "A [2024-01-05T23:30:00]: 1"];
    }
}
