import type { MeasurementRecord } from '../core/measurement.ts';
import type { ModelConfig } from './config.ts';
import type { WeightsDtype } from './model-folder.ts';
import { countParameters } from './parameters.ts';
import type { CompressedVariant, VariantRecord } from './variants.ts';

/** Another model that a model was made from. */
export interface SourceModelFacts {
  readonly name: string;
  /** Of its `model.safetensors`. */
  readonly sha256: string;
}

/** A text that a model wrote. */
export interface SampleText {
  /** What it was given, the beginning of a validation document. */
  readonly prompt: string;
  /** How it went on. */
  readonly text: string;
  readonly seed: number;
  /** 0: always the most probable token. */
  readonly temperature: number;
  /** Drawn from the most probable tokens that together reach this probability. */
  readonly topP: number;
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
    /** SPDX expression or name, where it is known. */
    readonly licence?: string;
  }[];
  /** The model whose weights training started from; absent if they were random. */
  readonly init?: SourceModelFacts;
  /** The models whose predictions it learnt from. */
  readonly teachers?: readonly SourceModelFacts[];
  readonly training: {
    readonly steps: number;
    readonly tokens: number;
    readonly finalLossNats: number;
    readonly threads: number;
    readonly cpu: string;
  };
  readonly validation: readonly {
    readonly step: number;
    readonly name: string;
    readonly bitsPerByte: number;
    /** Of the mean with the first model's weights: their share in it. Absent for the weights of the step. */
    readonly initShare?: number;
  }[];
  readonly measurements: readonly MeasurementRecord[];
  /** Its compressed forms, by name. */
  readonly variants?: Readonly<Partial<Record<CompressedVariant, VariantRecord>>>;
  /** Not chosen: of the first validation documents, one each. */
  readonly samples?: readonly SampleText[];
  /** Charts of the training beside the card: name of the file and what it shows. */
  readonly charts?: readonly { readonly file: string; readonly title: string }[];
  /** Present if the weights are stored rounded to half precision. */
  readonly weightsDtype?: WeightsDtype;
  /** Under what the weights are published, if its maker has said so: SPDX expression or name. */
  readonly licence?: string;
}

/** The model card (README.md of a model folder), from the configuration and `itera.json` alone. */
export function renderModelCard(config: ModelConfig, provenance: ModelProvenance): string {
  const { total, activePerToken, withoutEmbedding } = countParameters(config);
  const {
    name,
    recipe,
    data,
    init,
    teachers = [],
    training,
    validation,
    measurements,
    samples = [],
    charts = [],
  } = provenance;
  const count = (value: number) => value.toLocaleString('en-US');
  const lastStep = validation.at(-1)?.step;
  const initShare = Number(recipe['initShare'] ?? 0);
  const last = (ofMean: boolean) =>
    validation
      .filter((point) => point.step === lastStep && (point.initShare !== undefined) === ofMean)
      .map((point) => `${point.name} ${point.bitsPerByte.toFixed(4)}`)
      .join(', ');
  const sources = [...new Set([...(init ? [init] : []), ...teachers].map((source) => source.name))];
  const sections = [
    frontMatter(provenance),
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
    ...(provenance.weightsDtype === 'float16' ? ['The weights are stored in half precision.'] : []),
    '## Training data',
    table(
      ['dataset', 'split', 'documents', 'tokens', 'weight in the mixture', 'licence', 'sha256'],
      data.map((source) => [
        source.dataset,
        source.split,
        count(source.documents),
        count(source.tokens),
        `${source.weight}`,
        source.licence ?? 'not stated',
        `\`${source.sha256.slice(0, 16)}...\``,
      ]),
    ),
    '## Recipe',
    `${count(training.steps)} steps, ${count(training.tokens)} tokens, ${counted(training.threads, 'thread')} on ${training.cpu}, ` +
      `Itera-Lite ${provenance.iteraLite}. Loss over the last steps ${training.finalLossNats.toFixed(4)} nats per token. ` +
      `The recipe in full:`,
    `\`\`\`json\n${JSON.stringify(recipe, undefined, 2)}\n\`\`\``,
    '## Validation during training',
    validation.length > 0
      ? `Bits per byte of a sample of the validation documents at the last step: ${last(false)}.`
      : 'None.',
    ...(initShare > 0
      ? [
          `The weights are the mean of those of the last step and those that training started from, which have a share of ` +
            `${initShare}.${last(true) === '' ? '' : ` On the same documents: ${last(true)}.`}`,
        ]
      : []),
    ...charts.map(({ file, title }) => `![${title}](${file})`),
    '## Measurements',
    measurements.length > 0
      ? table(
          ['dataset', 'split', 'metric', 'value', '95% interval', 'documents', 'protocol'],
          measurements.map(measurementRow),
        )
      : 'None yet: run `itera-lite evaluate --model DIR --dataset NAME --save`.',
    ...(samples.length > 0 ? ['## Samples', ...describeSamples(samples)] : []),
    '## Limits',
    `It knows nothing but the texts above${sources.length > 0 ? ` and those of ${listed(sources)}` : ''}: expect fluent nonsense outside of ` +
      'them, and mistakes within. It repeats what ' +
      'they contain, biases included. Not for advice or decisions of any kind. The texts keep their own licences.',
    '## Licence',
    `${provenance.licence ? `The weights are published under ${provenance.licence}.` : 'Its maker has stated none for the weights.'} ` +
      'The texts they were trained on have the licences in the table above' +
      `${sources.length > 0 ? `; those of ${listed(sources)} the ones that its card states` : ''}.`,
  ];
  return `${sections.join('\n\n')}\n`;
}

/** What the Hub reads. */
function frontMatter({ licence, data }: ModelProvenance): string {
  const lines = ['pipeline_tag: text-generation', 'library_name: itera-lite'];
  // The Hub knows licences by their SPDX names in lower case.
  if (licence && /^[\w.-]+$/.test(licence)) lines.push(`license: ${licence.toLowerCase()}`);
  const named = data.filter((source) => source.licence !== undefined).map(({ dataset }) => `  - ${dataset}`);
  if (named.length > 0) lines.push('datasets:', ...named);
  return ['---', ...lines, '---'].join('\n');
}

function describeSamples(samples: readonly SampleText[]): string[] {
  const intro =
    'What the model made of the beginnings of the first validation documents. None was left out or chosen; the same seeds ' +
    'give the same texts.';
  return [
    intro,
    ...samples.flatMap(({ prompt, text, seed, temperature, topP }) => {
      const method =
        temperature === 0 ? 'The most probable tokens' : `Temperature ${temperature}, top-p ${topP}, seed ${seed}`;
      const lines = printable(`**${prompt.trim()}**${text}`)
        .split('\n')
        .map((line) => (line === '' ? '>' : `> ${line}`));
      return [`${method}:`, lines.join('\n')];
    }),
  ];
}

function measurementRow(record: MeasurementRecord): string[] {
  const { dataset = '', split = '' } = record.conditions;
  if (record.status === 'notRun')
    return [dataset, split, record.metric, `not run: ${record.reason}`, '', '', record.method];
  const digits = 4;
  const interval = record.interval ? record.interval.map((end) => end.toFixed(digits)).join(' to ') : '';
  return [dataset, split, record.metric, record.value.toFixed(digits), interval, `${record.n}`, record.method];
}

/** Control characters, which a hardly trained model writes too, would make the card a binary file to many tools. */
const printable = (text: string): string => text.replaceAll('\r\n', '\n').replaceAll(/(?![\n\t])\p{Cc}/gu, '\u{fffd}');

const counted = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? '' : 's'}`;

const listed = (names: readonly string[]): string => new Intl.ListFormat('en').format(names);

function describeOrigin({ init, teachers }: ModelProvenance): string {
  const named = ({ name, sha256 }: SourceModelFacts) => `${name} (weights \`${sha256.slice(0, 16)}...\`)`;
  const start = init ? `trained on from the weights of ${named(init)}` : 'trained from scratch';
  return teachers ? `${start}, with the predictions of ${listed(teachers.map(named))} besides the text,` : start;
}

function describeLayers(config: ModelConfig): string {
  const kinds = [...new Set(config.layersBlockType)].join(' and ');
  return config.numLocalExperts > 0
    ? `${kinds} layers, ${counted(config.numLocalExperts, 'expert')} of which ${config.numExpertsPerTok} work on each token`
    : `${kinds} layers`;
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll(/\s+/g, ' ')).join(' | ')} |`;
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n');
}
