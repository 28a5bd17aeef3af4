//! The OpenAPI document: what the routes say of themselves, completed by what is true for all of them.

use utoipa::OpenApi as _;
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::response::Response;
use utoipa::openapi::schema::{Schema, SchemaType, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, ContentBuilder, HeaderBuilder, Object, OpenApi, PathItem, Ref, RefOr};
use utoipa_axum::router::OpenApiRouter;

use super::health;
use super::problem::{PROBLEM_JSON, ProblemDocument};
use super::state::EdgeState;
use super::v1;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Nova", description = "Live streams and a personalised feed. Every refusal is a problem document (RFC 9457)."),
    components(schemas(ProblemDocument)),
    tags(
        (name = "streams", description = "Live streams and their chat"),
        (name = "posts", description = "Posts and likes"),
        (name = "users", description = "People and who follows whom"),
        (name = "feed", description = "The caller's ranked feed"),
        (name = "health", description = "How the process is"),
        (name = "development", description = "Only in development"),
    )
)]
struct Base;

/// The document of what is served with these categories; `dev` adds the routes of development.
#[must_use]
pub fn openapi(categories: &[String], dev: bool) -> OpenApi {
    complete(api(dev).into_openapi(), categories)
}

/// The routes of the API with what they say of themselves.
pub(super) fn api(dev: bool) -> OpenApiRouter<EdgeState> {
    OpenApiRouter::with_openapi(Base::openapi()).nest(v1::PREFIX, v1::router(dev))
}

/// Adds what every operation of the API has, and the health endpoints, which have none of it.
pub(super) fn complete(mut document: OpenApi, categories: &[String]) -> OpenApi {
    for (path, item) in &mut document.paths.paths {
        let token = !path.ends_with("/dev/token");
        for (reads, operation) in operations(item) {
            describe_refusals(operation, reads, token);
            describe_parameters(operation, categories);
        }
    }
    let components = document.components.get_or_insert_with(Components::new);
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .build();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    for name in ["StartStream", "PatchStream"] {
        if let Some(RefOr::T(Schema::Object(body))) = components.schemas.get_mut(name)
            && let Some(category) = body.properties.get_mut("category")
        {
            allow_only(category, categories);
        }
    }
    document.merge(health::openapi());
    document
}

/// The operations of a path, each with whether it only reads.
fn operations(item: &mut PathItem) -> impl Iterator<Item = (bool, &mut Operation)> {
    [
        (true, item.get.as_mut()),
        (false, item.post.as_mut()),
        (false, item.put.as_mut()),
        (false, item.patch.as_mut()),
        (false, item.delete.as_mut()),
    ]
    .into_iter()
    .filter_map(|(reads, operation)| operation.map(|operation| (reads, operation)))
}

fn describe_refusals(operation: &mut Operation, reads: bool, token: bool) {
    let mut common = vec![
        ("500", "A fault of Nova"),
        ("503", "Nova or something it needs is not available now"),
        ("504", "The deadline passed"),
    ];
    let parameters = operation.parameters.iter().flatten();
    let may_be_wrong = parameters.clone().any(
        |parameter| matches!(parameter, RefOr::T(parameter) if parameter.parameter_in != ParameterIn::Path),
    );
    if may_be_wrong || !reads {
        common.push(("400", "Something in the request is wrong"));
    }
    if token {
        common.push(("401", "There is no valid token"));
    }
    if !reads {
        common.push(("408", "The body did not arrive in time"));
        common.push(("413", "The body is too large"));
    }
    if operation.request_body.is_some() {
        common.push(("415", "The body is not sent as application/json"));
    }
    let responses = &mut operation.responses.responses;
    for (status, description) in common {
        responses
            .entry(status.to_owned())
            .or_insert_with(|| RefOr::T(Response::new(description)));
    }
    for (status, response) in responses {
        if let RefOr::T(response) = response
            && status.as_str() >= "400"
        {
            carry_problem(status, response);
        }
    }
}

fn carry_problem(status: &str, response: &mut Response) {
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .build();
    response
        .content
        .insert(PROBLEM_JSON.to_owned(), RefOr::T(content));
    let header = |kind, description: &str| {
        let header = HeaderBuilder::new()
            .schema(Some(Object::with_type(SchemaType::Type(kind))))
            .description(Some(description));
        RefOr::T(header.build())
    };
    if status == "503" {
        let wait = header(Type::Integer, "Seconds to wait");
        response.headers.insert("Retry-After".to_owned(), wait);
    }
    if status == "401" {
        let scheme = header(Type::String, "`Bearer`");
        response.headers.insert("WWW-Authenticate".to_owned(), scheme);
    }
}

/// Every whole number of 64 bits is accepted; what is out of a parameter's range is brought into it.
fn describe_parameters(operation: &mut Operation, categories: &[String]) {
    for parameter in operation.parameters.iter_mut().flatten() {
        let RefOr::T(parameter) = parameter else { continue };
        let Some(schema) = parameter.schema.as_mut() else {
            continue;
        };
        if parameter.parameter_in == ParameterIn::Query && parameter.name == "category" {
            allow_only(schema, categories);
        }
        if let RefOr::T(Schema::Object(object)) = schema
            && is_integer(&object.schema_type)
        {
            object.schema_type = SchemaType::Type(Type::Integer);
            object.minimum = Some(utoipa::Number::Int(isize::MIN));
            object.maximum = Some(utoipa::Number::Int(isize::MAX));
        } else if let RefOr::T(Schema::Object(object)) = schema {
            // An absent parameter is left out; there is no way to send `null`.
            if let SchemaType::Array(types) = &object.schema_type
                && let Some(kind) = types.iter().find(|kind| **kind != Type::Null)
            {
                object.schema_type = SchemaType::Type(kind.clone());
            }
        }
    }
}

fn is_integer(kind: &SchemaType) -> bool {
    match kind {
        SchemaType::Type(kind) => *kind == Type::Integer,
        SchemaType::Array(kinds) => kinds.contains(&Type::Integer),
        SchemaType::AnyValue => false,
    }
}

fn allow_only(schema: &mut RefOr<Schema>, categories: &[String]) {
    if let RefOr::T(Schema::Object(object)) = schema {
        let mut allowed: Vec<serde_json::Value> = categories.iter().map(|c| c.as_str().into()).collect();
        if matches!(&object.schema_type, SchemaType::Array(kinds) if kinds.contains(&Type::Null)) {
            allowed.push(serde_json::Value::Null);
        }
        object.enum_values = Some(allowed);
    }
}
