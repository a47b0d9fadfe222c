//! The JSON form of a message, and the wire form of one: the first byte is the place of the type among all, the
//! rest either form.

use channel::json;

/// An input: a message of that type in either form.
pub fn input(message_type: &str, form: &[u8]) -> Option<Vec<u8>> {
    let place = json::message_types().position(|name| name == message_type)?;
    Some([&[u8::try_from(place).ok()?], form].concat())
}

/// Never panics. What is shown can be read, and from then on the message stays the same, byte by byte.
pub fn check(data: &[u8]) {
    let Some((place, form)) = data.split_first() else { return };
    let Some(message_type) = json::message_types().nth(usize::from(*place)) else { return };
    if let Ok(text) = json::decode(message_type, form) {
        match json::encode(message_type, &text) {
            Ok(bytes) => assert_settled(message_type, &bytes),
            // Years with five digits are shown, but are no RFC 3339.
            Err(error) => assert!(error.to_string().contains("bad Timestamp"), "{error}: {text}"),
        }
    }
    let Ok(text) = std::str::from_utf8(form) else { return };
    let Ok(bytes) = json::encode(message_type, text) else { return };
    // By its other name a field may have been given bytes that are no message.
    if json::decode(message_type, &bytes).is_ok() {
        assert_settled(message_type, &bytes);
    }
}

fn assert_settled(message_type: &str, bytes: &[u8]) {
    let shown = json::decode(message_type, bytes).expect("it was shown before");
    let again = json::encode(message_type, &shown).expect("it was read before");
    assert_eq!(again, bytes, "{message_type}: {shown}");
}
