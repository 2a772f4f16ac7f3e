/**
 * Writes Python's pickle format, protocol 2, as far as PyTorch's own reader knows it.
 *
 * @see https://github.com/python/cpython/blob/main/Lib/pickletools.py for the operation codes.
 */
export class PickleWriter {
  private readonly parts: Uint8Array[] = [Uint8Array.of(0x80, 2)];

  /** A name in a Python module. */
  global(module: string, name: string): this {
    return this.text(`c${module}\n${name}\n`);
  }

  string(value: string): this {
    const bytes = encoder.encode(value);
    return this.op('X')
      .raw(number(4, (view) => view.setUint32(0, bytes.length, true)))
      .raw(bytes);
  }

  /** @param value - A whole number of at most 53 bits. */
  integer(value: number): this {
    if (value >= 0 && value < 256) return this.op('K').raw(Uint8Array.of(value));
    if (value >= -(2 ** 31) && value < 2 ** 31)
      return this.op('J').raw(number(4, (view) => view.setInt32(0, value, true)));
    return this.raw(Uint8Array.of(0x8a, 8)).raw(number(8, (view) => view.setBigInt64(0, BigInt(value), true)));
  }

  bool(value: boolean): this {
    return this.raw(Uint8Array.of(value ? 0x88 : 0x89));
  }

  /** A tuple of what `write` writes. */
  tuple(write: () => void): this {
    this.op('(');
    write();
    return this.op('t');
  }

  /** A dictionary of the keys and values that `write` writes in turn. */
  dict(write: () => void): this {
    this.op('}').op('(');
    write();
    return this.op('u');
  }

  /** Calls what was written before with the tuple that `write` writes. */
  call(write: () => void): this {
    return this.tuple(write).op('R');
  }

  /** An object of a class without a constructor's arguments, with the attributes that `write` writes in turn. */
  object(module: string, name: string, write: () => void): this {
    return this.global(module, name).op(')').raw(Uint8Array.of(0x81)).dict(write).op('b');
  }

  /** A reference to something outside of the pickle: the tuple that `write` writes. */
  persistent(write: () => void): this {
    return this.tuple(write).op('Q');
  }

  /** Keeps what was written last under a number. */
  memoize(index: number): this {
    return this.op('r').raw(number(4, (view) => view.setUint32(0, index, true)));
  }

  /** What was kept under a number, the same object again. */
  recall(index: number): this {
    return this.op('j').raw(number(4, (view) => view.setUint32(0, index, true)));
  }

  /** The finished pickle. */
  finish(): Uint8Array {
    this.op('.');
    const bytes = new Uint8Array(this.parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of this.parts) {
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }

  private op(code: string): this {
    return this.text(code);
  }

  private text(value: string): this {
    return this.raw(encoder.encode(value));
  }

  private raw(bytes: Uint8Array): this {
    this.parts.push(bytes);
    return this;
  }
}

const encoder = new TextEncoder();

function number(size: number, write: (view: DataView) => void): Uint8Array {
  const bytes = new Uint8Array(size);
  write(new DataView(bytes.buffer));
  return bytes;
}
