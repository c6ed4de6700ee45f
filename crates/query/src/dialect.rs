//! The SQL we read: DuckDB's, with `->` on JSON as well.
//!
//! DuckDB's dialect brings lambdas (`array_filter(list, x -> x > 1)`), `FROM t SELECT`, `EXCLUDE`,
//! `GROUP BY ALL`. It takes every `name -> …` for a lambda, though, and so hides the JSON operator
//! of datafusion-functions-json. Nobody writes a lambda that ignores its parameter and returns a
//! literal, so `name -> 'key'` and `name -> 0` are read as the JSON operator. It also binds weaker
//! than `=` there; here `->` and `->>` bind stronger than comparisons, as in PostgreSQL.
//!
//! `a IS DISTINCT FROM b AND c` means `(a IS DISTINCT FROM b) AND c`, as everywhere else; left to
//! itself the parser would take all of `b AND c` for the right-hand side.
//!
//! An argument `name = value` is a comparison, as in `window_funnel(3600, time, event = 'Sign up')`,
//! where the parser's DuckDB would take it for an argument called `name`. Arguments are named with
//! `name => value` or `name := value`.

use std::any::TypeId;

use datafusion::sql::sqlparser::ast::Expr;
use datafusion::sql::sqlparser::dialect::{Dialect, DuckDbDialect, Precedence};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

/// Stronger than comparisons, weaker than arithmetic.
const ARROW_PRECEDENCE: u8 = 25;

/// DuckDB's dialect, with `->` before a literal as JSON access.
#[derive(Debug, Default)]
pub(crate) struct TallymarkDialect(DuckDbDialect);

/// Answers these questions as DuckDB does.
macro_rules! as_duckdb {
    ($($name:ident),+ $(,)?) => {
        $(fn $name(&self) -> bool {
            self.0.$name()
        })+
    };
}

impl Dialect for TallymarkDialect {
    fn dialect(&self) -> TypeId {
        self.0.dialect()
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        self.0.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        self.0.is_identifier_part(ch)
    }

    as_duckdb!(
        supports_trailing_commas,
        supports_filter_during_aggregation,
        supports_group_by_expr,
        supports_bitwise_shift_operators,
        supports_named_fn_args_with_assignment_operator,
        supports_dictionary_syntax,
        support_map_literal_syntax,
        supports_lambda_functions,
        allow_extract_single_quotes,
        supports_explain_with_utility_options,
        supports_load_extension,
        supports_array_typedef_with_brackets,
        supports_from_first_select,
        supports_order_by_all,
        supports_select_wildcard_exclude,
        supports_notnull_operator,
        supports_install,
        supports_detach,
        supports_select_wildcard_replace,
        supports_comma_separated_trim,
    );

    fn get_next_precedence(&self, parser: &Parser<'_>) -> Option<Result<u8, ParserError>> {
        match parser.peek_token_ref().token {
            Token::Arrow | Token::LongArrow => Some(Ok(ARROW_PRECEDENCE)),
            _ => None,
        }
    }

    fn parse_prefix(&self, parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        let [name, arrow, key] = parser.peek_tokens_with_location();
        let Token::Word(word) = name.token else { return None };
        let is_key = matches!(key.token, Token::SingleQuotedString(_) | Token::Number(..));
        if arrow.token != Token::Arrow || !is_key {
            return None;
        }
        parser.next_token();
        Some(Ok(Expr::Identifier(word.into_ident(name.span))))
    }

    fn parse_infix(
        &self,
        parser: &mut Parser<'_>,
        left: &Expr,
        _precedence: u8,
    ) -> Option<Result<Expr, ParserError>> {
        use Keyword::{DISTINCT, FROM, IS, NOT};
        let compare: fn(Box<Expr>, Box<Expr>) -> Expr = if parser.parse_keywords(&[IS, DISTINCT, FROM]) {
            Expr::IsDistinctFrom
        } else if parser.parse_keywords(&[IS, NOT, DISTINCT, FROM]) {
            Expr::IsNotDistinctFrom
        } else {
            return None;
        };
        let right = parser.parse_subexpr(self.prec_value(Precedence::Is));
        Some(right.map(|right| compare(Box::new(left.clone()), Box::new(right))))
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::ast::BinaryOperator;

    use super::*;

    #[test]
    fn an_argument_with_an_equals_sign_is_a_comparison() {
        let dialect = TallymarkDialect::default();
        let expr = Parser::new(&dialect).try_with_sql("f(a = 1)").unwrap().parse_expr().unwrap();
        assert!(format!("{expr:?}").contains("BinaryOp"), "{expr:?}");
    }

    #[test]
    fn is_distinct_from_binds_stronger_than_and() {
        for text in ["a IS DISTINCT FROM b AND c", "a IS NOT DISTINCT FROM b AND c", "a IS NULL AND c"] {
            let dialect = TallymarkDialect::default();
            let expr = Parser::new(&dialect).try_with_sql(text).unwrap().parse_expr().unwrap();
            assert!(matches!(expr, Expr::BinaryOp { op: BinaryOperator::And, .. }), "{text}: {expr:?}");
        }
    }
}
