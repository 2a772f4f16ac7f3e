import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { trainBpe } from '../../../src/text/bpe-trainer.ts';
import { createTokenizer, type Tokenizer } from '../../../src/text/tokenizer.ts';
import { unicodeText } from './text-arbitraries.ts';

interface MutableFile {
  added_tokens: Record<string, unknown>[];
  normalizer: unknown;
  pre_tokenizer: unknown;
  model: { type: string; vocab: Record<string, unknown>; merges: unknown[] };
}

const texts = ['the dog ran to the river and the river ran to the sea. é é 🙂🙂 the the dog dog'];
let file: MutableFile;
let own: Tokenizer;
let foreign: Tokenizer;

function changed(change: (copy: MutableFile) => void): MutableFile {
  const copy = structuredClone(file);
  change(copy);
  return copy;
}

beforeAll(async () => {
  const { tokenizerJson, tokenizerConfig } = await trainBpe(texts, { vocabSize: 290 });
  file = tokenizerJson as unknown as MutableFile;
  own = createTokenizer(file, tokenizerConfig);
  // GPT-2's own pre-tokenizer is not ours, so the library encodes.
  const gpt2 = changed((copy) => {
    copy.pre_tokenizer = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true };
  });
  foreign = createTokenizer(gpt2, tokenizerConfig);
});

describe.each([
  ['our encoder', () => own],
  ["the library's encoder", () => foreign],
])('a tokenizer with %s', (_, get) => {
  it('gives any text back, byte for byte', () => {
    fc.assert(
      fc.property(unicodeText, (text) => {
        expect(get().decode(get().encode(text))).toBe(text);
      }),
      { seed: 6, numRuns: 500 },
    );
  });

  it('treats a literal mark as text unless asked to parse it', () => {
    const text = 'the <|endoftext|>dog<|endoftext|>';
    const plain = get().encode(text);
    expect(plain).not.toContain(0);
    expect(get().decode(plain)).toBe(text);
    const parsed = get().encode(text, { special: 'parse' });
    expect(Array.from(parsed)).toEqual([...get().encode('the '), 0, ...get().encode('dog'), 0]);
    expect(get().decode(parsed)).toBe('the dog');
  });

  it('adds nothing', () => {
    expect(get().encode('')).toEqual(new Uint32Array(0));
    expect(get().decode([])).toBe('');
  });

  it('refuses a lone surrogate', () => {
    expect(() => get().encode('a\uD83D')).toThrow(expect.objectContaining({ code: 'TEXT_INVALID_UTF8' }));
  });
});

describe('decoding', () => {
  it('gives the bytes of each token, none for the mark', () => {
    const ids = own.encode(' the 🙂');
    const bytes = Array.from(ids).flatMap((id) => Array.from(own.tokenBytes(id)));
    expect(Uint8Array.from(bytes)).toEqual(new TextEncoder().encode(' the 🙂'));
    expect(own.eosId).toBe(0);
    expect(own.tokenBytes(0)).toEqual(new Uint8Array(0));
    expect(own.specialIds).toEqual(new Set([0]));
  });

  it('streams what it decodes as a whole, for any tokens', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 289 })), (ids) => {
        const stream = own.streamDecoder();
        const streamed = ids.map((id) => stream.push(id % own.vocabSize)).join('') + stream.end();
        expect(streamed).toBe(own.decode(ids.map((id) => id % own.vocabSize)));
      }),
      { seed: 7, numRuns: 500 },
    );
  });

  it('never shows half a character, and can start again', () => {
    const stream = own.streamDecoder();
    // None of the texts has this character, so it takes several tokens.
    const ids = Array.from(own.encode('𐍈'));
    expect(ids.length).toBeGreaterThan(1);
    expect(ids.map((id) => stream.push(id))).toEqual([...new Array<string>(ids.length - 1).fill(''), '𐍈']);
    expect(stream.push(ids[0] as number) + stream.end()).toBe('\uFFFD');
    expect(ids.map((id) => stream.push(id)).join('') + stream.end()).toBe('𐍈');
  });

  it.each([-1, 0.5, 1e6, Number.NaN])('refuses identifier %s', (id) => {
    expect(() => own.decode([id])).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    expect(() => own.streamDecoder().push(id)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});

describe('createTokenizer', () => {
  it('reads merges written as pairs as well', () => {
    const pairs = changed((copy) => {
      copy.model.merges = copy.model.merges.map((merge) => (merge as string).split(' '));
    });
    expect(createTokenizer(pairs).encode(texts[0] as string)).toEqual(own.encode(texts[0] as string));
  });

  it('decodes an added token that is not special as its text', () => {
    const added = changed((copy) => {
      copy.added_tokens.push({ id: own.vocabSize, content: '¶ x', special: false });
    });
    const tokenizer = createTokenizer(added);
    const ids = tokenizer.encode('a¶ xb', { special: 'parse' });
    expect(ids).toContain(own.vocabSize);
    expect(tokenizer.decode(ids)).toBe('a¶ xb');
  });

  const faults: [string, (copy: MutableFile) => void][] = [
    [
      'another kind of model',
      (copy) => {
        copy.model.type = 'Unigram';
      },
    ],
    [
      'a normalizer',
      (copy) => {
        copy.normalizer = { type: 'NFC' };
      },
    ],
    [
      'no byte level',
      (copy) => {
        copy.pre_tokenizer = { type: 'Whitespace' };
      },
    ],
    [
      'a prefix space',
      (copy) => {
        copy.pre_tokenizer = { type: 'ByteLevel', add_prefix_space: true };
      },
    ],
    [
      'an unknown step',
      (copy) => {
        copy.pre_tokenizer = [{ type: 'Nonsense' }, { type: 'ByteLevel' }];
      },
    ],
    [
      'a missing byte',
      (copy) => {
        delete copy.model.vocab['!'];
      },
    ],
    [
      'an identifier twice',
      (copy) => {
        copy.model.vocab['!'] = 2;
      },
    ],
    [
      'a hole in the identifiers',
      (copy) => {
        copy.model.vocab['!'] = 5000;
      },
    ],
    [
      'an identifier that is no number',
      (copy) => {
        copy.model.vocab['!'] = '1';
      },
    ],
    [
      'a merge of unknown tokens',
      (copy) => {
        copy.model.merges.push('q zz');
      },
    ],
    [
      'a merge of one token',
      (copy) => {
        copy.model.merges.push('q');
      },
    ],
    [
      'a merge that is a number',
      (copy) => {
        copy.model.merges.push(3);
      },
    ],
    [
      'merges that are no list',
      (copy) => {
        Object.assign(copy.model, { merges: {} });
      },
    ],
    [
      'no end mark',
      (copy) => {
        Object.assign(copy, { added_tokens: [] });
      },
    ],
    [
      'an added token with another identifier',
      (copy) => {
        Object.assign(copy.added_tokens[0] as object, { id: 3 });
      },
    ],
    [
      'an added token that eats spaces',
      (copy) => {
        Object.assign(copy.added_tokens[0] as object, { lstrip: true });
      },
    ],
  ];

  it.each(faults)('refuses %s', (_, change) => {
    expect(() => createTokenizer(changed(change))).toThrow(expect.objectContaining({ code: 'TOKENIZER_INVALID' }));
  });

  it.each([[null], [undefined], ['{}'], [[]], [{}], [{ model: null }], [{ model: { type: 'BPE' } }]])(
    'refuses %j',
    (json) => {
      expect(() => createTokenizer(json)).toThrow(expect.objectContaining({ code: 'TOKENIZER_INVALID' }));
    },
  );

  it('refuses a configuration whose end mark the tokenizer lacks', () => {
    expect(() => createTokenizer(file, { eos_token: '</s>' })).toThrow(
      expect.objectContaining({ code: 'TOKENIZER_INVALID', message: expect.stringContaining('</s>') }),
    );
  });
});
