//! Funnels (section 6).

/// A → B within an hour.
const AB: &str = r#"{"report": "funnel", "steps": ["A", "B"], "window": "60 minutes"}"#;
const AB_TOTALS: &str =
    r#"{"report": "funnel", "steps": ["A", "B"], "window": "60 minutes", "count": "totals"}"#;
const AB_BEST: &str =
    r#"{"report": "funnel", "steps": ["A", "B"], "window": "60 minutes", "reentry": "optimized"}"#;
const AB_BEST_TOTALS: &str = r#"{"report": "funnel", "steps": ["A", "B"], "window": "60 minutes", "reentry": "optimized", "count": "totals"}"#;
const ABC: &str = r#"{"report": "funnel", "steps": ["A", "B", "C"], "window": "60 minutes"}"#;
const ABC_TOTALS: &str =
    r#"{"report": "funnel", "steps": ["A", "B", "C"], "window": "60 minutes", "count": "totals"}"#;
const TO_E: &str = r#"{"report": "funnel", "steps": ["A", "B", "C", "D", "E"]}"#;
const AA: &str = r#"{"report": "funnel", "steps": ["A", "A"], "window": "60 minutes"}"#;
const AA_TOTALS: &str =
    r#"{"report": "funnel", "steps": ["A", "A"], "window": "60 minutes", "count": "totals"}"#;
const XYZ: &str =
    r#"{"report": "funnel", "steps": ["X", "Y", {"event": "Z", "anchored": true}], "order": "any"}"#;
const BOUGHT: &str = "View0{item=a} View10{item=b} Buy20{item=b} View30{item=a} Buy40{item=a}";
const BROWSED: &str = "View10h{b=Chrome} View12h{b=Safari} Add12h10m{b=Safari} Buy12h20m";
const COLOURS: &str = "Page0 View1{c=red} Add2{c=blue} Out3";
const SESSIONS: &str = "A9h B9h10m A10h A12h A12h5m B12h10m";
const WEEK: &str = "A@2024-01-01T10:00 A@2024-01-02T10:00 B@2024-01-03T10:00";
const HUNDRED: &str = "a*28: A0{s=a} B1; b*12: A0{s=a}; c*22: A0{s=b} B1; d*38: A0{s=b}";
const TIMED: &str = "A0s B10s A100s B160s A300s";

super::behaviour_cases! {
    f_5_a_later_first_step_does_not_start_again:
        "A13h A13h30m B13h45m C14h15m", ABC => "count" ["1", "1", "0"];
    f_10_all_in_order: "A0 B1 C2 D3 E4", TO_E => "count" ["1", "1", "1", "1", "1"];
    f_10_others_in_between: "A0 B1 F2 C3 D4 E5", TO_E => "count" ["1", "1", "1", "1", "1"];
    f_10_out_of_order_in_between: "A0 B1 D2 C3 D4 E5", TO_E => "step count" ["1 1", "2 1", "3 1", "4 1", "5 1"];
    f_10_one_is_missing: "A0 B1 C2 E3", TO_E => "event count" ["A 1", "B 1", "C 1", "D 0", "E 0"];
    f_10_the_other_way_round: "B0 A10", AB => "count" ["1", "0"];
    f_13_within_two_seconds_the_order_is_free:
        "B10h A10h2s", AB => "count average_time_s" ["1 null", "1 0"];
    f_13_after_more_it_is_not: "B10h A10h3s", AB => "count" ["1", "0"];
    f_14_grace_is_measured_from_the_latest:
        "C10h B10h1s A10h2s", ABC => "count" ["1", "1", "1"];
    f_14_grace_does_not_drift: "C1.5s B3s A4.5s", ABC => "count" ["1", "1", "0"];
    f_14_without_grace:
        "B10h A10h A10h1s B10h1s", r#"{"report": "funnel", "steps": ["A", "B"], "grace_seconds": 0, "count": "totals"}"#
        => "count" ["1", "1"];
    f_14_equal_times_without_grace_are_in_order_of_arrival:
        "B10h A10h; u2: A10h B10h", r#"{"report": "funnel", "steps": ["A", "B"], "grace_seconds": 0}"# => "count" ["2", "1"];
    f_15_an_anchored_step_comes_last: "X0 Z10 Y20 Z30", XYZ => "count" ["1", "1", "1"];
    f_15_the_others_in_any_order: "Y0 X10 Z20", XYZ => "count" ["1", "1", "1"];
    f_15_an_anchored_step_before_its_turn: "X0 Z10", XYZ => "count" ["1", "0", "0"];
    f_16_grace_between_blocks: "X0s Z3s Y4.5s", XYZ => "count" ["1", "1", "1"];
    f_16_no_grace_beyond_two_seconds: "X0s Z2s Y4.5s", XYZ => "count" ["1", "1", "0"];
    f_15_any_order:
        "Y0 X10", r#"{"report": "funnel", "steps": ["X", "Y"], "order": "any", "window": "60 minutes"}"# => "count" ["1", "1"];
    f_16_an_event_that_is_two_steps_is_the_lowest:
        "P0{a=1} P10{a=2}",
        r#"{"report": "funnel", "order": "any", "steps": ["P", {"event": "P", "where": {"property": "a", "equals": 1}}]}"#
        => "count" ["1", "0"];
    f_9_a_step_in_time: "A0 B10 C40", r#"{"report": "funnel", "steps": ["A", "B", {"event": "C", "within": "30 minutes"}]}"#
        => "count" ["1", "1", "1"];
    f_9_a_late_step: "A0 B10 C40.1", r#"{"report": "funnel", "steps": ["A", "B", {"event": "C", "within": "30 minutes"}]}"#
        => "count" ["1", "1", "0"];
    f_9_a_late_step_waits_for_the_window:
        "A0 B31 A40 B50 A70 B80",
        r#"{"report": "funnel", "steps": ["A", {"event": "B", "within": "30 minutes"}], "window": "60 minutes", "count": "totals"}"#
        => "count" ["2", "1"];
    f_17_nothing_in_between: "A0 X5 B10", r#"{"report": "funnel", "steps": ["A", "B"], "order": "strict"}"# => "count" ["1", "0"];
    f_17_right_after: "A0 B10 X15", r#"{"report": "funnel", "steps": ["A", "B"], "order": "strict"}"# => "count" ["1", "1"];
    f_17_what_comes_in_between_may_start:
        "A0 A5 B10", r#"{"report": "funnel", "steps": ["A", "B"], "order": "strict", "count": "totals"}"# => "count" ["2", "1"];
    f_17_no_grace: "B0s A1s", r#"{"report": "funnel", "steps": ["A", "B"], "order": "strict"}"# => "count" ["1", "0"];
    f_18_an_optional_step_passed_over:
        "A0 C10; u2: A0 B5 C10; u3: A0 B5",
        r#"{"report": "funnel", "steps": ["A", {"event": "B", "optional": true}, "C"]}"#
        => "count step_conversion conversion" ["3 null 1", "2 0.666666667 0.666666667", "2 0.666666667 0.666666667"];
    f_18_the_earliest_event_decides:
        "A0 C5 B10 D20",
        r#"{"report": "funnel", "steps": ["A", {"event": "B", "optional": true}, {"event": "C", "optional": true}, "D"]}"#
        => "count average_time_s" ["1 null", "0 null", "1 300", "1 900"];
    f_18_of_several_the_lowest:
        "A0 P5 D20",
        r#"{"report": "funnel", "steps": ["A", {"event": "P", "optional": true}, {"event": "P", "optional": true}, "D"]}"#
        => "count" ["1", "1", "0", "1"];
    f_19_a_repeated_step:
        "A0 B5 B8 C10; u2: A0 B5 C10",
        r#"{"report": "funnel", "steps": ["A", {"event": "B", "times": 2}, "C"]}"#
        => "count average_time_s" ["2 null", "1 480", "1 120"];
    f_19_a_repeated_first_step:
        "A0 A10 B70; u2: A0 A10 B50; u3: A0",
        r#"{"report": "funnel", "steps": [{"event": "A", "times": 2}, "B"], "window": "60 minutes"}"#
        => "count average_time_s" ["2 null", "1 2400"];

    f_21_swallowed_uniques: "A0 A10 B20", AB => "count" ["1", "1"];
    f_21_swallowed_totals: "A0 A10 B20", AB_TOTALS => "count" ["1", "1"];
    f_23_the_first_attempt_alone: "A0 A90 B95", AB => "count" ["1", "0"];
    f_22_every_attempt: "A0 A90 B95", AB_TOTALS => "count" ["2", "1"];
    f_21_the_whole_window_swallows: "A0 A30 B75", AB => "count" ["1", "0"];
    f_21_the_whole_window_swallows_in_totals: "A0 A30 B75", AB_TOTALS => "count" ["1", "0"];
    f_23_twice_is_once: "A0 B10 A20 B30", AB => "count" ["1", "1"];
    f_22_twice: "A0 B10 A20 B30", AB_TOTALS => "count" ["2", "2"];
    f_22_the_second_b_is_nothing: "A0 B10 B20", AB_TOTALS => "count" ["1", "1"];
    f_12_pairs: "A0 A10 A20 A30", AA => "count" ["1", "1"];
    f_12_pairs_in_totals: "A0 A10 A20 A30", AA_TOTALS => "count" ["2", "2"];
    f_12_one_event_is_one_step: "A0", AA => "count" ["1", "0"];
    f_12_one_event_is_one_step_in_totals: "A0", AA_TOTALS => "count" ["1", "0"];
    f_21_within_a_conversion: "A0 B10 A20 C30", ABC => "count" ["1", "1", "1"];
    f_21_within_a_conversion_in_totals: "A0 B10 A20 C30", ABC_TOTALS => "count" ["1", "1", "1"];
    f_21_after_the_window: "A0 B10 A50 A70 B75 C80", ABC => "count" ["1", "1", "0"];
    f_21_after_the_window_in_totals: "A0 B10 A50 A70 B75 C80", ABC_TOTALS => "count" ["2", "2", "1"];
    f_6_the_end_of_the_window_is_inside: "A0 B60", AB => "count" ["1", "1"];
    f_6_after_it_is_outside: "A0 B60m0.001s", AB => "count" ["1", "0"];
    f_11_the_first_instance:
        "A0 B5 B6 C7", ABC => "average_time_s average_time_from_start_s" ["null null", "300 300", "120 420"];
    f_2_later_steps_after_the_range:
        "A@2024-01-01T23:59 B@2024-01-02T10:00",
        r#"{"report": "funnel", "steps": ["A", "B"], "window": "1 day", "range": "2024-01-01 to 2024-01-01"}"# => "count" ["1", "1"];
    f_2_entries_in_the_range_alone:
        "A@2024-01-01T23:59 B@2024-01-02T10:00",
        r#"{"report": "funnel", "steps": ["A", "B"], "window": "1 day", "range": "2024-01-02 to 2024-01-02"}"# => "count" ["0", "0"];
    f_2_nothing_before_the_range:
        "B23h59m59s A24h",
        r#"{"report": "funnel", "steps": ["A", "B"], "range": "2024-01-02 to 2024-01-02"}"# => "count" ["1", "0"];
    f_25_conversion:
        "A0 B1 C2; u2: A0 B1; u3: A0 B1; u4: A0", ABC
        => "count step_conversion conversion" ["4 null 1", "3 0.75 0.75", "1 0.333333333 0.25"];
    f_25_of_nothing: "B0", AB => "count step_conversion conversion" ["0 null null", "0 null null"];
    g_12_nobody_has_no_attempts: "-: A0 B1", AB => "count" ["0", "0"];
    f_24_sessions: SESSIONS, r#"{"report": "funnel", "steps": ["A", "B"], "count": "sessions"}"# => "count" ["3", "2"];
    f_24_optimized_in_a_session:
        "A0 X5 A10 B15", r#"{"report": "funnel", "steps": ["A", "B"], "count": "sessions", "exclude": [{"event": "X"}], "reentry": "optimized"}"#
        => "count" ["1", "1"];
    f_7_two_sessions_are_too_few:
        "A0 C2h B4h", r#"{"report": "funnel", "steps": ["A", "B"], "window": "2 sessions"}"# => "count" ["1", "0"];
    f_7_three_sessions:
        "A0 C2h B4h", r#"{"report": "funnel", "steps": ["A", "B"], "window": "3 sessions"}"# => "count" ["1", "1"];
    f_7_over_with_the_next_session:
        "A0 A2h B2h10m", r#"{"report": "funnel", "steps": ["A", "B"], "window": "1 session", "count": "totals"}"# => "count" ["2", "1"];

    f_32_any_attempt_that_converts: "A0 A90 B95", AB_BEST => "count average_time_s" ["1 null", "1 300"];
    f_32_drop_off_before: "A0 A90 B95", AB_BEST_TOTALS => "count average_time_s" ["2 null", "1 300"];
    f_32_a_later_entry: "A0 A30 B75", AB_BEST => "count average_time_s" ["1 null", "1 2700"];
    f_32_a_later_entry_in_totals: "A0 A30 B75", AB_BEST_TOTALS => "count step_conversion" ["2 null", "1 0.5"];
    f_32_the_latest_entry: "A0 A10 A20 B30", AB_BEST => "count average_time_s" ["1 null", "1 600"];
    f_32_the_latest_entry_in_totals: "A0 A10 A20 B30", AB_BEST_TOTALS => "count" ["1", "1"];
    f_32_the_first_in_default_mode: "A0 A10 A20 B30", AB => "average_time_s" ["null", "1800"];
    f_32_two_conversions: "A0 B5 A10 B15", AB_BEST => "count" ["1", "1"];
    f_32_two_conversions_in_totals: "A0 B5 A10 B15", AB_BEST_TOTALS => "count average_time_s" ["2 null", "2 300"];
    f_32_none: "A0 A10", AB_BEST => "count" ["1", "0"];
    f_32_none_in_totals: "A0 A10", AB_BEST_TOTALS => "count" ["1", "0"];
    f_32_over_by_exclusion:
        "A0 X5 A10 B15",
        r#"{"report": "funnel", "steps": ["A", "B"], "window": "60 minutes", "reentry": "optimized", "exclude": [{"event": "X"}]}"#
        => "count" ["1", "1"];
    f_32_over_by_exclusion_in_totals:
        "A0 X5 A10 B15",
        r#"{"report": "funnel", "steps": ["A", "B"], "window": "60 minutes", "reentry": "optimized", "count": "totals", "exclude": [{"event": "X"}]}"#
        => "count average_time_s" ["2 null", "1 300"];
    f_32_superseded: "A0 A10 B15 A40", AB_BEST => "count" ["1", "1"];
    f_32_superseded_in_totals: "A0 A10 B15 A40", AB_BEST_TOTALS => "count" ["2", "1"];
    f_31_the_exact_rule_decides:
        "A0 B5 A10 B15 C20",
        r#"{"report": "funnel", "steps": ["A", "B", "C"], "window": "60 minutes", "reentry": "optimized"}"#
        => "count average_time_from_start_s" ["1 null", "1 300", "1 600"];

    f_41_the_value_of_the_first_entry:
        BOUGHT, r#"{"report": "funnel", "steps": ["View", "Buy"], "window": "1 day", "hold_constant": ["item"]}"# => "count" ["1", "1"];
    f_41_values_in_parallel:
        BOUGHT, r#"{"report": "funnel", "steps": ["View", "Buy"], "window": "1 day", "hold_constant": ["item"], "count": "totals"}"#
        => "count average_time_s" ["2 null", "2 1500"];
    f_41_by_value:
        BOUGHT,
        r#"{"report": "funnel", "steps": ["View", "Buy"], "window": "1 day", "hold_constant": ["item"], "breakdowns": ["item"]}"#
        => "item count" ["$overall 1", "$overall 1", "a 1", "a 1", "b 1", "b 1"];
    f_41_not_held: BOUGHT, r#"{"report": "funnel", "steps": ["View", "Buy"], "window": "1 day"}"# => "count" ["1", "1"];
    f_41_not_held_in_totals:
        BOUGHT, r#"{"report": "funnel", "steps": ["View", "Buy"], "window": "1 day", "count": "totals"}"# => "count" ["2", "2"];
    f_40_not_set_never_matches:
        "A0{i=1} B1", r#"{"report": "funnel", "steps": ["A", "B"], "hold_constant": ["i"]}"# => "count" ["1", "0"];
    f_40_what_lacks_it_cannot_start:
        "A0 A1{i=1} B2{i=1}", r#"{"report": "funnel", "steps": ["A", "B"], "hold_constant": ["i"]}"# => "count" ["1", "1"];
    f_40_values_of_another_type:
        "A0{i=1} B1{i=\"1\"}", r#"{"report": "funnel", "steps": ["A", "B"], "hold_constant": ["i"]}"# => "count" ["1", "0"];
    f_40_several_properties:
        "A0{i=1,j=2} B1{i=1,j=3} B2{i=1,j=2}", r#"{"report": "funnel", "steps": ["A", "B"], "hold_constant": ["i", "j"]}"#
        => "count average_time_s" ["1 null", "1 120"];
    f_24_a_session_starts_with_the_held_properties:
        "A0 A5{i=1} B10{i=1}", r#"{"report": "funnel", "steps": ["A", "B"], "hold_constant": ["i"], "count": "sessions"}"#
        => "count" ["1", "1"];

    f_46_excluded_uniques:
        "A1 A2 A3 B4", r#"{"report": "funnel", "steps": ["A", "B"], "exclude": [{"event": "A"}]}"# => "count" ["1", "0"];
    f_46_excluded_totals:
        "A1 A2 A3 B4", r#"{"report": "funnel", "steps": ["A", "B"], "exclude": [{"event": "A"}], "count": "totals"}"# => "count" ["2", "1"];
    f_45_between_two_steps:
        "A0 X5 B10 A20 B25", r#"{"report": "funnel", "steps": ["A", "B"], "exclude": [{"event": "X", "after_step": 1}]}"# => "count" ["1", "0"];
    f_45_between_two_steps_in_totals:
        "A0 X5 B10 A20 B25",
        r#"{"report": "funnel", "steps": ["A", "B"], "exclude": [{"event": "X", "after_step": 1}], "count": "totals"}"# => "count" ["2", "1"];
    f_45_with_a_filter:
        "A0 X5{err=false} B10 A20 B25",
        r#"{"report": "funnel", "steps": ["A", "B"], "count": "totals",
            "exclude": [{"event": {"event": "X", "where": {"property": "err", "equals": true}}}]}"# => "count" ["2", "2"];
    f_45_not_after_another_step:
        "A0 X5 B10 C20; u2: A0 B10 X15 C20",
        r#"{"report": "funnel", "steps": ["A", "B", "C"], "exclude": [{"event": "X", "after_step": 2}]}"# => "count" ["2", "2", "1"];
    f_45_not_before_the_first_or_after_the_last:
        "X0 A5 B10 X15", r#"{"report": "funnel", "steps": ["A", "B"], "exclude": [{"event": "X"}]}"# => "count" ["1", "1"];
    f_45_without_the_held_value:
        "A0{i=1} X5 B10{i=1}", r#"{"report": "funnel", "steps": ["A", "B"], "exclude": [{"event": "X"}], "hold_constant": ["i"]}"# => "count" ["1", "0"];
    f_45_in_any_order_by_position:
        "Y0 X5 Q7 Z10",
        r#"{"report": "funnel", "steps": ["X", "Y", {"event": "Z", "anchored": true}], "order": "any", "exclude": [{"event": "Q", "after_step": 2}]}"#
        => "count" ["1", "1", "0"];

    f_50_one_attempt_after_the_other:
        "Browse0{item=shirt} Browse1{item=jeans} Add2 Browse3{item=shoes}",
        r#"{"report": "funnel", "steps": ["Browse", "Add"], "breakdowns": ["item"]}"#
        => "item count" ["$overall 1", "$overall 1", "shirt 1", "shirt 1", "shoes 1", "shoes 0"];
    f_50_a_list_is_in_each_segment:
        "A0{t=[\"x\",\"y\",\"x\"]} B1", r#"{"report": "funnel", "steps": ["A", "B"], "breakdowns": ["t"]}"#
        => "t count" ["$overall 1", "$overall 1", "x 1", "x 1", "y 1", "y 1"];
    f_51_first_step_defined:
        COLOURS, r#"{"report": "funnel", "steps": ["Page", "View", "Add", "Out"], "breakdowns": ["c"], "attribution": "first_step_defined"}"#
        => "c count" ["$overall 1", "$overall 1", "$overall 1", "$overall 1", "red 1", "red 1", "red 1", "red 1"];
    f_51_last_step_defined:
        COLOURS, r#"{"report": "funnel", "steps": ["Page", "View", "Add", "Out"], "breakdowns": ["c"], "attribution": "last_step_defined"}"#
        => "c count" ["$overall 1", "$overall 1", "$overall 1", "$overall 1", "blue 1", "blue 1", "blue 1", "blue 1"];
    f_51_step_one:
        COLOURS, r#"{"report": "funnel", "steps": ["Page", "Add"], "breakdowns": ["c"]}"#
        => "c count" ["$overall 1", "$overall 1", "(not set) 1", "(not set) 1"];
    f_51_step_three:
        COLOURS, r#"{"report": "funnel", "steps": ["Page", "View", "Add"], "breakdowns": ["c"], "attribution": {"step": 3}}"#
        => "c count" ["$overall 1", "$overall 1", "$overall 1", "blue 1", "blue 1", "blue 1"];
    f_51_a_step_that_was_not_reached:
        "Page0{c=red}", r#"{"report": "funnel", "steps": ["Page", "View"], "breakdowns": ["c"], "attribution": {"step": 2}}"#
        => "c count" ["$overall 1", "$overall 0", "(not set) 1", "(not set) 0"];
    f_51_user_properties_are_those_of_the_user:
        "$set{plan=pro} Page0{c=red}",
        r#"{"report": "funnel", "steps": ["Page", "View"], "breakdowns": ["user.plan"], "attribution": {"step": 2}}"#
        => "user.plan count" ["$overall 1", "$overall 0", "pro 1", "pro 0"];
    f_54_beyond_the_top:
        "A0{s=x} B1; u2: A0{s=x}; u3: A0{s=y} B1; u4: A0{s=z}; u5: A0{s=w} B1",
        r#"{"report": "funnel", "steps": ["A", "B"], "breakdowns": ["s"], "top": 2, "other": true}"#
        => "s count" ["$overall 5", "$overall 3", "x 2", "x 1", "w 1", "w 1", "$other 2", "$other 1"];

    f_60_no_filter:
        BROWSED, r#"{"report": "funnel", "steps": ["View", "Add", "Buy"], "window": "1 hour"}"# => "count" ["1", "0", "0"];
    f_60_inline:
        BROWSED, r#"{"report": "funnel", "window": "1 hour", "steps": [{"event": "View", "where": {"property": "b", "equals": "Safari"}}, "Add", "Buy"]}"#
        => "count" ["1", "1", "1"];
    f_60_inline_on_all_steps:
        BROWSED, r#"{"report": "funnel", "window": "1 hour", "steps": [{"event": "View", "where": {"property": "b", "equals": "Safari"}},
            {"event": "Add", "where": {"property": "b", "equals": "Safari"}}, {"event": "Buy", "where": {"property": "b", "equals": "Safari"}}]}"#
        => "count" ["1", "1", "0"];
    f_60_global:
        BROWSED, r#"{"report": "funnel", "steps": ["View", "Add", "Buy"], "window": "1 hour", "where": {"property": "b", "equals": "Safari"},
            "attribution": "first_step_defined"}"# => "count" ["0", "0", "0"];
    f_60_global_in_totals:
        BROWSED, r#"{"report": "funnel", "steps": ["View", "Add", "Buy"], "window": "1 hour", "where": {"property": "b", "equals": "Safari"},
            "count": "totals"}"# => "count" ["1", "1", "1"];
    f_60_no_other_attempt_of_the_segment:
        "A0{s=x,b=1} A2h{s=x,b=2} B2h1m",
        r#"{"report": "funnel", "steps": ["A", "B"], "window": "1 hour", "breakdowns": ["s"], "where": {"property": "b", "equals": 2}}"#
        => "s count" ["$overall 0", "$overall 0"];
    f_61_users:
        "$set{plan=pro} A0 B1; u2: A0 B1", r#"{"report": "funnel", "steps": ["A", "B"], "where": {"property": "user.plan", "equals": "pro"}}"#
        => "count" ["1", "1"];

    f_71_times:
        TIMED, r#"{"report": "funnel", "steps": ["A", "B"], "window": "1 minute", "count": "totals",
            "times": [{"aggregate": "min"}, {"aggregate": "max"}, {"aggregate": "count"}]}"#
        => "conversion average_time_s median_time_s min(seconds~from~step~1) max(seconds~from~step~1) count(seconds~from~step~1)"
        ["1 null null null null null", "0.666666667 35 35 10 60 2"];
    f_71_times_are_those_of_totals:
        TIMED, r#"{"report": "funnel", "steps": ["A", "B"], "window": "1 minute"}"# => "count average_time_s" ["1 null", "1 35"];
    f_72_how_long_it_took:
        TIMED, r#"{"report": "funnel", "steps": ["A", "B"], "window": "1 minute", "count": "totals", "time_buckets": {"buckets": {"at": [30, 60]}}}"#
        => "time_to_convert count" ["$overall 3", "$overall 2", "< 30 1", "< 30 1", "≥ 60 1", "≥ 60 1",
            "Did not convert 1", "Did not convert 0"];
    f_73_sums:
        "A0{v=10} B1{v=8}; u2: A0{v=5}", r#"{"report": "funnel", "steps": ["A", "B"], "measures": [{"aggregate": "sum", "of": "v"}]}"#
        => "sum(v)" ["15", "8"];
    f_74_times_from_step_to_step:
        "A0 B1 C3; u2: A0 B3", ABC => "average_time_s median_time_s average_time_from_start_s median_time_from_start_s"
        ["null null null null", "120 120 120 120", "120 120 180 180"];
    f_76_a_funnel_a_day:
        WEEK, r#"{"report": "funnel", "steps": ["A", "B"], "range": "2024-01-01 to 2024-01-02", "interval": "day"}"#
        => "time step count" ["2024-01-01 1 1", "2024-01-01 2 1", "2024-01-02 1 1", "2024-01-02 2 1"];
    f_76_a_table_by_day:
        WEEK, r#"{"report": "funnel", "steps": ["A", "B"], "range": "2024-01-01 to 2024-01-02", "interval": "day", "interval_attempts": "shared"}"#
        => "time step count" ["2024-01-01 1 1", "2024-01-01 2 1", "2024-01-02 1 0", "2024-01-02 2 0"];
    f_76_a_step_is_no_entry:
        "A@2024-01-01T10:00 B@2024-01-02T10:00",
        r#"{"report": "funnel", "steps": ["A", "B"], "range": "2024-01-01 to 2024-01-02", "interval": "day"}"#
        => "time count" ["2024-01-01 1", "2024-01-01 1", "2024-01-02 0", "2024-01-02 0"];
    f_80_segments_against_everybody:
        HUNDRED, r#"{"report": "funnel", "steps": ["A", "B"], "breakdowns": ["s"], "significance": {}}"#
        => "s count confidence significant" ["$overall 100 null null", "$overall 50 null null", "b 60 null null", "b 22 0.999775502 true",
            "a 40 null null", "a 28 0.99899171 true"];
    f_80_everybody_is_no_segment:
        "a*30: A0{s=a} B1", r#"{"report": "funnel", "steps": ["A", "B"], "breakdowns": ["s"], "significance": {}}"#
        => "s confidence significant" ["$overall null null", "$overall null null", "a null null", "a null null"];
    f_81_too_few_tell_nothing:
        "a*29: A0{s=a} B1; b*30: A0{s=b}", r#"{"report": "funnel", "steps": ["A", "B"], "breakdowns": ["s"], "significance": {}}"#
        => "s confidence significant" ["$overall null null", "$overall null null", "b null null", "b 1 true", "a null null", "a null null"];
    f_82_a_control:
        HUNDRED, r#"{"report": "funnel", "steps": ["A", "B"], "breakdowns": ["s"], "significance": {"control": ["b"]}}"#
        => "s confidence significant" ["$overall null null", "$overall null null", "b null null", "b null null",
            "a null null", "a 0.99899171 true"];
    s_52_the_first_time_of_a_group:
        r#"u1: A0{company=["x","y"]} B1{company=["x","y"]}; u2: A2{company=["y","z"]} B3{company=["x","z"]}; -: B@2023-12-31{company=y}"#,
        r#"{"report": "funnel", "steps": [{"event": "A", "first_time": "ever"}, {"event": "B", "first_time": "ever"}], "count_by": "company", "users_of": {"step": 2}}"#
        => "user_id" ["x", "z"];
    s_52_other_times_of_a_group_are_no_step:
        r#"u1: A0{company=x} B1{company=x}; u2: A2{company=["x","y"]} B3{company=["x","y"]}; u3: A4{company=["x","y"]} B5{company=y}"#,
        r#"{"report": "funnel", "steps": [{"event": "A", "first_time": "ever"}, "B"], "count": "totals", "count_by": "company"}"#
        => "count" ["2", "2"];
    u_30_companies:
        "A0{company=c}; u2: B1{company=c}", r#"{"report": "funnel", "steps": ["A", "B"], "count_by": "company"}"# => "count" ["1", "1"];
    m_4_who_converted:
        "A0 B1; u2: A0; u3: A0 B1", r#"{"report": "funnel", "steps": ["A", "B"], "users_of": {"step": 2}}"# => "user_id" ["u1", "u3"];
    m_4_who_dropped_off:
        "A0 B1; u2: A0; u3: A0 B1", r#"{"report": "funnel", "steps": ["A", "B"], "users_of": {"step": 1, "dropped_off": true}}"#
        => "user_id" ["u2"];
    p_41_a_step_of_several_events:
        "A0 C1; u2: A0 B1; u3: A0", r#"{"report": "funnel", "steps": ["A", ["B", "C"]]}"# => "event count" ["A 3", "B or C 2"];
    s_50_first_time_in_a_step:
        "A0 A2h B2h5m", r#"{"report": "funnel", "steps": [{"event": "A", "first_time": "ever"}, "B"], "window": "1 hour", "count": "totals"}"#
        => "count" ["1", "0"];
    f_75_events_between_two_steps:
        "A0 X1 X2 B3 X4",
        r#"{"report": "funnel", "steps": ["A", "B"],
            "breakdowns": [{"property": {"per_user": "events", "event": "X", "between_steps": [1, 2]}}]}"#
        => "events~of~X~between~steps~1~and~2 count" ["$overall 1", "$overall 1", "2 1", "2 1"];
    f_75_steps_are_not_counted:
        "A0 B1; u2: A0 A1 B2; u3: A0 A1",
        r#"{"report": "funnel", "steps": ["A", "B"],
            "breakdowns": [{"property": {"per_user": "events", "event": "A", "between_steps": [1, 2]}}]}"#
        => "events~of~A~between~steps~1~and~2 count" [
            "$overall 3", "$overall 2", "(not set) 1", "(not set) 0", "0 1", "0 1", "1 1", "1 1",
        ];
    f_75_aggregates_and_ranges:
        "A0 X1{v=3} X2{v=4} B3; u2: A0 B1; u3: A0 X1{v=20} B2",
        r#"{"report": "funnel", "steps": ["A", "B"],
            "breakdowns": [{"property": {"per_user": {"aggregate": "max", "of": "v"}, "event": "X", "between_steps": [1, 2]},
                            "buckets": {"at": [10]}}]}"#
        => "max~of~v~of~X~between~steps~1~and~2 step count" [
            "$overall 1 3", "$overall 2 3", "(not set) 1 1", "(not set) 2 1", "< 10 1 1", "< 10 2 1", "≥ 10 1 1", "≥ 10 2 1",
        ];
    f_75_attempts_pass_by_what_is_between:
        "A0 X1 B3 A10 B11 A20",
        r#"{"report": "funnel", "steps": ["A", "B"], "count": "totals",
            "where": {"property": {"per_user": "events", "event": "X", "between_steps": [1, 2]}, "at_least": 1}}"#
        => "count" ["1", "1"];
    f_75_nothing_is_between_steps_that_grace_put_the_other_way_round:
        "B0s X1s A2s",
        r#"{"report": "funnel", "steps": ["A", "B"],
            "breakdowns": [{"property": {"per_user": "events", "event": "X", "between_steps": [1, 2]}}]}"#
        => "events~of~X~between~steps~1~and~2 count" ["$overall 1", "$overall 1", "0 1", "0 1"];
    a_17_what_led_to_the_first_step:
        "V0{s=ad} V1{s=mail} A2 V3{s=web} B4; u2: A0 B1",
        r#"{"report": "funnel", "steps": ["A", "B"], "attribution": {"step": 2},
            "breakdowns": [{"property": {"attributed": "s"}}]}"#
        => "s~(last) count" ["$overall 2", "$overall 2", "(not set) 1", "(not set) 1", "mail 1", "mail 1"];
    a_17_each_value_that_led_to_the_first_step:
        "V0{s=ad} V1{s=mail} A2 B4",
        r#"{"report": "funnel", "steps": ["A", "B"],
            "breakdowns": [{"property": {"attributed": "s", "model": "participation"}}]}"#
        => "s~(participation) count" ["$overall 1", "$overall 1", "ad 1", "ad 1", "mail 1", "mail 1"];
    a_16_attempts_pass_by_any_touch:
        "V0{s=ad} V1{s=mail} A2 B4; u2: V0{s=web} A2",
        r#"{"report": "funnel", "steps": ["A", "B"],
            "where": {"property": {"attributed": "s", "model": "linear"}, "equals": "ad"}}"#
        => "count" ["1", "1"];
    f_77_other_events_at_a_step:
        "A0 B1 C2; u2: A0 D1 C2; u3: A0 B1 D2",
        r#"{"report": "funnel", "steps": ["A", "B", "C"], "compare": {"step": 2, "with": ["D", {"any_of": ["B", "D"], "name": "either"}]}}"#
        => "alternative step event count" [
            "B 1 A 3", "B 2 B 2", "B 3 C 1",
            "D 1 A 3", "D 2 D 2", "D 3 C 1",
            "either 1 A 3", "either 2 either 3", "either 3 C 2",
        ];
    f_77_each_has_its_own_segments:
        "A0{c=red} B1; u2: D0{c=blue} B1",
        r#"{"report": "funnel", "steps": ["A", "B"], "compare": {"step": 1, "with": ["D"]}, "breakdowns": ["c"], "interval": "month"}"#
        => "alternative c step count" [
            "A $overall 1 1", "A $overall 2 1", "A red 1 1", "A red 2 1",
            "D $overall 1 1", "D $overall 2 1", "D blue 1 1", "D blue 2 1",
        ];
    f_32_a_first_step_before_a_conversion_is_superseded:
        "B1h A0 A0{g=jazz} B0",
        r#"{"report": "funnel", "steps": ["A", "B"], "reentry": "optimized", "breakdowns": ["g"]}"#
        => "g count" ["$overall 1", "$overall 1", "jazz 1", "jazz 1"];
    g_6_f_76_an_hour_that_comes_again_by_half:
        "A@2023-04-01T14:45 B@2023-04-01T14:46; u2: A@2023-04-01T15:15 B@2023-04-01T15:16; u3: A@2023-04-01T14:59 B@2023-04-01T15:00",
        r#"{"report": "funnel", "steps": ["A", "B"], "time_zone": "Australia/Lord_Howe", "range": "2023-04-02 to 2023-04-02",
            "interval": "hour", "users_of": {"step": 2, "time": "2023-04-01T14:45:00Z"}}"#
        => "user_id" ["u1", "u3"];
    g_6_f_76_attempts_of_an_hour_that_comes_again_by_half:
        "A@2023-04-01T14:45 B@2023-04-01T14:46; u2: A@2023-04-01T15:15 B@2023-04-01T15:16; u3: A@2023-04-01T14:59 B@2023-04-01T15:00",
        r#"{"report": "funnel", "steps": ["A", "B"], "time_zone": "Australia/Lord_Howe", "range": "2023-04-02 to 2023-04-02",
            "interval": "hour", "interval_attempts": "shared", "users_of": {"step": 2, "time": "2023-04-01T14:45:00Z"}}"#
        => "user_id" ["u1", "u3"];
    b_6_segments_that_only_a_bucket_has:
        "A1h V2h{g=rock} A3h; u2: A1h{g=jazz}",
        r#"{"report": "funnel", "steps": ["A", "A"], "range": "2024-01-01 to 2024-01-01", "interval": "hour",
            "breakdowns": [{"property": {"attributed": "g"}}], "users_of": {"step": 1, "time": "2024-01-01T03:30:00Z", "segments": ["rock"]}}"#
        => "user_id" ["u1"];
    f_32_what_a_superseded_attempt_took_is_free:
        "A0 A1 B2{is=both} B9{is=both}",
        r#"{"report": "funnel", "reentry": "optimized", "count": "totals",
            "steps": [["A", {"event": "B", "where": {"property": "is", "equals": "both"}}], "B"]}"#
        => "count" ["2", "1"];
    f_45_nothing_is_excluded_after_an_optional_step_that_is_not_reached:
        "A0 X1 B2 C3; u2: A0 B2 X3 C4",
        r#"{"report": "funnel", "steps": ["A", {"event": "B", "optional": true}, "C"],
            "exclude": [{"event": "X", "after_step": 2}]}"#
        => "count" ["2", "2", "1"];
    x_10_session_events_as_steps:
        "u1: A0 B5; u2: A0", r#"{"report": "funnel", "grace_seconds": 0, "steps": ["$session_start", "B", "$session_end"]}"#
        => "step event count" ["1 $session_start 2", "2 B 1", "3 $session_end 1"];
    x_11_inherited_from_the_first_event_that_has_it:
        "u1: A0 B5{utm=x}", r#"{"report": "funnel", "steps": ["$session_start", "B"], "breakdowns": ["utm"]}"#
        => "utm step count" ["$overall 1 1", "$overall 2 1", "x 1 1", "x 2 1"];
    x_11_inherited_from_the_event_that_starts_it:
        "u1: A0 B5{utm=x}",
        r#"{"report": "funnel", "sessions": {"start": "A", "end": "B"}, "steps": ["$session_start", "B"], "breakdowns": ["utm"]}"#
        => "utm step count" ["$overall 1 1", "$overall 2 1", "(not set) 1 1", "(not set) 2 1"];
}
