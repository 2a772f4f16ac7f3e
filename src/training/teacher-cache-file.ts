import { createHash } from 'node:crypto';
import { type FileHandle, open, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { IteraError, throwIfAborted } from '../core/errors.ts';
import type { TokenizedDataset } from '../data/batches.ts';
import { cacheFolder } from '../data/cache-folder-file.ts';
import { makeFolder } from '../data/folder-file.ts';
import { withFolderLock } from '../data/folder-lock-file.ts';
import type { Teacher } from './teacher.ts';
import { encodeNats, type StoredPredictions, type TeacherPredictions } from './teacher-rows.ts';

/** What a teacher's predictions depend on besides the text. */
export interface TeacherIdentity {
  /** Of `config.json` and `model.safetensors`. */
  readonly sha256: string;
  readonly tokenizerSha256: string;
  /** Tokens of the tokenizer. */
  readonly vocabSize: number;
  /** K. */
  readonly topK: number;
  /** S: positions that are predicted together; each sees at least S tokens before it, or the whole text. */
  readonly stride: number;
}

export interface TeacherCacheOptions {
  /** Folder of the cache; default: `ITERA_CACHE_DIR`, else the user's cache folder. */
  readonly cacheDir?: string;
  readonly signal?: AbortSignal | undefined;
  /** Called as positions are predicted; not at all if all are in the cache. */
  readonly onProgress?: ((progress: { readonly done: number; readonly total: number }) => void) | undefined;
}

/** Predictions in a file; only what is read is ever in memory. */
export interface CachedPredictions extends TeacherPredictions {
  /** `hit`: all was in the cache; `built`: made or gone on with; `rebuilt`: made again from a damaged place on. */
  readonly status: 'hit' | 'built' | 'rebuilt';
  readonly path: string;
  close(): Promise<void>;
}

/** To be raised whenever the same teacher and text would give other bytes. */
const formatVersion = 1;
const headerBytes = 1024;
const checksumBytes = 32;
/** Strides of a block, the unit that is stored and checked; an interruption loses at most one. */
const blockStrides = 16;
/** Logits that a run of the teacher may make, to bound memory: 32 MiB. */
const maximumLogits = 2 ** 23;

/**
 * A teacher's predictions after every token of a text, from the cache if they are there whole. What an interrupted run
 * has made is gone on with. File: a header of 1,024 bytes, then blocks of 16 S positions, each followed by its sha256; a
 * position is K ids and K costs of 16 bits (ids above 16 bits take two, low half first).
 *
 * @param openTeacher - Loads the teacher, if it has to be asked.
 * @throws {@link IteraError} `OUTPUT_UNWRITABLE`, `ABORTED`, and what the teacher throws.
 */
export async function loadTeacherPredictions(
  source: TokenizedDataset,
  identity: TeacherIdentity,
  openTeacher: () => Promise<Teacher>,
  options: TeacherCacheOptions = {},
): Promise<CachedPredictions> {
  const layout = planFile(source, identity);
  const folder = join(cacheFolder(options.cacheDir), 'teacher', layout.key);
  const path = join(folder, 'predictions');
  let status: CachedPredictions['status'] = 'hit';
  // Another process may be making it at this moment.
  const make = async (): Promise<void> => {
    if (!(await isWhole(path, layout))) status = await completeFile(path, layout, source, openTeacher, options);
  };
  try {
    if (!(await isWhole(path, layout))) {
      await makeFolder(folder);
      await withFolderLock(folder, make, { signal: options.signal });
    }
    return await openPredictions(path, status, layout);
  } catch (cause) {
    if (cause instanceof IteraError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new IteraError(
      'OUTPUT_UNWRITABLE',
      `Could not keep the teacher's predictions in ${folder} (${reason}); they take ${layout.fileBytes} bytes. ` +
        'Make room, or name another folder with ITERA_CACHE_DIR.',
      { path: folder, bytes: layout.fileBytes },
      { cause },
    );
  }
}

/** Where everything in the file is. */
interface FileLayout {
  readonly key: string;
  readonly header: Buffer;
  readonly tokenCount: number;
  readonly identity: TeacherIdentity;
  /** 16-bit words of an id. */
  readonly idWords: number;
  readonly positionBytes: number;
  readonly blockPositions: number;
  readonly blockCount: number;
  readonly fileBytes: number;
}

function planFile({ tokens }: TokenizedDataset, identity: TeacherIdentity): FileLayout {
  const tokenBytes = new Uint8Array(tokens.buffer, tokens.byteOffset, tokens.byteLength);
  const facts = {
    format: `itera-lite-teacher-${formatVersion}`,
    ...identity,
    tokensSha256: createHash('sha256').update(tokenBytes).digest('hex'),
    tokenCount: tokens.length,
  };
  const text = JSON.stringify(facts);
  const header = Buffer.alloc(headerBytes, ' ');
  header.write(text, 'utf8');
  const idWords = identity.vocabSize <= 2 ** 16 ? 1 : 2;
  const positionBytes = 2 * identity.topK * (idWords + 1);
  const blockPositions = blockStrides * identity.stride;
  const blockCount = Math.ceil(tokens.length / blockPositions);
  return {
    key: createHash('sha256').update(text).digest('hex').slice(0, 32),
    header,
    tokenCount: tokens.length,
    identity,
    idWords,
    positionBytes,
    blockPositions,
    blockCount,
    fileBytes: headerBytes + tokens.length * positionBytes + blockCount * checksumBytes,
  };
}

const blockLength = ({ blockPositions, tokenCount }: FileLayout, block: number): number =>
  Math.min(blockPositions, tokenCount - block * blockPositions);

const blockOffset = ({ blockPositions, positionBytes }: FileLayout, block: number): number =>
  headerBytes + block * (blockPositions * positionBytes + checksumBytes);

/** Of a block at its place in this file: one from elsewhere does not pass. */
const checksum = ({ header }: FileLayout, block: number, content: Uint8Array): Buffer =>
  createHash('sha256').update(header).update(`${block}`).update(content).digest();

async function isWhole(path: string, layout: FileLayout): Promise<boolean> {
  const file = await openIfPresent(path, 'r');
  if (!file) return false;
  try {
    const { size } = await file.stat();
    return size === layout.fileBytes && (await countGoodBlocks(file, layout)) === layout.blockCount;
  } finally {
    await file.close();
  }
}

async function openIfPresent(path: string, flags: string): Promise<FileHandle | undefined> {
  return open(path, flags).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}

/** Blocks from the first on that are as they were written. */
async function countGoodBlocks(file: FileHandle, layout: FileLayout): Promise<number> {
  const header = await readBytes(file, 0, headerBytes);
  if (!header?.equals(layout.header)) return 0;
  for (let block = 0; block < layout.blockCount; block++) {
    const bytes = blockLength(layout, block) * layout.positionBytes;
    const stored = await readBytes(file, blockOffset(layout, block), bytes + checksumBytes);
    if (!stored) return block;
    if (!checksum(layout, block, stored.subarray(0, bytes)).equals(stored.subarray(bytes))) return block;
  }
  return layout.blockCount;
}

/** That many bytes of a file, or `undefined` if it ends before. */
async function readBytes(file: FileHandle, position: number, length: number): Promise<Buffer | undefined> {
  const buffer = Buffer.alloc(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await file.read(buffer, done, length - done, position + done);
    if (bytesRead === 0) return undefined;
    done += bytesRead;
  }
  return buffer;
}

/** Makes what is missing beside the file and then puts it into place. */
async function completeFile(
  path: string,
  layout: FileLayout,
  source: TokenizedDataset,
  openTeacher: () => Promise<Teacher>,
  { signal, onProgress }: TeacherCacheOptions,
): Promise<'built' | 'rebuilt'> {
  const partPath = `${path}.part`;
  const damaged = await stat(path).then(
    () => true,
    () => false,
  );
  // What is good of a damaged file need not be made again.
  if (damaged) await rename(path, partPath);
  const file = (await openIfPresent(partPath, 'r+')) ?? (await open(partPath, 'wx+'));
  try {
    const good = await countGoodBlocks(file, layout);
    await file.truncate(good === 0 ? 0 : blockOffset(layout, good - 1) + storedBytes(layout, good - 1));
    if (good === 0) await writeBytes(file, 0, layout.header);
    if (good < layout.blockCount) {
      const teacher = await openTeacher();
      try {
        for (let block = good; block < layout.blockCount; block++) {
          const content = await predictBlock(teacher, source, layout, block, signal);
          const stored = Buffer.concat([content, checksum(layout, block, content)]);
          await writeBytes(file, blockOffset(layout, block), stored);
          await file.datasync();
          const done = block * layout.blockPositions + blockLength(layout, block);
          onProgress?.({ done, total: layout.tokenCount });
        }
      } finally {
        await teacher.release();
      }
    }
  } finally {
    await file.close();
  }
  await rename(partPath, path);
  return damaged ? 'rebuilt' : 'built';
}

const storedBytes = (layout: FileLayout, block: number): number =>
  blockLength(layout, block) * layout.positionBytes + checksumBytes;

/** A single write to a full disk may store a part and report no error; going on with the rest then meets it. */
async function writeBytes(file: FileHandle, position: number, content: Uint8Array): Promise<void> {
  for (let done = 0; done < content.length; ) {
    done += (await file.write(content, done, content.length - done, position + done)).bytesWritten;
  }
}

/** A stretch of the text that the teacher reads, and how many of its last positions are wanted. */
interface Window {
  readonly start: number;
  readonly end: number;
  readonly keep: number;
}

async function predictBlock(
  teacher: Teacher,
  { tokens }: TokenizedDataset,
  layout: FileLayout,
  block: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const { stride, topK, vocabSize } = layout.identity;
  const first = block * layout.blockPositions;
  const end = first + blockLength(layout, block);
  const words = new Uint16Array(((end - first) * layout.positionBytes) / 2);
  const windows: Window[] = [];
  for (let at = first; at < end; at += stride) {
    const last = Math.min(at + stride, end);
    windows.push({ start: Math.max(0, last - 2 * stride), end: last, keep: last - at });
  }
  const limit = Math.max(1, Math.floor(maximumLogits / (stride * vocabSize)));
  let written = 0;
  for (const batch of batchAlike(windows, limit)) {
    throwIfStopped(signal);
    const keep = batch[0]?.keep ?? 0;
    const { ids, logProbs } = await teacher.predict(
      batch.map((window) => tokens.subarray(window.start, window.end)),
      keep,
    );
    for (let position = 0; position < batch.length * keep; position++) {
      for (let rank = 0; rank < topK; rank++) {
        const id = Number(ids[position * topK + rank]);
        words[written + rank * layout.idWords] = id & 0xffff;
        if (layout.idWords === 2) words[written + 2 * rank + 1] = id >>> 16;
        words[written + topK * layout.idWords + rank] = encodeNats(logProbs[position * topK + rank] as number);
      }
      written += topK * (layout.idWords + 1);
    }
  }
  return new Uint8Array(words.buffer);
}

/** Windows in their order, those of one size together. */
function batchAlike(windows: readonly Window[], limit: number): Window[][] {
  const batches: Window[][] = [];
  for (const window of windows) {
    const batch = batches.at(-1);
    const [head] = batch ?? [];
    const isAlike = head?.keep === window.keep && head.end - head.start === window.end - window.start;
    if (batch && isAlike && batch.length < limit) batch.push(window);
    else batches.push([window]);
  }
  return batches;
}

function throwIfStopped(signal: AbortSignal | undefined): void {
  try {
    throwIfAborted(signal);
  } catch (cause) {
    throw new IteraError(
      'ABORTED',
      'Stopped while the teacher predicted. What it has done is kept: give the same command again to go on.',
      {},
      { cause },
    );
  }
}

async function openPredictions(
  path: string,
  status: CachedPredictions['status'],
  layout: FileLayout,
): Promise<CachedPredictions> {
  const { topK } = layout.identity;
  const file = await open(path, 'r');
  return {
    tokenCount: layout.tokenCount,
    topK,
    status,
    path,
    async read(start, count) {
      const ids = layout.idWords === 1 ? new Uint16Array(count * topK) : new Uint32Array(count * topK);
      const found: StoredPredictions = { ids, costs: new Uint16Array(count * topK) };
      for (let done = 0; done < count; ) {
        const position = start + done;
        const block = Math.floor(position / layout.blockPositions);
        const within = position - block * layout.blockPositions;
        const taken = Math.min(count - done, layout.blockPositions - within);
        const offset = blockOffset(layout, block) + within * layout.positionBytes;
        const bytes = await readBytes(file, offset, taken * layout.positionBytes);
        if (!bytes) {
          throw new IteraError('FILE_CORRUPT', `Expected ${layout.fileBytes} bytes in ${path}, but it has shrunk.`, {
            path,
          });
        }
        unpack(bytes, layout, found, done);
        done += taken;
      }
      return found;
    },
    close: () => file.close(),
  };
}

function unpack(bytes: Buffer, { identity, idWords }: FileLayout, to: StoredPredictions, first: number): void {
  const { topK } = identity;
  const words = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
  const wordsEach = topK * (idWords + 1);
  for (let at = 0, out = first * topK; at < words.length; at += wordsEach) {
    for (let rank = 0; rank < topK; rank++, out++) {
      const low = words[at + rank * idWords] as number;
      to.ids[out] = idWords === 1 ? low : low + 2 ** 16 * (words[at + 2 * rank + 1] as number);
      to.costs[out] = words[at + topK * idWords + rank] as number;
    }
  }
}
