//! Retention, frequency, lifecycle and stickiness (section 7).

/// Fixture RET of section 7.4.
const RET: &str = "u1: Signup@2024-01-01T20:00 Open@2024-01-02T06:00 Open@2024-01-03T21:00;
    u2: Signup@2024-01-01T10:00 Open@2024-01-04T12:00; u3: Signup@2024-01-02T09:00;
    u4: Signup@2024-01-02T10:00 Open@2024-01-02T10:30 Open@2024-01-03T10:00";
const AVERAGES: &str = "a*5: A0 B1d1h; b*5: A0; c*4: A1d B2d1h; d: A1d; e: A2d B3d1h; f*6: A2d";
const LTV: &str = "u1: A10h Buy11h{v=10} Buy3d11h{v=5}; u2: A10h";
const ACTIVE_WEEK: &str = "u1: A0 A1h A2d A4d; u2: A1d; u3: A1d1h";
/// Actions on 1, 2 and 4 January; on 2 January; on 4 January.
const LIVES: &str = "u1: A0 A1d A3d; u2: A1d; u3: A3d";

super::behaviour_cases! {
    r_14_rolling_on:
        RET, r#"{"report": "retention", "birth": "Signup", "return": "Open", "range": "2024-01-01 to 2024-01-02", "as_of": "2024-01-10T00:00:00Z",
            "buckets": 4, "criterion": "on"}"#
        => "row time size retained" [
            "cohort 2024-01-01 2 1", "cohort 2024-01-01 2 0", "cohort 2024-01-01 2 1", "cohort 2024-01-01 2 1",
            "cohort 2024-01-02 2 1", "cohort 2024-01-02 2 1", "cohort 2024-01-02 2 0", "cohort 2024-01-02 2 0",
            "average null 4 2", "average null 4 1", "average null 4 1", "average null 4 1",
            "pooled null 4 2", "pooled null 4 1", "pooled null 4 1", "pooled null 4 1"];
    r_15_rolling_on_or_after:
        RET, r#"{"report": "retention", "birth": "Signup", "return": "Open", "range": "2024-01-01 to 2024-01-02", "as_of": "2024-01-10T00:00:00Z",
            "buckets": 4}"#
        => "row bucket from to retained rate" [
            "cohort 0 0 1 2 1", "cohort 1 1 2 2 1", "cohort 2 2 3 2 1", "cohort 3 3 4 1 0.5",
            "cohort 0 0 1 1 0.5", "cohort 1 1 2 1 0.5", "cohort 2 2 3 0 0", "cohort 3 3 4 0 0",
            "average 0 0 1 3 0.75", "average 1 1 2 3 0.75", "average 2 2 3 2 0.5", "average 3 3 4 1 0.25",
            "pooled 0 0 1 3 0.75", "pooled 1 1 2 3 0.75", "pooled 2 2 3 2 0.5", "pooled 3 3 4 1 0.25"];
    r_17_rolling_on_or_before:
        RET, r#"{"report": "retention", "birth": "Signup", "return": "Open", "range": "2024-01-01 to 2024-01-02", "as_of": "2024-01-10T00:00:00Z",
            "buckets": 4, "criterion": "on_or_before"}"#
        => "row retained" ["cohort 1", "cohort 1", "cohort 1", "cohort 2", "cohort 1", "cohort 1", "cohort 1", "cohort 1",
            "average 2", "average 2", "average 2", "average 3", "pooled 2", "pooled 2", "pooled 2", "pooled 3"];
    r_16_rolling_streak:
        RET, r#"{"report": "retention", "birth": "Signup", "return": "Open", "range": "2024-01-01 to 2024-01-02", "as_of": "2024-01-10T00:00:00Z",
            "buckets": 4, "criterion": "streak"}"#
        => "row retained" ["cohort 1", "cohort 0", "cohort 0", "cohort 0", "cohort 1", "cohort 1", "cohort 0", "cohort 0",
            "average 2", "average 1", "average 0", "average 0", "pooled 2", "pooled 1", "pooled 0", "pooled 0"];
    r_11_calendar_on:
        RET, r#"{"report": "retention", "birth": "Signup", "return": "Open", "range": "2024-01-01 to 2024-01-02", "as_of": "2024-01-10T00:00:00Z",
            "buckets": 4, "criterion": "on", "alignment": "calendar"}"#
        => "row retained" ["cohort 0", "cohort 1", "cohort 1", "cohort 1", "cohort 1", "cohort 1", "cohort 0", "cohort 0",
            "average 1", "average 2", "average 1", "average 1", "pooled 1", "pooled 2", "pooled 1", "pooled 1"];
    r_13_as_many_buckets_as_units_and_one_more:
        RET, r#"{"report": "retention", "birth": "Signup", "return": "Open", "range": "2024-01-01 to 2024-01-01"}"#
        => "row bucket" ["cohort 0", "cohort 1", "average 0", "average 1", "pooled 0", "pooled 1"];

    r_21_averages_of_rates:
        AVERAGES, r#"{"report": "retention", "birth": "A", "return": "B", "range": "2024-01-01 to 2024-01-03", "as_of": "2024-01-05T12:00:00Z",
            "criterion": "on", "brackets": [1, 1]}"#
        => "row bucket size retained rate value is_complete" [
            "cohort 0 10 0 0 0 true", "cohort 1 10 5 0.5 0.5 true", "cohort 0 5 0 0 0 true", "cohort 1 5 4 0.8 0.8 true",
            "cohort 0 7 0 0 0 true", "cohort 1 7 1 0.142857143 0.142857143 false",
            "average 0 22 0 0 0 true", "average 1 15 9 0.56 0.56 true", "pooled 0 22 0 0 0 true", "pooled 1 15 9 0.6 0.6 true"];
    r_22_averages_of_counts:
        AVERAGES, r#"{"report": "retention", "birth": "A", "return": "B", "range": "2024-01-01 to 2024-01-03", "as_of": "2024-01-05T12:00:00Z",
            "criterion": "on", "brackets": [1, 1], "measure": "unique_users"}"#
        => "row bucket rate value" ["cohort 0 0 0", "cohort 1 0.5 5", "cohort 0 0 0", "cohort 1 0.8 4", "cohort 0 0 0", "cohort 1 0.142857143 1",
            "average 0 0 0", "average 1 0.56 4.66666667", "pooled 0 0 0", "pooled 1 0.6 4.66666667"];
    r_20_rolling_days_are_over_late:
        "A0", r#"{"report": "retention", "birth": "A", "range": "2024-01-01 to 2024-01-02", "as_of": "2024-01-03T12:00:00Z", "buckets": 2}"#
        => "row bucket is_complete" ["cohort 0 true", "cohort 1 false", "cohort 0 false", "cohort 1 false",
            "average 0 true", "average 1 false", "pooled 0 true", "pooled 1 false"];
    r_20_calendar_days_are_over_earlier:
        "A0", r#"{"report": "retention", "birth": "A", "range": "2024-01-01 to 2024-01-02", "as_of": "2024-01-03T12:00:00Z", "buckets": 2,
            "alignment": "calendar"}"#
        => "row bucket is_complete" ["cohort 0 true", "cohort 1 true", "cohort 0 true", "cohort 1 false",
            "average 0 true", "average 1 true", "pooled 0 true", "pooled 1 true"];
    r_20_at_the_very_instant:
        "A0", r#"{"report": "retention", "birth": "A", "range": "2024-01-01 to 2024-01-01", "as_of": "2024-01-04T00:00:00Z", "buckets": 3}"#
        => "row bucket is_complete" ["cohort 0 true", "cohort 1 true", "cohort 2 false",
            "average 0 true", "average 1 true", "average 2 false", "pooled 0 true", "pooled 1 true", "pooled 2 false"];
    r_20_nothing_is_complete:
        "A0", r#"{"report": "retention", "birth": "A", "range": "2024-01-01 to 2024-01-01", "as_of": "2024-01-01T12:00:00Z", "buckets": 1}"#
        => "row size retained rate value is_complete" ["cohort 1 0 0 0 false", "average 0 0 null null false", "pooled 0 0 null null false"];

    r_30_sum_on_or_before:
        LTV, r#"{"report": "retention", "birth": "A", "return": "Buy", "range": "2024-01-01 to 2024-01-01", "buckets": 4, "criterion": "on_or_before",
            "measure": {"aggregate": "sum", "of": "v"}}"#
        => "row value" ["cohort 10", "cohort 10", "cohort 10", "cohort 15", "average 10", "average 10", "average 10", "average 15",
            "pooled 10", "pooled 10", "pooled 10", "pooled 15"];
    r_31_average_over_all_who_were_born:
        LTV, r#"{"report": "retention", "birth": "A", "return": "Buy", "range": "2024-01-01 to 2024-01-01", "buckets": 4, "criterion": "on_or_before",
            "measure": {"aggregate": "average", "of": "v"}}"#
        => "row value" ["cohort 5", "cohort 5", "cohort 5", "cohort 7.5", "average 5", "average 5", "average 5", "average 7.5",
            "pooled 5", "pooled 5", "pooled 5", "pooled 7.5"];
    r_30_sum_in_a_bucket:
        "A0 B1d1h{v=3} B1d2h{v=4}; u2: A0",
        r#"{"report": "retention", "birth": "A", "return": "B", "range": "2024-01-01 to 2024-01-01", "buckets": 2, "criterion": "on",
            "measure": {"aggregate": "sum", "of": "v"}}"#
        => "row value" ["cohort 0", "cohort 7", "average 0", "average 7", "pooled 0", "pooled 7"];
    r_30_average_in_a_bucket:
        "A0 B1d1h{v=3} B1d2h{v=4}; u2: A0",
        r#"{"report": "retention", "birth": "A", "return": "B", "range": "2024-01-01 to 2024-01-01", "buckets": 2, "criterion": "on",
            "measure": {"aggregate": "average", "of": "v"}}"#
        => "row value" ["cohort 0", "cohort 3.5", "average 0", "average 3.5", "pooled 0", "pooled 3.5"];
    r_30_events_on_or_after:
        "A0 B1h B1d1h B1d2h B5d", r#"{"report": "retention", "birth": "A", "return": "B", "range": "2024-01-01 to 2024-01-01", "buckets": 2,
            "measure": "total_events"}"#
        => "row retained value" ["cohort 1 4", "cohort 1 3", "average 1 4", "average 1 3", "pooled 1 4", "pooled 1 3"];
    r_30_events_of_those_whose_streak_holds:
        "A0 B1h B1d1h B1d2h; u2: A0 B1d1h", r#"{"report": "retention", "birth": "A", "return": "B", "range": "2024-01-01 to 2024-01-01", "buckets": 2,
            "criterion": "streak", "measure": "total_events"}"#
        => "row retained value" ["cohort 1 1", "cohort 1 2", "average 1 1", "average 1 2", "pooled 1 1", "pooled 1 2"];

    r_2_in_every_row:
        "A0 A2d B3d1h", r#"{"report": "retention", "birth": "A", "return": "B", "range": "2024-01-01 to 2024-01-03", "buckets": 4, "criterion": "on"}"#
        => "row time size retained" [
            "cohort 2024-01-01 1 0", "cohort 2024-01-01 1 0", "cohort 2024-01-01 1 0", "cohort 2024-01-01 1 1",
            "cohort 2024-01-02 0 0", "cohort 2024-01-02 0 0", "cohort 2024-01-02 0 0", "cohort 2024-01-02 0 0",
            "cohort 2024-01-03 1 0", "cohort 2024-01-03 1 1", "cohort 2024-01-03 1 0", "cohort 2024-01-03 1 0",
            "average null 2 0", "average null 2 1", "average null 2 0", "average null 2 1",
            "pooled null 2 0", "pooled null 2 1", "pooled null 2 0", "pooled null 2 1"];
    r_2_born_once:
        "A0 A2d B3d1h", r#"{"report": "retention", "birth": {"event": "A", "first_time": "ever"}, "return": "B", "range": "2024-01-01 to 2024-01-03",
            "brackets": [4]}"#
        => "row time size retained" ["cohort 2024-01-01 1 1", "cohort 2024-01-02 0 0", "cohort 2024-01-03 0 0", "average null 1 1", "pooled null 1 1"];
    r_3_from_the_first_birth_of_the_row:
        "A9h A20h B1d10h", r#"{"report": "retention", "birth": "A", "return": "B", "range": "2024-01-01 to 2024-01-01", "criterion": "on"}"#
        => "row retained" ["cohort 0", "cohort 1", "average 0", "average 1", "pooled 0", "pooled 1"];
    r_4_the_birth_is_no_return:
        "A0", r#"{"report": "retention", "birth": "A", "return": "A", "range": "2024-01-01 to 2024-01-01", "buckets": 1, "criterion": "on"}"#
        => "row retained rate" ["cohort 0 0", "average 0 0", "pooled 0 0"];
    r_4_the_birth_is_a_return_in_a_streak:
        "A0", r#"{"report": "retention", "birth": "A", "return": "A", "range": "2024-01-01 to 2024-01-01", "criterion": "streak"}"#
        => "row retained rate" ["cohort 1 1", "cohort 0 0", "average 1 1", "average 0 0", "pooled 1 1", "pooled 0 0"];
    r_4_a_second_event_is_a_return:
        "A9h A9h5m", r#"{"report": "retention", "birth": "A", "return": "A", "range": "2024-01-01 to 2024-01-01", "criterion": "on"}"#
        => "row retained" ["cohort 1", "cohort 0", "average 1", "average 0", "pooled 1", "pooled 0"];
    r_4_of_equal_times_the_later_to_arrive:
        "A0 B0; u2: B0 A0", r#"{"report": "retention", "birth": "A", "return": "B", "range": "2024-01-01 to 2024-01-01", "buckets": 1}"#
        => "row size retained" ["cohort 2 1", "average 2 1", "pooled 2 1"];
    r_10_thirty_days:
        "A@2024-01-31 B@2024-03-01",
        r#"{"report": "retention", "birth": "A", "return": "B", "unit": "month", "range": "2024-01-01 to 2024-01-31", "buckets": 3, "criterion": "on"}"#
        => "row retained" ["cohort 0", "cohort 1", "cohort 0", "average 0", "average 0", "average 0", "pooled 0", "pooled 0", "pooled 0"];
    r_11_calendar_months:
        "A@2024-01-31 B@2024-03-01",
        r#"{"report": "retention", "birth": "A", "return": "B", "unit": "month", "range": "2024-01-01 to 2024-01-31", "buckets": 3, "criterion": "on",
            "alignment": "calendar"}"#
        => "row retained" ["cohort 0", "cohort 0", "cohort 1", "average 0", "average 0", "average 0", "pooled 0", "pooled 0", "pooled 0"];
    r_11_monday_night_to_tuesday_morning:
        "A20h B1d6h", r#"{"report": "retention", "birth": "A", "return": "B", "range": "2024-01-01 to 2024-01-01", "criterion": "on", "alignment": "calendar"}"#
        => "row retained" ["cohort 0", "cohort 1", "average 0", "average 1", "pooled 0", "pooled 1"];
    r_11_weeks_from_monday:
        "A@2024-01-07T10:00 B@2024-01-08T10:00",
        r#"{"report": "retention", "birth": "A", "return": "B", "unit": "week", "range": "2024-01-01 to 2024-01-07", "criterion": "on", "alignment": "calendar"}"#
        => "row retained" ["cohort 0", "cohort 1", "average 0", "average 1", "pooled 0", "pooled 1"];
    r_11_weeks_from_sunday:
        "A@2024-01-07T10:00 B@2024-01-08T10:00",
        r#"{"report": "retention", "birth": "A", "return": "B", "unit": "week", "range": "2024-01-07 to 2024-01-13", "criterion": "on", "alignment": "calendar",
            "week_start": "sunday"}"#
        => "row retained" ["cohort 1", "cohort 0", "average 1", "average 0", "pooled 1", "pooled 0"];
    r_11_rolling_weeks:
        "A@2024-01-07T10:00 B@2024-01-08T10:00",
        r#"{"report": "retention", "birth": "A", "return": "B", "unit": "week", "range": "2024-01-01 to 2024-01-07", "criterion": "on"}"#
        => "row retained" ["cohort 1", "cohort 0", "average 1", "average 0", "pooled 1", "pooled 0"];
    r_11_days_of_the_zone:
        "A@2024-01-02T07:00 B@2024-01-02T09:00",
        r#"{"report": "retention", "birth": "A", "return": "B", "range": "2024-01-01 to 2024-01-01", "criterion": "on", "alignment": "calendar",
            "time_zone": "America/Los_Angeles"}"#
        => "row retained" ["cohort 0", "cohort 1", "average 0", "average 1", "pooled 0", "pooled 1"];
    r_12_brackets:
        "A0 B80h", r#"{"report": "retention", "birth": "A", "return": "B", "range": "2024-01-01 to 2024-01-01", "criterion": "on", "brackets": [1, 3, 4]}"#
        => "row from to retained" ["cohort 0 1 0", "cohort 1 4 1", "cohort 4 8 0", "average 0 1 0", "average 1 4 1", "average 4 8 0",
            "pooled 0 1 0", "pooled 1 4 1", "pooled 4 8 0"];
    r_15_long_after_the_last_bucket:
        "A0 B40d", r#"{"report": "retention", "birth": "A", "return": "B", "range": "2024-01-01 to 2024-01-01", "buckets": 3}"#
        => "row retained" ["cohort 1", "cohort 1", "cohort 1", "average 1", "average 1", "average 1", "pooled 1", "pooled 1", "pooled 1"];
    r_16_every_day:
        "A0 A1d A2d A4d", r#"{"report": "retention", "birth": "A", "return": "A", "range": "2024-01-01 to 2024-01-01", "buckets": 5, "criterion": "streak"}"#
        => "row retained" ["cohort 1", "cohort 1", "cohort 1", "cohort 0", "cohort 0", "average 1", "average 1", "average 1", "average 0", "average 0",
            "pooled 1", "pooled 1", "pooled 1", "pooled 0", "pooled 0"];
    r_6_a_filter_of_the_whole:
        "A0{b=Chrome} B1d1h{b=Safari}; u2: A0{b=Safari}",
        r#"{"report": "retention", "birth": "A", "return": "B", "range": "2024-01-01 to 2024-01-01", "where": {"property": "b", "equals": "Chrome"}, "buckets": 1}"#
        => "row size retained" ["cohort 1 0", "average 1 0", "pooled 1 0"];
    r_32_by_the_property_of_the_birth:
        "A0{b=Chrome} B1d1h{b=Safari}; u2: A1d{b=Safari}; u3: A0{b=Chrome}",
        r#"{"report": "retention", "birth": "A", "return": "B", "range": "2024-01-01 to 2024-01-02", "breakdowns": ["b"], "brackets": [2]}"#
        => "row time b size retained" [
            "cohort 2024-01-01 $overall 2 1", "cohort 2024-01-02 $overall 1 0", "average null $overall 3 1", "pooled null $overall 3 1",
            "cohort 2024-01-01 Chrome 2 1", "average null Chrome 2 1", "pooled null Chrome 2 1",
            "cohort 2024-01-02 Safari 1 0", "average null Safari 1 0", "pooled null Safari 1 0"];
    b_30_beyond_the_top:
        "A0{b=x} B1h; u2: A0{b=y}; u3: A0{b=z}; u4: A0{b=x}",
        r#"{"report": "retention", "birth": "A", "return": "B", "range": "2024-01-01 to 2024-01-01", "breakdowns": ["b"], "brackets": [1], "top": 1, "other": true}"#
        => "row b size retained" ["cohort $overall 4 1", "average $overall 4 1", "pooled $overall 4 1", "cohort x 2 1", "average x 2 1", "pooled x 2 1",
            "cohort $other 2 0", "average $other 2 0", "pooled $other 2 0"];
    m_4_who_is_retained:
        RET, r#"{"report": "retention", "birth": "Signup", "return": "Open", "range": "2024-01-01 to 2024-01-02", "criterion": "on",
            "users_of": {"time": "2024-01-01", "bucket": 2}}"# => "user_id" ["u1"];
    m_4_who_is_not:
        RET, r#"{"report": "retention", "birth": "Signup", "return": "Open", "range": "2024-01-01 to 2024-01-02", "criterion": "on",
            "users_of": {"time": "2024-01-02", "bucket": 1, "dropped_off": true}}"# => "user_id" ["u3"];
    m_4_who_was_born:
        RET, r#"{"report": "retention", "birth": "Signup", "return": "Open", "range": "2024-01-01 to 2024-01-02",
            "users_of": {"time": "2024-01-02"}}"# => "user_id" ["u3", "u4"];
    u_30_companies_come_back:
        "A0{company=c}; u2: B1h{company=c} B2h",
        r#"{"report": "retention", "birth": "A", "return": "B", "range": "2024-01-01 to 2024-01-01", "brackets": [1], "count_by": "company", "measure": "total_events"}"#
        => "row size retained value" ["cohort 1 1 1", "average 1 1 1", "pooled 1 1 1"];

    r_40_at_least_so_many_days:
        ACTIVE_WEEK, r#"{"report": "frequency", "range": "2024-01-01 to 2024-01-07"}"#
        => "time count users share" ["2024-01-01 1 3 1", "2024-01-01 2 1 0.333333333", "2024-01-01 3 1 0.333333333", "2024-01-01 4 0 0",
            "2024-01-01 5 0 0", "2024-01-01 6 0 0", "2024-01-01 7 0 0"];
    r_40_exactly_so_many_days:
        ACTIVE_WEEK, r#"{"report": "frequency", "range": "2024-01-01 to 2024-01-07", "cumulative": false}"#
        => "count users" ["1 2", "2 0", "3 1", "4 0", "5 0", "6 0", "7 0"];
    r_40_hours_of_the_day:
        "A10h5m A10h50m A12h", r#"{"report": "frequency", "range": "2024-01-01 to 2024-01-01", "period": "day", "cumulative": false}"#
        => "count users" ["1 0", "2 1", "3 0", "4 0", "5 0", "6 0", "7 0", "8 0", "9 0", "10 0", "11 0", "12 0", "13 0", "14 0", "15 0", "16 0",
            "17 0", "18 0", "19 0", "20 0", "21 0", "22 0", "23 0", "24 0"];
    r_40_the_repeated_hour_is_one:
        "A@2023-11-05T05:30 A@2023-11-05T06:30; u2: A@2023-11-05T05:30 A@2023-11-05T08:30",
        r#"{"report": "frequency", "event": "A", "range": "2023-11-05 to 2023-11-05", "period": "day", "time_zone": "America/New_York"}"#
        => "users" ["2", "1", "0", "0", "0", "0", "0", "0", "0", "0", "0", "0", "0", "0", "0", "0", "0", "0", "0", "0", "0", "0", "0", "0"];
    r_41_only_who_was_born_in_the_period:
        "A0 B1d; u2: A0; u3: B9d A10d A11d", r#"{"report": "frequency", "event": "A", "birth": "B", "range": "2024-01-01 to 2024-01-14"}"#
        => "time count users" ["2024-01-01 1 1", "2024-01-01 2 0", "2024-01-01 3 0", "2024-01-01 4 0", "2024-01-01 5 0", "2024-01-01 6 0", "2024-01-01 7 0",
            "2024-01-08 1 1", "2024-01-08 2 1", "2024-01-08 3 0", "2024-01-08 4 0", "2024-01-08 5 0", "2024-01-08 6 0", "2024-01-08 7 0"];
    r_50_by_day:
        LIVES, r#"{"report": "lifecycle", "unit": "day", "range": "2024-01-01 to 2024-01-05"}"#
        => "time status users" [
            "2024-01-01 new 1", "2024-01-01 returning 0", "2024-01-01 resurrected 0", "2024-01-01 dormant 0",
            "2024-01-02 new 1", "2024-01-02 returning 1", "2024-01-02 resurrected 0", "2024-01-02 dormant 0",
            "2024-01-03 new 0", "2024-01-03 returning 0", "2024-01-03 resurrected 0", "2024-01-03 dormant 2",
            "2024-01-04 new 1", "2024-01-04 returning 0", "2024-01-04 resurrected 1", "2024-01-04 dormant 0",
            "2024-01-05 new 0", "2024-01-05 returning 0", "2024-01-05 resurrected 0", "2024-01-05 dormant 2"];
    r_50_before_the_range:
        LIVES, r#"{"report": "lifecycle", "unit": "day", "range": "2024-01-04 to 2024-01-04"}"#
        => "status users" ["new 1", "returning 0", "resurrected 1", "dormant 0"];
    r_60_of_a_week:
        LIVES, r#"{"report": "stickiness", "over": "week", "range": "2024-01-04 to 2024-01-09"}"#
        => "time daily period stickiness" ["2024-01-04 2 3 0.666666667", "2024-01-05 0 3 0", "2024-01-06 0 3 0", "2024-01-07 0 3 0",
            "2024-01-08 0 3 0", "2024-01-09 0 2 0"];
    r_60_of_a_month:
        LIVES, r#"{"report": "stickiness", "range": "2024-01-31 to 2024-02-03"}"#
        => "daily period stickiness" ["0 3 0", "0 2 0", "0 2 0", "0 0 null"];
    m_4_who_was_active_on_so_many_days:
        ACTIVE_WEEK, r#"{"report": "frequency", "range": "2024-01-01 to 2024-01-07", "users_of": {"time": "2024-01-03", "count": 1}}"#
        => "user_id" ["u1", "u2", "u3"];
    m_4_who_was_active_on_exactly_so_many_days:
        ACTIVE_WEEK, r#"{"report": "frequency", "range": "2024-01-01 to 2024-01-07", "cumulative": false,
            "users_of": {"time": "2024-01-01", "count": 1}}"#
        => "user_id" ["u2", "u3"];
    m_4_who_was_born_and_active_in_the_period:
        "A0 B1d; u2: A0; u3: B9d A10d A11d", r#"{"report": "frequency", "event": "A", "birth": "B", "range": "2024-01-01 to 2024-01-14",
            "users_of": {"time": "2024-01-01", "count": 1}}"#
        => "user_id" ["u1"];
    m_4_who_is_resurrected:
        LIVES, r#"{"report": "lifecycle", "unit": "day", "range": "2024-01-01 to 2024-01-05", "users_of": {"time": "2024-01-04", "status": "resurrected"}}"#
        => "user_id" ["u1"];
    m_4_who_is_new:
        LIVES, r#"{"report": "lifecycle", "unit": "day", "range": "2024-01-04 to 2024-01-04", "users_of": {"time": "2024-01-04T12:00:00Z", "status": "new"}}"#
        => "user_id" ["u3"];
    m_4_who_stays:
        LIVES, r#"{"report": "lifecycle", "unit": "day", "range": "2024-01-01 to 2024-01-05", "users_of": {"time": "2024-01-02", "status": "returning"}}"#
        => "user_id" ["u1"];
    m_4_who_is_dormant:
        LIVES, r#"{"report": "lifecycle", "unit": "day", "range": "2024-01-01 to 2024-01-05", "users_of": {"time": "2024-01-03", "status": "dormant"}}"#
        => "user_id" ["u1", "u2"];
    m_4_who_is_active_on_the_day:
        LIVES, r#"{"report": "stickiness", "over": "week", "range": "2024-01-04 to 2024-01-09", "users_of": {"time": "2024-01-04"}}"#
        => "user_id" ["u1", "u3"];
    m_4_who_is_active_in_the_days_up_to_it:
        LIVES, r#"{"report": "stickiness", "over": "week", "range": "2024-01-04 to 2024-01-09", "users_of": {"time": "2024-01-09", "of": "period"}}"#
        => "user_id" ["u1", "u3"];
    r_33_events_after_the_birth:
        "A0 B1h A2h B3h; u2: A0 B25h",
        r#"{"report": "retention", "birth": "A", "return": "B", "criterion": "on", "buckets": 2, "range": "2024-01-01 to 2024-01-01",
            "breakdowns": [{"property": {"per_user": "events", "event": "B", "within": "2 hours"}}]}"#
        => "row events~of~B~within~2~hours~of~birth bucket size retained" [
            "cohort $overall 0 2 1", "cohort $overall 1 2 1",
            "average $overall 0 2 1", "average $overall 1 2 1",
            "pooled $overall 0 2 1", "pooled $overall 1 2 1",
            "cohort 0 0 1 0", "cohort 0 1 1 1",
            "average 0 0 1 0", "average 0 1 1 1",
            "pooled 0 0 1 0", "pooled 0 1 1 1",
            "cohort 1 0 1 1", "cohort 1 1 1 0",
            "average 1 0 1 1", "average 1 1 1 0",
            "pooled 1 0 1 1", "pooled 1 1 1 0",
        ];
    r_33_the_end_of_the_time_is_inside_and_the_birth_is_not:
        "A0{v=9} A2h{v=1}; u2: A0{v=9} A121{v=1}",
        r#"{"report": "retention", "birth": "A", "return": "A", "unit": "month", "buckets": 1, "measure": "unique_users",
            "breakdowns": [{"property": {"per_user": {"aggregate": "sum", "of": "v"}, "event": "A", "within": "2 hours"}}]}"#
        => "sum~of~v~of~A~within~2~hours~of~birth size" [
            "$overall 2", "$overall 2", "$overall 2", "0 1", "0 1", "0 1", "1 1", "1 1", "1 1",
        ];
    r_33_births_by_what_came_after:
        "A0 B1h; u2: A0",
        r#"{"report": "retention", "buckets": 1, "return": "B", "range": "2024-01-01 to 2024-01-01",
            "birth": {"event": "A", "where": {"property": {"per_user": "events", "event": "B", "within": "1 hour"}, "at_least": 1}}}"#
        => "size" ["1", "1", "1"];
}
