import type { MeasurementRecord } from '../core/measurement.ts';
import type { ModelConfig } from './config.ts';
import { countParameters } from './parameters.ts';

/** Another model that a model was made from. */
export interface SourceModelFacts {
  readonly name: string;
  /** Of its `model.safetensors`. */
  readonly sha256: string;
}

/** Content of `itera.json`: where a model comes from and what was measured on it. */
export interface ModelProvenance {
  readonly schemaVersion: 1;
  readonly name: string;
  readonly iteraLite: string;
  /** The recipe it was trained by, whole. */
  readonly recipe: Readonly<Record<string, unknown>>;
  readonly data: readonly {
    readonly dataset: string;
    readonly split: string;
    readonly sha256: string;
    readonly documents: number;
    readonly tokens: number;
    readonly weight: number;
  }[];
  /** The model whose weights training started from; absent if they were random. */
  readonly init?: SourceModelFacts;
  /** The model whose predictions it learnt from. */
  readonly teacher?: SourceModelFacts;
  readonly training: {
    readonly steps: number;
    readonly tokens: number;
    readonly finalLossNats: number;
    readonly threads: number;
    readonly cpu: string;
  };
  readonly validation: readonly { readonly step: number; readonly name: string; readonly bitsPerByte: number }[];
  readonly measurements: readonly MeasurementRecord[];
}

/** The model card (README.md of a model folder), from the configuration and `itera.json` alone. */
export function renderModelCard(config: ModelConfig, provenance: ModelProvenance): string {
  const { total, activePerToken, withoutEmbedding } = countParameters(config);
  const { name, recipe, data, init, training, validation, measurements } = provenance;
  const count = (value: number) => value.toLocaleString('en-US');
  const lastStep = validation.at(-1)?.step;
  const sections = [
    ['---', 'pipeline_tag: text-generation', 'library_name: itera-lite', '---'].join('\n'),
    `# ${name}`,
    `A very small language model of the GraniteMoeHybrid family (${describeLayers(config)}), ` +
      `${describeOrigin(provenance)} on a CPU by Itera-Lite. It continues text; it follows no instructions and knows no ` +
      'facts.',
    '## Size',
    table(
      ['parameters', 'active per token', 'without embedding', 'vocabulary', 'width', 'layers'],
      [
        [
          count(total),
          count(activePerToken),
          count(withoutEmbedding),
          count(config.vocabSize),
          `${config.hiddenSize}`,
          `${config.numHiddenLayers}`,
        ],
      ],
    ),
    '## Training data',
    table(
      ['dataset', 'split', 'documents', 'tokens', 'share of rows', 'sha256'],
      data.map((source) => [
        source.dataset,
        source.split,
        count(source.documents),
        count(source.tokens),
        `${source.weight}`,
        `\`${source.sha256.slice(0, 16)}...\``,
      ]),
    ),
    '## Recipe',
    `${count(training.steps)} steps, ${count(training.tokens)} tokens, ${training.threads} threads on ${training.cpu}, ` +
      `Itera-Lite ${provenance.iteraLite}. Last training loss ${training.finalLossNats.toFixed(4)} nats per token. ` +
      `The recipe in full:`,
    `\`\`\`json\n${JSON.stringify(recipe, undefined, 2)}\n\`\`\``,
    '## Validation during training',
    validation.length > 0
      ? `Bits per byte of a sample of the validation documents at the last step: ${validation
          .filter(({ step }) => step === lastStep)
          .map((point) => `${point.name} ${point.bitsPerByte.toFixed(4)}`)
          .join(', ')}.`
      : 'None.',
    '## Measurements',
    measurements.length > 0
      ? table(
          ['dataset', 'split', 'metric', 'value', '95% interval', 'documents', 'protocol'],
          measurements.map(measurementRow),
        )
      : 'None yet: run `itera-lite evaluate --model DIR --save`.',
    '## Limits',
    `It knows nothing but the texts above${init ? ` and those of ${init.name}` : ''}: expect fluent nonsense outside of ` +
      'them, and mistakes within. It repeats what ' +
      'they contain, biases included. Not for advice or decisions of any kind. The texts keep their own licences.',
  ];
  return `${sections.join('\n\n')}\n`;
}

function measurementRow(record: MeasurementRecord): string[] {
  const { dataset = '', split = '' } = record.conditions;
  if (record.status === 'notRun')
    return [dataset, split, record.metric, `not run: ${record.reason}`, '', '', record.method];
  const digits = 4;
  const interval = record.interval ? record.interval.map((end) => end.toFixed(digits)).join(' to ') : '';
  return [dataset, split, record.metric, record.value.toFixed(digits), interval, `${record.n}`, record.method];
}

function describeOrigin({ init, teacher }: ModelProvenance): string {
  const named = ({ name, sha256 }: SourceModelFacts) => `${name} (weights \`${sha256.slice(0, 16)}...\`)`;
  const start = init ? `trained on from the weights of ${named(init)}` : 'trained from scratch';
  return teacher ? `${start}, with the predictions of ${named(teacher)} besides the text,` : start;
}

function describeLayers(config: ModelConfig): string {
  const kinds = [...new Set(config.layersBlockType)].join(' and ');
  return config.numLocalExperts > 0
    ? `${kinds} layers, ${config.numLocalExperts} experts of which ${config.numExpertsPerTok} work on each token`
    : `${kinds} layers`;
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll(/\s+/g, ' ')).join(' | ')} |`;
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n');
}
