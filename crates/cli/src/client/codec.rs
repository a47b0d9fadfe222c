//! A gRPC codec whose requests are messages encoded long before.

use std::marker::PhantomData;

use bytes::{BufMut, Bytes};
use protos::Message;
use tonic::{
    Status,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};

/// Sends bytes that already are protobuf messages; receives `M`, its byte fields
/// shared with the receive buffer.
pub(super) struct Prebuilt<M>(PhantomData<M>);

impl<M> Default for Prebuilt<M> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<M: Message + Default + 'static> Codec for Prebuilt<M> {
    type Encode = Bytes;
    type Decode = M;
    type Encoder = PrebuiltEncoder;
    type Decoder = MessageDecoder<M>;

    fn encoder(&mut self) -> PrebuiltEncoder {
        PrebuiltEncoder
    }

    fn decoder(&mut self) -> MessageDecoder<M> {
        MessageDecoder(PhantomData)
    }
}

pub(super) struct PrebuiltEncoder;

impl Encoder for PrebuiltEncoder {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.reserve(message.len());
        buffer.put(message);
        Ok(())
    }
}

pub(super) struct MessageDecoder<M>(PhantomData<M>);

impl<M: Message + Default> Decoder for MessageDecoder<M> {
    type Item = M;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<M>, Status> {
        M::decode(buffer)
            .map(Some)
            .map_err(|error| Status::internal(format!("the orderer's answer does not decode: {error}")))
    }
}
