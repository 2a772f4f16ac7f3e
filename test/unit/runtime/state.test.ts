import { describe, expect, it } from 'vitest';
import { buildInferenceGraph, stateShapes } from '../../../src/models/inference-graph.ts';
import { zeroStates } from '../../../src/runtime/state.ts';
import { randomWeights } from '../../parity/random-weights.ts';
import { toyConfig } from '../training/toy-model.ts';

const config = toyConfig(['mamba', 'attention', 'mamba']);

describe('zeroStates', () => {
  it('has every state that the inference graph wants, under its name', () => {
    const wanted = buildInferenceGraph(config, randomWeights(config, 1)).inputs.map(({ name }) => name);
    const states = [...zeroStates(config, 2).keys()];
    expect(states).toEqual(stateShapes(config).map(({ past }) => past));
    expect(wanted).toEqual(expect.arrayContaining(states));
    expect(states.some((name) => name.startsWith('past_key_values.1.'))).toBe(true);
  });

  it.each([1, 3])('is all zeros for a batch of %i, with no past tokens in attention layers', (batch) => {
    const states = zeroStates(config, batch);
    const { hiddenSize, mambaDConv, mambaDState, mambaNHeads, mambaDHead, numKeyValueHeads } = config;
    expect(states.get('past_conv.0')?.shape).toEqual([batch, mambaDConv - 1, 2 * hiddenSize + 2 * mambaDState]);
    expect(states.get('past_ssm.2')?.shape).toEqual([batch, mambaNHeads, mambaDState, mambaDHead]);
    expect(states.get('past_key_values.1.key')?.shape).toEqual([batch, numKeyValueHeads, 0, hiddenSize / 2]);
    for (const { dtype, shape, data } of states.values()) {
      expect(dtype).toBe('float32');
      expect(data).toHaveLength(shape.reduce((product, size) => product * size, 1));
      expect(data.every((value) => value === 0)).toBe(true);
    }
  });

  it('makes memory of its own each time', () => {
    zeroStates(config, 1).get('past_ssm.0')?.data.fill(5);
    expect(zeroStates(config, 1).get('past_ssm.0')?.data[0]).toBe(0);
  });
});
