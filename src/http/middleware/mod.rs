//! What every request passes through, from the outside in: identity and trace, figures, cross-origin rules,
//! the answer's finish (problem documents, security headers, panics), the load limit, the body, the deadline.

mod answer;
mod encoding;
mod limits;
mod request;

pub(super) use answer::{Verbatim, finish};
pub(super) use encoding::plain_is_acceptable;
pub(super) use limits::{body, deadline, in_flight};
pub(super) use request::{TraceContext, identify, measure};
