import { formatValue } from './number-text.ts';
import type { Report, Sample } from './report.ts';

/** Where, when and with what the numbers were made, as pairs of a readable name and a value. */
export function provenanceFacts({ provenance, schemaVersion }: Report): [string, string][] {
  const facts: [string, string | number | undefined][] = [
    ['Made', provenance.createdAt],
    ['Itera-Lite', provenance.iteraLite],
    ['Commit', provenance.commit],
    ['Node.js', provenance.node],
    ['ONNX Runtime', provenance.onnxruntime],
    ['Platform', provenance.platform],
    ['Processor', `${provenance.cpu} (${provenance.cpuCount} logical cores)`],
    ['Memory', `${formatValue({ value: provenance.memoryBytes })} bytes`],
    ['Threads', provenance.threads],
    ['Seed', provenance.seed],
    ['Schema version', schemaVersion],
  ];
  return facts.flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)] as [string, string]]));
}

/** The model's counts and further facts, as pairs of a readable name and a value. */
export function modelFacts({ model }: Report): [string, string][] {
  const counts: [string, number | undefined][] = [
    ['Parameters', model.parameters],
    ['Parameters used for each token', model.activeParameters],
    ['Parameters without the embedding', model.parametersWithoutEmbedding],
  ];
  return [
    ...counts.flatMap(([name, value]) =>
      value === undefined ? [] : [[name, formatValue({ value })] as [string, string]],
    ),
    ...Object.entries(model.facts ?? {}).map(([name, value]) => [name, String(value)] as [string, string]),
  ];
}

/** How a sample was made, in one line. */
export function sampleOrigin({ model, variant, seed, temperature, topP, topK }: Sample): string {
  return [
    model,
    ...(variant === undefined ? [] : [variant]),
    `seed ${seed}`,
    `temperature ${temperature}`,
    ...(topP === undefined ? [] : [`top-p ${topP}`]),
    ...(topK === undefined ? [] : [`top-k ${topK}`]),
  ].join(', ');
}
