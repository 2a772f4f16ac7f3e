import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportOnnx } from '../export/export-onnx.ts';
import { exportTorch } from '../export/export-torch.ts';
import { readVerificationText } from '../export/verification-text.ts';
import type { Say, Stage, StageResult } from './stage.ts';
import type { StageContext } from './stage-context.ts';

/** A stage that compares exported files with the model; see {@link checkExports}. */
export function exportsStage(context: StageContext, leftOutBy?: string): Stage {
  return {
    ...{ id: 'exports', name: 'comparing exported files', expectedS: 7 * context.size.exports.length, leftOutBy },
    run: (say) => checkExports(context, say),
  };
}

/**
 * Exports a model in a folder of its own, which is removed again, and compares each file in its own
 * runtime with the float64 reference.
 *
 * @throws {@link IteraError} what {@link exportOnnx} and {@link exportTorch} throw.
 */
async function checkExports(
  { folder, name, version, seed, size, signal }: StageContext,
  say: Say,
): Promise<StageResult> {
  const stoppable = signal ? { signal } : {};
  const dir = await mkdtemp(join(tmpdir(), 'itera-exports-'));
  try {
    const verify = { text: await readVerificationText(folder, signal), seed };
    const common = { name, verify, ...stoppable };
    const make = {
      ONNX: () => exportOnnx(folder, join(dir, 'onnx'), { ...common, version }),
      TorchScript: () => exportTorch(folder, 'torchscript', dir, { ...common, form: 'chunked' }),
    };
    const made: (Awaited<ReturnType<(typeof make)['ONNX' | 'TorchScript']>> & { readonly format: string })[] = [];
    for (const format of size.exports) {
      say(format, made.length / size.exports.length);
      made.push({ format, ...(await make[format]()) });
    }
    return {
      records: made.flatMap(({ records }) => records),
      findings: made.flatMap(({ format, records, failures }) =>
        failures.length > 0 || records.some(({ status }) => status === 'notRun')
          ? []
          : [
              `The ${format} export gives what the model gives: ${records.length} comparisons in ${records[0]?.conditions.runtime}.`,
            ],
      ),
      failures: made.flatMap(({ failures }) => failures),
    };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
