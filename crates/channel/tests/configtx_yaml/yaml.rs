//! YAML with anchors and merges as a JSON value; numbers stay text.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, StrInput};
use serde_json::{Map, Value};

pub(super) fn parse(text: &str) -> Value {
    let mut reader = Reader { parser: Parser::new_from_str(text), anchors: HashMap::new() };
    loop {
        match reader.next() {
            Event::StreamStart | Event::DocumentStart(_) => {}
            event => return reader.value(event),
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Value>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Event<'a> {
        self.parser.next_event().unwrap().unwrap().0
    }

    fn value(&mut self, event: Event<'a>) -> Value {
        let (anchor, value) = match event {
            Event::Alias(anchor) => return self.anchors[&anchor].clone(),
            Event::Scalar(text, _, anchor, _) => (anchor, scalar(&text)),
            Event::SequenceStart(anchor, _) => (anchor, self.sequence()),
            Event::MappingStart(anchor, _) => (anchor, self.mapping()),
            other => panic!("unexpected {other:?}"),
        };
        self.anchors.insert(anchor, value.clone());
        value
    }

    fn sequence(&mut self) -> Value {
        let mut items = Vec::new();
        loop {
            match self.next() {
                Event::SequenceEnd => return items.into(),
                item => items.push(self.value(item)),
            }
        }
    }

    fn mapping(&mut self) -> Value {
        let (mut own, mut merged) = (Map::new(), Map::new());
        loop {
            let key = match self.next() {
                Event::MappingEnd => break,
                key => self.value(key),
            };
            let event = self.next();
            match (key.as_str().unwrap(), self.value(event)) {
                ("<<", Value::Object(entries)) => merged.extend(entries),
                ("<<", _) => {}
                (key, value) => drop(own.insert(key.to_owned(), value)),
            }
        }
        merged.extend(own);
        merged.into()
    }
}

fn scalar(text: &str) -> Value {
    match text {
        "" => Value::Null,
        "true" => true.into(),
        "false" => false.into(),
        text => text.into(),
    }
}
