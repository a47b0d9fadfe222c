//! A codec that leaves messages as they are.

use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use channel::block::EncodedBlock;
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
}

/// `DeliverResponse.block`: field 2, length-delimited.
const DELIVER_RESPONSE_BLOCK: u8 = 2 << 3 | 2;

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
        match frame {
            Frame::Message(bytes) => {
                out.reserve(bytes.len());
                out.put_slice(&bytes);
            }
            Frame::Block(block) => {
                // Two bytes for the tag and up to ten for the length.
                out.reserve(block.encoded_len() + 12);
                out.put_u8(DELIVER_RESPONSE_BLOCK);
                prost::encoding::encode_varint(block.encoded_len() as u64, out);
                block.parts().into_iter().for_each(|part| out.put_slice(part));
            }
        }
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
        BufferSettings::default()
    }
}
