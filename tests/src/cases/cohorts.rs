//! Cohorts (section 9).

super::cases! {
    views {
        c_4_twice_in_the_last_seven_days:
            r#"{"all": [{"did": {"event": "View", "in": "last 7 days", "times": {"at_least": 2}}}]}"# => All ["u1"];
        c_6_in_the_last_seven_days:
            r#"{"all": [{"did": {"event": "View", "in": "last 7 days"}}]}"# => All ["u1", "u3"];
        c_5_on_two_days:
            r#"{"all": [{"did": {"event": "View", "in": "last 7 days", "times": {"distinct": "day", "at_least": 2}}}]}"# => All ["u1"];
        c_2_did_not_do:
            r#"{"all": [{"did_not": {"event": "View", "in": "last 7 days"}}]}"# => All ["u2", "u4"];
        c_7_at_most_once_includes_never:
            r#"{"all": [{"did": {"event": "View", "in": "last 7 days", "times": {"at_most": 1}}}]}"# => All ["u2", "u3", "u4"];
        c_7_never:
            r#"{"all": [{"did": {"event": "View", "in": "last 7 days", "times": {"equal_to": 0}}}]}"# => All ["u2", "u4"];
        c_16_did_not_do_and_is:
            r#"{"all": [{"did_not": {"event": "View", "in": "last 7 days"}}, {"where": {"property": "user.plan", "equals": "pro"}}]}"#
            => All ["u4"];
        c_1_nested_groups:
            r#"{"any": [{"in_cohort": "pro"}, {"all": [{"in_cohort": "recent"}, {"not": {"users": ["u1"]}}]}]}"# => All ["u3", "u4"];
        c_20_size_over_time:
            r#"{"interval": "day", "range": "2024-01-09 to 2024-01-10", "metrics": [{"cohort": "recent"}]}"#
            => All ["A 2024-01-09: 2", "A 2024-01-10: 2"];
        c_20_who_is_yet_to_come_is_not_counted:
            r#"{"interval": "day", "range": "2024-01-02 to 2024-01-04", "metrics": [{"cohort": "recent"}, {"cohort": "pro"}]}"#
            => All ["A 2024-01-02: 0", "A 2024-01-03: 1", "A 2024-01-04: 2", "B 2024-01-02: 1", "B 2024-01-03: 1", "B 2024-01-04: 1"];
        c_15_members_as_of_now_filter_events_of_any_time:
            r#"{"range": "2024-01-01 to 2024-01-04", "where": {"in_cohort": "recent"},
                "metrics": [{"event": "View", "measure": "total_events"}]}"#
            => All ["A: 2"];
        b_24_members_as_of_now_break_down_events_of_any_time:
            r#"{"range": "2024-01-01 to 2024-01-04", "metrics": [{"event": "View", "measure": "total_events"}],
                "breakdowns": [{"cohorts": ["recent"]}]}"#
            => All ["A [$overall]: 3", "A [In recent]: 2", "A [Not In recent]: 1"];
    }
    buyers {
        c_4_sum_of_a_property:
            r#"{"all": [{"did": {"event": "Buy", "times": {"aggregate": "sum", "of": "amount", "at_least": 60}}}]}"# => All ["u1"];
        c_8_average_of_nothing_is_never_true:
            r#"{"any": [{"did": {"event": "Buy", "times": {"aggregate": "average", "of": "amount", "less_than": 40}}},
                        {"did": {"event": "Buy", "times": {"aggregate": "average", "of": "amount", "at_least": 40}}}]}"#
            => All ["u1", "u2"];
        c_8_sum_of_nothing_is_zero:
            r#"{"all": [{"did": {"event": "Buy", "times": {"aggregate": "sum", "of": "amount", "less_than": 100}}}, {"users": ["u1", "u3"]}]}"#
            => All ["u1", "u3"];
        c_9_did_then_did:
            r#"{"all": [{"did": {"event": "Watch", "then": "Like"}}]}"# => All ["u1"];
        c_9_did_then_did_not:
            r#"{"all": [{"did": {"event": "Watch", "then_not": "Like"}}]}"# => All ["u2", "u3"];
        c_9_first_times_of_two_events:
            r#"{"all": [{"did": {"event": {"event": "Watch", "first_time": "ever"}, "then": {"event": "Like", "first_time": "ever"}}}]}"#
            => All ["u1"];
        c_5_days_are_of_the_zone:
            r#"{"all": [{"did": {"event": "Ping", "times": {"distinct": "day", "at_least": 2}}}]}"# => All ["u4"];
        c_5_days_of_another_zone:
            r#"{"time_zone": "Europe/Berlin", "all": [{"did": {"event": "Ping", "times": {"distinct": "day", "at_least": 2}}}]}"#
            => All [];
        c_10_not_in_one_or_the_other:
            r#"{"all": [{"where": {"not_in_cohort": ["A", "B"]}}, {"users": ["u1", "u2"]}]}"# => All ["u1", "u2"];
        c_10_not_in_either_by_two_conditions:
            r#"{"all": [{"where": {"not_in_cohort": "A"}}, {"not_in_cohort": "B"}, {"users": ["u1", "u2", "u3"]}]}"# => All ["u3"];
        c_4_events_of_members_of_another_cohort:
            r#"{"all": [{"did": {"event": {"event": "Buy", "where": {"in_cohort": "A"}}}}]}"# => All ["u1"];
        c_9_then_of_those_outside_of_another_cohort:
            r#"{"all": [{"did": {"event": "Like", "then": {"event": "Watch", "where": {"not_in_cohort": "A"}}}}]}"# => All ["u2"];
        c_17_any_id_of_a_user_will_do:
            r#"{"all": [{"users": ["$device:D7", "stranger"]}]}"# => All ["u7"];
        c_3_first_time_in_the_last_seven_days:
            r#"{"all": [{"did": {"event": {"event": "Play", "first_time": "ever"}, "in": "last 7 days"}}]}"# => All ["u6"];
    }
    people {
        c_21_groups_by_what_was_done_for_them:
            r#"{"group_key": "company", "all": [{"did": {"event": "Work", "times": {"at_least": 2}}}]}"# => All ["A"];
        c_21_groups_that_did_not:
            r#"{"group_key": "company", "all": [{"did_not": {"event": "Work"}}]}"# => All ["Z"];
        c_21_groups_by_their_profiles:
            r#"{"group_key": "company", "any": [{"where": {"property": "group.company.tier", "equals": "tin"}}, {"groups": ["Z", "Y"]}]}"#
            => All ["B", "Z"];
        c_21_first_time_of_each_group:
            r#"{"group_key": "company", "all": [{"did": {"event": {"event": "$all_events", "first_time": "ever"}, "in": "2024-01-03 to 2024-01-03"}}]}"#
            => All ["Z"];
        c_21_groups_one_thing_then_another:
            r#"{"group_key": "company", "all": [{"did": {"event": "Work", "then": "Idle"}}, {"in_cohort": "gold"}]}"# => All ["A"];
        c_21_events_of_groups_in_a_cohort:
            r#"{"metrics": [{"event": ["Work", "Idle"], "measure": "total_events", "where": {"in_cohort": "gold"}},
                            {"event": ["Work", "Idle"], "measure": "total_events", "where": {"not_in_cohort": "gold"}},
                            {"cohort": "gold"}]}"#
            => All ["A: 3", "B: 3", "C: 1"];
        c_21_b_23_in_a_cohort_of_groups_or_not:
            r#"{"metrics": [{"event": ["Work", "Idle"], "measure": "total_events"}], "breakdowns": [{"cohorts": ["gold"]}]}"#
            => All ["A [$overall]: 6", "A [In gold]: 3", "A [Not In gold]: 1"];
    }
    planned {
        c_3_e_what_a_profile_was_at_a_time:
            r#"{"all": [{"where": {"property": {"user_history": "plan"}, "equals": "pro"}, "at": "2024-07-01"}]}"# => All ["u1"];
        c_3_e_the_end_of_the_day_is_meant:
            r#"{"all": [{"where": {"property": {"user_history": "plan"}, "equals": "pro"}, "at": "2024-05-31"}]}"# => All [];
        c_3_e_at_any_time_of_a_range:
            r#"{"all": [{"where": {"property": {"user_history": "plan"}, "equals": "free"}, "in": "2024-05-31 to 2024-06-30"}]}"#
            => All ["u1"];
        c_3_e_at_no_time_of_a_range:
            r#"{"all": [{"where": {"property": {"user_history": "plan"}, "equals": "free"}, "in": "2024-06-01 to 2024-06-30"}]}"#
            => All [];
        c_3_e_a_value_set_within_a_range:
            r#"{"all": [{"where": {"property": {"user_history": "seats"}, "equals": 3}, "in": "2024-02-01 to 2024-03-01"}]}"#
            => All ["u1"];
        u_21_the_latest_value_unless_said:
            r#"{"all": [{"where": {"property": {"user_history": "seats"}, "equals": 3}},
                        {"where": {"property": {"user_history": "plan"}, "is_set": false}}]}"# => All ["u1"];
    }
}
