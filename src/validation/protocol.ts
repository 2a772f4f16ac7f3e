import type { Report } from '../report/report.ts';
import type { PreparedVariant } from './compared-variants.ts';
import { sampling } from './run-samples.ts';
import type { ValidationSize } from './validation-size.ts';

interface ProtocolFacts {
  readonly fullText: boolean;
  readonly quick: boolean;
  readonly seed: number;
  readonly threads: number;
}

const quickText =
  '--quick: smaller samples, so that intervals are wider, in windows that do not overlap; fewer variants, fitted to less text; ' +
  'the ONNX export only; fewer rounds of the benchmark, in one runtime; few windows of energy, of whole inferences; a short ' +
  'load of the server; no adaptation drill. Stages that were left out are listed as such.';

/** How the numbers of the main job were made, in words. */
export function describeProtocol(
  { fullText, quick, seed, threads }: ProtocolFacts,
  { sample, window: { contextLength, stride } }: ValidationSize,
  variants: readonly PreparedVariant[],
): Report['protocol'] {
  const scope = fullText
    ? 'Every document is scored.'
    : `Of each dataset a random sample is scored (seed ${seed}): at most ${sample.maxDocuments} documents, taken until ` +
      `they reach ${sample.maxBytes.toLocaleString('en-US')} bytes, at least ${sample.minDocuments}. --full-text scores all.`;
  return [
    ...(quick ? [{ name: 'Quick form', text: quickText }] : []),
    {
      name: 'Scoring',
      text:
        `Every token of a document is scored once, in windows of ${contextLength} tokens: a document's first window scores all ` +
        `it holds, each later one its last ${stride}. A document starts after an end-of-text mark, which is not scored. ${scope}`,
    },
    {
      name: 'WikiText-2',
      text:
        'Pages are detokenised and divided by the bytes and words of the original page, as lm-evaluation-harness does; ' +
        'its rolling windows differ from ours.',
    },
    { name: 'Intervals', text: '95% percentile bootstrap over documents, 2,000 resamples.' },
    { name: 'Runtime', text: `ONNX Runtime, CPU, float32, ${threads} threads.` },
    ...(variants.length === 0 ? [] : [{ name: 'Variants', text: describeVariants(variants, seed) }]),
    {
      name: 'Samples',
      text: `First and only draw with seed ${seed}, temperature ${sampling.temperature}, top-p ${sampling.topP}; none was left out.`,
    },
  ];
}

function describeVariants(variants: readonly PreparedVariant[], seed: number): string {
  const list = (recorded: boolean): string =>
    variants
      .filter((variant) => variant.recorded === recorded)
      .map(({ name }) => name)
      .join(', ');
  const [read, made] = [list(true), list(false)];
  return [
    'All variants and FP32 are run on the same tokens in one pass; intervals of ratios are paired.',
    ...(read === '' ? [] : [`As the model folder holds them: ${read}.`]),
    ...(made === ''
      ? []
      : [
          `Made for this report by the default schemes, fitted to a text that the model wrote (seed ${seed}): ${made}.`,
        ]),
  ].join(' ');
}
