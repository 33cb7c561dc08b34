//! The upload object, which `POST /upload` and `/run-py` share.
//!
//! Keys that nobody asks for are skipped and of duplicates the last one counts, names of files too.
//! But other than in messages, what has the wrong type is refused: half a project is of no use.

use super::ParseError;
use super::json::{self, Fields};
use crate::{Upload, UploadContent, UploadFile};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::fmt;

/// Reads an upload object.
///
/// # Errors
/// Returns a sentence about what is wrong with its shape. Names are not looked at here.
pub fn read_upload(json: &[u8]) -> Result<Upload, ParseError> {
    let text =
        str::from_utf8(json).map_err(|_| ParseError::new("The upload is not UTF-8 text."))?;
    let upload = Fields::parse(text, ["name", "username", "files"]).map_err(|error| {
        ParseError::new(if error.is_data() {
            "The upload is not a JSON object.".to_owned()
        } else {
            format!("The upload is not valid JSON: {error}.")
        })
    })?;
    let name = upload
        .text("name")
        .ok_or_else(|| ParseError::new("The upload needs name, a string."))?;
    let files = upload
        .object("files")
        .ok_or_else(|| ParseError::new("The upload needs files, an object."))?;
    let mut json = serde_json::Deserializer::from_str(files);
    let entries = json.deserialize_map(Entries).map_err(|_| {
        // It is JSON, so nothing else can be wrong.
        ParseError::new("A name in files holds half of a surrogate pair.")
    })?;
    let files = entries
        .into_iter()
        .map(|(name, value)| match content(value) {
            Ok(content) => Ok(UploadFile { name, content }),
            Err(reason) => {
                let name = json::quoted(&name);
                Err(ParseError::new(format!("The file \"{name}\" {reason}.")))
            }
        })
        .collect::<Result<_, _>>()?;
    Ok(Upload {
        name,
        username: upload.text("username"),
        files,
    })
}

fn content(value: &RawValue) -> Result<UploadContent, &'static str> {
    let file = Fields::of_value(Some(value), ["type", "content"]);
    match file.text("type").as_deref() {
        Some("text") => {
            let content = file.inside("content", ["text"]);
            let text = content.text("text").ok_or("needs content.text, a string")?;
            Ok(UploadContent::Text(text))
        }
        Some("url") => {
            let content = file.inside("content", ["url", "bucketName", "fileName"]);
            let needed = |name, what| content.text(name).ok_or(what);
            Ok(UploadContent::Url {
                url: needed("url", "needs content.url, a string")?,
                bucket: needed("bucketName", "needs content.bucketName, a string")?,
                file: needed("fileName", "needs content.fileName, a string")?,
            })
        }
        Some(_) => Err("has an unknown type"),
        None => Err("needs type, a string"),
    }
}

/// Names of files that are read, at most. Behind them no more are kept: each takes ten times as
/// much memory as text, and whoever has asked for so many is refused anyway.
const MAX_FILES: usize = 10_001;

/// All keys of an object with their values; the last of several with one name, in the place of the
/// first.
struct Entries;

impl<'a> Visitor<'a> for Entries {
    type Value = Vec<(String, &'a RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries: Self::Value = Vec::new();
        let mut indexes = HashMap::new();
        while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
            match indexes.get(&name) {
                Some(&index) => {
                    let entry: &mut (String, &RawValue) = &mut entries[index];
                    entry.1 = value;
                }
                None if entries.len() == MAX_FILES => {}
                None => {
                    indexes.insert(name.clone(), entries.len());
                    entries.push((name, value));
                }
            }
        }
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_keeps_no_more_files_than_are_refused() {
        let files: Vec<_> = (0..2 * MAX_FILES)
            .map(|number| format!(r#""{number}":{{"type":"text","content":{{"text":""}}}}"#))
            .collect();
        let json = format!(r#"{{"name":"p","files":{{{}}}}}"#, files.join(","));
        let upload = read_upload(json.as_bytes()).unwrap();
        assert_eq!(upload.files.len(), MAX_FILES);
        // Still to its end.
        assert!(read_upload(&json.as_bytes()[..json.len() - 1]).is_err());
    }
}
