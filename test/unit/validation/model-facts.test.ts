import { describe, expect, it } from 'vitest';
import { modelName, modelProvenance, trainingCurves } from '../../../src/validation/model-facts.ts';

const whole = { name: 'a', recipe: {}, training: {}, data: [], validation: [], measurements: [] };
const oddities = [undefined, null, 7, 'text', [], { name: 3, validation: 'x' }, { name: '', validation: [null, 1] }];

describe('modelName', () => {
  it('is what the folder tells, else the name of the folder', () => {
    expect(modelName({ dir: '/models/b', itera: { name: 'a' } })).toBe('a');
    expect(modelName({ dir: '/models/b/', itera: undefined })).toBe('b');
    expect(modelName({ dir: '.', itera: {} })).toMatch(/[^.]/);
  });

  it.each(oddities)('is that of the folder where itera.json is %j', (itera) => {
    expect(modelName({ dir: '/models/b', itera })).toBe('b');
  });
});

describe('trainingCurves', () => {
  it('are the validations, one curve for each text', () => {
    const validation = [
      { step: 10, name: 'x', bitsPerByte: 3 },
      { step: 10, name: 'y', bitsPerByte: 4 },
      { step: 20, name: 'x', bitsPerByte: 2 },
    ];
    expect(trainingCurves({ itera: { validation } })).toEqual([
      {
        name: 'x',
        unit: 'bits/byte',
        points: [
          { step: 10, value: 3 },
          { step: 20, value: 2 },
        ],
      },
      { name: 'y', unit: 'bits/byte', points: [{ step: 10, value: 4 }] },
    ]);
  });

  it('end with the last step, not with the mean that follows it', () => {
    const last = { step: 20, name: 'x', bitsPerByte: 3 };
    const itera = { validation: [last, { ...last, bitsPerByte: 2, initShare: 0.5 }] };
    expect(trainingCurves({ itera })).toMatchObject([{ points: [{ step: 20, value: 3 }] }]);
  });

  it('leave out points that are none', () => {
    const validation = [
      { step: 1, name: 'x', bitsPerByte: null },
      { name: 'x' },
      { step: 2, name: 'x', bitsPerByte: 1 },
    ];
    expect(trainingCurves({ itera: { validation } })).toMatchObject([{ points: [{ step: 2, value: 1 }] }]);
  });

  it.each(oddities)('are none where itera.json is %j', (itera) => {
    expect(trainingCurves({ itera })).toEqual([]);
  });
});

describe('modelProvenance', () => {
  it('is itera.json where that is whole', () => {
    expect(modelProvenance({ itera: whole })).toBe(whole);
  });

  it.each([...oddities, ...Object.keys(whole).map((key) => ({ ...whole, [key]: undefined }))])(
    'is absent where itera.json is %j',
    (itera) => {
      expect(modelProvenance({ itera })).toBeUndefined();
    },
  );
});
