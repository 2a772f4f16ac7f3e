import { type FileHandle, open, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { IteraError } from '../core/errors.ts';
import type { TokenizedDataset } from '../data/batches.ts';
import { cacheFolder } from '../data/cache-folder-file.ts';
import { makeFolder } from '../data/folder-file.ts';
import { withFolderLock } from '../data/folder-lock-file.ts';
import type { Teacher } from './teacher.ts';
import { blockLength, predictBlock, type TeacherIdentity } from './teacher-block.ts';
import {
  blockOffset,
  checksum,
  checksumBytes,
  type FileLayout,
  headerBytes,
  planFile,
  storedBytes,
} from './teacher-layout-file.ts';
import { type CachedPredictions, openPredictions, readBytes } from './teacher-predictions-file.ts';

export interface TeacherCacheOptions {
  /** Folder of the cache; default: `ITERA_CACHE_DIR`, else the user's cache folder. */
  readonly cacheDir?: string;
  readonly signal?: AbortSignal | undefined;
  /** Called as positions are predicted; not at all if all are in the cache. */
  readonly onProgress?: ((progress: { readonly done: number; readonly total: number }) => void) | undefined;
}

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

/** A single write to a full disk may store a part and report no error; going on with the rest then meets it. */
async function writeBytes(file: FileHandle, position: number, content: Uint8Array): Promise<void> {
  for (let done = 0; done < content.length; ) {
    done += (await file.write(content, done, content.length - done, position + done)).bytesWritten;
  }
}
