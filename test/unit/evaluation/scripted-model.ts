import { plainDocument, type TextDocument } from '../../../src/data/documents.ts';
import type { TokenScorer } from '../../../src/runtime/token-scorer.ts';
import type { Tokenizer } from '../../../src/text/tokenizer.ts';

/** The end-of-text mark of {@link codeTokenizer}: no character has this code. */
export const mark = 0x1f_ffff;

/** A tokenizer whose tokens are the UTF-16 codes of the text. */
export const codeTokenizer: Tokenizer = {
  vocabSize: mark + 1,
  eosId: mark,
  specialIds: new Set([mark]),
  encode: (text) => Uint32Array.from({ length: text.length }, (_, index) => text.charCodeAt(index)),
  decode: (ids) => String.fromCharCode(...ids),
  tokenBytes: (id) => Uint8Array.of(id),
  streamDecoder() {
    throw new Error('Not needed to score.');
  },
};

export interface ScriptedScorer extends TokenScorer {
  /** Every batch of rows that was scored. */
  readonly batches: (readonly Uint32Array[])[];
}

/** A scorer without a model: what each token costs is told by a rule. */
export function scriptedScorer(nats: (token: number, context: Uint32Array) => number): ScriptedScorer {
  const batches: (readonly Uint32Array[])[] = [];
  return {
    batches,
    async score(rows) {
      batches.push(rows.map((row) => row.slice()));
      return rows.map((row) =>
        Float32Array.from({ length: row.length - 1 }, (_, at) => nats(row[at + 1] as number, row.subarray(0, at + 1))),
      );
    },
    release: async () => undefined,
  };
}

/** A document of `length` characters that all lie in a range of its own. */
export function documentOf(index: number, length: number): TextDocument {
  const codes = Array.from({ length }, (_, at) => 100 * (index + 1) + ((at * 7) % 89));
  return plainDocument(String.fromCharCode(...codes));
}
