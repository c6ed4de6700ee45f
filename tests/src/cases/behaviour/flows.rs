//! Flows (section 8).

/// The first worked example of section 8.2.
const FIVE: &str = "u1: A0 x1 y2 z3; u2: A0 x1 B2; u3: A0 x1 y2; u4: A0; u5: x0 A1 y2";
/// The worked example of W-8.
const TWO_ANCHORS: &str = "u1: A0 p1 q2 r3 B4; u2: A0 B1; u3: A0 p1";

super::behaviour_cases! {
    w_10_nodes_and_edges:
        FIVE, r#"{"report": "flows", "anchors": ["A"], "rows": 2}"#
        => "kind offset label to_offset to_label count share" [
            "node 0 A null null 5 1", "node 1 $drop_off null null 1 0.2", "node 1 x null null 3 0.6", "node 1 y null null 1 0.2",
            "node 2 $drop_off null null 1 0.2", "node 2 B null null 1 0.2", "node 2 y null null 2 0.4",
            "node 3 $drop_off null null 2 0.4", "node 3 z null null 1 0.2",
            "edge 0 A 1 x 3 0.6", "edge 0 A 1 y 1 0.2", "edge 1 x 2 B 1 0.2", "edge 1 x 2 y 2 0.4", "edge 2 y 3 z 1 0.2"];
    w_11_the_rest_of_a_column:
        FIVE, r#"{"report": "flows", "anchors": [{"event": "A", "after": 2}], "rows": 1}"#
        => "kind offset label to_offset to_label count" [
            "node 0 A null null 5", "node 1 $drop_off null null 1", "node 1 $other null null 1", "node 1 x null null 3",
            "node 2 $drop_off null null 1", "node 2 $other null null 1", "node 2 y null null 2",
            "edge 0 A 1 $other 1", "edge 0 A 1 x 3", "edge 1 x 2 $other 1", "edge 1 x 2 y 2"];
    w_3_neighbours_of_what_is_hidden:
        FIVE, r#"{"report": "flows", "anchors": [{"event": "A", "after": 2}], "hide": ["x"]}"#
        => "kind offset label count" [
            "node 0 A 5", "node 1 $drop_off 1", "node 1 B 1", "node 1 y 3", "node 2 $drop_off 3", "node 2 z 1",
            "edge 0 A 1", "edge 0 A 3", "edge 1 y 1"];
    w_2_a_named_anchor_is_a_step_wherever_it_happens:
        "A0 B1 A2", r#"{"report": "flows", "anchors": [{"event": "A", "first_time": "ever"}], "hide": ["A"], "form": "paths"}"#
        => "path" ["A → B → A"];
    w_2_only_some_are_shown:
        FIVE, r#"{"report": "flows", "anchors": [{"event": "A", "after": 1}], "show_only": ["y", "z"]}"#
        => "kind offset label count" ["node 0 A 5", "node 1 $drop_off 2", "node 1 y 3", "edge 0 A 3"];
    w_8_steps_before:
        FIVE, r#"{"report": "flows", "anchors": [{"event": "A", "before": 2, "after": 0}]}"#
        => "kind offset label to_label count" ["node -1 x null 1", "node 0 A null 5", "edge -1 x A 1"];
    w_8_between_anchors:
        TWO_ANCHORS, r#"{"report": "flows", "anchors": [{"event": "A", "after": 2}, {"event": "B", "after": 0}]}"#
        => "kind anchor offset label to_anchor to_offset to_label count share" [
            "node 1 0 A null null null 3 1", "node 1 1 p null null null 2 0.666666667", "node 1 2 $drop_off null null null 1 0.333333333",
            "node 1 2 q null null null 1 0.333333333", "node 2 0 $drop_off null null null 1 0.333333333", "node 2 0 B null null null 2 1",
            "edge 1 0 A 1 1 p 2 0.666666667", "edge 1 0 A 2 0 B 1 0.333333333", "edge 1 1 p 1 2 q 1 0.333333333"];
    w_8_before_the_second_anchor:
        TWO_ANCHORS, r#"{"report": "flows", "anchors": ["A", {"event": "B", "before": 1, "after": 0}]}"#
        => "kind anchor offset label to_anchor to_offset to_label count" [
            "node 1 0 A null null null 3", "node 2 -1 r null null null 1", "node 2 0 $drop_off null null null 1", "node 2 0 B null null null 2",
            "edge 1 0 A 2 0 B 1", "edge 2 -1 r 2 0 B 1"];
    w_6_after_the_window:
        "A@2024-01-01 B@2024-02-05", r#"{"report": "flows", "anchors": ["A", {"event": "B", "after": 0}], "range": "2024-01-01 to 2024-02-29"}"#
        => "kind anchor label count" ["node 1 A 1", "node 2 $drop_off 1"];
    w_7_after_the_range:
        "A@2024-01-30 B@2024-02-02 x@2024-02-03", r#"{"report": "flows", "anchors": ["A", {"event": "B", "after": 0}]}"#
        => "kind anchor label count" ["node 1 A 1", "node 2 $drop_off 1"];
    w_7_steps_after_the_range:
        "A@2024-01-31T23:00 x@2024-01-31T23:30 y@2024-02-01T00:10", r#"{"report": "flows", "anchors": ["A"]}"#
        => "kind offset label" ["node 0 A", "node 1 x", "node 2 $drop_off", "edge 0 A"];
    w_19_an_excluded_event_ends_the_flow:
        "A0 p1 X2 q3 B4; u2: A0 B1", r#"{"report": "flows", "anchors": [{"event": "A", "after": 3}, {"event": "B", "after": 0}], "exclude": [{"event": "X"}]}"#
        => "kind anchor offset label count" [
            "node 1 0 A 2", "node 1 1 p 1", "node 1 2 $drop_off 1", "node 2 0 $drop_off 1", "node 2 0 B 1", "edge 1 0 A 1", "edge 1 0 A 1"];
    w_5_a_flow_ends_with_its_last_step:
        "A0 x1 A2 y3 z4 w5", r#"{"report": "flows", "anchors": ["A"], "count": "totals", "form": "paths"}"# => "path count" ["A → x → A → y 1"];
    w_5_the_next_starts_after_it:
        "A0 x1 A2 y3 z4 w5", r#"{"report": "flows", "anchors": [{"event": "A", "after": 1}], "count": "totals", "form": "paths"}"#
        => "rank path steps count share" ["1 A → x 2 1 0.5", "2 A → y 2 1 0.5"];
    w_4_once_a_session:
        "A0 x1 A41 y42 z43 w44", r#"{"report": "flows", "anchors": ["A"], "count": "sessions", "form": "paths"}"#
        => "path count" ["A → x 1", "A → y → z → w 1"];
    w_4_once_a_user:
        "A0 x1 A2 y3 z4 w5", r#"{"report": "flows", "anchors": [{"event": "A", "after": 1}], "form": "paths"}"# => "path count" ["A → x 1"];
    w_17_collapsed:
        "A0 x1 x2 x3 y4", r#"{"report": "flows", "anchors": ["A"], "collapse_repeated": true, "form": "paths"}"# => "path" ["A → x → y"];
    w_17_not_collapsed:
        "A0 x1 x2 x3 y4", r#"{"report": "flows", "anchors": ["A"], "form": "paths"}"# => "path" ["A → x → x → x"];
    w_17_the_anchor_is_collapsed_too:
        "A0 A1 x2", r#"{"report": "flows", "anchors": ["A"], "collapse_repeated": true, "form": "paths"}"# => "path" ["A → x"];
    w_14_by_a_property:
        "A0 view1{page=home} view2; u2: A0 view1{page=[\"a\",\"b\"]}",
        r#"{"report": "flows", "anchors": [{"event": "A", "after": 2}], "expand": [{"event": "view", "property": "page"}]}"#
        => "kind offset label count" ["node 0 A 2", "node 1 view · a 1", "node 1 view · home 1", "node 2 $drop_off 1", "node 2 view · (not set) 1",
            "edge 0 A 1", "edge 0 A 1", "edge 1 view · home 1"];
    w_15_by_the_property_of_the_anchor:
        "A0{s=a} x1; u2: A0{s=b} y1; u3: A0{s=b} y1",
        r#"{"report": "flows", "anchors": [{"event": "A", "after": 1}], "breakdowns": ["s"], "form": "paths"}"#
        => "s path count share" ["$overall A → y 2 0.666666667", "$overall A → x 1 0.333333333", "b A → y 2 1", "a A → x 1 1"];
    w_16_custom_events:
        "A0 x1 y2 z3",
        r#"{"report": "flows", "anchors": ["A"], "form": "paths", "custom_events": [{"any_of": ["x", "y"], "name": "X or Y"}, {"any_of": ["y", "z"], "name": "Z"}]}"#
        => "path" ["A → X or Y → X or Y → Z"];
    w_18_held:
        "A0{i=1} x1{i=1} y2{i=2} z3{i=1} w4; u2: A0 x1",
        r#"{"report": "flows", "anchors": ["A"], "form": "paths", "hold_constant": ["i"]}"# => "path count" ["A → x → z 1"];
    w_20_paths:
        FIVE, r#"{"report": "flows", "anchors": [{"event": "A", "after": 2}], "form": "paths", "paths": 2}"#
        => "rank path steps count share" ["1 A → x → y 3 2 0.4", "2 A 1 1 0.2"];
    w_20_a_tree:
        FIVE, r#"{"report": "flows", "anchors": [{"event": "A", "after": 2}], "form": "tree"}"#
        => "node parent depth label count conversion" ["1 null 0 A 5 null", "2 1 1 x 3 0.6", "3 2 2 y 2 0.666666667", "4 2 2 B 1 0.333333333", "5 1 1 y 1 0.2"];
    w_2_events_of_identity_are_no_steps:
        "A0 $merge1 x2", r#"{"report": "flows", "anchors": ["A"], "form": "paths"}"# => "path" ["A → x"];
    p_1_a_filter_of_the_whole:
        "A0{b=1} x1{b=2} y2{b=1}; u2: A0{b=2}", r#"{"report": "flows", "anchors": ["A"], "form": "paths", "where": {"property": "b", "equals": 1}}"#
        => "path count" ["A → y 1"];
    w_21_session_starts_are_shown_where_they_are_named:
        "u1: A0 B5 C60", r#"{"report": "flows", "anchors": ["$session_start"]}"#
        => "kind offset label to_label count" [
            "node 0 $session_start null 1", "node 1 A null 1", "node 2 B null 1", "node 3 $session_start null 1",
            "edge 0 $session_start A 1", "edge 1 A B 1", "edge 2 B $session_start 1"];
    w_21_session_ends_among_what_is_shown:
        "u1: A0 B5 C60", r#"{"report": "flows", "anchors": ["A"], "show_only": ["A", "C", "$session_end"]}"#
        => "kind offset label to_label count" [
            "node 0 A null 1", "node 1 $session_end null 1", "node 2 C null 1", "node 3 $session_end null 1",
            "edge 0 A $session_end 1", "edge 1 $session_end C 1", "edge 2 C $session_end 1"];
    w_21_each_session_has_a_flow:
        "u1: A0 B5 C60; u2: C0", r#"{"report": "flows", "count": "sessions", "anchors": [{"event": "$session_start", "after": 2}]}"#
        => "kind offset label to_label count" [
            "node 0 $session_start null 3", "node 1 A null 1", "node 1 C null 2", "node 2 $drop_off null 2", "node 2 B null 1",
            "edge 0 $session_start A 1", "edge 0 $session_start C 2", "edge 1 A B 1"];
    m_4_who_reached_a_node:
        FIVE, r#"{"report": "flows", "anchors": ["A"], "rows": 2, "users_of": {"offset": 2, "label": "y"}}"# => "user_id" ["u1", "u3"];
    m_4_who_dropped_off:
        FIVE, r#"{"report": "flows", "anchors": ["A"], "rows": 2, "users_of": {"offset": 3, "label": "$drop_off"}}"# => "user_id" ["u2", "u3"];
    m_4_who_did_something_else:
        FIVE, r#"{"report": "flows", "anchors": [{"event": "A", "after": 2}], "rows": 1, "users_of": {"offset": 1, "label": "$other"}}"#
        => "user_id" ["u5"];
    w_2_what_is_hidden_may_be_the_first_time:
        "A0 B1; u2: B0 A1", r#"{"report": "flows", "hide": ["A"], "anchors": [{"event": "$all_events", "first_time": "filtered", "after": 0}]}"#
        => "kind label count" ["node $all_events 1"];
    m_4_who_took_an_edge:
        "A0 x1 y2; u2: A0 y1 y2; u3: A0 x1 z2; u4: A0 x1; u5: x0 A1 x2 x3 y4",
        r#"{"report": "flows", "anchors": [{"event": "A", "after": 2}], "users_of": {"offset": 1, "label": "x", "to": {"offset": 2, "label": "y"}}}"#
        => "user_id" ["u1"];
    m_4_who_came_to_an_anchor:
        "x0 A1; u2: y0 A1; u3: x0 y1 A2; u4: A0 x1", r#"{"report": "flows", "anchors": [{"event": "A", "before": 1}],
            "users_of": {"offset": -1, "label": "x", "to": {}}}"#
        => "user_id" ["u1"];
    m_4_who_went_from_one_anchor_to_the_next:
        "A0 B1; u2: A0 x1 B2; u3: A0 x1 y2 B3; u4: A0", r#"{"report": "flows", "anchors": [{"event": "A", "after": 1}, {"event": "B", "after": 0}],
            "users_of": {"offset": 1, "label": "x", "to": {"anchor": 2}}}"#
        => "user_id" ["u2"];
    m_4_who_took_an_edge_to_others:
        "A0 x1; u2: A0 x1; u3: A0 y1; u4: A0", r#"{"report": "flows", "anchors": [{"event": "A", "after": 1}], "rows": 1,
            "users_of": {"to": {"offset": 1, "label": "$other"}}}"#
        => "user_id" ["u3"];
    m_4_who_took_a_path:
        "A0 x1 y2; u2: A0 x1; u3: A0 x1 y2 z3 z4; u4: A0 x1 y2 z3", r#"{"report": "flows", "anchors": ["A"], "form": "paths", "users_of": {"path": ["A", "x", "y", "z"]}}"#
        => "user_id" ["u3", "u4"];
    m_4_who_is_below_a_node_of_a_tree:
        "A0 x1 y2; u2: A0 x1; u3: A0 x1 y2 z3; u4: A0 z1; u5: A0 y1 x2",
        r#"{"report": "flows", "anchors": ["A"], "form": "tree", "users_of": {"path": ["A", "x"]}}"#
        => "user_id" ["u1", "u2", "u3"];
    m_4_of_a_tree_only_paths_that_are_told:
        "A0 x1 y2; u2: A0 x1 y2; u3: A0 x1; u4: A0 x1; u5: A0 x1 z2; u6: A0 y1",
        r#"{"report": "flows", "anchors": ["A"], "form": "tree", "paths": 2, "users_of": {"path": ["A"]}}"#
        => "user_id" ["u1", "u2", "u3", "u4"];
    m_4_a_tree_of_a_segment:
        "A0{g=x} p1; u2: A0{g=y} q1; u3: A0{g=x} q1; u4: A0{g=y} q1; u5: A0{g=x} q1 A2{g=y} p3",
        r#"{"report": "flows", "anchors": [{"event": "A", "after": 1}], "form": "tree", "paths": 1, "breakdowns": ["g"],
            "users_of": {"path": ["A", "q"], "segments": ["x"]}}"#
        => "user_id" ["u3", "u5"];
    m_4_who_was_there_before:
        FIVE, r#"{"report": "flows", "anchors": [{"event": "A", "before": 2, "after": 0}], "users_of": {"offset": -1, "label": "x"}}"#
        => "user_id" ["u5"];
    m_4_who_reached_the_second_anchor:
        TWO_ANCHORS, r#"{"report": "flows", "anchors": ["A", {"event": "B", "after": 0}], "users_of": {"anchor": 2}}"# => "user_id" ["u1", "u2"];
    m_4_who_did_not_reach_it:
        TWO_ANCHORS, r#"{"report": "flows", "anchors": ["A", {"event": "B", "after": 0}], "users_of": {"anchor": 2, "label": "$drop_off"}}"#
        => "user_id" ["u3"];
    m_4_whose_first_flow_of_a_segment:
        "A0{g=x} p1 q2 r3 A4{g=y} q5; u2: A0{g=y} p1",
        r#"{"report": "flows", "anchors": ["A"], "breakdowns": ["g"], "users_of": {"offset": 1, "label": "q", "segments": ["y"]}}"#
        => "user_id" ["u1"];
}
