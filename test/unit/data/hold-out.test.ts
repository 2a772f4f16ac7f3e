import { describe, expect, it } from 'vitest';
import { plainDocument, type TextDocument } from '../../../src/data/documents.ts';
import { findHoldOut, type HoldOut, isHeldOut } from '../../../src/data/hold-out.ts';

async function* stream(texts: readonly string[]): AsyncGenerator<TextDocument> {
  for (const text of texts) yield plainDocument(text);
}

const many = Array.from({ length: 5000 }, (_, index) => `document ${index}`);

async function heldOut(texts: readonly string[]): Promise<string[]> {
  const holdOut = (await findHoldOut(stream(texts))) as HoldOut;
  return texts.filter((text) => isHeldOut(holdOut, plainDocument(text)));
}

describe('findHoldOut', () => {
  it('holds out about one document in 50, whatever the order and whatever is added', async () => {
    const held = await heldOut(many);
    expect(held.length).toBeGreaterThan(60);
    expect(held.length).toBeLessThan(140);
    expect((await heldOut([...many].reverse())).reverse()).toEqual(held);
    expect((await heldOut([...many, 'one more'])).filter((text) => text !== 'one more')).toEqual(held);
  });

  it('leaves something on both sides, and equal documents on one', async () => {
    for (const count of [2, 3, 5, 20]) {
      const held = await heldOut(many.slice(0, count));
      expect(held.length).toBeGreaterThan(0);
      expect(held.length).toBeLessThan(count);
    }
    const twice = ['same', 'other', 'same', 'other'];
    expect(await heldOut(twice)).toHaveLength(2);
  });

  it('does not divide what cannot be divided', async () => {
    expect(await findHoldOut(stream(['only one']))).toBeUndefined();
    expect(await findHoldOut(stream(['same', 'same']))).toBeUndefined();
    expect(await findHoldOut(stream([]))).toBeUndefined();
  });
});
