//! Values that several verbs take.

use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use jiff::SignedDuration;
use tracer_common::kind::NsKind;

use crate::{model::State, view::filter::EventName};

/// A value out of a fixed set, by name.
fn one_of<T>(all: &'static [T], name: fn(T) -> &'static str) -> impl TypedValueParser<Value = T>
where
    T: Copy + Send + Sync + 'static,
{
    PossibleValuesParser::new(all.iter().map(|&value| name(value))).try_map(move |given| {
        all.iter()
            .copied()
            .find(|&value| name(value) == given)
            .ok_or("not one of the possible values")
    })
}

/// A namespace type.
pub(super) fn ns_type() -> impl TypedValueParser<Value = NsKind> {
    one_of(&NsKind::ALL, NsKind::name)
}

/// The state of a namespace.
pub(super) fn state() -> impl TypedValueParser<Value = State> {
    one_of(&State::ALL, State::name)
}

/// The name of an event.
pub(super) fn event() -> impl TypedValueParser<Value = EventName> {
    one_of(&EventName::ALL, EventName::name)
}

/// A length of time such as `10s`, `2m` or `1h30m`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    text.parse::<SignedDuration>()
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok())
        .ok_or_else(|| "not a length of time: give a number with a unit, such as 10s or 2m".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit_and_go_forward() {
        assert_eq!(duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("0s"), Ok(Duration::ZERO));
        for text in [
            "",
            "10",
            "-1s",
            "1s ago",
            "s",
            "soon",
            "99999999999999999999s",
        ] {
            assert!(duration(text).is_err(), "{text:?}");
        }
    }
}
