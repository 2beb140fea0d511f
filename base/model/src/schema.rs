//! How these types look in the API's description, where deriving cannot say it.

use std::borrow::Cow;

use utoipa::openapi::schema::{
    AdditionalProperties, KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type,
};
use utoipa::openapi::{RefOr, schema::SchemaType};
use utoipa::{PartialSchema, ToSchema};

use crate::{FunctionId, Labels, Mode, Severity, Timestamp};

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::String))
}

fn one_of(words: &[&str], description: &str) -> RefOr<Schema> {
    text()
        .enum_values(Some(words.iter().copied()))
        .description(Some(description))
        .into()
}

impl PartialSchema for Timestamp {
    fn schema() -> RefOr<Schema> {
        text()
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .description(Some("An instant, RFC 3339 in UTC with milliseconds."))
            .examples(["2026-11-11T00:00:01.250Z"])
            .into()
    }
}

impl PartialSchema for Severity {
    fn schema() -> RefOr<Schema> {
        one_of(&Severity::WORDS, "How loud an alert is.")
    }
}

impl PartialSchema for Mode {
    fn schema() -> RefOr<Schema> {
        one_of(&["daily", "rush"], "Which thresholds hold.")
    }
}

impl PartialSchema for FunctionId {
    fn schema() -> RefOr<Schema> {
        text()
            .description(Some("A function: `namespace/name`."))
            .examples(["guide/wow-video-feed"])
            .into()
    }
}

impl PartialSchema for Labels {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::Object))
            .additional_properties(Some(AdditionalProperties::RefOr(text().into())))
            .description(Some("Label names and their values."))
            .into()
    }
}

macro_rules! named {
    ($($type:ty => $name:literal),+ $(,)?) => {
        $(impl ToSchema for $type {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed($name)
            }
        })+
    };
}

named!(
    Timestamp => "Timestamp",
    Severity => "Severity",
    Mode => "Mode",
    FunctionId => "FunctionId",
    Labels => "Labels",
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_that_are_read() {
        for word in ["daily", "rush"] {
            assert!(
                serde_json::from_value::<Mode>(word.into()).is_ok(),
                "{word}"
            );
        }
        let described = serde_json::to_value(Severity::schema()).unwrap();
        assert_eq!(described["enum"], serde_json::json!(Severity::WORDS));
    }
}
