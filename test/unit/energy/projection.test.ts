import { describe, expect, it } from 'vitest';
import { countTokenWork, platforms, projectEnergy, projectJoules } from '../../../src/energy/projection.ts';
import { countParameters } from '../../../src/models/parameters.ts';
import { presetConfig } from '../../../src/models/presets.ts';

const config = presetConfig('micro');
const fileBytes = 4 * countParameters(config).total;

describe('countTokenWork', () => {
  it('counts a multiply-add for each parameter in use, and three for each number of a state', () => {
    const { multiplyAdds, weightBytes, stateBytes } = countTokenWork(config, fileBytes);
    const { activePerToken } = countParameters(config);
    const mamba = config.layersBlockType.filter((type) => type === 'mamba').length;
    const state = config.mambaNHeads * config.mambaDHead * config.mambaDState;
    expect(config.layersBlockType).toHaveLength(mamba);
    expect(multiplyAdds).toBe(activePerToken + 3 * state * mamba);
    expect(weightBytes).toBeCloseTo(4 * activePerToken, 6);
    expect(stateBytes).toBeGreaterThan(8 * state * mamba);
  });

  it('counts keys and values of attention', () => {
    const transformer = presetConfig('micro-transformer');
    const { multiplyAdds, stateBytes } = countTokenWork(transformer, 1e6);
    expect(multiplyAdds).toBeGreaterThan(countParameters(transformer).activePerToken);
    expect(stateBytes).toBeGreaterThan(0);
  });
});

describe('projectJoules', () => {
  const work = { multiplyAdds: 1e6, weightBytes: 1e6, stateBytes: 0 };

  it('is the sum of products, instructions and bytes', () => {
    // On a desktop: 7 nm, 16 lanes, two instructions a vector, all in cache; 45 nm, 4 lanes, four instructions, in cache.
    const [low, high] = projectJoules(work, 'fp32', 'desktop');
    expect(low).toBeCloseTo(1e-12 * (1e6 * (1.69 + (70 * 0.37 * 2) / 16) + (1e6 / 8) * 14), 12);
    expect(high).toBeCloseTo(1e-12 * (1e6 * (4.6 + (70 * 4) / 4) + (1e6 / 8) * 100), 12);
  });

  it('reads from memory what does not fit into a cache', () => {
    const large = { ...work, weightBytes: 100e6 };
    const [low] = projectJoules(large, 'fp32', 'desktop');
    expect(low).toBeGreaterThan(1e-12 * (100e6 / 8) * 1300);
    // 10 MB lie in a large cache, but not in a small one.
    const [least, most] = projectJoules({ ...work, weightBytes: 10e6 }, 'fp32', 'desktop');
    expect(least).toBeLessThan(1e-12 * (10e6 / 8) * 1300);
    expect(most).toBeGreaterThan(1e-12 * (10e6 / 8) * 2600);
  });

  it('needs no more energy for cheaper arithmetic', () => {
    for (const platform of platforms) {
      expect(projectJoules(work, 'int8', platform)[0]).toBeLessThan(projectJoules(work, 'fp32', platform)[0]);
      expect(projectJoules(work, 'fp16', platform)[0]).toBeLessThan(projectJoules(work, 'fp32', platform)[0]);
    }
  });
});

describe('projectEnergy', () => {
  it('gives bounds for each platform, and says that nothing was measured', () => {
    const records = projectEnergy({ name: 'micro', variant: 'int4', config, fileBytes: 2e5 });
    expect(records.map(({ conditions }) => conditions['platform'])).toEqual([...platforms]);
    for (const record of records) {
      expect(record).toMatchObject({ status: 'estimated', metric: 'projected_energy_j_per_token', unit: 'J/token' });
      expect(record.method).toMatch(/^projection, not a measurement: .*Jouppi et al\. 2021, table 2; Horowitz 2014/);
      if (record.status === 'notRun' || !record.interval) throw new Error('no interval');
      const [low, high] = record.interval;
      expect(low).toBeGreaterThan(0);
      expect(record.value).toBeGreaterThan(low);
      expect(record.value).toBeLessThan(high);
      expect(record).not.toHaveProperty('confidence');
    }
  });
});
