import { describe, expect, it } from 'vitest';
import { tensor } from '../../../src/core/tensor.ts';
import { encodeStateDict } from '../../../src/export/state-dict.ts';
import { unpackArchive } from '../../../src/export/torch-archive.ts';
import { encodeTorchScript } from '../../../src/export/torchscript.ts';
import { randomWeights } from '../../parity/random-weights.ts';
import { toyConfig } from '../../parity/toy-config.ts';

const config = toyConfig();
const weights = randomWeights(config, 3);
const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);

describe('encodeTorchScript', () => {
  it('gives equal bytes for equal models, and holds what PyTorch needs', () => {
    const bytes = encodeTorchScript(config, weights);
    expect(encodeTorchScript(config, new Map(weights))).toEqual(bytes);
    const entries = unpackArchive(bytes);
    expect(text(entries.get('version'))).toBe('3\n');
    expect([...(entries.get('constants.pkl') ?? [])]).toEqual([0x80, 2, 0x29, 0x2e]);
    const pickle = entries.get('data.pkl') as Uint8Array;
    expect([...pickle.subarray(0, 2), pickle.at(-1)]).toEqual([0x80, 2, 0x2e]);
    for (const [name, { data }] of weights) expect(entries.get(`data/${name}`)).toHaveLength(4 * data.length);
    const code = text(entries.get('code/__torch__.py'));
    for (const method of ['initial_state', 'step', 'forward'])
      expect(code).toContain(`  def ${method}(self: __torch__.CausalLM`);
    // Literals without a point would be integers, NaN or undefined a mistake here.
    expect(code).not.toMatch(/NaN|undefined|\[object/);
  });

  it('shares a class among layers of one kind, whatever the depth', () => {
    const classes = (layers: number): number => {
      const deep = toyConfig({ layersBlockType: Array(layers).fill('mamba') });
      const code = text(unpackArchive(encodeTorchScript(deep, randomWeights(deep, 1))).get('code/__torch__.py'));
      return code.match(/^class /gm)?.length ?? 0;
    };
    expect(classes(5)).toBe(classes(2));
  });

  it('keeps extra files', () => {
    const bytes = encodeTorchScript(config, weights, { extraFiles: new Map([['a.txt', Uint8Array.of(65)]]) });
    expect(text(unpackArchive(bytes).get('extra/a.txt'))).toBe('A');
  });

  it('refuses weights that are not float32', () => {
    const half = new Map([['model.norm.weight', tensor('float16', [1], new Uint16Array(1))]]);
    expect(() => encodeTorchScript(config, half)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    expect(() => encodeStateDict(half)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});

describe('unpackArchive', () => {
  it.each([
    ['nothing', new Uint8Array(0)],
    ['other bytes', new Uint8Array(100).fill(7)],
    ['an archive that is cut', encodeStateDict(weights).subarray(0, 200)],
  ])('refuses %s', (_, bytes) => {
    expect(() => unpackArchive(bytes)).toThrow(expect.objectContaining({ code: 'FILE_CORRUPT' }));
  });
});
