import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { IteraError } from '../core/errors.ts';
import { compareFacts, type RunFacts } from '../core/run-facts.ts';
import { replaceFile } from '../data/atomic-file.ts';
import { makeFolder } from '../data/folder-file.ts';
import { readWholeFile } from '../data/whole-file.ts';
import type { StageResult } from './stage.ts';

/** A stage's result and the seconds that it took. */
export interface KeptResult {
  readonly result: StageResult;
  readonly seconds: number;
}

/** Results of finished stages in a folder, so that an interrupted job can go on. */
export interface KeptStages {
  readonly dir: string;
  /** Whether there is nothing that another session could go on with. */
  readonly isEmpty: boolean;
  /** The result of an earlier session; undefined if there is none, it is damaged, or it rests on other inputs. */
  find(id: string, inputs: RunFacts): Promise<KeptResult | undefined>;
  /** Keeps a result, whole or not at all. Where that cannot be, the job goes on, and only resuming suffers. */
  keep(id: string, inputs: RunFacts, kept: KeptResult): Promise<void>;
  /** Removes all of it. */
  remove(): Promise<void>;
}

export interface KeptStagesOptions {
  /** Go on with what an earlier session kept. Otherwise it is replaced as soon as a stage of this one has ended. */
  readonly resume: boolean;
  /** Takes what should be known of it, in sentences. */
  readonly onNote?: (sentence: string) => void;
}

const format = 'itera-lite-kept-stages-1';

/**
 * Opens the folder that keeps the results of a job's stages. Nothing is written before the first of them.
 *
 * @param job - All that the numbers depend on, by readable names; results of another job are never taken.
 * @throws {@link IteraError} `CHECKPOINT_INVALID` with `resume` if the folder is that of another job, saying in what it differs.
 */
export async function openKeptStages(
  dir: string,
  job: RunFacts,
  { resume, onNote = () => undefined }: KeptStagesOptions,
): Promise<KeptStages> {
  const jobKey = hash(JSON.stringify(job));
  const headerPath = join(dir, 'job.json');
  const earlier = await readKept(headerPath);
  const isEarlier = resume && earlier.state === 'whole';
  if (isEarlier) refuseOtherJob(dir, earlier.content as RunFacts, job);
  if (!resume && earlier.state !== 'absent') {
    onNote(
      `An earlier run into this folder was not finished. Starting over; instead, Ctrl-C now and --resume go on with it.`,
    );
  } else if (resume && earlier.state === 'absent') {
    onNote(`Nothing to resume in ${dir}: starting from the beginning.`);
  } else if (resume && earlier.state === 'damaged') {
    onNote(`What the interrupted run kept in ${dir} is damaged: starting from the beginning.`);
  }
  let isBegun = isEarlier;
  let isTold = false;
  let isKept = isEarlier;
  const begin = async (): Promise<void> => {
    if (isBegun) return;
    await rm(dir, { recursive: true, force: true });
    await makeFolder(dir);
    await writeKept(headerPath, job);
    isBegun = true;
  };
  return {
    dir,
    get isEmpty() {
      return !isKept;
    },
    async find(id, inputs) {
      if (!isEarlier) return undefined;
      const paths = stagePaths(dir, id);
      const stored = await readKept(paths.result);
      if (stored.state === 'absent') return undefined;
      const found = stored.content as StoredStage | undefined;
      const file = found?.file === undefined ? undefined : await readHashed(paths.file, found.file);
      const isWhole = found?.id === id && found.jobKey === jobKey && (found.file === undefined || file !== undefined);
      if (!isWhole || JSON.stringify(found.inputs) !== JSON.stringify(inputs)) {
        const reason = isWhole ? 'it rests on something else than now' : 'it is damaged';
        onNote(`What was kept of ${id} is not used, because ${reason}; that stage is run again.`);
        return undefined;
      }
      return { result: { ...found.result, ...(file && { file }) }, seconds: found.seconds };
    },
    async keep(id, inputs, { result: { file, ...result }, seconds }) {
      const paths = stagePaths(dir, id);
      const stored: StoredStage = { id, jobKey, inputs, seconds, result, ...(file && { file: hash(file) }) };
      try {
        await begin();
        if (file) await replaceFile(paths.file, file);
        await writeKept(paths.result, stored);
        isKept = true;
      } catch (error) {
        if (!isTold)
          onNote(`Could not keep results in ${dir}, so --resume will not find them: ${(error as Error).message}`);
        isTold = true;
      }
    },
    async remove() {
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** What the file of a stage holds. */
interface StoredStage extends KeptResult {
  readonly id: string;
  /** Hash of the job. */
  readonly jobKey: string;
  readonly inputs: RunFacts;
  /** sha256 of the file that belongs to it. */
  readonly file?: string;
}

/** Readable, and of its own also for ids that differ only in what no file name may hold. */
function stagePaths(dir: string, id: string): { readonly result: string; readonly file: string } {
  const name = `${id.replaceAll(/[^A-Za-z0-9.-]+/g, '-').slice(0, 60)}-${hash(id).slice(0, 8)}`;
  return { result: join(dir, `${name}.json`), file: join(dir, `${name}.bin`) };
}

function refuseOtherJob(dir: string, before: RunFacts, now: RunFacts): void {
  const { names, text } = compareFacts(before, now);
  if (names.length === 0) return;
  throw new IteraError(
    'CHECKPOINT_INVALID',
    `Cannot resume from ${dir}: the interrupted run differs in ${text}. Give the same options as then, or leave out ` +
      '--resume to start over.',
    { dir, differences: names },
  );
}

/** The content of a file with a checksum. */
type Kept =
  | { readonly state: 'whole'; readonly content: unknown }
  | { readonly state: 'absent' | 'damaged'; readonly content?: undefined };

async function readKept(path: string): Promise<Kept> {
  try {
    const stored = JSON.parse(new TextDecoder().decode(await readWholeFile(path))) as Record<string, unknown>;
    const isWhole = stored['format'] === format && stored['sha256'] === hash(JSON.stringify(stored['content']));
    return isWhole ? { state: 'whole', content: stored['content'] } : { state: 'damaged' };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return { state: code === 'ENOENT' || code === 'ENOTDIR' ? 'absent' : 'damaged' };
  }
}

async function writeKept(path: string, content: object): Promise<void> {
  const text = JSON.stringify(content);
  await replaceFile(path, `{"format":"${format}","sha256":"${hash(text)}","content":${text}}\n`);
}

async function readHashed(path: string, sha256: string): Promise<Uint8Array | undefined> {
  const bytes = await readWholeFile(path).catch(() => undefined);
  return bytes && hash(bytes) === sha256 ? bytes : undefined;
}

const hash = (content: string | Uint8Array): string => createHash('sha256').update(content).digest('hex');
