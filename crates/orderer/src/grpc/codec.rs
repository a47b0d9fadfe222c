//! A codec that leaves messages as they are.

use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use channel::block::EncodedBlock;
use prost::{Message, encoding::encode_varint};
use protos::orderer::{StepRequest, step_request::Payload};
use tonic::{
    Status,
    codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};

/// A message that goes out.
#[derive(Debug, Clone)]
pub enum Frame {
    /// A marshaled message.
    Message(Bytes),
    /// A `DeliverResponse` around a block that other streams, the ledger and the log share.
    Block(Arc<EncodedBlock>),
    /// A message to another consenter.
    Step(StepRequest),
}

/// `DeliverResponse.block`: field 2, length-delimited.
const DELIVER_RESPONSE_BLOCK: u8 = 2 << 3 | 2;
/// `StepRequest.consensus_request`: field 1, length-delimited.
const STEP_REQUEST_CONSENSUS: u8 = 1 << 3 | 2;
/// `ConsensusRequest.payload`: field 2, length-delimited.
const CONSENSUS_REQUEST_PAYLOAD: u8 = 2 << 3 | 2;

impl Frame {
    /// The marshaled message: first what is made for it, then what it shares with others.
    pub(super) fn into_parts(self) -> (Bytes, Vec<Bytes>) {
        match self {
            Self::Message(bytes) => (Bytes::new(), vec![bytes]),
            Self::Block(block) => {
                let mut head = vec![DELIVER_RESPONSE_BLOCK];
                encode_varint(block.encoded_len() as u64, &mut head);
                (head.into(), block.parts().into_iter().cloned().collect())
            }
            Self::Step(StepRequest { payload: Some(Payload::ConsensusRequest(mut request)) }) => {
                // The fields of a message may come in any order; the payload comes last.
                let payload = std::mem::take(&mut request.payload);
                let mut content = request.encode_to_vec();
                content.push(CONSENSUS_REQUEST_PAYLOAD);
                encode_varint(payload.len() as u64, &mut content);
                let mut head = vec![STEP_REQUEST_CONSENSUS];
                encode_varint((content.len() + payload.len()) as u64, &mut head);
                head.append(&mut content);
                (head.into(), vec![payload])
            }
            Self::Step(request) => (request.encode_to_vec().into(), Vec::new()),
        }
    }
}

/// What a stream takes for reading before anything has come; more is taken when it is needed.
const READ_BUFFER_BYTES: usize = 512;

/// Takes messages in as bytes and sends [`Frame`]s.
#[derive(Debug, Clone, Copy, Default)]
pub struct BytesCodec;

impl Codec for BytesCodec {
    type Encode = Frame;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for BytesCodec {
    type Item = Frame;
    type Error = Status;

    fn encode(&mut self, frame: Frame, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        let (head, parts) = frame.into_parts();
        out.put(head);
        parts.into_iter().for_each(|part| out.put(part));
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}

impl Decoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        // A slice would keep the whole read buffer, of up to twice its size, for as long as a log or a
        // cache keeps the message; so it gets memory of its own and the buffer is used again.
        let mut own = BytesMut::with_capacity(message.remaining());
        own.put(message);
        Ok(Some(own.freeze()))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(READ_BUFFER_BYTES, READ_BUFFER_BYTES)
    }
}
