"""Reads and writes safetensors: 8 bytes little-endian header length, a JSON header, then the raw tensors."""

import json
import struct

import torch

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "U8": torch.uint8,
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}


def read_safetensors(path):
    """{name: tensor}; the tensors own their memory. Raises ValueError when the file contradicts its header."""
    with open(path, "rb") as file:
        data = file.read()
    if len(data) < 8 or struct.unpack("<Q", data[:8])[0] > len(data) - 8:
        raise ValueError(f"{path}: expected a safetensors file, its header is longer than the file")
    start = 8 + struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:start])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        if entry["dtype"] not in DTYPES:
            raise ValueError(f"{path}: {name} is {entry['dtype']}, expected one of {', '.join(DTYPES)}")
        begin, end = entry["data_offsets"]
        dtype, count = DTYPES[entry["dtype"]], 1
        for size in entry["shape"]:
            count *= size
        width = torch.empty(0, dtype=dtype).element_size()
        if end - begin != count * width or start + end > len(data):
            raise ValueError(f"{path}: {name} of shape {entry['shape']} does not fit bytes {begin} to {end}")
        raw = bytearray(data[start + begin : start + end])
        flat = torch.frombuffer(raw, dtype=dtype) if count else torch.empty(0, dtype=dtype)
        tensors[name] = flat.view(entry["shape"])
    return tensors


def write_safetensors(path, tensors):
    """Writes {name: tensor} in the given order, 8-byte aligned."""
    header, parts, offset = {}, [], 0
    for name, tensor in tensors.items():
        raw = tensor.detach().contiguous().view(-1).numpy().tobytes()
        header[name] = {
            "dtype": NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + len(raw)],
        }
        parts.append(raw)
        offset += len(raw)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.writelines(parts)
