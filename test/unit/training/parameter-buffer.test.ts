import { describe, expect, it } from 'vitest';
import { countParameters, parameterShapes } from '../../../src/models/parameters.ts';
import { allocateParameters } from '../../../src/training/parameter-buffer.ts';
import { toyConfig } from './toy-model.ts';

describe('allocateParameters', () => {
  it('lays views of the given shapes end to end over one zero-filled array', () => {
    const { data, views } = allocateParameters(parameterShapes(toyConfig()));
    expect(data).toHaveLength(countParameters(toyConfig()).total);
    expect(data.every((value) => value === 0)).toBe(true);
    expect(new Map([...views].map(([name, { shape }]) => [name, shape]))).toEqual(parameterShapes(toyConfig()));
    let offset = 0;
    for (const view of views.values()) {
      expect(view.dtype).toBe('float32');
      expect(view.data.buffer).toBe(data.buffer);
      expect(view.data.byteOffset).toBe(4 * offset);
      offset += view.data.length;
    }
    expect(offset).toBe(data.length);
  });

  it('shares memory both ways', () => {
    const { data, views } = allocateParameters(
      new Map([
        ['scalar', []],
        ['matrix', [2, 3]],
        ['vector', [2]],
      ]),
    );
    views.get('matrix')?.data.set([1, 2, 3, 4, 5, 6]);
    data[0] = 9;
    data[8] = 7;
    expect([...data]).toEqual([9, 1, 2, 3, 4, 5, 6, 0, 7]);
    expect(views.get('scalar')?.data).toEqual(Float32Array.of(9));
    expect(views.get('vector')?.data).toEqual(Float32Array.of(0, 7));
  });

  it('holds nothing for no weights', () => {
    expect(allocateParameters(new Map()).data).toHaveLength(0);
  });
});
