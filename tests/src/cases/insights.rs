//! Measures, first time, settings, formulas (sections 5.1 … 5.5).

super::cases! {
    alpha {
        s_1_unique_users_is_the_default: r#"{"metrics": [{"event": "Play"}]}"# => All ["A: 3"];
        s_2_metrics_are_lettered:
            r#"{"metrics": [{"event": "Play", "measure": "total_events"}, {"event": "Buy", "measure": "total_events"}]}"#
            => All ["A: 8", "B: 2"];
        s_3_an_event_counts_once:
            r#"{"metrics": [{"event": ["Play", {"event": "Play", "where": {"property": "genre", "equals": "rock"}}, "Buy"],
                             "measure": "total_events"}]}"#
            => All ["A: 10"];
        s_3_each_event_has_its_own_filter:
            r#"{"metrics": [{"event": [{"event": "Play", "where": {"property": "genre", "equals": "jazz"}}, "Buy"],
                             "measure": "total_events"}]}"#
            => All ["A: 4"];
        s_4_unique_users_by_week:
            r#"{"interval": "week", "metrics": [{"event": "Play"}]}"# => All ["A 2024-01-01: 3", "A 2024-01-08: 1"];
        s_10_total_events:
            r#"{"metrics": [{"event": "Play", "measure": "total_events"}]}"# => All ["A: 8"];
        s_26_a_funnel_is_measured:
            r#"{"metrics": [{"funnel": {"steps": ["Play", "Buy"]}}, {"funnel": {"steps": ["Play", "Buy"]}, "value": "count"},
                            {"funnel": {"steps": ["Play", "Buy"]}, "value": "count", "step": 1}, {"event": "Play"}],
                "formulas": [{"formula": "B / D"}]}"#
            => All ["A: 0.666666667", "B: 2", "C: 3", "D: 3", "E: 0.666666667"];
        s_26_a_funnel_of_each_day:
            r#"{"interval": "day", "metrics": [{"funnel": {"steps": ["Play", "Buy"]}}]}"#
            => NonZero ["A 2024-01-01: 0.5", "A 2024-01-02: 0.5", "A 2024-01-08: 1"];
        s_26_a_funnel_of_each_segment:
            r#"{"breakdowns": ["genre"], "metrics": [{"funnel": {"steps": ["Play", "Buy"]}}]}"#
            => All ["A [$overall]: 0.666666667", "A [rock]: 0.5", "A [(not set)]: 1", "A [jazz]: 0"];
        s_73_a_rolling_mean_of_funnels:
            r#"{"interval": "day", "rolling": 2, "range": "2024-01-02 to 2024-01-04", "metrics": [{"funnel": {"steps": ["Play", "Buy"]}}]}"#
            => NonZero ["A 2024-01-02: 0.5", "A 2024-01-03: 0.25"];
        s_27_retention_is_measured:
            r#"{"metrics": [{"retention": {"birth": "Play", "return": "Play", "criterion": "on"}},
                            {"retention": {"birth": "Play", "return": "Play", "criterion": "on", "measure": "unique_users"}},
                            {"retention": {"birth": "Play", "return": "Play", "criterion": "on"}, "bucket": 0}]}"#
            => All ["A: 0.2", "B: 1", "C: 0.2"];
        s_27_retention_of_each_day:
            r#"{"interval": "day", "metrics": [{"retention": {"birth": "Play", "return": "Play", "criterion": "on"}}]}"#
            => NonZero ["A 2024-01-01: 0.5"];
        s_10_total_events_by_day:
            r#"{"interval": "day", "metrics": [{"event": "Play", "measure": "total_events"}]}"#
            => All ["A 2024-01-01: 3", "A 2024-01-02: 3", "A 2024-01-03: 1", "A 2024-01-04: 0", "A 2024-01-05: 0",
                "A 2024-01-06: 0", "A 2024-01-07: 0", "A 2024-01-08: 1"];
        s_11_unique_users_by_day:
            r#"{"interval": "day", "metrics": [{"event": "Play"}]}"#
            => All ["A 2024-01-01: 2", "A 2024-01-02: 2", "A 2024-01-03: 1", "A 2024-01-04: 0", "A 2024-01-05: 0",
                "A 2024-01-06: 0", "A 2024-01-07: 0", "A 2024-01-08: 1"];
        s_12_daily_active_users:
            r#"{"interval": "day", "metrics": [{"event": "Play", "measure": "daily_active_users"}]}"#
            => All ["A 2024-01-01: 2", "A 2024-01-02: 2", "A 2024-01-03: 1", "A 2024-01-04: 0", "A 2024-01-05: 0",
                "A 2024-01-06: 0", "A 2024-01-07: 0", "A 2024-01-08: 1"];
        s_12_active_users_of_the_last_day:
            r#"{"metrics": [{"event": "Play", "measure": "daily_active_users"},
                            {"event": "Play", "measure": "weekly_active_users"}]}"#
            => All ["A: 1", "B: 3"];
        s_40_weekly_active_users_by_day:
            r#"{"interval": "day", "metrics": [{"event": "Play", "measure": "weekly_active_users"}]}"#
            => All ["A 2024-01-01: 2", "A 2024-01-02: 3", "A 2024-01-03: 3", "A 2024-01-04: 3", "A 2024-01-05: 3",
                "A 2024-01-06: 3", "A 2024-01-07: 3", "A 2024-01-08: 3"];
        s_40_days_before_the_range_are_included:
            r#"{"range": "2024-01-08 to 2024-01-08",
                "metrics": [{"event": "Play", "measure": "weekly_active_users"},
                            {"event": "Play", "measure": "monthly_active_users"}]}"#
            => All ["A: 3", "B: 3"];
        s_13_sessions:
            r#"{"metrics": [{"event": "$all_events", "measure": "sessions"}]}"# => All ["A: 7"];
        s_14_frequency_per_user:
            r#"{"metrics": [{"event": "Play", "measure": {"aggregate": "average", "per_user": "events"}},
                            {"event": "Play", "measure": {"aggregate": "median", "per_user": "events"}},
                            {"event": "Play", "measure": {"aggregate": "p90", "per_user": "events"}},
                            {"event": "Play", "measure": {"aggregate": "min", "per_user": "events"}},
                            {"event": "Play", "measure": {"aggregate": "max", "per_user": "events"}},
                            {"event": "Play", "measure": {"aggregate": "distribution", "per_user": "events"}}]}"#
            => All ["A: 2.33333333", "B: 2", "C: 2.8", "D: 2", "E: 3", "F {2}: 2", "F {3}: 1"];
        s_14_frequency_per_user_by_day:
            r#"{"interval": "day", "range": "2024-01-01 to 2024-01-04",
                "metrics": [{"event": "Play", "measure": {"aggregate": "average", "per_user": "events"}}]}"#
            => All ["A 2024-01-01: 1.5", "A 2024-01-02: 1", "A 2024-01-03: 1", "A 2024-01-04: null"];
        s_20_aggregates_of_a_property:
            r#"{"metrics": [{"event": "Play", "measure": {"aggregate": "sum", "of": "mins"}},
                            {"event": "Play", "measure": {"aggregate": "average", "of": "mins"}},
                            {"event": "Play", "measure": {"aggregate": "median", "of": "mins"}},
                            {"event": "Play", "measure": {"aggregate": "min", "of": "mins"}},
                            {"event": "Play", "measure": {"aggregate": "max", "of": "mins"}}]}"#
            => All ["A: 127", "B: 18.1428571", "C: 15", "D: 5", "E: 40"];
        s_21_distinct_values:
            r#"{"metrics": [{"event": "Play", "measure": {"aggregate": "distinct", "of": "mins"}},
                            {"event": "Play", "measure": {"aggregate": "distinct", "of": "genre"}}]}"#
            => All ["A: 8", "B: 3"];
        s_22_aggregates_per_user:
            r#"{"metrics": [{"event": "Play", "measure": {"aggregate": "average", "per_user": {"aggregate": "sum", "of": "mins"}}},
                            {"event": "Play", "measure": {"aggregate": "median", "per_user": {"aggregate": "sum", "of": "mins"}}},
                            {"event": "Play", "measure": {"aggregate": "max", "per_user": {"aggregate": "sum", "of": "mins"}}},
                            {"event": "Play", "measure": {"aggregate": "average", "per_user": {"aggregate": "average", "of": "mins"}}}]}"#
            => All ["A: 40", "B: 40", "C: 45", "D: 24.7222222"];
        s_28_cumulative_unique_users:
            r#"{"interval": "day", "metrics": [{"event": "Play", "measure": "cumulative_unique_users"}]}"#
            => All ["A 2024-01-01: 2", "A 2024-01-02: 3", "A 2024-01-03: 3", "A 2024-01-04: 3", "A 2024-01-05: 3",
                "A 2024-01-06: 3", "A 2024-01-07: 3", "A 2024-01-08: 3"];
        s_28_first_count_and_variance:
            r#"{"metrics": [{"event": "Play", "measure": {"aggregate": "first", "of": "mins"}},
                            {"event": "Play", "measure": {"aggregate": "count", "of": "mins"}},
                            {"event": "Buy", "measure": {"aggregate": "variance", "of": "amount"}},
                            {"event": "Play", "measure": {"aggregate": "most_frequent", "of": "mins"}}]}"#
            => All ["A: 10", "B: 7", "C: 225", "D: 5"];
        s_31_who_has_no_number_is_left_out:
            r#"{"range": "2024-01-02 to 2024-01-02",
                "metrics": [{"event": "Play", "measure": {"aggregate": "average", "per_user": {"aggregate": "sum", "of": "mins"}}},
                            {"event": "Play", "measure": {"aggregate": "count", "per_user": {"aggregate": "max", "of": "mins"}}},
                            {"event": "Play", "measure": {"aggregate": "average", "per_user": {"aggregate": "distinct", "of": "genre"}}}]}"#
            => All ["A: 5", "B: 1", "C: 0.5"];
        s_32_nothing_to_aggregate:
            r#"{"metrics": [{"event": "Play", "measure": {"aggregate": "sum", "of": "genre"}},
                            {"event": "Play", "measure": {"aggregate": "average", "of": "genre"}},
                            {"event": "Play", "measure": {"aggregate": "p90", "of": "genre"}}]}"#
            => All ["A: 0", "B: null", "C: null"];
        s_36_distribution_of_a_property_counts_events:
            r#"{"range": "2024-01-01 to 2024-01-02",
                "metrics": [{"event": "Play", "measure": {"aggregate": "distribution", "of": "mins"}}]}"#
            => All ["A {5}: 1", "A {7}: 1", "A {10}: 1", "A {20}: 1", "A {30}: 1"];
        s_50_first_time_ever:
            r#"{"interval": "day", "range": "2024-01-01 to 2024-01-03",
                "metrics": [{"event": {"event": "Play", "first_time": "ever"}, "measure": "total_events"}]}"#
            => All ["A 2024-01-01: 2", "A 2024-01-02: 1", "A 2024-01-03: 0"];
        s_50_all_of_history_decides_what_is_first:
            r#"{"range": "2024-01-02 to 2024-01-08",
                "metrics": [{"event": {"event": "Play", "first_time": "ever"}, "measure": "total_events"}]}"#
            => All ["A: 1"];
        s_51_filters_apply_to_the_first:
            r#"{"metrics": [{"event": {"event": "Play", "first_time": "ever", "where": {"property": "genre", "equals": "jazz"}}},
                            {"event": {"event": "Play", "first_time": "filtered", "where": {"property": "genre", "equals": "jazz"}}}]}"#
            => All ["A: 0", "B: 2"];
        s_65_empty_buckets:
            r#"{"interval": "day", "range": "2024-01-04 to 2024-01-04",
                "metrics": [{"event": "Play", "measure": "total_events"}, {"event": "Play"},
                            {"event": "Play", "measure": {"aggregate": "sum", "of": "mins"}},
                            {"event": "Play", "measure": {"aggregate": "distinct", "of": "mins"}},
                            {"event": "Play", "measure": {"aggregate": "average", "of": "mins"}},
                            {"event": "Play", "measure": {"aggregate": "median", "per_user": "events"}}]}"#
            => All ["A 2024-01-04: 0", "B 2024-01-04: 0", "C 2024-01-04: 0", "D 2024-01-04: 0", "E 2024-01-04: null",
                "F 2024-01-04: null"];
        s_71_a_formula_over_the_range:
            r#"{"metrics": [{"event": "Play", "measure": "total_events"}, {"event": "Play"}, {"event": "Buy"}],
                "formulas": [{"formula": "A / B"}, {"formula": "C / B"}, {"formula": "(A - B) * 100"}]}"#
            => All ["A: 8", "B: 3", "C: 2", "D: 2.66666667", "E: 0.666666667", "F: 500"];
        s_71_a_formula_by_day:
            r#"{"interval": "day", "metrics": [{"event": "Buy"}, {"event": "Play"}], "formulas": [{"formula": "A / B"}],
                "range": "2024-01-03 to 2024-01-04"}"#
            => All ["A 2024-01-03: 1", "A 2024-01-04: 0", "B 2024-01-03: 1", "B 2024-01-04: 0", "C 2024-01-03: 1",
                "C 2024-01-04: null"];
        s_71_a_missing_segment_counts_zero:
            r#"{"metrics": [{"event": "Play", "measure": "total_events", "where": {"property": "genre", "equals": "jazz"}},
                            {"event": "Play", "measure": "total_events"}],
                "formulas": [{"formula": "A / B"}], "breakdowns": ["genre"]}"#
            => All ["A [$overall]: 2", "A [jazz]: 2", "A [(not set)]: 0", "A [Rock]: 0", "A [rock]: 0",
                "B [$overall]: 8", "B [jazz]: 2", "B [(not set)]: 1", "B [Rock]: 1", "B [rock]: 4",
                "C [$overall]: 0.25", "C [jazz]: 1", "C [(not set)]: 0", "C [Rock]: 0", "C [rock]: 0"];
        s_91_what_grows_with_users_is_told_as_of_all:
            r#"{"sample": 0.5, "metrics": [
                    {"event": "Play", "measure": "total_events"}, {"event": "Play"}, {"event": "Play", "measure": "sessions"},
                    {"event": "Play", "measure": {"aggregate": "sum", "of": "mins"}},
                    {"event": "Play", "measure": {"aggregate": "average", "of": "mins"}},
                    {"event": "Play", "measure": {"aggregate": "distinct", "of": "genre"}},
                    {"event": "Play", "measure": {"aggregate": "max", "per_user": "events"}}, {"cohort": "C2"}],
                "formulas": [{"formula": "A / B"}]}"#
            => All ["A: 4", "B: 2", "C: 4", "D: 90", "E: 22.5", "F: 2", "G: 2", "H: 2", "I: 2"];
        s_91_of_nobody_is_in_no_sample:
            r#"{"sample": 1, "metrics": [{"event": "Play", "measure": "total_events"}, {"event": "Play"}]}"#
            => All ["A: 7", "B: 3"];
        s_73_rolling_mean_of_seven_days:
            r#"{"interval": "day", "rolling": 7, "range": "2024-01-07 to 2024-01-08",
                "metrics": [{"event": "Play", "measure": "total_events"}]}"#
            => All ["A 2024-01-07: 1", "A 2024-01-08: 0.714285714"];
        s_73_nulls_are_skipped:
            r#"{"interval": "day", "rolling": 2, "range": "2024-01-03 to 2024-01-05",
                "metrics": [{"event": "Play", "measure": {"aggregate": "average", "of": "mins"}}]}"#
            => All ["A 2024-01-03: 10.5", "A 2024-01-04: 15", "A 2024-01-05: null"];
        s_74_running_sums:
            r#"{"interval": "day", "cumulative": true, "metrics": [{"event": "Play", "measure": "total_events"}, {"event": "Play"}]}"#
            => All ["A 2024-01-01: 3", "A 2024-01-02: 6", "A 2024-01-03: 7", "A 2024-01-04: 7", "A 2024-01-05: 7",
                "A 2024-01-06: 7", "A 2024-01-07: 7", "A 2024-01-08: 8",
                "B 2024-01-01: 2", "B 2024-01-02: 4", "B 2024-01-03: 5", "B 2024-01-04: 5", "B 2024-01-05: 5",
                "B 2024-01-06: 5", "B 2024-01-07: 5", "B 2024-01-08: 6"];
        s_76_days_are_compared_with_those_a_week_before:
            r#"{"interval": "day", "range": "2024-01-08 to 2024-01-10", "compare": {"previous": "week"},
                "metrics": [{"event": "Play", "measure": "total_events"}]}"#
            => All ["A 2024-01-08: 1 vs 3", "A 2024-01-09: 0 vs 3", "A 2024-01-10: 0 vs 1"];
        s_76_from_a_day_or_up_to_one:
            r#"{"range": "2024-01-08 to 2024-01-08", "compare": {"to": "2024-01-02"},
                "metrics": [{"event": "Play", "measure": "total_events"}]}"#
            => All ["A: 1 vs 3"];
        s_80_the_overall_is_no_sum_of_segments:
            r#"{"metrics": [{"event": "Play"}], "breakdowns": ["genre"], "top": 1}"#
            => All ["A [$overall]: 3", "A [jazz]: 2"];
        p_40_all_events:
            r#"{"metrics": [{"event": "$all_events", "measure": "total_events"}, {"event": "$all_events"}]}"#
            => All ["A: 10", "B: 3"];
    }
    months {
        s_76_points_without_partner:
            r#"{"interval": "day", "range": "2024-03-28 to 2024-03-31", "compare": {"from": "2024-02-28"},
                "metrics": [{"event": "Tick", "measure": "total_events"}]}"#
            => All ["A 2024-03-28: 2 vs 1", "A 2024-03-29: 2 vs 1", "A 2024-03-30: 2 vs 2", "A 2024-03-31: 2 vs 2"];
        s_76_a_month_is_compared_with_a_shorter_one:
            r#"{"interval": "day", "compare": {"previous": "month"}, "metrics": [{"event": "Tick", "measure": "total_events"}]}"#
            => All ["A 2024-03-01: 2 vs 1", "A 2024-03-02: 2 vs 1", "A 2024-03-03: 2 vs 1", "A 2024-03-04: 2 vs 1",
                "A 2024-03-05: 2 vs 1", "A 2024-03-06: 2 vs 1", "A 2024-03-07: 2 vs 1", "A 2024-03-08: 2 vs 1",
                "A 2024-03-09: 2 vs 1", "A 2024-03-10: 2 vs 1", "A 2024-03-11: 2 vs 1", "A 2024-03-12: 2 vs 1",
                "A 2024-03-13: 2 vs 1", "A 2024-03-14: 2 vs 1", "A 2024-03-15: 2 vs 1", "A 2024-03-16: 2 vs 1",
                "A 2024-03-17: 2 vs 1", "A 2024-03-18: 2 vs 1", "A 2024-03-19: 2 vs 1", "A 2024-03-20: 2 vs 1",
                "A 2024-03-21: 2 vs 1", "A 2024-03-22: 2 vs 1", "A 2024-03-23: 2 vs 1", "A 2024-03-24: 2 vs 1",
                "A 2024-03-25: 2 vs 1", "A 2024-03-26: 2 vs 1", "A 2024-03-27: 2 vs 1", "A 2024-03-28: 2 vs 1",
                "A 2024-03-29: 2 vs 1", "A 2024-03-30: 2", "A 2024-03-31: 2"];
    }
    people {
        s_24_profiles:
            r#"{"metrics": [{"profiles": {"all": []}},
                            {"profiles": {"property": "user.plan", "equals": "pro"}},
                            {"profiles": {"all": []}, "measure": {"aggregate": "average", "of": "user.age"}},
                            {"profiles": {"all": []}, "measure": {"aggregate": "sum", "of": "user.age"}},
                            {"profiles": {"all": []}, "measure": {"aggregate": "distinct", "of": "user.plan"}},
                            {"profiles": {"all": []}, "measure": {"aggregate": "max", "of": "user.age"}}]}"#
            => All ["A: 3", "B: 2", "C: 30", "D: 60", "E: 1", "F: 40"];
        u_15_every_event_sees_the_current_profile:
            r#"{"metrics": [{"event": "Play", "measure": "total_events"}], "breakdowns": ["user.plan"]}"#
            => All ["A [$overall]: 2", "A [pro]: 2"];
        u_31_groups_are_counted:
            r#"{"metrics": [{"event": "Work", "measure": "total_events"}, {"event": "Work"},
                            {"event": "Work", "count_by": "company"}]}"#
            => All ["A: 3", "B: 2", "C: 2"];
        u_32_without_the_key_an_event_is_no_groups:
            r#"{"metrics": [{"event": "Work", "measure": "total_events", "count_by": "company"}], "breakdowns": ["company"]}"#
            => All ["A [$overall]: 2", "A [A]: 2", "A [B]: 1"];
        u_35_group_properties_are_those_of_each_group_named:
            r#"{"metrics": [{"event": "Work", "measure": "total_events"}], "breakdowns": ["group.company.tier"]}"#
            => All ["A [$overall]: 3", "A [gold]: 2", "A [(not set)]: 1", "A [tin]: 1"];
    }
}
