//! The JSON form where Fabric's vectors do not reach: hostile depth, positions, and the corners of Go's readers.
#![allow(clippy::unwrap_used)]

use channel::json::{self, JsonError};

/// `around` so many times before and after `inner`.
fn nested(before: &str, after: &str, depth: usize, inner: &str) -> String {
    before.repeat(depth) + inner + &after.repeat(depth)
}

fn field(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let mut length = content.len();
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(content);
    out
}

/// What `wrap` makes of `inner`, so many times.
fn wrapped(depth: usize, inner: &[u8], wrap: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    (0..depth).fold(inner.to_vec(), |inner, _| wrap(&inner))
}

#[test]
fn depth_has_a_limit_and_no_stack_overflows() {
    for (message_type, before, after) in [
        ("common.Block", "[", "]"),
        ("common.Block", "{\"a\":", "}"),
        ("common.ConfigGroup", "{\"groups\":{\"a\":", "}}"),
        ("common.SignaturePolicy", "{\"n_out_of\":{\"rules\":[", "]}}"),
    ] {
        for depth in [5_000, 1_000_000] {
            let text = nested(before, after, depth, "{}");
            let error = json::encode(message_type, &text).unwrap_err();
            assert!(error.to_string().contains("exceeded max depth"), "{error}");
        }
    }
    // Deep enough for all that is, and the deepest that there may be.
    let group = nested("{\"groups\":{\"a\":", "}}", 199, "{}");
    let bytes = json::encode("common.ConfigGroup", &group).unwrap();
    let shown = json::decode("common.ConfigGroup", &bytes).unwrap();
    assert_eq!(json::encode("common.ConfigGroup", &shown).unwrap(), bytes);
    let too_deep = nested("{\"groups\":{\"a\":", "}}", 200, "{}");
    let error = json::encode("common.ConfigGroup", &too_deep).unwrap_err();
    assert!(error.to_string().contains("messages are nested more than 200 deep"), "{error}");

    // An envelope whose payload's data is an envelope: type 4, ORDERER_TRANSACTION.
    let envelope = |inner: &[u8]| {
        let header = field(0x0a, &field(0x0a, &[0x08, 4]));
        field(0x0a, &[header, field(0x12, inner)].concat())
    };
    let group = |inner: &[u8]| field(0x12, &[&[0x0a, 1, b'a'][..], &field(0x12, inner)].concat());
    let rule = |inner: &[u8]| field(0x12, &field(0x12, inner));
    for (message_type, bytes) in [
        ("common.Envelope", wrapped(20, &[0x12, 1, 0], envelope)),
        ("common.ConfigGroup", wrapped(150, &[8, 1], group)),
        ("common.SignaturePolicy", wrapped(90, &[8, 0], rule)),
    ] {
        let shown = json::decode(message_type, &bytes).unwrap();
        assert_eq!(json::encode(message_type, &shown).unwrap(), bytes, "{message_type}");
    }
    for (message_type, bytes) in [
        ("common.Envelope", wrapped(2_000, &[0x12, 1, 0], envelope)),
        ("common.ConfigGroup", wrapped(2_000, &[8, 1], group)),
        ("common.SignaturePolicy", wrapped(2_000, &[8, 0], rule)),
    ] {
        let error = json::decode(message_type, &bytes).unwrap_err();
        assert!(error.to_string().contains("messages are nested more than 200 deep"), "{error}");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (message_type, text, expected) in [
        ("common.Block", "", "error unmarshaling intermediate JSON: EOF (line 1, column 1)"),
        (
            "common.Block",
            "{\n\t\"häder\": {},\n\t'data': {}\n}",
            r"error unmarshaling intermediate JSON: invalid character '\'' looking for beginning of object key string (line 3, column 2)",
        ),
        (
            "common.Block",
            "{\"header\" 1}",
            "error unmarshaling intermediate JSON: invalid character '1' after object key (line 1, column 11)",
        ),
        (
            "common.Block",
            "{} x",
            "error unmarshaling intermediate JSON: invalid character 'x' after top-level value (line 1, column 4)",
        ),
        (
            "common.Block",
            "{\"a\": tru}",
            "error unmarshaling intermediate JSON: invalid character '}' in literal true (expecting 'e') (line 1, column 10)",
        ),
        (
            "common.Block",
            "{\"a\": \"\\x\"}",
            "error unmarshaling intermediate JSON: invalid character 'x' in string escape code (line 1, column 9)",
        ),
        (
            "common.Block",
            "{\"a\": \"\\u00g0\"}",
            "error unmarshaling intermediate JSON: invalid character 'g' in \\u hexadecimal character escape (line 1, column 12)",
        ),
        (
            "common.Block",
            "{\"a\": \"\n\"}",
            "error unmarshaling intermediate JSON: invalid character '\\n' in string literal (line 1, column 8)",
        ),
        (
            "common.Block",
            "{\"a\": -}",
            "error unmarshaling intermediate JSON: invalid character '}' in numeric literal (line 1, column 8)",
        ),
        (
            "common.Block",
            "{\"a\": [1 2]}",
            "error unmarshaling intermediate JSON: invalid character '2' after array element (line 1, column 10)",
        ),
        (
            "common.Block",
            "{\"a\": 01}",
            "error unmarshaling intermediate JSON: invalid character '1' after object key:value pair (line 1, column 8)",
        ),
        (
            "common.Block",
            "{\n  \"header\": {\n    \"number\": \"1\",\n    \"größe\": 3\n  }\n}",
            "*common.Block: error in PopulateFrom for field header for message *common.Block: *common.BlockHeader: unknown field \"größe\" in common.BlockHeader (line 4, column 5)",
        ),
        (
            "common.Block",
            "{\"data\": {\"data\": [{}, null]}}",
            "*common.Block: error in PopulateFrom for field data for message *common.Block: *commonext.BlockData: expected slice field data value at index 1 for message *commonext.BlockData to be assignable from map[string]interface {} but was not.  Is <nil> (line 1, column 24)",
        ),
        (
            "common.ConfigGroup",
            "{\"values\": null}",
            "*common.ConfigGroup: expected map field values for message *common.ConfigGroup to be assignable from map[string]interface{} but was not. Got <nil> (line 1, column 12)",
        ),
        (
            "common.ConfigUpdate",
            "{\"isolated_data\": {\"x\": {}}}",
            "*commonext.ConfigUpdate: error in PopulateFrom for map field isolated_data with key x for message *commonext.ConfigUpdate: Unknown map key: x (line 1, column 25)",
        ),
        (
            "common.ChannelHeader",
            "{\"timestamp\": \"yesterday\"}",
            "*commonext.ChannelHeader: bad Timestamp: \"yesterday\" is no date and time such as 2006-01-02T15:04:05.000Z (line 1, column 15)",
        ),
        (
            "common.BlockHeader",
            "{\"data_hash\": \"AAA\"}",
            "*common.BlockHeader: illegal base64 data at input byte 0 (line 1, column 15)",
        ),
        (
            "common.Metadata",
            "{\"signatures\": [], \"value\": 1}",
            "*common.Metadata: json: cannot unmarshal number into Go value of type []uint8 (line 1, column 29)",
        ),
        (
            "common.BlockHeader",
            "{\"data_hash\": [256]}",
            "*common.BlockHeader: json: cannot unmarshal number 256 into Go value of type uint8 (line 1, column 16)",
        ),
        (
            "protos.SnapshotRequest",
            "{\"block_number\": true}",
            "*peer.SnapshotRequest: json: cannot unmarshal bool into Go value of type uint64 (line 1, column 18)",
        ),
    ] {
        let error = json::encode(message_type, text).unwrap_err();
        assert_eq!(error.to_string(), expected, "{text}");
        assert!(matches!(error, JsonError::Parse { .. }));
    }
}

/// What Go's readers let pass.
#[test]
fn json_is_read_as_leniently_as_by_fabric() {
    for (message_type, text, expected) in [
        ("common.BlockHeader", "null", &[][..]),
        ("common.BlockHeader", " {\"number\" : 1 , \"number\" : 2 } \r\n", &[8, 2]),
        ("common.BlockHeader", "{\"previousHash\": \"\\u0041A\\r\\n==\"}", &[0x12, 1, 0]),
        ("common.BlockHeader", "{\"data_hash\": \"/x==\"}", &[0x1a, 1, 0xff]),
        ("common.BlockMetadata", "{\"metadata\": [\"\", null, \"AA==\"]}", &[0x0a, 0, 0x0a, 0, 0x0a, 1, 0]),
        ("common.BlockHeader", "{\"data_hash\": [1, null, 255]}", &[0x1a, 3, 1, 0, 255]),
        ("common.BlockMetadata", "{\"metadata\": null}", &[]),
        ("common.BlockData", "{\"data\": [{}]}", &[0x0a, 0]),
        ("common.SignaturePolicy", "{\"signed_by\": 0}", &[8, 0]),
        ("common.SignaturePolicy", "{\"n_out_of\": {}, \"signed_by\": 1}", &[0x12, 0]),
        (
            "common.MSPRole",
            "{\"role\": 3, \"mspIdentifier\": \"\\ud83d\\ude00\"}",
            &[0x0a, 4, 0xf0, 0x9f, 0x98, 0x80, 0x10, 3],
        ),
        ("common.MSPRole", "{\"msp_identifier\": \"\\ud83dx\"}", &[0x0a, 4, 0xef, 0xbf, 0xbd, b'x']),
        (
            "etcdraft.BlockMetadata",
            "{\"consenter_ids\": [1, \"2\", \" 300 \", \"null\"]}",
            &[0x0a, 5, 1, 2, 0xac, 2, 0],
        ),
        (
            "common.Capabilities",
            "{\"capabilities\": {\"b\": {}, \"a\": {}}}",
            &[0x0a, 5, 0x0a, 1, b'a', 0x12, 0, 0x0a, 5, 0x0a, 1, b'b', 0x12, 0],
        ),
        (
            "common.ChannelHeader",
            "{\"timestamp\": \"1970-01-01T01:00:01.5+01:00\"}",
            &[0x1a, 8, 8, 1, 0x10, 0x80, 0xca, 0xb5, 0xee, 1],
        ),
        // By its other name a field is read as protobuf's own JSON form has it.
        (
            "common.Config",
            "{\"channelGroup\": {\"values\": {\"x\": {\"value\": \"AQ==\"}}}}",
            &[0x12, 10, 0x1a, 8, 0x0a, 1, b'x', 0x12, 3, 0x12, 1, 1],
        ),
        (
            "common.Config",
            "{\"channel_group\": {\"version\": \"7\"}, \"channelGroup\": {}}",
            &[0x12, 2, 8, 7],
        ),
    ] {
        let encoded = json::encode(message_type, text);
        assert_eq!(encoded.unwrap_or_else(|e| panic!("{e}: {text}")), expected, "{text}");
    }
}

/// The last value counts, messages merge, what has another wire type or number is skipped.
#[test]
fn the_wire_form_is_read_as_by_fabric() {
    let number = |text: &str| text.lines().find(|line| line.contains("number")).unwrap().to_owned();
    for (bytes, expected) in [
        (&[8, 1, 8, 2][..], "\t\"number\": \"2\","),
        (&[8, 1, 8, 0], "\t\"number\": \"0\","),
        (&[8, 1, 0x0a, 1, 9], "\t\"number\": \"1\","),
        (&[8, 1, 0x20, 5, 0x2d, 1, 2, 3, 4], "\t\"number\": \"1\","),
    ] {
        assert_eq!(number(&json::decode("common.BlockHeader", bytes).unwrap()), expected, "{bytes:?}");
    }
    let merged = json::decode("common.Block", &[0x0a, 2, 8, 7, 0x0a, 3, 0x12, 1, 0]).unwrap();
    assert!(
        merged.contains("\"number\": \"7\"") && merged.contains("\"previous_hash\": \"AA==\""),
        "{merged}"
    );
    // Numbers in a list, packed and not.
    let list = json::decode("etcdraft.BlockMetadata", &[0x0a, 2, 1, 2, 8, 3]).unwrap();
    assert!(list.contains("[\n\t\t\"1\",\n\t\t\"2\",\n\t\t\"3\"\n\t]"), "{list}");
    // An entry without a value.
    let capabilities = json::decode("common.Capabilities", &[0x0a, 3, 0x0a, 1, b'a']).unwrap();
    assert_eq!(capabilities, "{\n\t\"capabilities\": {\n\t\t\"a\": {}\n\t}\n}\n");

    let error = json::decode("common.MSPRole", &[0x0a, 1, 0xff]).unwrap_err();
    assert_eq!(error, JsonError::Unmarshal("string field contains invalid UTF-8".to_owned()));
}

/// In a `oneof` nothing is shown as what it holds.
#[test]
fn a_block_in_an_answer_keeps_its_base64() {
    let shown = json::decode("orderer.DeliverResponse", &[0x12, 5, 0x12, 3, 0x0a, 1, 0xff]).unwrap();
    assert_eq!(
        shown,
        "{\n\t\"block\": {\n\t\t\"data\": {\n\t\t\t\"data\": [\n\t\t\t\t\"/w==\"\n\t\t\t]\n\t\t},\n\t\t\"header\": null,\n\t\t\"metadata\": null\n\t}\n}\n"
    );
}

#[test]
fn every_type_shows_its_empty_message() {
    let mut count = 0;
    for name in json::message_types() {
        let shown = json::decode(name, &[]).unwrap();
        assert!(json::encode(name, &shown).unwrap().is_empty(), "{name}: {shown}");
        count += 1;
    }
    assert!(count > 100, "{count}");
    for name in ["common.Nope", "google.protobuf.Timestamp", "raftpb.Entry", "orderer.StepRequest", ""] {
        let unknown = JsonError::UnknownType(name.to_owned());
        assert_eq!((json::decode(name, &[]), json::encode(name, "{}")), (Err(unknown.clone()), Err(unknown)));
    }
}
