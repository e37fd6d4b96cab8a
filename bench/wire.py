"""The few request messages that the load is made of, encoded by hand: no protobuf library needed."""

import struct


def _varint(number):
    encoded = b""
    while number > 127:
        encoded += bytes([number & 127 | 128])
        number >>= 7
    return encoded + bytes([number])


def message(**fields):
    """A protobuf message of length-delimited fields, named f<number>: message(f1="store", f2="key")."""
    encoded = b""
    for name, value in fields.items():
        value = value.encode() if isinstance(value, str) else value
        encoded += _varint(int(name[1:]) << 3 | 2) + _varint(len(value)) + value
    return encoded


def frame(payload):
    """A gRPC message as it is sent: not compressed, length, payload."""
    return struct.pack(">BI", 0, len(payload)) + payload


def get_state(store, key):
    return frame(message(f1=store, f2=key))


def save_state(store, key, value):
    return frame(message(f1=store, f2=message(f1=key, f2=value)))


def publish(pubsub, topic, data):
    return frame(message(f1=pubsub, f2=topic, f3=data, f4="application/json"))
