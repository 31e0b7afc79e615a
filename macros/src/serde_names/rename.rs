/// Rules of `rename_all`, by which serde writes the names of members and variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RenameRule {
    Lower,
    Upper,
    Pascal,
    Camel,
    Snake,
    ScreamingSnake,
    Kebab,
    ScreamingKebab,
}

impl RenameRule {
    /// The rule of that name, if there is one.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "lowercase" => Self::Lower,
            "UPPERCASE" => Self::Upper,
            "PascalCase" => Self::Pascal,
            "camelCase" => Self::Camel,
            "snake_case" => Self::Snake,
            "SCREAMING_SNAKE_CASE" => Self::ScreamingSnake,
            "kebab-case" => Self::Kebab,
            "SCREAMING-KEBAB-CASE" => Self::ScreamingKebab,
            _ => return None,
        })
    }

    /// Renames a variant, which serde takes to be written in `PascalCase`.
    pub(crate) fn variant(self, name: &str) -> String {
        match self {
            Self::Lower => name.to_ascii_lowercase(),
            Self::Upper => name.to_ascii_uppercase(),
            Self::Pascal => name.to_owned(),
            Self::Camel => uncapitalized(name),
            Self::Snake => split_words(name),
            Self::ScreamingSnake => split_words(name).to_ascii_uppercase(),
            Self::Kebab => split_words(name).replace('_', "-"),
            Self::ScreamingKebab => split_words(name).to_ascii_uppercase().replace('_', "-"),
        }
    }

    /// Renames a field, which serde takes to be written in `snake_case`.
    pub(crate) fn field(self, name: &str) -> String {
        match self {
            Self::Lower | Self::Snake => name.to_owned(),
            Self::Upper | Self::ScreamingSnake => name.to_ascii_uppercase(),
            Self::Pascal => join_words(name),
            Self::Camel => uncapitalized(&join_words(name)),
            Self::Kebab => name.replace('_', "-"),
            Self::ScreamingKebab => name.to_ascii_uppercase().replace('_', "-"),
        }
    }
}

/// `OrderSubmitted` becomes `order_submitted`.
fn split_words(pascal: &str) -> String {
    let mut snake = String::with_capacity(pascal.len() + 4);
    for (at, char) in pascal.char_indices() {
        if at > 0 && char.is_uppercase() {
            snake.push('_');
        }
        snake.push(char.to_ascii_lowercase());
    }
    snake
}

/// `order_number` becomes `OrderNumber`.
fn join_words(snake: &str) -> String {
    let mut pascal = String::with_capacity(snake.len());
    let mut capitalize = true;
    for char in snake.chars() {
        if char == '_' {
            capitalize = true;
        } else if capitalize {
            pascal.push(char.to_ascii_uppercase());
            capitalize = false;
        } else {
            pascal.push(char);
        }
    }
    pascal
}

/// `OrderNumber` becomes `orderNumber`.
fn uncapitalized(name: &str) -> String {
    let mut chars = name.chars();
    match chars.next() {
        Some(first) => {
            let mut name = String::with_capacity(name.len());
            name.push(first.to_ascii_lowercase());
            name.push_str(chars.as_str());
            name
        }
        None => String::new(),
    }
}

#[cfg(test)]
mod tests;
