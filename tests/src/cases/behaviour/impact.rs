//! Impact (section 11.6).

/// The numbers of the worked example, from the day before to the day after: adopters 3 and 4, others 2 and
/// eleven by five.
const EXAMPLE: &str =
    "a*5: M0h M1h M2h L1d M2d M2d1h M2d2h M2d3h; b*4: M0h M1h M2d M2d1h; c: M0h M1h M2d M2d1h M2d2h";
/// An adopter, one before the range, one after it, and some who are none.
const GROUPS: &str = "a: L2d M3d; b: L@2023-12-20 L2d M3d; c: L31d12h M3d; d: M3d; e: X3d; -: L1d M3d";
/// Two adopters on days of their own.
const OWN_DAYS: &str =
    "a: M1d M1d1h L2d M2d1h M3d; b: M8d L9d L9d1h M10d M10d1h L11d M11d; c: M1d M2d M3d M9d";
/// The last day of one adopter is the 12th, of the other the 13th.
const TO_COME: &str = "a: M9d L10d M11d; b: M10d L11d M12d M12d1h; c: M9d M11d";

/// Of companies: one takes it up by two users and nobody, others do not.
const COMPANIES: &str = r#"u: L2d{company=A} M3d{company=A}; w: L5d{company=A} M1d{company=["A","B"]}; -: M3d{company=["A","C"]};
    y: L1d M2d; z: L@2023-12-20{company=D} M3d{company=D}"#;

super::behaviour_cases! {
    m_82_the_example:
        EXAMPLE, r#"{"report": "impact", "launch": "L", "metrics": [{"event": "M"}], "days_before": 1, "days_after": 1}"#
        => "metric name who row day time users observed events value relative_delta counterfactual delta lift confidence adoption_rate" [
            "A M adopters day -1 null 5 5 15 3 0.5 null null null null 0.5",
            "A M adopters day 0 null 5 5 0 0 null null null null null 0.5",
            "A M adopters day 1 null 5 5 20 4 0.818181818 null null null null 0.5",
            "A M adopters before null null 5 5 15 3 0.5 null null null null 0.5",
            "A M adopters after null null 5 5 20 4 0.818181818 3.3 0.7 0.212121212 0.999968329 0.5",
            "A M non_adopters day -1 2024-01-01 5 5 10 2 null null null null null 0.5",
            "A M non_adopters day 0 2024-01-02 5 5 0 0 null null null null null 0.5",
            "A M non_adopters day 1 2024-01-03 5 5 11 2.2 null null null null null 0.5",
            "A M non_adopters before null null 5 5 10 2 null null null null null 0.5",
            "A M non_adopters after null null 5 5 11 2.2 null null null null null 0.5"];
    m_80_before_and_after_the_range_is_in_neither_group:
        GROUPS, r#"{"report": "impact", "launch": "L", "metrics": [{"event": "M"}], "days_before": 1, "days_after": 1}"#
        => "who row day time users adoption_rate" [
            "adopters day -1 null 1 0.5", "adopters day 0 null 1 0.5", "adopters day 1 null 1 0.5", "adopters before null null 1 0.5",
            "adopters after null null 1 0.5", "non_adopters day -1 2024-01-02 1 0.5", "non_adopters day 0 2024-01-03 1 0.5",
            "non_adopters day 1 2024-01-04 1 0.5", "non_adopters before null null 1 0.5", "non_adopters after null null 1 0.5"];
    m_80_who_does_it_after_as_of_is_no_adopter_yet:
        GROUPS, r#"{"report": "impact", "launch": "L", "metrics": [{"event": "M"}], "days_before": 1, "days_after": 1,
            "as_of": "2024-01-31", "users_of": {"who": "non_adopters"}}"#
        => "user_id" ["c", "d"];
    m_80_with_any_event:
        GROUPS, r#"{"report": "impact", "launch": "L", "metrics": [{"event": "M"}], "days_before": 1, "days_after": 1, "users_with": "any_event",
            "users_of": {"who": "non_adopters"}}"#
        => "user_id" ["d", "e"];
    m_80_with_an_event_on_one_of_the_days:
        "a: M0 L2d M4d; b: M0 L2d M4d1h; c: M2d; d: M4d; e: M3d23h", r#"{"report": "impact", "launch": "L", "metrics": [{"event": "M"}],
            "days_before": 1, "days_after": 1, "users_of": {"who": "non_adopters"}}"#
        => "user_id" ["c", "e"];
    m_80_days_before_the_range_and_after_it:
        "a: M@2023-12-31T23:00 M@2023-12-30T10:00 L0; b: L30d23h M31d M32d1h; c: M@2023-12-31", r#"{"report": "impact", "launch": "L",
            "metrics": [{"event": "M"}], "days_before": 1, "days_after": 1}"#
        => "who row day events" [
            "adopters day -1 1", "adopters day 0 0", "adopters day 1 1", "adopters before null 1", "adopters after null 1",
            "non_adopters day -1 1", "non_adopters day 0 0", "non_adopters day 1 0", "non_adopters before null 1", "non_adopters after null 0"];
    m_80_each_adopter_has_days_of_their_own:
        OWN_DAYS, r#"{"report": "impact", "launch": "L", "metrics": [{"event": "M"}], "days_before": 2, "days_after": 1}"#
        => "who row day time users events value" [
            "adopters day -2 null 2 0 0", "adopters day -1 null 2 3 1.5", "adopters day 0 null 2 1 0.5", "adopters day 1 null 2 3 1.5",
            "adopters before null null 2 3 0.75", "adopters after null null 2 3 1.5",
            "non_adopters day -2 2024-01-01 1 0 0", "non_adopters day -1 2024-01-02 1 1 1", "non_adopters day 0 2024-01-03 1 1 1",
            "non_adopters day 1 2024-01-04 1 1 1", "non_adopters before null null 1 1 0.5", "non_adopters after null null 1 1 1"];
    m_80_days_are_those_of_the_zone:
        "a: L1d23h M2d1h M2d23h; b: M2d1h", r#"{"report": "impact", "launch": "L", "metrics": [{"event": "M"}], "days_before": 1, "days_after": 1,
            "time_zone": "America/New_York"}"#
        => "who row day time events" [
            "adopters day -1 null 0", "adopters day 0 null 1", "adopters day 1 null 1", "adopters before null null 0", "adopters after null null 1",
            "non_adopters day -1 2024-01-01T05:00 0", "non_adopters day 0 2024-01-02T05:00 1", "non_adopters day 1 2024-01-03T05:00 0",
            "non_adopters before null null 0", "non_adopters after null null 0"];
    m_80_a_day_of_25_hours:
        "a: L@2024-10-26T10:00 M@2024-10-26T22:00 M@2024-10-27T22:59; b: M@2024-10-27T23:00", r#"{"report": "impact", "launch": "L",
            "metrics": [{"event": "M"}], "days_before": 1, "days_after": 1, "time_zone": "Europe/Berlin", "range": "2024-10-20 to 2024-10-30",
            "as_of": "2024-12-01"}"#
        => "who row day time users events" [
            "adopters day -1 null 1 0", "adopters day 0 null 1 0", "adopters day 1 null 1 2", "adopters before null null 1 0",
            "adopters after null null 1 2", "non_adopters day -1 2024-10-24T22:00 0 0", "non_adopters day 0 2024-10-25T22:00 0 0",
            "non_adopters day 1 2024-10-26T22:00 0 0", "non_adopters before null null 0 0", "non_adopters after null null 0 0"];
    m_80_without_adopters_the_first_day_of_the_range:
        "b: M0 M1d M2d M2d1h; c: L@2023-12-01 M0", r#"{"report": "impact", "launch": "L", "metrics": [{"event": "M"}], "days_before": 1,
            "days_after": 2, "range": "2024-01-02 to 2024-01-31"}"#
        => "who row day time users value adoption_rate confidence" [
            "adopters day -1 null 0 null 0 null", "adopters day 0 null 0 null 0 null", "adopters day 1 null 0 null 0 null",
            "adopters day 2 null 0 null 0 null", "adopters before null null 0 null 0 null", "adopters after null null 0 null 0 null",
            "non_adopters day -1 2024-01-01 1 1 0 null", "non_adopters day 0 2024-01-02 1 1 0 null", "non_adopters day 1 2024-01-03 1 2 0 null",
            "non_adopters day 2 2024-01-04 1 0 0 null", "non_adopters before null null 1 1 0 null", "non_adopters after null null 1 1 0 null"];
    m_80_the_first_that_passes:
        "a: L0 L2d{on=app} M1d M3d{on=app}; b: M1d{on=app} M3d{on=app}; c: L2d", r#"{"report": "impact", "launch": "L", "metrics": [{"event": "M"}],
            "days_before": 1, "days_after": 1, "where": {"property": "on", "equals": "app"}}"#
        => "who row day users events" [
            "adopters day -1 1 0", "adopters day 0 1 0", "adopters day 1 1 1", "adopters before null 1 0", "adopters after null 1 1",
            "non_adopters day -1 1 1", "non_adopters day 0 1 0", "non_adopters day 1 1 1", "non_adopters before null 1 1", "non_adopters after null 1 1"];
    m_80_the_very_first_adopter_of_all:
        "a: L1d; b: L5d M6d; c: M2d M6d", r#"{"report": "impact", "launch": "L", "metrics": [{"event": "M"}], "days_before": 1, "days_after": 1}"#
        => "who row day time users events" [
            "adopters day -1 null 1 0", "adopters day 0 null 1 0", "adopters day 1 null 1 1", "adopters before null null 1 0",
            "adopters after null null 1 1", "non_adopters day -1 2024-01-01 1 0", "non_adopters day 0 2024-01-02 1 0",
            "non_adopters day 1 2024-01-03 1 1", "non_adopters before null null 1 0", "non_adopters after null null 1 1"];
    m_81_of_several_metrics_each_has_its_users:
        "a: L1d M2d N2d; b: L1d N2d; c: M2d; d: M0 N0", r#"{"report": "impact", "launch": "L", "metrics": [{"event": "M", "name": "plays"}, {"event": ["M", "N"]}],
            "days_before": 1, "days_after": 1}"#
        => "metric name who row users value adoption_rate" [
            "A plays adopters day 1 0 0.333333333", "A plays adopters day 1 0 0.333333333", "A plays adopters day 1 1 0.333333333",
            "A plays adopters before 1 0 0.333333333", "A plays adopters after 1 1 0.333333333",
            "A plays non_adopters day 2 0.5 0.333333333", "A plays non_adopters day 2 0 0.333333333", "A plays non_adopters day 2 0.5 0.333333333",
            "A plays non_adopters before 2 0.5 0.333333333", "A plays non_adopters after 2 0.5 0.333333333",
            "B M or N adopters day 2 0 0.5", "B M or N adopters day 2 0 0.5", "B M or N adopters day 2 1.5 0.5",
            "B M or N adopters before 2 0 0.5", "B M or N adopters after 2 1.5 0.5",
            "B M or N non_adopters day 2 1 0.5", "B M or N non_adopters day 2 0 0.5", "B M or N non_adopters day 2 0.5 0.5",
            "B M or N non_adopters before 2 1 0.5", "B M or N non_adopters after 2 0.5 0.5"];
    m_81_who_has_days_to_come_is_not_observed:
        TO_COME, r#"{"report": "impact", "launch": "L", "metrics": [{"event": "M"}], "days_before": 1, "days_after": 1,
            "as_of": "2024-01-13T12:00:00Z"}"#
        => "who row users observed events value adoption_rate" [
            "adopters day 2 1 1 1 0.666666667", "adopters day 2 1 0 0 0.666666667", "adopters day 2 1 1 1 0.666666667",
            "adopters before 2 1 1 1 0.666666667", "adopters after 2 1 1 1 0.666666667",
            "non_adopters day 1 1 1 1 0.666666667", "non_adopters day 1 1 0 0 0.666666667", "non_adopters day 1 1 1 1 0.666666667",
            "non_adopters before 1 1 1 1 0.666666667", "non_adopters after 1 1 1 1 0.666666667"];
    m_81_a_day_is_over_with_its_last_millisecond:
        TO_COME, r#"{"report": "impact", "launch": "L", "metrics": [{"event": "M"}], "days_before": 1, "days_after": 1, "as_of": "2024-01-13",
            "users_of": {"who": "adopters", "of": "observed"}}"#
        => "user_id" ["a", "b"];
    m_81_a_millisecond_before_it_is_not:
        TO_COME, r#"{"report": "impact", "launch": "L", "metrics": [{"event": "M"}], "days_before": 1, "days_after": 1, "as_of": "2024-01-13T23:59:59.998Z",
            "users_of": {"who": "adopters", "of": "observed"}}"#
        => "user_id" ["a"];
    m_81_nobody_is_observed_yet:
        TO_COME, r#"{"report": "impact", "launch": "L", "metrics": [{"event": "M"}], "days_before": 1, "days_after": 1, "as_of": "2024-01-11T12:00:00Z"}"#
        => "who row users observed events value adoption_rate confidence" [
            "adopters day 1 0 0 null 0.333333333 null", "adopters day 1 0 0 null 0.333333333 null", "adopters day 1 0 0 null 0.333333333 null",
            "adopters before 1 0 0 null 0.333333333 null", "adopters after 1 0 0 null 0.333333333 null",
            "non_adopters day 2 0 0 null 0.333333333 null", "non_adopters day 2 0 0 null 0.333333333 null", "non_adopters day 2 0 0 null 0.333333333 null",
            "non_adopters before 2 0 0 null 0.333333333 null", "non_adopters after 2 0 0 null 0.333333333 null"];
    m_82_nothing_to_compare_with_before:
        "a: M0 L1d M2d; b: M2d", r#"{"report": "impact", "launch": "L", "metrics": [{"event": "M"}], "days_before": 1, "days_after": 1}"#
        => "who row value relative_delta counterfactual delta lift" [
            "adopters day 1 null null null null", "adopters day 0 null null null null", "adopters day 1 0 null null null",
            "adopters before 1 null null null null", "adopters after 1 0 null null null",
            "non_adopters day 0 null null null null", "non_adopters day 0 null null null null", "non_adopters day 1 null null null null",
            "non_adopters before 0 null null null null", "non_adopters after 1 null null null null"];
    m_82_nothing_is_expected:
        "a: L1d M2d; b: M0 M2d", r#"{"report": "impact", "launch": "L", "metrics": [{"event": "M"}], "days_before": 1, "days_after": 1}"#
        => "who row value relative_delta counterfactual delta lift" [
            "adopters day 0 -1 null null null", "adopters day 0 null null null null", "adopters day 1 0 null null null",
            "adopters before 0 -1 null null null", "adopters after 1 0 0 1 null",
            "non_adopters day 1 null null null null", "non_adopters day 0 null null null null", "non_adopters day 1 null null null null",
            "non_adopters before 1 null null null null", "non_adopters after 1 null null null null"];
    m_82_as_expected_but_for_rounding:
        "a: M0 L3d M4d; b: M0 M1d M2d M4d M4d1h M4d2h", r#"{"report": "impact", "launch": "L", "metrics": [{"event": "M"}],
            "days_before": 3, "days_after": 1}"#
        => "who row value counterfactual delta lift" [
            "adopters day 1 null null null", "adopters day 0 null null null", "adopters day 0 null null null", "adopters day 0 null null null",
            "adopters day 1 null null null", "adopters before 0.333333333 null null null", "adopters after 1 1 0 0",
            "non_adopters day 1 null null null", "non_adopters day 1 null null null", "non_adopters day 1 null null null",
            "non_adopters day 0 null null null", "non_adopters day 3 null null null", "non_adopters before 1 null null null",
            "non_adopters after 3 null null null"];
    m_83_one_user_tells_nothing:
        "a: M0 L1d M2d M2d1h; b: M0 M2d; c: M0", r#"{"report": "impact", "launch": "L", "metrics": [{"event": "M"}], "days_before": 1, "days_after": 1}"#
        => "row confidence" ["day null", "day null", "day null", "before null", "after null", "day null", "day null", "day null", "before null", "after null"];
    m_83_without_variance:
        "a*2: M0 L1d M2d M2d1h; b*2: M0 M2d", r#"{"report": "impact", "launch": "L", "metrics": [{"event": "M"}], "days_before": 1, "days_after": 1}"#
        => "row confidence" ["day null", "day null", "day null", "before null", "after null", "day null", "day null", "day null", "before null", "after null"];
    m_83_who_does_less_is_as_sure:
        "a: M0 M0 M0 L1d M2d; d: M0 M0 L1d M2d; b*2: M0 M2d", r#"{"report": "impact", "launch": "L", "metrics": [{"event": "M"}], "days_before": 1, "days_after": 1}"#
        => "who row value confidence" [
            "adopters day 2.5 null", "adopters day 0 null", "adopters day 1 null", "adopters before 2.5 null", "adopters after 1 0.998650102",
            "non_adopters day 1 null", "non_adopters day 0 null", "non_adopters day 1 null", "non_adopters before 1 null", "non_adopters after 1 null"];
    m_83_no_difference:
        "a: M0 L1d M2d M2d; d: M0 L1d; b: M0 M2d M2d; c: M0", r#"{"report": "impact", "launch": "L", "metrics": [{"event": "M"}], "days_before": 1, "days_after": 1}"#
        => "who row delta confidence" [
            "adopters day null null", "adopters day null null", "adopters day null null", "adopters before null null", "adopters after 0 0.5",
            "non_adopters day null null", "non_adopters day null null", "non_adopters day null null", "non_adopters before null null",
            "non_adopters after null null"];
    m_80_groups_take_it_up:
        COMPANIES, r#"{"report": "impact", "launch": "L", "metrics": [{"event": "M"}], "days_before": 1, "days_after": 1, "count_by": "company"}"#
        => "who row day time users events adoption_rate" [
            "adopters day -1 null 1 1 0.333333333", "adopters day 0 null 1 0 0.333333333", "adopters day 1 null 1 2 0.333333333",
            "adopters before null null 1 1 0.333333333", "adopters after null null 1 2 0.333333333",
            "non_adopters day -1 2024-01-02 2 1 0.333333333", "non_adopters day 0 2024-01-03 2 0 0.333333333",
            "non_adopters day 1 2024-01-04 2 1 0.333333333", "non_adopters before null null 2 1 0.333333333",
            "non_adopters after null null 2 1 0.333333333"];
    m_4_groups_that_do_not_take_it_up:
        COMPANIES, r#"{"report": "impact", "launch": "L", "metrics": [{"event": {"event": "M", "first_time": "ever"}}], "days_before": 1, "days_after": 1,
            "count_by": "company", "users_of": {"who": "non_adopters"}}"#
        => "user_id" ["B", "C"];
    m_4_adopters_of_a_metric:
        OWN_DAYS, r#"{"report": "impact", "launch": "L", "metrics": [{"event": "M"}, {"event": "X"}], "users_of": {"who": "adopters", "metric": "A"}}"#
        => "user_id" ["a", "b"];
    m_4_adopters_of_a_metric_nobody_does:
        OWN_DAYS, r#"{"report": "impact", "launch": "L", "metrics": [{"event": "M"}, {"event": "X"}], "users_of": {"who": "adopters", "metric": "B"}}"#
        => "user_id" [];
}
