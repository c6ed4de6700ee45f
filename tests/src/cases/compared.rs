//! Comparison among segments, and hours and days that come again (S-79, D-52).

super::cases! {
    alpha {
        s_79_each_segment_with_one_of_them:
            r#"{"metrics": [{"event": "Play", "measure": "total_events"}], "breakdowns": ["genre"], "compare": {"segment": ["jazz"]}}"#
            => All ["A [$overall]: 8", "A [rock]: 4 vs 2", "A [jazz]: 2 vs 2", "A [(not set)]: 1 vs 2", "A [Rock]: 1 vs 2"];
        s_79_each_segment_with_the_overall:
            r#"{"metrics": [{"event": "Play"}], "breakdowns": ["genre"], "compare": "overall"}"#
            => All ["A [$overall]: 3 vs 3", "A [jazz]: 2 vs 3", "A [rock]: 2 vs 3", "A [(not set)]: 1 vs 3", "A [Rock]: 1 vs 3"];
        s_79_the_baseline_is_shown_whatever_its_rank:
            r#"{"metrics": [{"event": "Play", "measure": "total_events"}], "breakdowns": ["genre"], "compare": {"segment": ["Rock"]},
                "top": 1, "other": true}"#
            => All ["A [$overall]: 8", "A [rock]: 4 vs 1", "A [Rock]: 1 vs 1", "A [$other]: 3 vs 1"];
        s_79_no_such_segment:
            r#"{"metrics": [{"event": "Play", "measure": "total_events"}], "breakdowns": ["genre"], "compare": {"segment": ["folk"]}, "top": 1}"#
            => All ["A [$overall]: 8", "A [rock]: 4"];
        s_79_s_35_by_day_after_running_sums:
            r#"{"interval": "day", "range": "2024-01-01 to 2024-01-02", "cumulative": true,
                "metrics": [{"event": "Play", "measure": "total_events"}], "breakdowns": ["genre"], "top": 2, "compare": {"segment": ["rock"]}}"#
            => All ["A 2024-01-01 [$overall]: 3", "A 2024-01-02 [$overall]: 6", "A 2024-01-01 [rock]: 2 vs 2",
                "A 2024-01-02 [rock]: 4 vs 4", "A 2024-01-01 [(not set)]: 0 vs 2", "A 2024-01-02 [(not set)]: 1 vs 4"];
        d_52_day_of_the_week:
            r#"{"metrics": [{"event": "Play", "measure": "total_events"}], "breakdowns": [{"property": "time", "unit": "day_of_week"}]}"#
            => All ["A [$overall]: 8", "A [Monday]: 4", "A [Tuesday]: 3", "A [Wednesday]: 1"];
        d_52_hour_of_the_day:
            r#"{"metrics": [{"event": "Play", "measure": "total_events"}], "breakdowns": [{"property": "time", "unit": "hour_of_day"}]}"#
            => All ["A [$overall]: 8", "A [9]: 3", "A [10]: 2", "A [11]: 1", "A [12]: 1", "A [8]: 1"];
    }
    zones {
        d_52_as_clocks_in_the_zone_show_it:
            r#"{"time_zone": "America/New_York", "range": "2024-11-03 to 2024-11-03",
                "metrics": [{"event": "Tick", "measure": "total_events"}], "breakdowns": [{"property": "time", "unit": "hour_of_day"}]}"#
            => All ["A [$overall]: 2", "A [1]: 2"];
    }
    people {
        s_24_b_30_other_profiles:
            r#"{"metrics": [{"profiles": {"all": []}}, {"profiles": {"all": []}, "measure": {"aggregate": "sum", "of": "user.age"}}],
                "breakdowns": ["user.plan"], "top": 1, "other": true}"#
            => All ["A [$overall]: 3", "A [pro]: 2", "A [$other]: 1", "B [$overall]: 60", "B [pro]: 60", "B [$other]: 0"];
    }
}
