//! Label selectors.
// upstream: apimachinery/pkg/labels/selector.go, apis/meta/v1/helpers.go#LabelSelectorAsSelector

mod lexer;
mod object;
mod parser;
mod requirement;
mod selector;

pub use object::{LabelSelectorError, from_label_selector, validate_label_selector};
pub use parser::ParseError;
pub use requirement::{Operator, Requirement};
pub use selector::Selector;
