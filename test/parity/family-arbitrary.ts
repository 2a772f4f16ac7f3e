import fc from 'fast-check';
import type { ModelConfig } from '../../src/models/config.ts';
import { toyConfig } from './toy-config.ts';

/** Small members of the family with every option drawn at random. */
export const familyMembers: fc.Arbitrary<ModelConfig> = fc
  .record({
    headSize: fc.constantFrom(2, 4, 8),
    keyValueHeads: fc.integer({ min: 1, max: 2 }),
    perGroup: fc.integer({ min: 1, max: 3 }),
    layersBlockType: fc.array(fc.constantFrom('mamba' as const, 'attention' as const), { minLength: 1, maxLength: 3 }),
    groups: fc.integer({ min: 1, max: 3 }),
    mambaExpand: fc.integer({ min: 1, max: 3 }),
    mambaDState: fc.integer({ min: 1, max: 9 }),
    mambaDConv: fc.integer({ min: 2, max: 5 }),
    mambaChunkSize: fc.integer({ min: 1, max: 9 }),
    mambaConvBias: fc.boolean(),
    mambaProjBias: fc.boolean(),
    intermediateSize: fc.integer({ min: 1, max: 9 }),
    sharedIntermediateSize: fc.integer({ min: 1, max: 9 }),
    experts: fc.integer({ min: 0, max: 5 }),
    numExpertsPerTok: fc.integer({ min: 1, max: 5 }),
    vocabSize: fc.integer({ min: 2, max: 33 }),
    embeddingMultiplier: fc.constantFrom(1, 0.5, 3),
    logitsScaling: fc.constantFrom(1, 0.5, 3),
    residualMultiplier: fc.constantFrom(1, 0.5),
    attentionMultiplier: fc.constantFrom(0.2, 1),
    positionEmbeddingType: fc.constantFrom('nope' as const, 'rope' as const),
    tieWordEmbeddings: fc.boolean(),
  })
  .map(({ headSize, keyValueHeads, perGroup, groups, experts, ...rest }): ModelConfig => {
    const heads = keyValueHeads * perGroup;
    return toyConfig({
      ...rest,
      hiddenSize: heads * headSize,
      numAttentionHeads: heads,
      numKeyValueHeads: keyValueHeads,
      // Heads of two channels or more, as many to each group of them.
      mambaNHeads: (rest.mambaExpand * heads * headSize) % (2 * groups) === 0 ? groups : 1,
      mambaNGroups: (rest.mambaExpand * heads * headSize) % (2 * groups) === 0 ? groups : 1,
      numLocalExperts: experts,
      numExpertsPerTok: Math.min(rest.numExpertsPerTok, experts),
    });
  });
