//! Correlation (section 11.7).

/// The numbers of the worked example.
const HUNDRED: &str = "a*30: V0 A1h G2d; b*20: V0 A1h; c*10: V0 G2d; d*40: V0";
const VALUES: &str =
    "a: V0{on=web} G1h; b: V0{on=web} V1h{on=[\"app\",\"tv\"]}; c: V0{on=app} G2h; d: V0; e: V0{on=web} G1h";

super::behaviour_cases! {
    m_4_who_did_it_and_reaches_the_goal:
        VALUES, r#"{"report": "correlation", "goal": "G", "candidates": [{"property": "on"}],
            "users_of": {"event": "$all_events", "property": "on", "value": "web", "times": 1, "days": 1}}"#
        => "user_id" ["a", "e"];
    m_4_who_does_not_reach_it:
        VALUES, r#"{"report": "correlation", "goal": "G", "candidates": ["V", {"property": "on"}],
            "users_of": {"event": "V", "times": 2, "days": 15, "of": "true_negatives"}}"#
        => "user_id" ["d"];
    m_4_who_did_it_too_late:
        "a: V0 A1d A2d G3d; b: V0 A1d A1d0.001s G3d; c: V0 A1h A2h", r#"{"report": "correlation", "goal": "G",
            "users_of": {"event": "A", "times": 2, "days": 1, "of": "false_negatives"}}"#
        => "user_id" ["a", "b"];
    m_4_who_was_born:
        VALUES, r#"{"report": "correlation", "goal": "G", "birth": "G",
            "users_of": {"event": "V", "times": 1, "days": 1, "of": "users"}}"#
        => "user_id" ["a", "c", "e"];
    m_90_the_example:
        HUNDRED, r#"{"report": "correlation", "goal": "G", "candidates": ["A"]}"#
        => "event property value times days is_best users true_positives false_positives false_negatives true_negatives phi precision false_omission recall fall_out" [
            "A null null 1 1 true 100 30 20 10 40 0.40824829 0.6 0.2 0.75 0.333333333"];
    m_90_at_least_so_often:
        "a*4: V0 A1h A2h A3h G1d; b*4: V0 A1h A2h", r#"{"report": "correlation", "goal": "G", "candidates": ["A", "V"]}"#
        => "event times days true_positives false_positives false_negatives true_negatives phi" ["A 3 1 4 0 0 4 1", "V 1 1 4 4 0 0 null"];
    m_90_ten_times_and_more_are_ten:
        "a: V0 A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11 G1h; b: V0 A1 A2 A3 A4 A5 A6 A7 A8 A9 A10",
        r#"{"report": "correlation", "goal": "G", "candidates": ["A"]}"#
        => "times days true_positives false_positives phi" ["1 1 1 1 null"];
    m_90_all_names_but_the_goal:
        "a: A0 B1h G2h; b: A0 B1h; c: A0", r#"{"report": "correlation", "goal": "G"}"#
        => "event true_positives false_positives false_negatives true_negatives phi" ["B 1 1 0 1 0.5", "A 1 2 0 0 null"];
    m_90_those_with_most_users:
        "a: A0 B1h G2h; b: A0 B1h; c: A0 C1h", r#"{"report": "correlation", "goal": "G", "top": 2}"# => "event" ["B", "A"];
    m_90_what_keeps_from_the_goal:
        "a: V0 G1h; b: V0 G1h; c: V0 Error1h", r#"{"report": "correlation", "goal": "G", "candidates": ["Error"]}"#
        => "event times true_positives false_positives phi recall" ["Error 1 0 1 -1 0"];
    m_90_of_equal_ones_fewest_times_and_days:
        "a: V0 A3d A3d G4d; b: V0", r#"{"report": "correlation", "goal": "G", "candidates": ["A"]}"# => "times days phi" ["1 3 1"];
    m_90_values_of_a_property:
        VALUES, r#"{"report": "correlation", "goal": "G", "candidates": [{"property": "on"}, {"property": "on", "event": "X"}]}"#
        => "event property value true_positives false_positives false_negatives true_negatives phi" [
            "$all_events on tv 0 1 3 1 -0.612372436", "$all_events on web 2 1 1 1 0.166666667", "$all_events on app 1 1 2 1 -0.166666667"];
    m_90_all_cells:
        "a: V0 A1d1h G2d; b: V0", r#"{"report": "correlation", "goal": "G", "candidates": ["A"], "all_cells": true, "range": "2024-01-01 to 2024-01-31"}"#
        => "times days is_best true_positives" [
            "1 1 false 0", "1 2 true 1", "1 3 false 1", "1 4 false 1", "1 5 false 1", "1 6 false 1", "1 7 false 1", "1 8 false 1",
            "1 9 false 1", "1 10 false 1", "1 11 false 1", "1 12 false 1", "1 13 false 1", "1 14 false 1", "1 15 false 1",
            "2 1 false 0", "2 2 false 0", "2 3 false 0", "2 4 false 0", "2 5 false 0", "2 6 false 0", "2 7 false 0", "2 8 false 0",
            "2 9 false 0", "2 10 false 0", "2 11 false 0", "2 12 false 0", "2 13 false 0", "2 14 false 0", "2 15 false 0",
            "3 1 false 0", "3 2 false 0", "3 3 false 0", "3 4 false 0", "3 5 false 0", "3 6 false 0", "3 7 false 0", "3 8 false 0",
            "3 9 false 0", "3 10 false 0", "3 11 false 0", "3 12 false 0", "3 13 false 0", "3 14 false 0", "3 15 false 0",
            "4 1 false 0", "4 2 false 0", "4 3 false 0", "4 4 false 0", "4 5 false 0", "4 6 false 0", "4 7 false 0", "4 8 false 0",
            "4 9 false 0", "4 10 false 0", "4 11 false 0", "4 12 false 0", "4 13 false 0", "4 14 false 0", "4 15 false 0",
            "5 1 false 0", "5 2 false 0", "5 3 false 0", "5 4 false 0", "5 5 false 0", "5 6 false 0", "5 7 false 0", "5 8 false 0",
            "5 9 false 0", "5 10 false 0", "5 11 false 0", "5 12 false 0", "5 13 false 0", "5 14 false 0", "5 15 false 0",
            "6 1 false 0", "6 2 false 0", "6 3 false 0", "6 4 false 0", "6 5 false 0", "6 6 false 0", "6 7 false 0", "6 8 false 0",
            "6 9 false 0", "6 10 false 0", "6 11 false 0", "6 12 false 0", "6 13 false 0", "6 14 false 0", "6 15 false 0",
            "7 1 false 0", "7 2 false 0", "7 3 false 0", "7 4 false 0", "7 5 false 0", "7 6 false 0", "7 7 false 0", "7 8 false 0",
            "7 9 false 0", "7 10 false 0", "7 11 false 0", "7 12 false 0", "7 13 false 0", "7 14 false 0", "7 15 false 0",
            "8 1 false 0", "8 2 false 0", "8 3 false 0", "8 4 false 0", "8 5 false 0", "8 6 false 0", "8 7 false 0", "8 8 false 0",
            "8 9 false 0", "8 10 false 0", "8 11 false 0", "8 12 false 0", "8 13 false 0", "8 14 false 0", "8 15 false 0",
            "9 1 false 0", "9 2 false 0", "9 3 false 0", "9 4 false 0", "9 5 false 0", "9 6 false 0", "9 7 false 0", "9 8 false 0",
            "9 9 false 0", "9 10 false 0", "9 11 false 0", "9 12 false 0", "9 13 false 0", "9 14 false 0", "9 15 false 0",
            "10 1 false 0", "10 2 false 0", "10 3 false 0", "10 4 false 0", "10 5 false 0", "10 6 false 0", "10 7 false 0", "10 8 false 0",
            "10 9 false 0", "10 10 false 0", "10 11 false 0", "10 12 false 0", "10 13 false 0", "10 14 false 0", "10 15 false 0"];
    m_91_the_end_of_a_day_is_inside:
        "a: V0 A1d G2d; b: V0 A1d0.001s", r#"{"report": "correlation", "goal": "G", "candidates": ["A"]}"# => "times days phi" ["1 1 1"];
    m_91_after_fifteen_days_it_is_too_late:
        "a: V0 A15d G16d; b: V0 A15d0.001s", r#"{"report": "correlation", "goal": "G", "candidates": ["A"]}"#
        => "times days true_positives false_positives phi" ["1 15 1 0 1"];
    m_91_from_the_first_event_in_the_range:
        "a: V@2023-12-20 V0 A1h G1d; b: V@2023-12-20 V0; c: V@2023-12-31 A@2023-12-31T23:00 V0",
        r#"{"report": "correlation", "goal": "G", "candidates": ["A"]}"#
        => "times days users true_positives false_positives phi" ["1 1 3 1 0 1"];
    m_91_new_users_alone:
        "a: V@2023-12-20 V0 A1h G1d; b: V0 A1h G1d; c: V0",
        r#"{"report": "correlation", "goal": "G", "candidates": ["A"], "birth": {"event": "V", "first_time": "ever"}}"#
        => "users true_positives true_negatives phi" ["2 1 1 1"];
    m_91_nothing_before_the_birth_counts:
        "a: A0 G1h S2h; b: S0 A1h G2h; c: S0; d: S0 A1h; e: S0 G1h; -: S0 A1h", r#"{"report": "correlation", "goal": "G", "candidates": ["A"], "birth": "S"}"#
        => "users true_positives false_positives false_negatives true_negatives phi" ["5 1 1 1 2 0.166666667"];
    m_90_a_goal_after_the_range_is_none:
        "a: V30d A30d1h G31d; b: V30d G30d2h", r#"{"report": "correlation", "goal": "G", "candidates": ["A"]}"#
        => "times days true_positives false_positives false_negatives true_negatives phi" ["1 1 0 1 1 0 -1"];
    m_90_who_comes_back_in_the_second_week:
        "a: V0 A1h V7d; b: V0 V13d23h; c: V0 A1h V14d; d: V0 V6d23h", r#"{"report": "correlation", "goal": "$all_events", "goal_in": "second_week"}"#
        => "event times days true_positives false_positives false_negatives true_negatives phi" [
            "V 2 7 1 1 1 1 0", "A 1 1 1 1 1 1 0"];
    m_90_the_second_month_begins_after_thirty_days:
        "a: V0 A1h V30d; b: V0 V60d; c: V0 V29d23h; d: V20d A20d1h V55d",
        r#"{"report": "correlation", "goal": "V", "goal_in": "second_month", "candidates": ["A"], "as_of": "2024-03-15T12:00:00Z"}"#
        => "users true_positives false_positives false_negatives true_negatives" ["3 1 0 0 2"];
}
