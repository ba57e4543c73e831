//! Whether a query can find anything: each name, label and value in it is one that there is, and
//! what is put together fits together.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail, ensure};
use promql_parser::{
    label::{MatchOp, Matcher},
    parser::{
        self, AggregateExpr, BinModifier, BinaryExpr, Call, Expr, LabelModifier,
        VectorMatchCardinality, VectorSelector, token,
    },
    util::{ExprVisitor, walk_expr},
};

use crate::series::{BOUND, Catalogue, Moves, Values};

/// Names of labels.
pub type Labels = BTreeSet<String>;

/// Functions of what counts up.
const OF_COUNTERS: [&str; 3] = ["increase", "rate", "resets"];
/// Functions of what goes up and down.
const OF_GAUGES: [&str; 6] = [
    "avg_over_time",
    "changes",
    "delta",
    "deriv",
    "max_over_time",
    "min_over_time",
];
/// Functions of each value by itself.
const OF_VALUES: [&str; 5] = ["abs", "clamp_max", "clamp_min", "round", "timestamp"];

/// The labels that the answer to a query has; `None` if the answer is a number. An error says what
/// in the query makes no sense.
pub fn check(query: &str, catalogue: &Catalogue) -> Result<Option<Labels>> {
    let expression = parse(query)?;
    labels_of(&expression, catalogue).with_context(|| query.to_owned())
}

/// What of a condition has to find something, or it can never hold: comparisons without what they
/// compare with, and what is negated.
pub fn selections(query: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    select(&parse(query)?, &mut found);
    Ok(found)
}

/// What a query selects.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Selector {
    /// The name of the series.
    pub name: String,
    /// The labels that they are to have, each as it is written.
    pub matchers: Vec<String>,
}

/// All that a query selects.
pub fn selectors(query: &str) -> Result<Vec<Selector>> {
    let mut visitor = Selectors::default();
    walk_expr(&mut visitor, &parse(query)?)?;
    Ok(visitor.0)
}

/// Gathers selectors.
#[derive(Debug, Default)]
struct Selectors(Vec<Selector>);

impl ExprVisitor for Selectors {
    type Error = anyhow::Error;

    fn pre_visit(&mut self, expression: &Expr) -> Result<bool> {
        let selector = match expression {
            Expr::VectorSelector(selector) => selector,
            Expr::MatrixSelector(selector) => &selector.vs,
            _ => return Ok(true),
        };
        let matchers = selector.matchers.matchers.iter();
        self.0.push(Selector {
            name: selector.name.clone().context("a selector without a name")?,
            matchers: matchers.map(Matcher::to_string).collect(),
        });
        Ok(true)
    }
}

fn parse(query: &str) -> Result<Expr> {
    parser::parse(query)
        .map_err(anyhow::Error::msg)
        .with_context(|| query.to_owned())
}

fn select(expression: &Expr, found: &mut Vec<String>) {
    match expression {
        Expr::Paren(paren) => select(&paren.expr, found),
        Expr::Binary(BinaryExpr { op, lhs, rhs, .. }) if op.is_comparison_operator() => {
            for side in [lhs, rhs] {
                if !matches!(**side, Expr::NumberLiteral(_)) {
                    select(side, found);
                }
            }
        }
        Expr::Binary(BinaryExpr { op, lhs, rhs, .. }) if op.is_set_operator() => {
            select(lhs, found);
            select(rhs, found);
        }
        Expr::Call(call) if call.func.name == "absent" => {
            for argument in &call.args.args {
                select(argument, found);
            }
        }
        other => found.push(other.to_string()),
    }
}

fn labels_of(expression: &Expr, catalogue: &Catalogue) -> Result<Option<Labels>> {
    Ok(match expression {
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) => None,
        Expr::Paren(paren) => labels_of(&paren.expr, catalogue)?,
        Expr::Unary(unary) => labels_of(&unary.expr, catalogue)?,
        Expr::Subquery(subquery) => labels_of(&subquery.expr, catalogue)?,
        Expr::VectorSelector(selector) => Some(selected(selector, catalogue)?),
        Expr::MatrixSelector(selector) => Some(selected(&selector.vs, catalogue)?),
        Expr::Aggregate(aggregate) => Some(aggregated(aggregate, catalogue)?),
        Expr::Call(call) => called(call, catalogue)?,
        Expr::Binary(binary) => combined(binary, catalogue)?,
        Expr::Extension(_) => bail!("an extension of PromQL"),
    })
}

/// Those of what is selected, each of which can say what it is to say.
fn selected(selector: &VectorSelector, catalogue: &Catalogue) -> Result<Labels> {
    let name = selector
        .name
        .as_deref()
        .context("a selector without a name")?;
    let series = catalogue
        .get(name)
        .with_context(|| format!("there is no {name}"))?;
    let matchers = &selector.matchers;
    for matcher in matchers
        .matchers
        .iter()
        .chain(matchers.or_matchers.iter().flatten())
    {
        let values = series
            .labels
            .get(&matcher.name)
            .with_context(|| format!("{name} has no label {}", matcher.name))?;
        if let Values::OneOf(values) = values {
            for value in wanted(matcher) {
                ensure!(
                    values.contains(value),
                    "{} of {name} is never {value:?}",
                    matcher.name
                );
            }
        }
    }
    Ok(series.labels.keys().cloned().collect())
}

/// The values that a matcher names.
fn wanted(matcher: &Matcher) -> Vec<&str> {
    match &matcher.op {
        MatchOp::Equal | MatchOp::NotEqual => vec![&matcher.value],
        MatchOp::Re(_) | MatchOp::NotRe(_) => {
            let pattern = matcher.value.as_str();
            let is_all = [".+", ".*"].contains(&pattern);
            pattern.split('|').filter(|_| !is_all).collect()
        }
    }
}

fn aggregated(aggregate: &AggregateExpr, catalogue: &Catalogue) -> Result<Labels> {
    let inner = vector(&aggregate.expr, catalogue)?;
    let keeps_all = [token::T_TOPK, token::T_BOTTOMK].contains(&aggregate.op.id());
    Ok(match &aggregate.modifier {
        Some(modifier) => {
            let named = named(modifier);
            includes(&inner, &named)?;
            match modifier {
                _ if keeps_all => inner,
                LabelModifier::Include(_) => named,
                LabelModifier::Exclude(_) => &inner - &named,
            }
        }
        None if keeps_all => inner,
        None => Labels::new(),
    })
}

fn called(call: &Call, catalogue: &Catalogue) -> Result<Option<Labels>> {
    let name = call.func.name;
    let arguments = &call.args.args;
    if name == "time" {
        return Ok(None);
    }
    let vectors: Vec<_> = arguments
        .iter()
        .map(|argument| labels_of(argument, catalogue))
        .collect::<Result<Vec<_>>>()?
        .into_iter()
        .flatten()
        .collect();
    let [inner] = &vectors[..] else {
        bail!("{name} of something other than one vector");
    };
    let mut labels = inner.clone();
    match name {
        "histogram_quantile" => ensure!(labels.remove(BOUND), "{name} of no buckets"),
        "absent" => labels = fixed(arguments.first().map(AsRef::as_ref)),
        _ if OF_COUNTERS.contains(&name) => moves(arguments, catalogue, Moves::Up, name)?,
        _ if OF_GAUGES.contains(&name) => moves(arguments, catalogue, Moves::Freely, name)?,
        _ if OF_VALUES.contains(&name) => {}
        _ => bail!("nobody has said what {name} does to labels"),
    }
    Ok(Some(labels))
}

/// The labels that a selector wants to have one value: what `absent` says of it.
fn fixed(selector: Option<&Expr>) -> Labels {
    let Some(Expr::VectorSelector(selector)) = selector else {
        return Labels::new();
    };
    let matchers = selector.matchers.matchers.iter();
    matchers
        .filter(|matcher| matcher.op == MatchOp::Equal)
        .map(|matcher| matcher.name.clone())
        .collect()
}

/// That a function has before it what it is for.
fn moves(
    arguments: &[Box<Expr>],
    catalogue: &Catalogue,
    wanted: Moves,
    function: &str,
) -> Result<()> {
    for argument in arguments {
        if let Expr::MatrixSelector(selector) = &**argument
            && let Some(name) = &selector.vs.name
            && let Some(series) = catalogue.get(name)
        {
            ensure!(series.moves == wanted, "{function} is not for {name}");
        }
    }
    Ok(())
}

fn combined(binary: &BinaryExpr, catalogue: &Catalogue) -> Result<Option<Labels>> {
    let sides = (
        labels_of(&binary.lhs, catalogue)?,
        labels_of(&binary.rhs, catalogue)?,
    );
    let (left, right) = match sides {
        (Some(left), Some(right)) => (left, right),
        (one, other) => return Ok(one.or(other)),
    };
    let modifier = binary.modifier.as_ref();
    let matching = modifier.and_then(|modifier| modifier.matching.as_ref());
    let matched = match matching {
        Some(modifier @ LabelModifier::Include(_)) => {
            let named = named(modifier);
            includes(&left, &named)?;
            includes(&right, &named)?;
            named
        }
        _ if binary.op.id() == token::T_LOR => return Ok(Some(&left | &right)),
        _ => {
            let ignored = matching.map(named).unwrap_or_default();
            let (left, right) = (&left - &ignored, &right - &ignored);
            ensure!(left == right, "{left:?} never matches {right:?}");
            left
        }
    };
    Ok(Some(
        match modifier.map(|modifier: &BinModifier| &modifier.card) {
            _ if binary.op.is_set_operator() => left,
            Some(VectorMatchCardinality::ManyToOne(more)) => {
                let more: Labels = more.labels.iter().cloned().collect();
                includes(&right, &more)?;
                &left | &more
            }
            Some(VectorMatchCardinality::OneToMany(more)) => {
                let more: Labels = more.labels.iter().cloned().collect();
                includes(&left, &more)?;
                &right | &more
            }
            _ => matched,
        },
    ))
}

fn vector(expression: &Expr, catalogue: &Catalogue) -> Result<Labels> {
    labels_of(expression, catalogue)?.context("a number where a vector is wanted")
}

fn named(modifier: &LabelModifier) -> Labels {
    let (LabelModifier::Include(named) | LabelModifier::Exclude(named)) = modifier;
    named.labels.iter().cloned().collect()
}

fn includes(labels: &Labels, wanted: &Labels) -> Result<()> {
    let missing = wanted - labels;
    ensure!(missing.is_empty(), "{missing:?} is not among {labels:?}");
    Ok(())
}

#[cfg(test)]
mod tests;
