//! Colours, where there is a terminal for them.

use std::fmt::{self, Display};

use anstyle::{AnsiColor, Style};

use crate::{model::State, view::filter::EventName};

/// Whether to colour. The caller decides: output that is read by a program
/// never is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Palette {
    /// Colours are on.
    pub on: bool,
}

/// Something in a style.
pub struct Painted<T> {
    style: Style,
    inner: T,
}

impl<T: Display> Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Padding belongs to the content: escapes have no width.
        write!(f, "{}", self.style.render())?;
        self.inner.fmt(f)?;
        write!(f, "{}", self.style.render_reset())
    }
}

impl Palette {
    /// Nothing but characters.
    pub const PLAIN: Self = Self { on: false };

    /// Something in this style, if colours are on.
    pub fn paint<T: Display>(self, style: Style, inner: T) -> Painted<T> {
        let style = if self.on { style } else { Style::new() };
        Painted { style, inner }
    }
}

/// What matters less than its surroundings.
pub const FAINT: Style = Style::new().dimmed();
/// A heading.
pub const HEADING: Style = Style::new().bold();
/// As it should be.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Not as it should be.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// Worth a look.
pub const NOTABLE: Style = AnsiColor::Yellow.on_default();

/// The style of an event's name.
pub const fn event(name: EventName) -> Style {
    use crate::model::Lifecycle::{Activated, Created, Deactivated, Destroyed, Freed, Resurrected};
    match name {
        EventName::Namespace(Created | Activated) => GOOD,
        EventName::Namespace(Deactivated) => NOTABLE,
        EventName::Namespace(Resurrected) => AnsiColor::Magenta.on_default().bold(),
        EventName::Namespace(Destroyed) => AnsiColor::Red.on_default(),
        EventName::Namespace(Freed) | EventName::NsproxyFreed => FAINT,
        EventName::Chain => FAINT,
        EventName::Init(_) => NOTABLE,
        EventName::Switched => AnsiColor::Cyan.on_default(),
        EventName::NetCleanup => FAINT,
        EventName::Lost | EventName::Violation | EventName::CreateFailed => BAD,
        EventName::Resync => NOTABLE,
        EventName::Exited | EventName::Reaped => FAINT,
    }
}

/// The style of a state's name.
pub const fn state(state: State) -> Style {
    match state {
        State::Active => Style::new(),
        State::Inactive => NOTABLE,
        State::Destroyed => AnsiColor::Red.on_default(),
    }
}
