//! Rules of the keys that say where an event's history begins.

use crate::{attr::TypeAttrs, errors::Errors};

pub(super) fn check(attrs: &TypeAttrs, errors: &mut Errors) {
    let TypeAttrs { previous, first, view, .. } = attrs;
    if let Some(first) = first.key()
        && !previous.is_missing()
    {
        errors.push_at(
            first,
            "expected one of `first` and `previous`, found both: history begins here, or it goes \
             back to `previous`",
        );
    }
    let Some(version) = attrs.version.value() else { return };
    if version.major == 1 {
        if let Some(previous) = previous.key() {
            errors.push_at(
                previous,
                "nothing comes before version 1: raise `version`, or leave `previous` out",
            );
        }
    } else if previous.is_missing() && first.is_missing() && view.is_missing() {
        errors.push_at(
            version.span,
            format!(
                "expected `previous = …`, the type of version {}, or `first = true` where older \
                 versions are not read, or `view` where another team's event is read",
                version.major - 1,
            ),
        );
    }
}
