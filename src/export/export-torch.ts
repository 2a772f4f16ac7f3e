import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { IteraError } from '../core/errors.ts';
import { type Conditions, type MeasurementRecord, recordId } from '../core/measurement.ts';
import type { Tensor } from '../core/tensor.ts';
import { formatConfig } from '../models/config-json.ts';
import { refuseOtherModel, writeIntoFolder } from '../models/model-copy-file.ts';
import type { ModelFolder } from '../models/model-folder-file.ts';
import { describeFailure, type ExportResult, toRecord } from './export-result.ts';
import { encodeStateDict } from './state-dict.ts';
import { unpackArchive } from './torch-archive.ts';
import { startTorch, type TorchProcess } from './torch-process.ts';
import { encodeTorchScript } from './torchscript.ts';
import type { ScanForm } from './torchscript-code.ts';
import { type VerificationOptions, verifyExport } from './verification.ts';

/** `torchscript`: a program that `torch.jit.load` runs; `state-dict`: the weights alone. */
export type TorchFormat = 'torchscript' | 'state-dict';

/** Names of the files of each format. */
export const torchFiles: Readonly<Record<TorchFormat, string>> = {
  torchscript: 'model.pt',
  'state-dict': 'pytorch_model.bin',
};

/** How {@link exportTorch} writes and verifies. */
export interface TorchExportOptions {
  /** Default `scan`. */
  readonly form?: ScanForm;
  /** Name of the model, in records. */
  readonly name: string;
  /** Absent: what is written is not verified. */
  readonly verify?: Pick<VerificationOptions, 'text' | 'seed' | 'onCheck'>;
  readonly signal?: AbortSignal;
  /** What is being done, in words. */
  readonly onStage?: (stage: string) => void;
}

/** float64 against float64: only the order of sums differs. */
const bounds = { logits: 1e-9, perplexity: 1e-9 };

/**
 * Writes a model for PyTorch and compares what PyTorch makes of the file with the float64 reference. Without PyTorch the
 * comparison is recorded as not run, with the reason; the archive is read again and checked in either case.
 *
 * @param outDir - Folder for the file named by `torchFiles`.
 * @throws {@link IteraError} `OUTPUT_UNWRITABLE`, `EXPORT_INVALID`, `FILE_CORRUPT`, `INVALID_ARGUMENT` if `outDir` holds
 *   another model or for a text too short to verify with, `ABORTED`.
 */
export async function exportTorch(
  folder: ModelFolder,
  format: TorchFormat,
  outDir: string,
  options: TorchExportOptions,
): Promise<ExportResult> {
  const { config, weights } = folder;
  const path = join(outDir, torchFiles[format]);
  await refuseOtherModel(folder, outDir);
  options.onStage?.(`writing ${path}`);
  const bytes =
    format === 'torchscript'
      ? encodeTorchScript(config, weights, { form: options.form ?? 'scan', extraFiles: extraFiles(folder) })
      : encodeStateDict(weights);
  checkStorages(bytes, weights);
  await writeIntoFolder(path, bytes);
  const written = { path, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
  if (!options.verify) return { ...written, records: [], failures: [] };
  options.onStage?.(`comparing ${path} in PyTorch with the reference`);
  const torch = await startTorch(options.signal);
  if ('reason' in torch) {
    const conditions = { model: options.name, format, runtime: 'PyTorch' };
    return { ...written, records: [notRun(options.name, conditions, torch.reason)], failures: [] };
  }
  try {
    const verified =
      format === 'torchscript'
        ? await verifyScript(torch, folder, path, { ...options, verify: options.verify })
        : await verifyStateDict(torch, folder, path, options.name);
    return { ...written, ...verified };
  } finally {
    await torch.close();
  }
}

/** Kept in the archive, so that it can be used alone. */
function extraFiles({ config, tokenizerJson }: ModelFolder): ReadonlyMap<string, Uint8Array> {
  const json = (value: unknown): Uint8Array => new TextEncoder().encode(`${JSON.stringify(value)}\n`);
  return new Map([
    ['config.json', json(formatConfig(config))],
    ['tokenizer.json', json(tokenizerJson)],
  ]);
}

/**
 * Reads an archive again: every weight must be there whole. PyTorch itself checks neither lengths nor checksums.
 *
 * @throws {@link IteraError} `FILE_CORRUPT`.
 */
function checkStorages(archive: Uint8Array, weights: ReadonlyMap<string, Tensor>): void {
  const entries = unpackArchive(archive);
  for (const [name, tensor] of weights) {
    const stored = entries.get(`data/${name}`);
    if (stored && hash(stored) === hash(bytesOf(tensor))) continue;
    throw new IteraError('FILE_CORRUPT', `Expected the archive to hold the weights ${name}, but it does not.`, {
      name,
    });
  }
}

async function verifyScript(
  torch: TorchProcess,
  { config, weights, tokenizerJson }: ModelFolder,
  path: string,
  {
    name,
    form = 'scan',
    signal,
    verify,
  }: TorchExportOptions & { readonly verify: NonNullable<TorchExportOptions['verify']> },
): Promise<Pick<ExportResult, 'records' | 'failures'>> {
  const script = await torch.loadScript(path, 'float64');
  const checks = await verifyExport(script, config, weights, { bounds, ...verify, ...(signal && { signal }) });
  const runtime = `PyTorch ${torch.version}, TorchScript (${form}), float64`;
  const failures = checks.filter(({ passed }) => !passed).map((check) => describeFailure(check, path));
  if (JSON.stringify(tokenizerJson) !== script.extraFiles['tokenizer.json']?.trim()) {
    failures.push(`${path} does not hold the model's tokenizer.json.`);
  }
  return { records: checks.map((check) => toRecord(check, name, runtime)), failures };
}

async function verifyStateDict(
  torch: TorchProcess,
  { weights }: ModelFolder,
  path: string,
  name: string,
): Promise<Pick<ExportResult, 'records' | 'failures'>> {
  const found = await torch.readStateDict(path);
  const differing = [...weights].filter(([tensorName, tensor]) => {
    const [shape, sha256] = found[tensorName] ?? [];
    return String(shape) !== String(tensor.shape) || sha256 !== hash(bytesOf(tensor));
  });
  const others = Object.keys(found).filter((tensorName) => !weights.has(tensorName));
  const wrong = [...differing.map(([tensorName]) => tensorName), ...others];
  const conditions = { model: name, format: 'state-dict', runtime: `PyTorch ${torch.version}` };
  const record: MeasurementRecord = {
    ...{
      id: recordId(name, 'max_abs_difference', conditions),
      subject: name,
      metric: 'max_abs_difference',
      conditions,
    },
    ...{ unit: '1', status: 'measured', value: wrong.length === 0 ? 0 : Number.POSITIVE_INFINITY, n: weights.size },
    method: `sha256 and shape of ${weights.size} tensors, as torch.load(weights_only=True) reads them`,
  };
  const failures = wrong.length === 0 ? [] : [`${path} does not hold the model's weights: ${wrong.join(', ')} differ.`];
  return { records: wrong.length === 0 ? [record] : [], failures };
}

function notRun(name: string, conditions: Conditions, reason: string): MeasurementRecord {
  return {
    ...{
      id: recordId(name, 'max_abs_difference', conditions),
      subject: name,
      metric: 'max_abs_difference',
      conditions,
    },
    ...{ unit: '1', status: 'notRun', reason, method: 'compared with the float64 reference in TypeScript' },
  };
}

const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const bytesOf = ({ data }: Tensor): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
