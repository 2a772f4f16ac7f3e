import { execFile } from 'node:child_process';
import { arch, cpus, platform, release, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Provenance } from '../core/measurement.ts';
import { runtimeVersion } from '../runtime/session.ts';

/** Describes this machine and this version, for a set of records. */
export async function describeProvenance(
  version: string,
  given: { readonly threads?: number; readonly seed?: number; readonly hashes: Readonly<Record<string, string>> },
): Promise<Provenance> {
  const processors = cpus();
  const commit = await readCommit();
  return {
    createdAt: new Date().toISOString(),
    iteraLite: version,
    node: process.version,
    onnxruntime: runtimeVersion(),
    platform: `${platform()} ${release()} ${arch()}`,
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cpuCount: processors.length,
    memoryBytes: totalmem(),
    ...(commit && { commit }),
    ...given,
  };
}

/** The commit of a checkout; absent in an installed package. */
async function readCommit(): Promise<string | undefined> {
  const root = fileURLToPath(new URL('../../', import.meta.url));
  try {
    const { stdout } = await promisify(execFile)('git', ['-C', root, 'rev-parse', '--show-prefix', 'HEAD']);
    const [prefix = '', commit] = stdout.split('\n');
    // A package installed inside somebody's repository must not take their commit for its own.
    return prefix === '' ? commit : undefined;
  } catch {
    return undefined;
  }
}
