import { basename, resolve } from 'node:path';
import type { ModelProvenance } from '../models/model-card.ts';
import type { ModelFolder } from '../models/model-folder-file.ts';
import { countParameters } from '../models/parameters.ts';
import type { Curve, Report } from '../report/report.ts';

/** The name a model folder gives itself, else the folder's own. */
export function modelName({ dir, itera }: Pick<ModelFolder, 'dir' | 'itera'>): string {
  const { name } = asRecord(itera);
  return typeof name === 'string' && name !== '' ? name : basename(resolve(dir));
}

/** What a report says of a model. */
export function describeModel({ config }: ModelFolder, name: string): Report['model'] {
  const { total, activePerToken, withoutEmbedding } = countParameters(config);
  const kinds = [...new Set(config.layersBlockType)].join(' and ');
  return {
    name,
    description: `A language model of the GraniteMoeHybrid family with ${config.numHiddenLayers} ${kinds} layers.`,
    parameters: total,
    activeParameters: activePerToken,
    parametersWithoutEmbedding: withoutEmbedding,
    facts: {
      Vocabulary: config.vocabSize,
      Width: config.hiddenSize,
      Layers: config.numHiddenLayers,
      Experts: config.numLocalExperts,
      'Experts per token': config.numExpertsPerTok,
    },
  };
}

/** Training curves, where the model folder keeps them. */
export function trainingCurves({ itera }: Pick<ModelFolder, 'itera'>): Curve[] {
  const { validation } = asRecord(itera);
  // A mean of weights is no point of the way that training took.
  const points = (Array.isArray(validation) ? validation.filter(isPoint) : []).filter(
    ({ initShare }) => initShare === undefined,
  );
  return [...new Set(points.map(({ name }) => name))].map((name) => ({
    name,
    unit: 'bits/byte',
    points: points
      .filter((point) => point.name === name)
      .map(({ step, bitsPerByte }) => ({ step, value: bitsPerByte })),
  }));
}

/** What `itera.json` tells of a model's origin, if it tells all; folders of other software do not. */
export function modelProvenance({ itera }: Pick<ModelFolder, 'itera'>): ModelProvenance | undefined {
  const { name, recipe, training, data, validation, measurements } = asRecord(itera);
  const isWhole =
    typeof name === 'string' &&
    [recipe, training].every((part) => typeof part === 'object' && part !== null) &&
    [data, validation, measurements].every(Array.isArray);
  return isWhole ? (itera as ModelProvenance) : undefined;
}

type ValidationPoint = ModelProvenance['validation'][number];

function isPoint(value: unknown): value is ValidationPoint {
  const { name, step, bitsPerByte } = asRecord(value) as Partial<ValidationPoint>;
  return typeof name === 'string' && name !== '' && Number.isFinite(step) && Number.isFinite(bitsPerByte);
}

function asRecord(value: unknown): Partial<Record<keyof ModelProvenance, unknown>> {
  return typeof value === 'object' && value !== null ? value : {};
}
