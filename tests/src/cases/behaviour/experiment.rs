//! Experiments (section 11.5).

/// The numbers of the worked example.
const TWENTY: &str = "a*5: E0{v=c} G1h; b*5: E0{v=c}; c*6: E0{v=t} G1h; d*4: E0{v=t}";
const EIGHTY: &str = "a*10: E0{v=c} G1h; b*30: E0{v=c}; c*30: E0{v=t} G1h; d*10: E0{v=t}";
/// Purchases of two in the control group, and of one who buys nothing.
const SHOP: &str = "a: E0{v=c} P1h{x=10} P1h5m{x=20} P5h{x=3}; b: E0{v=c} P1h; c: E0{v=t}";
/// One day before the exposure and one after.
const BEFORE: &str = "a: G1 E1d{v=c} G2d G2d; b: G1 G2 G3 E1d{v=c} G2d G2d G2d G2d G2d;
    c: G1 G2 E1d{v=t} G2d G2d G2d G2d; d: G1 G2 G3 G4 E1d{v=t} G2d G2d G2d G2d G2d G2d";

/// Exposures to experiments as objects.
const AS_OBJECT: &str = r#"a: E0{all={"x":"c","y":"t"}} G1h; b: E0{all={"y":"c"}} G1h; d: E0{all={"x":"t"}};
    e: E0{all={"x":null}}; f: E0{all={"x":["c","t"]}}; g: E0{all={"x":["t","t"]}}; h: E0{all={"x":true,"x.z":"c"}};
    i: E0{all={"x":""}}; j: E0; k: E0{all={"x":5}}"#;
/// As lists, and as one text.
const AS_LIST: &str = r#"a: E0{all=["x:c","y:t"]} G1h; b: E0{all=["y:c"]}; d: E0{all=["x:t","x:t"]};
    e: E0{all=["x:c","x:t"]}; f: E0{all=x:t:u}; g: E0{all=["xx:c","x",5,"X:c"]} G1h; h: E0{all=[]};
    i: E0{all=["x:"]} G1h"#;
/// Of two companies, by several users and by nobody.
const COMPANIES: &str = r#"u: E0{v=c,company=A} G1h{company=A,x=1} G2h{x=50}; w: G3h{company=["A","B"],x=2} E4h{v=t,company=A}
    G5h{company=A,x=4}; -: E1h{v=t,company=["B","C"]} G6h{company=B,x=8}; y: E0{v=c} G1h; z: G0{company=B,x=16}"#;
/// Two metrics of two variants: purchases, and what they cost.
const PRICES: &str = "a: E0{v=c} P1h{x=2} P2h{x=4}; b: E0{v=c}; d: E0{v=t} P1h{x=3}; e: E0{v=t} P1h{x=9}";

super::behaviour_cases! {
    m_70_many_experiments_in_an_object:
        AS_OBJECT, r#"{"report": "experiment", "exposure": "E", "experiment": "x", "experiments": "all", "control": "c",
            "metrics": [{"event": "G"}]}"#
        => "variant exposed total" ["c 1 1", "(empty string) 1 0", "5 1 0", "t 2 0", "true 1 0"];
    m_70_the_name_of_an_experiment_is_no_path:
        AS_OBJECT, r#"{"report": "experiment", "exposure": "E", "experiment": "x.z", "experiments": "all", "control": "c",
            "metrics": [{"event": "G"}]}"#
        => "variant exposed" ["c 1"];
    m_70_many_experiments_in_a_list:
        AS_LIST, r#"{"report": "experiment", "exposure": "E", "experiment": "x", "experiments": "all", "control": "c",
            "metrics": [{"event": "G"}]}"#
        => "variant exposed total" ["c 1 1", "(empty string) 1 1", "t 1 0", "t:u 1 0"];
    m_70_one_of_many_experiments_counts:
        r#"u: E0{all={"x":"c","y":"c"}} G1h E2h{all={"y":"t"}} G3h E4h{all=["x:t"]} G5h"#,
        r#"{"report": "experiment", "exposure": "E", "experiment": "x", "experiments": "all", "control": "c",
            "metrics": [{"event": "G", "measure": "total_events"}]}"#
        => "variant exposed total" ["c 1 2", "t 1 1"];
    m_71_exposed_groups:
        COMPANIES, r#"{"report": "experiment", "exposure": "E", "variant": "v", "control": "c", "count_by": "company",
            "metrics": [{"event": "G"}, {"event": "G", "measure": "total_events"}, {"event": "G", "measure": {"aggregate": "sum", "of": "x"}},
            {"event": "G", "measure": {"aggregate": "average", "of": "x"}}]}"#
        => "metric variant exposed users total" [
            "A c 1 1 1", "A t 3 3 2", "B c 1 1 2", "B t 3 3 3", "C c 1 1 3", "C t 3 3 14", "D c 1 1 1.5", "D t 3 2 9"];
    m_71_before_the_exposure_of_a_group:
        COMPANIES, r#"{"report": "experiment", "exposure": "E", "variant": "v", "control": "c", "count_by": "company",
            "metrics": [{"event": "G", "measure": {"aggregate": "sum", "of": "x"}}], "cuped": "1 day"}"#
        => "variant total value" ["c 4.91666667 4.91666667", "t 12.0833333 4.02777778"];
    m_71_the_first_time_of_a_group:
        r#"u: E0{v=c,company=["A","B"]} G1h{company=A}; w: G2h{company=["A","B"]} G3h{company=["A","B"]}"#,
        r#"{"report": "experiment", "exposure": "E", "variant": "v", "control": "c", "count_by": "company",
            "metrics": [{"event": {"event": "G", "first_time": "ever"}, "measure": "total_events"}]}"#
        => "variant exposed total" ["c 2 2"];
    m_72_a_formula:
        PRICES, r#"{"report": "experiment", "exposure": "E", "variant": "v", "control": "c",
            "metrics": [{"event": "P", "measure": "total_events"}, {"event": "P", "measure": {"aggregate": "sum", "of": "x"}}],
            "formulas": [{"formula": "B / A", "name": "price"}, {"formula": "A * A - 1"}]}"#
        => "metric name variant users total value variance difference lift standard_error z" [
            "A P c 2 2 1 2 null null null null", "A P t 2 2 1 0 0 0 1 0",
            "B sum of x of P c 2 6 3 18 null null null null", "B sum of x of P t 2 12 6 18 3 1 4.24264069 0.707106781",
            "C price c 2 null 3 36 null null null null", "C price t 2 null 6 18 3 1 5.19615242 0.577350269",
            "D A * A - 1 c 2 null 0 8 null null null null", "D A * A - 1 t 2 null 0 0 0 null 2 0"];
    m_72_a_formula_of_what_not_all_have:
        "a: E0{v=c} P1h{x=2}; b: E0{v=c} P1h{x=4}; d: E0{v=c}; e: E0{v=c}; f: E0{v=t}",
        r#"{"report": "experiment", "exposure": "E", "variant": "v", "control": "c",
            "metrics": [{"event": "P", "measure": {"aggregate": "average", "of": "x"}}, {"event": "P"}],
            "formulas": [{"formula": "2 * A"}, {"formula": "A / B"}, {"formula": "1 / B"}]}"#
        => "metric variant users value variance" [
            "A c 2 3 2", "A t 0 null null", "B c 4 0.5 0.25", "B t 1 0 0",
            "C c 4 6 16", "C t 1 null null", "D c 4 6 52", "D t 1 null null", "E c 4 2 4", "E t 1 null null"];
    m_72_a_formula_with_metrics_of_its_own:
        PRICES, r#"{"report": "experiment", "exposure": "E", "variant": "v", "control": "c",
            "metrics": [{"event": "P"}],
            "formulas": [{"formula": "B / A", "metrics": [{"event": "P", "measure": "total_events"},
                {"event": "P", "measure": {"aggregate": "sum", "of": "x"}}]}, {"formula": "A * 2"}]}"#
        => "metric name variant users total value variance difference lift standard_error z" [
            "A P c 2 1 0.5 0.25 null null null null", "A P t 2 2 1 0 0.5 1 0.353553391 1.41421356",
            "B B / A c 2 null 3 36 null null null null", "B B / A t 2 null 6 18 3 1 5.19615242 0.577350269",
            "C A * 2 c 2 null 1 1 null null null null", "C A * 2 t 2 null 2 0 1 1 0.707106781 1.41421356"];
    m_72_formulas_alone_and_filters_of_their_metrics:
        PRICES, r#"{"report": "experiment", "exposure": "E", "variant": "v", "control": "c",
            "formulas": [{"formula": "A", "name": "dear", "metrics": [{"event": "P", "measure": "total_events", "where": {"property": "x", "greater_than": 3}}]},
                {"formula": "A / B", "metrics": [{"event": {"event": "P", "first_time": "filtered"}, "measure": {"aggregate": "sum", "of": "x"},
                    "where": {"property": "x", "greater_than": 2}}, {"event": "E", "measure": "total_events"}]}]}"#
        => "metric name variant users value variance" [
            "A dear c 2 0.5 0.5", "A dear t 2 0.5 0.5", "B A / B c 2 2 8", "B A / B t 2 6 18"];
    m_76_formulas_are_compared_too:
        TWENTY, r#"{"report": "experiment", "exposure": "E", "variant": "v", "control": "c", "metrics": [{"event": "G"}],
            "formulas": [{"formula": "A * 2"}], "confidence": 0.34, "correction": "bonferroni"}"#
        => "metric variant p is_significant" [
            "A c null null", "A t 0.651446247 false", "B c null null", "B t 0.651446247 false"];
    m_4_who_was_exposed:
        SHOP, r#"{"report": "experiment", "exposure": "E", "variant": "v", "control": "c", "metrics": [{"event": "P"}], "users_of": {"variant": "c"}}"#
        => "user_id" ["a", "b"];
    m_4_who_of_them_has_something:
        SHOP, r#"{"report": "experiment", "exposure": "E", "variant": "v", "control": "c",
            "metrics": [{"event": "P"}, {"event": "P", "measure": {"aggregate": "sum", "of": "x"}}], "users_of": {"variant": "c", "metric": "B"}}"#
        => "user_id" ["a"];
    m_4_who_of_them_has_nothing:
        SHOP, r#"{"report": "experiment", "exposure": "E", "variant": "v", "control": "c",
            "metrics": [{"event": "P"}, {"event": "P", "measure": {"aggregate": "sum", "of": "x"}}], "users_of": {"variant": "c", "without": "B"}}"#
        => "user_id" ["b"];
    m_4_who_has_nothing_under_that_variant:
        "u: E0{v=c} G1h E2h{v=t}; w: E0{v=c} E1h{v=t} G2h; x: G0 E1h{v=c}", r#"{"report": "experiment", "exposure": "E", "variant": "v",
            "control": "c", "metrics": [{"event": "G"}], "users_of": {"variant": "t", "without": "A"}}"#
        => "user_id" ["u"];
    m_4_groups_that_have_nothing:
        COMPANIES, r#"{"report": "experiment", "exposure": "E", "variant": "v", "control": "c", "count_by": "company", "metrics": [{"event": "G"}],
            "users_of": {"variant": "t", "without": "A"}}"#
        => "user_id" ["C"];
    m_4_under_that_variant:
        "u: E0{v=c} G1h E2h{v=t}; w: E0{v=c} E1h{v=t} G2h", r#"{"report": "experiment", "exposure": "E", "variant": "v", "control": "c",
            "metrics": [{"event": "G"}], "users_of": {"variant": "t", "metric": "A"}}"#
        => "user_id" ["w"];
    m_4_groups_that_were_exposed:
        COMPANIES, r#"{"report": "experiment", "exposure": "E", "variant": "v", "control": "c", "count_by": "company", "metrics": [{"event": "G"}],
            "users_of": {"variant": "t"}}"#
        => "user_id" ["A", "B", "C"];
    m_73_the_example:
        TWENTY, r#"{"report": "experiment", "exposure": "E", "variant": "v", "control": "c", "metrics": [{"event": "G", "name": "reached"}]}"#
        => "metric name variant is_control exposed expected users total value variance difference lift standard_error low high z p sequential_p is_significant sample_ratio_p" [
            "A reached c true 10 10 10 5 0.5 0.25 null null null null null null null null null 1",
            "A reached t false 10 10 10 6 0.6 0.24 0.1 0.2 0.221359436 -0.333856523 0.533856523 0.451753951 0.651446247 1 false 1"];
    m_73_a_difference_that_is_one:
        EIGHTY, r#"{"report": "experiment", "exposure": "E", "variant": "v", "control": "c", "metrics": [{"event": "G"}]}"#
        => "variant value z p sequential_p is_significant" [
            "c 0.25 null null null null", "t 0.75 5.16397779 0.000000241756388 0.4488511 true"];
    m_74_of_a_difference_that_is_expected_to_be_small:
        EIGHTY, r#"{"report": "experiment", "exposure": "E", "variant": "v", "control": "c", "metrics": [{"event": "G"}], "test": "sequential"}"#
        => "variant sequential_p is_significant" ["c null null", "t 0.4488511 false"];
    m_74_of_a_difference_that_is_expected:
        EIGHTY, r#"{"report": "experiment", "exposure": "E", "variant": "v", "control": "c", "metrics": [{"event": "G"}], "test": "sequential", "expected_effect": 1}"#
        => "variant sequential_p is_significant" ["c null null", "t 0.000025527304 true"];
    m_70_the_last_exposure_counts:
        "u: E0{v=c} G1h E2h{v=t} G3h G4h E5h{v=c} G6h", r#"{"report": "experiment", "exposure": "E", "variant": "v", "control": "c",
            "metrics": [{"event": "G", "measure": "total_events"}]}"#
        => "variant exposed total" ["c 1 2", "t 1 2"];
    m_70_for_ninety_days:
        "u: E0{v=c} G90d G90d0.001s", r#"{"report": "experiment", "exposure": "E", "variant": "v", "control": "c", "range": "2024-01-01 to 2024-04-30",
            "as_of": "2024-04-30", "metrics": [{"event": "G", "measure": "total_events"}]}"#
        => "variant total" ["c 1"];
    m_70_exposed_again:
        "u: E0{v=c} E80d{v=c} G100d", r#"{"report": "experiment", "exposure": "E", "variant": "v", "control": "c", "range": "2024-01-01 to 2024-04-30",
            "as_of": "2024-04-30", "metrics": [{"event": "G", "measure": "total_events"}]}"#
        => "variant exposed total" ["c 1 1"];
    m_70_nothing_before_an_exposure:
        "u: G0 E1h{v=c} G2h; w: G0 E0{v=c}; x: E0{v=c} G0", r#"{"report": "experiment", "exposure": "E", "variant": "v", "control": "c",
            "metrics": [{"event": "G", "measure": "total_events"}]}"#
        => "variant exposed total" ["c 3 2"];
    m_70_an_exposure_has_a_variant_and_a_user:
        "u: E0 G1h; w: E0{v=c}; -: E0{v=c} G1h; x: E0{v=[\"c\",\"t\"]}; y: E0{v=null}", r#"{"report": "experiment", "exposure": "E", "variant": "v", "control": "c",
            "metrics": [{"event": "G", "measure": "total_events"}]}"#
        => "variant exposed total" ["c 1 0"];
    m_70_in_the_range:
        "u: E@2023-12-31{v=t} E0{v=c} G1d; w: E@2023-12-31{v=t} G1d; x: E30d{v=c} G31d", r#"{"report": "experiment", "exposure": "E", "variant": "v", "control": "c",
            "metrics": [{"event": "G", "measure": "total_events"}]}"#
        => "variant exposed total" ["c 2 1"];
    m_71_what_is_measured:
        SHOP, r#"{"report": "experiment", "exposure": "E", "variant": "v", "control": "c", "metrics": [{"event": "P"},
            {"event": "P", "measure": "total_events"}, {"event": "P", "measure": "sessions"},
            {"event": "P", "measure": {"aggregate": "sum", "of": "x"}}, {"event": "P", "measure": {"aggregate": "average", "of": "x"}}]}"#
        => "metric name variant exposed users total value variance lift z" [
            "A P c 2 2 2 1 0 null null", "A P t 1 1 0 0 0 -1 null",
            "B P c 2 2 4 2 2 null null", "B P t 1 1 0 0 null -1 null",
            "C P c 2 2 3 1.5 1.5 null null", "C P t 1 1 0 0 0 -1 -1.73205081",
            "D sum of x of P c 2 2 33 16.5 544.5 null null", "D sum of x of P t 1 1 0 0 null -1 null",
            "E average of x of P c 2 1 11 11 null null null", "E average of x of P t 1 0 0 null null null null"];
    m_71_variants_in_the_order_they_are_said:
        "a: E0{v=x}; b: E0{v=c}; d: E0{v=y}; e: E0{v=z}", r#"{"report": "experiment", "exposure": "E", "variant": "v", "control": "c", "variants": ["z", "none", "x"],
            "metrics": [{"event": "G"}]}"#
        => "variant exposed expected value" ["c 1 0.75 0", "z 1 0.75 0", "none 0 0.75 null", "x 1 0.75 0"];
    m_71_all_variants_there_are:
        "a: E0{v=x}; b: E0{v=c}; d: E0{v=A}; e: E0{v=5}", r#"{"report": "experiment", "exposure": "E", "variant": "v", "control": "c", "metrics": [{"event": "G"}]}"#
        => "variant exposed" ["c 1", "5 1", "A 1", "x 1"];
    m_76_both_corrections:
        TWENTY, r#"{"report": "experiment", "exposure": "E", "variant": "v", "control": "c", "metrics": [{"event": "G"}, {"event": "E"}, {"event": "E", "measure": "total_events"}],
            "confidence": 0.3, "correction": "bonferroni"}"#
        => "metric variant p is_significant" [
            "A c null null", "A t 0.651446247 false", "B c null null", "B t null null", "C c null null", "C t null null"];
    m_76_one_comparison_needs_none:
        TWENTY, r#"{"report": "experiment", "exposure": "E", "variant": "v", "control": "c", "metrics": [{"event": "G"}], "confidence": 0.3, "correction": "bonferroni"}"#
        => "variant is_significant" ["c null", "t true"];
    m_77_winsorized:
        "a: E0{v=c} P1h{x=1}; b: E0{v=c} P1h{x=2}; c: E0{v=t} P1h{x=3}; d: E0{v=t} P1h{x=4}; e: E0{v=t} P1h{x=100}",
        r#"{"report": "experiment", "exposure": "E", "variant": "v", "control": "c", "metrics": [{"event": "P", "measure": {"aggregate": "sum", "of": "x"}}, {"event": "P"}], "winsorize": 10}"#
        => "metric variant total" ["A c 3.4", "A t 68.6", "B c 2", "B t 3"];
    m_77_cuped:
        BEFORE, r#"{"report": "experiment", "exposure": "E", "variant": "v", "control": "c", "metrics": [{"event": "G", "measure": "total_events"}], "cuped": "2 weeks"}"#
        => "variant total value variance difference lift standard_error z p" [
            "c 8.3 4.15 0.08 null null null null null", "t 8.7 4.35 0.18 0.2 0.0481927711 0.360555128 0.554700196 0.579099742"];
    m_77_how_long_before:
        "a: G0 E14d{v=c}; b: G0 E14d0.001s{v=c}; c: G0 G0 E14d{v=t}; d: G0 G0 G0 E7d{v=t}",
        r#"{"report": "experiment", "exposure": "E", "variant": "v", "control": "c", "metrics": [{"event": "G", "measure": "total_events"}], "pre_experiment_bias": true}"#
        => "variant total bias_p" ["c 0 null", "t 0 0.00467773498"];
    m_77_what_was_different_before:
        BEFORE, r#"{"report": "experiment", "exposure": "E", "variant": "v", "control": "c", "metrics": [{"event": "G", "measure": "total_events"}], "pre_experiment_bias": true}"#
        => "variant total bias_p" ["c 7 null", "t 10 0.479500122"];
    m_77_before_the_range_too:
        "a: G@2023-12-30 E0{v=c}; b: E0{v=c}; c: G@2023-12-30 G@2023-12-30 E0{v=t}; d: E0{v=t}",
        r#"{"report": "experiment", "exposure": "E", "variant": "v", "control": "c", "metrics": [{"event": "G", "measure": "total_events"}], "pre_experiment_bias": true}"#
        => "variant total bias_p" ["c 0 null", "t 0 0.654720846"];
    m_77_who_is_not_divided_evenly:
        "a*60: E0{v=c}; b*40: E0{v=t}", r#"{"report": "experiment", "exposure": "E", "variant": "v", "control": "c", "metrics": [{"event": "G"}]}"#
        => "variant exposed expected sample_ratio_p" ["c 60 50 0.0455002639", "t 40 50 0.0455002639"];
    m_77_who_is_divided_as_planned:
        "a*60: E0{v=c}; b*40: E0{v=t}", r#"{"report": "experiment", "exposure": "E", "variant": "v", "control": "c", "metrics": [{"event": "G"}], "split": {"c": 3, "t": 2}}"#
        => "variant exposed expected sample_ratio_p" ["c 60 60 1", "t 40 40 1"];
    m_77_three_groups:
        "a*10: E0{v=c}; b*20: E0{v=t}; d*30: E0{v=u}", r#"{"report": "experiment", "exposure": "E", "variant": "v", "control": "c", "metrics": [{"event": "G"}]}"#
        => "variant expected sample_ratio_p" ["c 20 0.006737947", "t 20 0.006737947", "u 20 0.006737947"];
}
